//! `strait info`.

use crate::context::Context;
use crate::failure::Failure;
use crate::text;
use strait_api::{ChainInfo, NodeInfo, Nothing};
use strait_types::{Address, Amount};

/// Shows the node.
///
/// # Errors
/// When it does not answer.
pub(crate) async fn run(context: &Context) -> Result<(), Failure> {
    let info = context.api.node_info(Nothing {}).await?;
    context.out.result(&info, |out| {
        let mut pairs = vec![("version", info.version.clone()), ("signer", info.signer.to_string())];
        pairs.extend(info.addresses.iter().map(|address| ("address", address.clone())));
        pairs.push(("up for", text::duration(info.uptime)));
        let mut blocks = vec![out.pairs(&pairs)];
        blocks.extend(info.chains.iter().map(|chain| out.pairs(&chain_pairs(&info, chain))));
        let header = ["ASSET", "CHAIN", "DECIMALS", "ADDRESS"];
        let rows = info.assets.iter().map(|asset| {
            let chain = info.chains.iter().find(|chain| chain.chain_id == asset.chain_id);
            let address =
                if asset.asset.is_zero() { "native coin".to_owned() } else { asset.asset.to_string() };
            let chain = chain.map_or_else(|| asset.chain_id.to_string(), |chain| chain.name.clone());
            vec![asset.symbol.clone(), chain, asset.decimals.to_string(), address]
        });
        blocks.push(out.table(&header, rows));
        blocks.join("\n\n")
    })
}

fn chain_pairs(info: &NodeInfo, chain: &ChainInfo) -> Vec<(&'static str, String)> {
    let assets = crate::amount::Assets::new(info);
    let balance = chain.account_balance.map(|wei| match u128::try_from(wei).ok().and_then(Amount::new) {
        Some(amount) => assets.write(chain.chain_id, Address::ZERO, amount),
        None => format!("{wei} wei"),
    });
    let confirmations = match chain.confirmations {
        Some(1) => "1 block".into(),
        Some(blocks) => format!("{blocks} blocks"),
        None => "until the chain calls it finalised".into(),
    };
    let head = format!(
        "{} of {}{}",
        chain.head,
        text::time(chain.head_time),
        if chain.is_fresh { "" } else { ", too old to take value" }
    );
    let mut pairs = vec![
        ("chain", format!("{} ({})", chain.name, chain.chain_id)),
        ("adjudicator", chain.adjudicator.to_string()),
        ("account", chain.account.to_string()),
        ("holds", balance.unwrap_or_else(|| "unknown: no endpoint answers".into())),
        ("payout", chain.payout.to_string()),
        ("newest block", head),
        ("confirmations", confirmations),
    ];
    pairs.extend(chain.problem.clone().map(|problem| ("problem", problem)));
    pairs
}

#[cfg(test)]
mod tests {
    use crate::testing::Fake;

    #[tokio::test]
    async fn amounts_and_times_are_shown_as_people_read_them() {
        let (context, seen) = Fake::new(false).start();
        super::run(&context).await.expect("shown");
        let text = seen.text();
        for part in
            ["2 ETH", "mainnet (1)", "12 blocks", "1m 1s", "100 of 2023-11-14T22:13:20Z", "native coin"]
        {
            assert!(text.contains(part), "{part} is missing in {text}");
        }
    }
}
