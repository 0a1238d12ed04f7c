//! The way to a running node.

use crate::command::Global;
use crate::context::Context;
use crate::failure::Failure;
use crate::output::{Output, note};
use std::fs;
use std::io::ErrorKind;
use std::sync::Arc;
use strait::{Client, ClientConfig, Connection, ErrorCode};
use strait_node::config::{CONFIG_FILE, Layers, Loaded, admin_token_file};

/// Where a node's API is by default.
const DEFAULT_URL: &str = "127.0.0.1:4041";

/// Reaches the node.
///
/// # Errors
/// When none answers, or it does not take the token.
pub(crate) async fn connect(global: &Global) -> Result<Context, Failure> {
    let url = url(global)?;
    let token = token(global)?;
    let mut config = ClientConfig::new(&url, token.as_deref().unwrap_or_default());
    let json = global.json;
    config.on_connection = Some(Arc::new(move |connection| match connection {
        Connection::Lost(error) => note(json, &format!("{error}; trying again until the node is back")),
        Connection::Restored => note(json, "the node is back"),
    }));
    let client = Client::with(config).await.map_err(|error| {
        match (error.code, &token) {
            (ErrorCode::NodeUnreachable, _) => Failure::from(error).hint(
                "start the node with `strait node`; if it runs elsewhere, say where with --url or STRAIT_URL",
            ),
            (ErrorCode::Unauthorized, None) => Failure::from(error).hint(
                "the node writes a token to admin.token in its home: say where that is with --home, or give one with --token",
            ),
            _ => Failure::from(error),
        }
    })?;
    Ok(Context::new(Arc::new(client.clone()), Arc::new(client), Output::new(global.json)))
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
