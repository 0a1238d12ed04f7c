//! What the commands share: the node, what it calls its assets, and where to print.

use crate::amount::Assets;
use crate::failure::Failure;
use crate::output::Output;
use std::path::PathBuf;
use std::sync::Arc;
use strait_api::{Api, ChannelInfo, ChannelList, ChannelRef, Nothing, Subscribe};
use strait_types::{Address, B256, ChannelId};
use tokio::sync::OnceCell;

/// Fewest hex digits of a shortened id.
const FEWEST_DIGITS: usize = 4;

/// A running node and the way to print.
pub(crate) struct Context {
    /// The node.
    pub(crate) api: Arc<dyn Api>,
    /// Its events.
    pub(crate) events: Arc<dyn Subscribe>,
    /// Where to print.
    pub(crate) out: Output,
    /// The home directory of this command, where there is one.
    pub(crate) home: Option<PathBuf>,
    assets: OnceCell<Assets>,
}

impl Context {
    /// Over a node.
    pub(crate) fn new(api: Arc<dyn Api>, events: Arc<dyn Subscribe>, out: Output) -> Context {
        Context { api, events, out, home: None, assets: OnceCell::new() }
    }

    /// The node's assets and chains, asked for once.
    ///
    /// # Errors
    /// When the node does not answer.
    pub(crate) async fn assets(&self) -> Result<&Assets, Failure> {
        self.assets
            .get_or_try_init(|| async { Ok(Assets::new(&self.api.node_info(Nothing {}).await?)) })
            .await
    }

    /// A channel by its id, or by its first digits.
    ///
    /// # Errors
    /// When none or several begin so.
    pub(crate) async fn channel(&self, text: &str) -> Result<ChannelInfo, Failure> {
        if let Ok(id) = text.parse::<B256>() {
            return Ok(self.api.channel_show(ChannelRef { channel: ChannelId(id) }).await?);
        }
        if !is_prefix(text) {
            return Err(no_id("channel", text));
        }
        let channels = self.all_channels(ChannelList::default()).await?;
        pick("channel", text, channels, |channel| channel.channel.to_string())
    }

    /// All pages of a list of channels.
    ///
    /// # Errors
    /// When the node does not answer.
    pub(crate) async fn all_channels(&self, mut query: ChannelList) -> Result<Vec<ChannelInfo>, Failure> {
        let mut channels = Vec::new();
        query.limit = Some(1_000);
        loop {
            let page = self.api.channel_list(query.clone()).await?;
            channels.extend(page.channels);
            match page.next {
                Some(next) => query.cursor = Some(next),
                None => return Ok(channels),
            }
        }
    }

    /// The signer of a peer: its address, `strait://SIGNER@HOST:PORT`, or the first digits of one that the node knows.
    ///
    /// # Errors
    /// When none or several begin so.
    pub(crate) async fn signer(&self, text: &str) -> Result<Address, Failure> {
        let text = text.strip_prefix("strait://").map_or(text, |rest| rest.split('@').next().unwrap_or(rest));
        if let Ok(signer) = text.parse() {
            return Ok(signer);
        }
        if !is_prefix(text) {
            return Err(no_id("peer", text).hint(
                "give strait://SIGNER@HOST:PORT, as the peer's `strait info` shows it; or the signer's first hex digits, which `strait peer list` shows",
            ));
        }
        let peers = self.api.peer_list(Nothing {}).await?.peers;
        let signers = peers.into_iter().map(|peer| peer.signer);
        pick("peer", text, signers, Address::to_string)
    }

    /// A peer as the node takes it: a full address with host and port, or the signer of one that it knows.
    ///
    /// # Errors
    /// As [`Context::signer`].
    pub(crate) async fn peer(&self, text: &str) -> Result<String, Failure> {
        if text.starts_with("strait://") {
            return Ok(text.to_owned());
        }
        Ok(self.signer(text).await?.to_string())
    }
}

/// The one thing whose id begins with a text.
///
/// # Errors
/// When none or several do.
pub(crate) fn pick<T>(
    what: &str,
    text: &str,
    things: impl IntoIterator<Item = T>,
    id: impl Fn(&T) -> String,
) -> Result<T, Failure> {
    if !is_prefix(text) {
        return Err(no_id(what, text));
    }
    let digits = bare(text).to_lowercase();
    let mut found: Vec<T> =
        things.into_iter().filter(|thing| bare(&id(thing).to_lowercase()).starts_with(&digits)).collect();
    match (found.pop(), found.is_empty()) {
        (Some(one), true) => Ok(one),
        (Some(last), false) => {
            let mut names: Vec<_> = found.iter().chain([&last]).map(id).collect();
            names.sort();
            Err(Failure::usage(format!("several {what}s begin with {text}"))
                .hint(format!("give more digits; there are: {}", names.join(", "))))
        }
        (None, _) => Err(Failure::usage(format!("no {what} begins with {text}"))
            .hint(format!("`{}` shows what there is", lists(what)))),
    }
}

fn lists(what: &str) -> String {
    match what {
        "proposal" => "strait channel proposals".into(),
        "commitment" => "strait app reveal".into(),
        _ => format!("strait {what} list"),
    }
}

fn bare(text: &str) -> &str {
    text.strip_prefix("0x").unwrap_or(text)
}

fn is_prefix(text: &str) -> bool {
    bare(text).len() >= FEWEST_DIGITS && bare(text).bytes().all(|byte| byte.is_ascii_hexdigit())
}

fn no_id(what: &str, text: &str) -> Failure {
    let article = if what.starts_with('i') { "an" } else { "a" };
    Failure::usage(format!("'{text}' is no id of {article} {what}")).hint(format!(
        "give 0x and its first hex digits, at least {FEWEST_DIGITS}; `{}` shows them",
        lists(what)
    ))
}

#[cfg(test)]
mod tests {
    use crate::failure::Exit;
    use crate::testing::{Fake, channel_info};
    use serde_json::json;

    fn fake() -> Fake {
        let channels = [channel_info(0xab), channel_info(0xac)];
        Fake::new(false).on("strait_channel_list", move |_| Ok(json!({"channels": channels, "next": null})))
    }

    #[tokio::test]
    async fn a_channel_is_found_by_its_first_digits() {
        let context = fake().context();
        for text in ["0xabab", "abab", "0xABABab"] {
            let channel = context.channel(text).await.expect("found");
            assert_eq!(channel.channel, channel_info(0xab).channel, "{text}");
        }
    }

    #[tokio::test]
    async fn what_is_too_short_or_unknown_or_no_id_is_refused() {
        let context = fake().context();
        for text in ["0xaba", "0xeeee", "store", ""] {
            let failure = context.channel(text).await.expect_err(text);
            assert_eq!(failure.exit(), Exit::Usage, "{text}");
        }
    }

    #[tokio::test]
    async fn what_is_no_peer_is_answered_with_how_one_is_named() {
        let failure = fake().context().peer("https://foo").await.expect_err("no peer");
        let told = failure.render(false, false);
        assert!(told.contains("strait://SIGNER@HOST:PORT"), "{told}");
    }

    #[tokio::test]
    async fn several_channels_with_the_same_digits_are_named() {
        let channels = [channel_info(0xab), channel_info(0xab)];
        let fake = Fake::new(false)
            .on("strait_channel_list", move |_| Ok(json!({"channels": channels, "next": null})));
        let failure = fake.context().channel("0xabab").await.expect_err("two");
        assert!(failure.to_string().contains("several channels"), "{failure}");
    }
}
