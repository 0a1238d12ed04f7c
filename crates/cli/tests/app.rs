//! The real binary: a new app, from nothing to a play.

use serde_json::{Value, json};
use std::fs;
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};
use tempfile::TempDir;

fn strait(directory: &Path, words: &[&str]) -> Output {
    let mut command = Command::new(env!("CARGO_BIN_EXE_strait"));
    command.args(words).env_clear().env("HOME", directory).current_dir(directory).output().expect("it starts")
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8(bytes.to_vec()).expect("text")
}

/// The project `my-game`.
fn project(home: &TempDir) -> PathBuf {
    let made = strait(home.path(), &["app", "new", "my-game"]);
    assert!(made.status.success(), "{}", text(&made.stderr));
    home.path().join("my-game")
}

#[test]
fn a_new_app_is_fit_and_plays() {
    let home = TempDir::new().expect("a directory");
    let project = project(&home);
    let checked = strait(&project, &["app", "check", "artifact.json", "--json"]);
    let checked: Value = serde_json::from_slice(&checked.stdout).expect("JSON");
    assert!(checked["bytes"].as_u64().is_some_and(|bytes| bytes > 500), "{checked}");
    let played = strait(&project, &["app", "run", "artifact.json", "play.json", "--json"]);
    assert!(played.status.success(), "{}", text(&played.stderr));
    let played: Value = serde_json::from_slice(&played.stdout).expect("JSON");
    let last = &played["steps"][3];
    assert_eq!(last["fields"], json!({"stake": "100", "sticks": "0"}));
    assert!(
        last["data"].as_str().is_some_and(|data| data.starts_with("0x") && data.len() == 2 + 128),
        "{last}"
    );
    assert_eq!(last["if_nobody_moves"], json!([["100", "-100"]]));
}

#[test]
fn a_refused_move_says_why() {
    let home = TempDir::new().expect("a directory");
    let project = project(&home);
    let play = fs::read_to_string(project.join("play.json")).expect("written");
    fs::write(project.join("greedy.json"), play.replace("[100, 2]", "[100, 3]")).expect("written");
    let played = strait(&project, &["app", "run", "artifact.json", "greedy.json"]);
    assert_eq!(played.status.code(), Some(1));
    assert!(text(&played.stdout).contains("refused: validTransition reverted: TakeOneToThree(3, 3)"));
}

#[test]
fn the_project_has_its_own_names_and_overwrites_nothing() {
    let home = TempDir::new().expect("a directory");
    let project = project(&home);
    let again = strait(home.path(), &["app", "new", "my-game"]);
    assert_eq!(again.status.code(), Some(2));
    assert!(text(&again.stderr).contains("is there already"));
    for file in
        ["contracts/MyGame.sol", "src/lib.rs", "tests/rules.rs", "build.mjs", "Cargo.toml", "README.md"]
    {
        let text = fs::read_to_string(project.join(file)).expect("written");
        for foreign in ["Sticks", "@NAME@", "@CONTRACT@", "@STRAIT@", "../interfaces", "strait_examples"] {
            assert!(!text.contains(foreign), "{file} has {foreign}");
        }
    }
    let elsewhere = strait(home.path(), &["app", "new", "other", "--strait", "/nowhere"]);
    assert_eq!(elsewhere.status.code(), Some(2));
    assert!(!home.path().join("other").exists());
}

/// So that the code that is delivered is that of the contract that is delivered.
#[test]
fn the_projects_own_build_gives_the_artifact_that_came_with_it() {
    let home = TempDir::new().expect("a directory");
    let project = project(&home);
    let modules = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../contracts/node_modules");
    assert!(
        modules.join("solc").exists(),
        "solc is not installed; run: (cd contracts && npm ci --ignore-scripts --no-audit --no-fund)"
    );
    symlink(modules.canonicalize().expect("a path"), project.join("node_modules")).expect("linked");
    let delivered = fs::read_to_string(project.join("artifact.json")).expect("written");
    fs::remove_file(project.join("artifact.json")).expect("removed");
    let built = Command::new("node").arg("build.mjs").current_dir(&project).output().expect("node starts");
    assert!(built.status.success(), "{}", text(&built.stderr));
    assert!(
        fs::read_to_string(project.join("artifact.json")).expect("built") == delivered,
        "another artifact"
    );
}

#[test]
fn what_is_no_app_is_refused_in_words() {
    let home = TempDir::new().expect("a directory");
    let check = |artifact: &Value| {
        fs::write(home.path().join("a.json"), artifact.to_string()).expect("written");
        let checked = strait(home.path(), &["app", "check", "a.json"]);
        assert_eq!(checked.status.code(), Some(2));
        text(&checked.stderr)
    };
    assert!(check(&json!({ "deployedBytecode": "0x5f42" })).contains("TIMESTAMP (0x42) at byte 1"));
    assert!(check(&json!({})).contains("no `deployedBytecode`"));
}
