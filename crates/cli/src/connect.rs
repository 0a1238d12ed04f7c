//! The way to a running node.

use crate::command::Global;
use crate::context::Context;
use crate::failure::Failure;
use crate::output::{Output, tell};
use crate::slow::Slow;
use crate::text::printable;
use std::fs;
use std::io::ErrorKind;
use std::sync::Arc;
use strait::{Client, ClientConfig, Connection, ErrorCode};
use strait_api::{Exceeded, Remote};
use strait_node::config::{CONFIG_FILE, Layers, Loaded, admin_token_file};
use strait_node::daemon::running_tower;

/// Where a node's API is by default.
const DEFAULT_URL: &str = "127.0.0.1:4041";

/// Reaches the node.
///
/// # Errors
/// When none answers, or it does not take the token.
pub(crate) async fn connect(global: &Global) -> Result<Context, Failure> {
    refuse_missing(global)?;
    refuse_tower(global)?;
    let url = url(global)?;
    let token = token(global)?;
    let mut config = ClientConfig::new(&url, token.as_deref().unwrap_or_default());
    let json = global.json;
    config.on_connection = Some(Arc::new(move |connection| match connection {
        _ if json => {}
        Connection::Lost(error) => tell(&printable(&format!("{error}; trying again until the node is back"))),
        Connection::Restored => tell("the node is back"),
    }));
    let client = Client::with(config).await.map_err(|error| {
        match (error.code, &token) {
            (ErrorCode::NodeUnreachable, _) => Failure::from(error).hint(
                "start the node with `strait node`; if it runs elsewhere, say where with --url or STRAIT_URL",
            ),
            (ErrorCode::Unauthorized, None) => Failure::from(error).hint(
                "the node writes a token to admin.token in its home: say where that is with --home, or give one with --token",
            ),
            (ErrorCode::Unauthorized | ErrorCode::TokenExpired, Some(_)) => {
                Failure::from(error).hint(token_hint(global))
            }
            _ => Failure::from(error),
        }
    })?;
    let say = move |text: &str| {
        if !json {
            tell(&printable(text));
        }
    };
    let api = Arc::new(Remote(Slow { calls: client.clone(), say }));
    let mut context = Context::new(api, Arc::new(client), Output::new(global.json));
    context.home = global.home().ok();
    Ok(context)
}

/// A tower has no API, and the node at the default address is another one's.
fn refuse_tower(global: &Global) -> Result<(), Failure> {
    let Some(home) = global.home().ok().filter(|_| global.url.is_none()) else { return Ok(()) };
    let Some(tower) = running_tower(&home) else { return Ok(()) };
    let clients = if tower.clients.is_empty() { "nobody yet".to_owned() } else { tower.clients.join(", ") };
    let figures = tower.metrics.map_or_else(|| "off".to_owned(), |at| format!("http://{at}/metrics"));
    Err(Failure::usage(format!(
        "a tower runs in {}, no node: {}; it serves {clients}; its figures: {figures}",
        home.display(),
        tower.addresses.join(", ")
    ))
    .hint("`strait doctor` with this home looks at the tower; its clients ask their own nodes with `strait tower list`"))
}

/// Without a home that was asked for, nothing says which node is meant: the one at the default address may be another.
fn refuse_missing(global: &Global) -> Result<(), Failure> {
    match &global.home {
        Some(home) if !home.is_dir() && (global.url.is_none() || global.token.is_none()) => {
            Err(Failure::usage(format!("there is no home directory {}", home.display())).hint(
                "correct --home or STRAIT_HOME; `strait init` makes a home, --url with --token needs none",
            ))
        }
        _ => Ok(()),
    }
}

/// What a node answered, in the terms of the command line: amounts as people write them, and where the token came from.
pub(crate) async fn explained(global: &Global, context: &Context, failure: Failure) -> Failure {
    if failure.is_of_token() {
        return failure.hint(token_hint(global));
    }
    let Some(exceeded) = failure.exceeded() else { return failure };
    // A token that may not ask for the names is told in the smallest unit.
    let Ok(assets) = context.assets().await else { return failure };
    let Exceeded { chain_id, asset, is_daily, limit, spent, asked } = exceeded;
    let write = |amount| assets.write(*chain_id, *asset, amount);
    let per = if *is_daily { "a day (UTC)" } else { "over this channel" };
    let message = format!(
        "this token may spend {} {per}; {} are spent or reserved, {} were asked for",
        write(*limit),
        write(*spent),
        write(*asked)
    );
    failure.in_words(message)
}

/// What to do about a token that the node does not take.
fn token_hint(global: &Global) -> String {
    if global.token.is_some() {
        return "the token is the one of --token or STRAIT_TOKEN: leave both out to use admin.token of the home, or make another with `strait token create`".to_owned();
    }
    let place = match global.home() {
        Ok(home) => admin_token_file(&home).display().to_string(),
        Err(_) => "admin.token".to_owned(),
    };
    format!(
        "the token is the one of {place}: say with --home where the node's own home is, or with --url which node is meant"
    )
}

fn url(global: &Global) -> Result<String, Failure> {
    let url = match &global.url {
        Some(url) => url.clone(),
        None => configured(global)?.unwrap_or_else(|| DEFAULT_URL.to_owned()),
    };
    Ok(if url.contains("://") { url } else { format!("http://{url}") })
}

/// Where the configuration of the home directory has the API; a node elsewhere needs none. With a mistake in it, the node
/// at the default address may be another one.
fn configured(global: &Global) -> Result<Option<String>, Failure> {
    let Ok(home) = global.home() else { return Ok(None) };
    if !home.join(CONFIG_FILE).exists() {
        return Ok(None);
    }
    let layers = Layers { home, file: None, env: std::env::vars().collect(), flags: Vec::new() };
    let loaded = Loaded::load(&layers).map_err(|error| {
        Failure::usage(error).hint("correct the configuration, or say where the node is with --url")
    })?;
    let api = loaded.config.node.api;
    let is_any = api.ip().is_unspecified();
    Ok(Some(if is_any { format!("127.0.0.1:{}", api.port()) } else { api.to_string() }))
}

/// The token; none when nobody gave one and the home has none.
fn token(global: &Global) -> Result<Option<String>, Failure> {
    if let Some(token) = &global.token {
        return Ok(Some(token.clone()));
    }
    let path = admin_token_file(&global.home()?);
    match fs::read_to_string(&path) {
        Ok(token) => Ok(Some(token.trim().to_owned())),
        Err(error) if error.kind() == ErrorKind::NotFound => Ok(None),
        Err(error) => Err(Failure::local(format!("{} cannot be read: {error}", path.display()))
            .hint("run as the node's user, or give a token with --token")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::{Fake, MAINNET, USDC};
    use strait_api::ApiError;
    use strait_types::Amount;

    fn global(token: Option<&str>) -> Global {
        let home = Some("/srv/store".into());
        Global { home, url: None, token: token.map(str::to_owned), json: false }
    }

    #[tokio::test]
    async fn a_limit_is_told_in_the_units_of_people() {
        let amount = |units: u64| Amount::from(units);
        let exceeded = Exceeded {
            chain_id: MAINNET,
            asset: USDC,
            is_daily: true,
            limit: amount(2_000_000),
            spent: amount(1_500_000),
            asked: amount(600_000),
        };
        let error = ApiError::new(ErrorCode::SpendLimit, "2000000 a day").exceeded(exceeded);
        let told = explained(&global(None), &Fake::new(false).context(), error.into()).await.to_string();
        assert!(told.contains("2 USDC a day") && told.contains("0.6 USDC were asked for"), "{told}");
        assert!(!told.contains("000"), "{told}");
    }

    #[test]
    fn a_home_that_is_not_there_is_named() {
        let mistyped = global(None);
        let told = refuse_missing(&mistyped).expect_err("no such directory").render(false, false);
        assert!(told.contains("/srv/store") && told.contains("--home"), "{told}");
        let url = Some("127.0.0.1:4041".to_owned());
        refuse_missing(&Global { url, ..global(Some("x")) }).expect("all is said without it");
    }

    #[tokio::test]
    async fn a_token_that_is_not_taken_is_told_by_where_it_came_from() {
        let refused = || Failure::from(ApiError::new(ErrorCode::Unauthorized, "the token is not known"));
        let context = Fake::new(false).context();
        let told = explained(&global(Some("x")), &context, refused()).await.render(false, false);
        assert!(told.contains("--token or STRAIT_TOKEN"), "{told}");
        let told = explained(&global(None), &context, refused()).await.render(false, false);
        assert!(told.contains("/srv/store/admin.token"), "{told}");
    }
}
