//! `strait token`.

use crate::amount::{Among, Assets};
use crate::context::Context;
use crate::failure::Failure;
use crate::text::{self, one_line};
use clap::{Args, Subcommand, ValueEnum};
use strait_api::{Nothing, Scope, SpendLimit, SpendLimits, TokenCreate, TokenInfo, TokenRef};

/// Options of `strait token`.
#[derive(Args, Debug)]
#[command(
    after_help = "Examples:\n  strait token create shop --scope receive\n  strait token create bot --scope pay --per-day \"0.1 ether\" --expires-in 30d\n  strait token list\n  strait token revoke 3f2a"
)]
pub(crate) struct TokenArgs {
    #[command(subcommand)]
    command: TokenCommand,
}

#[derive(Subcommand, Debug)]
enum TokenCommand {
    /// Makes a token; its secret is shown once.
    #[command(
        after_help = "Examples:\n  strait token create shop --scope receive\n  strait token create bot --scope pay --per-day \"0.1 ether\" --per-channel \"20 USDC\" --expires-in 30d\n  STRAIT_TOKEN=$(strait token create ci --scope read --json | jq -r .secret)"
    )]
    Create(Create),
    /// Lists the tokens, without their secrets.
    #[command(after_help = "Example:\n  strait token list")]
    List,
    /// Ends a token at once.
    #[command(after_help = "Example:\n  strait token revoke 3f2a")]
    Revoke {
        /// Its id, as `strait token list` shows it, or its name, when only one has it.
        #[arg(value_name = "TOKEN")]
        which: String,
    },
}

#[derive(Args, Debug)]
struct Create {
    /// A name for people.
    name: String,
    /// What it allows; may stand several times.
    #[arg(long = "scope", required = true, value_enum)]
    scopes: Vec<ScopeName>,
    /// Most that it may spend per day (UTC), such as "0.1 ether"; once per asset.
    #[arg(long, value_name = "AMOUNT")]
    per_day: Vec<String>,
    /// Most that it may ever spend in one channel; once per asset.
    #[arg(long, value_name = "AMOUNT")]
    per_channel: Vec<String>,
    /// Ends by itself after this time, such as 24h or 30d [default: never].
    #[arg(long, value_parser = text::parse_duration, value_name = "TIME")]
    expires_in: Option<u64>,
    /// The chain on which the limits hold, by name or number; needed when the node has several. Nothing can be spent elsewhere.
    #[arg(long)]
    chain: Option<String>,
}

#[derive(Clone, Copy, PartialEq, Eq, Debug, ValueEnum)]
enum ScopeName {
    /// Look at channels, history and events.
    Read,
    /// Make invoices and claim locks.
    Receive,
    /// Pay, within the limits.
    Pay,
    /// Everything.
    Admin,
}

impl From<ScopeName> for Scope {
    fn from(name: ScopeName) -> Scope {
        match name {
            ScopeName::Read => Scope::Read,
            ScopeName::Receive => Scope::Receive,
            ScopeName::Pay => Scope::Pay,
            ScopeName::Admin => Scope::Admin,
        }
    }
}

/// Runs it.
///
/// # Errors
/// What the node says.
pub(crate) async fn run(context: &Context, args: TokenArgs) -> Result<(), Failure> {
    match args.command {
        TokenCommand::Create(args) => create(context, args).await,
        TokenCommand::List => list(context).await,
        TokenCommand::Revoke { which } => revoke(context, &which).await,
    }
}

async fn revoke(context: &Context, text: &str) -> Result<(), Failure> {
    let tokens = context.api.token_list(Nothing {}).await?.tokens;
    let mut named = tokens.iter().filter(|token| token.name == text);
    let token = match (tokens.iter().find(|token| token.id == text), named.next(), named.next()) {
        (Some(token), ..) | (None, Some(token), None) => token,
        (None, Some(_), Some(_)) => {
            return Err(Failure::usage(format!("several tokens have the name '{text}'"))
                .hint("name one by its id; `strait token list` shows them"));
        }
        (None, None, _) => {
            return Err(Failure::usage(format!("no token has the id or name '{text}'"))
                .hint("`strait token list` shows what there is"));
        }
    };
    let done = context.api.token_revoke(TokenRef { id: token.id.clone() }).await?;
    context.out.result(&done, |_| format!("token {} ('{}') is revoked", token.id, one_line(&token.name)))
}

async fn create(context: &Context, args: Create) -> Result<(), Failure> {
    let is_limited = !args.per_day.is_empty() || !args.per_channel.is_empty();
    let has = |wanted: ScopeName| args.scopes.contains(&wanted);
    if is_limited && (has(ScopeName::Admin) || !has(ScopeName::Pay)) {
        let message = "limits are for tokens that pay; an admin, who can make tokens, is held by none";
        return Err(Failure::usage(message)
            .hint("write --scope pay for a token with limits, or leave out --per-day and --per-channel"));
    }
    let limits = SpendLimits {
        per_channel: amounts(context, &args.per_channel, args.chain.as_deref()).await?,
        per_day: amounts(context, &args.per_day, args.chain.as_deref()).await?,
    };
    let scopes = args.scopes.into_iter().map(Scope::from).collect();
    let request = TokenCreate { name: args.name, scopes, limits, expires_in: args.expires_in };
    let is_limited = request.limits != SpendLimits::default();
    let made = context.api.token_create(request).await?;
    let assets = if is_limited { Some(context.assets().await?) } else { None };
    context.out.result(&made, |out| {
        let mut pairs = vec![("token", made.secret.clone()), ("id", made.info.id.clone())];
        pairs.push(("scopes", scopes_text(&made.info)));
        pairs.extend(assets.map(|assets| ("limits", limits_text(&made.info, assets))));
        pairs.extend(made.info.expires.map(|expires| ("expires", text::time(expires))));
        out.pairs(&pairs)
    })?;
    context.out.note("keep the token now: it is not shown again");
    Ok(())
}

async fn amounts(
    context: &Context,
    texts: &[String],
    chain: Option<&str>,
) -> Result<Vec<SpendLimit>, Failure> {
    if texts.is_empty() {
        return Ok(Vec::new());
    }
    let assets = context.assets().await?;
    let chain_id = assets.chain(chain)?;
    let read = |text: &String| {
        let read = assets.read(text, &Among::chain(Some(chain_id)))?;
        Ok(SpendLimit { chain_id, asset: read.asset, amount: read.amount })
    };
    texts.iter().map(read).collect()
}

fn scopes_text(info: &TokenInfo) -> String {
    let name = |scope: &Scope| match scope {
        Scope::Read => "read",
        Scope::Receive => "receive",
        Scope::Pay => "pay",
        Scope::Admin => "admin",
    };
    info.scopes.iter().map(name).collect::<Vec<_>>().join(", ")
}

/// Such as `12.5 USDC a day on mainnet`.
fn limits_text(info: &TokenInfo, assets: &Assets) -> String {
    let write = |limit: &SpendLimit, per: &str| {
        let SpendLimit { chain_id, asset, amount } = limit;
        format!("{} {per} on {}", assets.write(*chain_id, *asset, *amount), assets.chain_name(*chain_id))
    };
    let per_channel = info.limits.per_channel.iter().map(|limit| write(limit, "a channel"));
    let per_day = info.limits.per_day.iter().map(|limit| write(limit, "a day"));
    let texts: Vec<_> = per_channel.chain(per_day).collect();
    if texts.is_empty() { "none".to_owned() } else { texts.join(", ") }
}

async fn list(context: &Context) -> Result<(), Failure> {
    let tokens = context.api.token_list(Nothing {}).await?;
    let assets = context.assets().await?;
    context.out.result(&tokens, |out| {
        let rows = tokens.tokens.iter().map(|token| {
            vec![
                token.id.clone(),
                token.name.clone(),
                scopes_text(token),
                limits_text(token, assets),
                text::time(token.created),
                token.expires.map_or_else(|| "never".into(), text::time),
            ]
        });
        out.table(&["ID", "NAME", "SCOPES", "LIMITS", "CREATED", "EXPIRES"], rows)
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::failure::Exit;
    use crate::testing::{Fake, MAINNET, USDC};
    use clap::Parser;
    use serde_json::json;

    #[derive(Parser)]
    struct Line {
        #[command(flatten)]
        token: TokenArgs,
    }

    #[tokio::test]
    async fn limits_are_exact_and_the_secret_is_shown_once() {
        let (context, seen) = Fake::new(false)
            .on("strait_token_create", |asked| {
                Ok(json!({"secret": "strait_s3cret", "info": {
                    "id": "3f2a", "name": asked["name"], "scopes": asked["scopes"], "limits": asked["limits"],
                    "created": 1, "expires": 86_401,
                }}))
            })
            .start();
        let line = "token create bot --scope pay --per-day 12.5_USDC --expires-in 24h --chain mainnet";
        let words = line.split(' ').map(|word| word.replace('_', " "));
        run(&context, Line::parse_from(words).token).await.expect("made");
        let asked = &seen.asked("strait_token_create")[0];
        assert_eq!(
            asked["limits"]["per_day"],
            json!([{"chain_id": MAINNET, "asset": USDC, "amount": "12500000"}])
        );
        assert_eq!((&asked["expires_in"], &asked["scopes"]), (&json!(86_400), &json!(["pay"])));
        let text = seen.text();
        for part in ["strait_s3cret", "12.5 USDC a day on mainnet"] {
            assert!(text.contains(part), "{part} is missing in {text}");
        }
        assert!(!text.contains("not shown again") && seen.notes().contains("not shown again"), "{text}");
    }

    #[tokio::test]
    async fn a_token_is_revoked_by_its_id_or_its_only_name() {
        let token = |id: &str, name: &str| {
            json!({"id": id, "name": name, "scopes": ["read"], "limits": {"per_channel": [], "per_day": []},
                "created": 1, "expires": null})
        };
        let listed = json!({"tokens": [token("3f2a", "shop"), token("77aa", "bot"), token("88bb", "bot"), token("99cc", "3f2a")]});
        for (text, revoked) in [
            ("3f2a", Some("3f2a")),
            ("shop", Some("3f2a")),
            ("77aa", Some("77aa")),
            ("bot", None),
            ("x", None),
        ] {
            let listed = listed.clone();
            let (context, seen) = Fake::new(false)
                .on("strait_token_list", move |_| Ok(listed.clone()))
                .on("strait_token_revoke", |_| Ok(json!({})))
                .start();
            let done = run(&context, Line::parse_from(["token", "revoke", text]).token).await;
            let asked: Vec<_> =
                seen.asked("strait_token_revoke").iter().map(|asked| asked["id"].clone()).collect();
            assert_eq!(asked, revoked.map(|id| json!(id)).into_iter().collect::<Vec<_>>(), "{text}");
            assert_eq!(done.is_ok(), revoked.is_some(), "{text}");
        }
    }

    #[tokio::test]
    async fn a_limit_of_a_node_with_several_chains_names_one() {
        let context = Fake::new(false).context();
        let line = "token create bot --scope pay --per-day 1_ether";
        let words = line.split(' ').map(|word| word.replace('_', " "));
        let failure = run(&context, Line::parse_from(words).token).await.expect_err("which one?");
        assert_eq!(failure.exit(), Exit::Usage);
        assert!(failure.to_string().contains("several chains"), "{failure}");
    }

    #[tokio::test]
    async fn limits_that_hold_nobody_are_refused_in_the_words_of_the_command_line() {
        for scopes in ["--scope admin", "--scope read", "--scope pay --scope admin"] {
            let context = Fake::new(false).context();
            let line = format!("token create bot {scopes} --per-day 1_ether --chain mainnet");
            let words = line.split(' ').map(|word| word.replace('_', " "));
            let failure = run(&context, Line::parse_from(words).token).await.expect_err("no limit for it");
            assert_eq!(failure.exit(), Exit::Usage);
            assert!(failure.render(false, false).contains("--scope pay"), "{failure}");
        }
    }
}
