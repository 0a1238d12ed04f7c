//! `strait app new`.

use crate::failure::Failure;
use crate::output::Output;
use clap::Args;
use serde_json::json;
use std::fs;
use std::io::ErrorKind;
use std::path::{Path, PathBuf};

/// Options of `strait app new`.
#[derive(Args, Debug)]
#[command(
    after_help = "Examples:\n  strait app new my-game\n  strait app new my-game --path ~/games/mine --strait ~/src/strait\n\nThen: cd my-game && cargo test. The contract comes compiled; after a change: npm install (once), npm run build."
)]
pub(crate) struct NewArgs {
    /// Its name: small letters, digits and hyphens.
    #[arg(value_parser = name)]
    name: Name,
    /// Directory to be made [default: ./NAME].
    #[arg(long, value_name = "DIR")]
    path: Option<PathBuf>,
    /// A checkout of Strait, whose crates the project uses [default: the one that this binary was built in].
    #[arg(long, value_name = "DIR")]
    strait: Option<PathBuf>,
}

/// A name that is one in Rust, Solidity and npm.
#[derive(Clone, Debug)]
struct Name(String);

/// Words of Rust and Solidity, crates, and what the project's own code is called.
const TAKEN: &str = "as async await box break const continue crate dyn else enum extern false fn for gen if impl in let loop \
    macro match mod move mut pub ref return self static struct super trait true try type typeof union unsafe use where while \
    yield abstract become do final override priv unsized virtual contract library interface event error mapping state types \
    iapp heap take start code test core std alloc illegal";

fn name(text: &str) -> Result<Name, String> {
    let mut parts = text.split('-');
    let is_part = |part: &str| {
        part.starts_with(|first: char| first.is_ascii_lowercase())
            && part.chars().all(|other| other.is_ascii_lowercase() || other.is_ascii_digit())
    };
    if !parts.all(is_part) || text.len() > 40 {
        return Err("a name begins with a small letter, has small letters, digits and single hyphens, such as `my-game`".into());
    }
    let is_taken = TAKEN.split(' ').any(|taken| taken == text);
    if is_taken || text == "strait" || text.starts_with("strait-") {
        return Err(format!(
            "`{text}` means something else in Rust, Solidity or Strait; choose another name, such as `my-{text}`"
        ));
    }
    Ok(Name(text.to_owned()))
}

impl Name {
    /// As a crate is imported.
    fn snake(&self) -> String {
        self.0.replace('-', "_")
    }

    /// As a contract and a type.
    fn camel(&self) -> String {
        let capital = |part: &str| {
            let (first, rest) = part.split_at(part.len().min(1));
            first.to_uppercase() + rest
        };
        self.0.split('-').map(capital).collect()
    }
}

/// Writes the project.
///
/// # Errors
/// When the directory is there already, or nothing can be written.
pub(crate) fn run(args: &NewArgs, out: &Output) -> Result<(), Failure> {
    let directory = args.path.clone().unwrap_or_else(|| PathBuf::from(&args.name.0));
    let strait = strait(args.strait.as_deref())?;
    let files = files(&args.name, &strait);
    fs::create_dir(&directory).map_err(|error| match error.kind() {
        ErrorKind::AlreadyExists => {
            Failure::usage(format!("{} is there already", directory.display())).hint("choose another --path")
        }
        _ => Failure::local(format!("{} can't be made: {error}", directory.display())),
    })?;
    for (path, text) in &files {
        write(&directory.join(path), text)?;
    }
    // The versions with which Strait was built and tested.
    fs::copy(strait.join("Cargo.lock"), directory.join("Cargo.lock")).map_err(Failure::local)?;
    let paths: Vec<&str> = files.iter().map(|(path, _)| path.as_str()).collect();
    let shown = directory.display();
    out.result(&json!({ "directory": directory, "files": paths }), |_| {
        format!("Wrote {shown}: {}.", paths.join(", "))
    })?;
    out.note(&format!("Next: cd {shown} && cargo test"));
    Ok(())
}

fn write(path: &Path, text: &str) -> Result<(), Failure> {
    let written = path.parent().map_or(Ok(()), fs::create_dir_all).and_then(|()| fs::write(path, text));
    written.map_err(|error| Failure::local(format!("{} can't be written: {error}", path.display())))
}

/// The checkout.
fn strait(given: Option<&Path>) -> Result<PathBuf, Failure> {
    let built_in = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..");
    let checkout = given.map_or(built_in, Path::to_path_buf);
    let found =
        checkout.canonicalize().ok().filter(|checkout| checkout.join("crates/app/Cargo.toml").is_file());
    found.ok_or_else(|| {
        Failure::usage(format!("{} is no checkout of Strait", checkout.display()))
            .hint("say where one is with --strait DIR")
    })
}

/// The files of the project: those of an example that is tested in the repository, under the project's own names.
fn files(name: &Name, strait: &Path) -> Vec<(String, String)> {
    let (snake, camel) = (name.snake(), name.camel());
    let named = |text: &str| text.replace("Sticks", &camel);
    let contract = named(include_str!("../../../../contracts/src/examples/Sticks.sol"))
        .replace("\"../interfaces/", "\"./strait/");
    let client = named(include_str!("../../../../examples/src/sticks.rs"))
        .replace(&format!("../../contracts/artifacts/{camel}.json"), "../artifact.json")
        .replace(&format!("//! {camel}: each"), &format!("//! {}: each", name.0));
    let test = named(include_str!("../../../../examples/tests/sticks.rs"))
        .replace("strait_examples::sticks", &snake);
    let filled = |text: &str| {
        text.replace("@NAME@", &name.0)
            .replace("@CONTRACT@", &camel)
            .replace("@STRAIT@", &strait.display().to_string().replace('\\', "/"))
    };
    // As its own build writes it.
    let artifact = include_str!("../../../../contracts/artifacts/Sticks.json").replacen(
        '{',
        &format!("{{\"contractName\":\"{camel}\","),
        1,
    );
    vec![
        (format!("contracts/{camel}.sol"), contract),
        (
            "contracts/strait/IApp.sol".into(),
            include_str!("../../../../contracts/src/interfaces/IApp.sol").into(),
        ),
        (
            "contracts/strait/Types.sol".into(),
            include_str!("../../../../contracts/src/interfaces/Types.sol").into(),
        ),
        ("artifact.json".into(), artifact),
        ("build.mjs".into(), filled(include_str!("template/build.mjs"))),
        ("package.json".into(), filled(include_str!("template/package.json"))),
        ("Cargo.toml".into(), filled(include_str!("template/Cargo.toml.txt"))),
        ("src/lib.rs".into(), client),
        ("tests/rules.rs".into(), test),
        ("play.json".into(), include_str!("template/play.json").into()),
        ("README.md".into(), filled(include_str!("template/README.md"))),
        (".gitignore".into(), "/target\nnode_modules\n".into()),
    ]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_fit_all_languages() {
        let game = name("my-game2").expect("a name");
        assert_eq!((game.snake().as_str(), game.camel().as_str()), ("my_game2", "MyGame2"));
        for wrong in ["", "My", "my_game", "-a", "a-", "a--b", "2d", "a-2", "strait", "g\u{e4}me", "../a"] {
            assert!(name(wrong).is_err(), "{wrong}");
        }
    }
}
