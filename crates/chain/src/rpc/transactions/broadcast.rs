//! Sending to every endpoint, and what their answers mean together.

use crate::rpc::endpoint::Fault;
use crate::rpc::endpoints::Endpoints;
use serde_json::json;
use strait_types::Bytes;

/// What became of a transaction that was sent. In order of what matters most when endpoints differ.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub(super) enum Outcome {
    /// A pool has it.
    Sent,
    /// No answer; a pool may have it.
    Unsure,
    /// The nonce is used up.
    NonceTooLow,
    /// A pool has another transaction with this nonce, which offers too much to be replaced by this one.
    ReplacementUnderpriced,
    /// It offers less than a pool takes now; later it may.
    Underpriced,
    /// The account cannot pay.
    NoMoney,
    /// Refused for another reason.
    Refused(String),
}

/// Sends to all endpoints: one that drops or hides transactions does not matter then.
pub(super) fn broadcast(endpoints: &mut Endpoints, raw: &Bytes) -> Outcome {
    let answers = endpoints.everywhere("eth_sendRawTransaction", &json!([raw]));
    let mut best: Option<Outcome> = None;
    for (index, answer) in answers {
        let outcome = match answer {
            Ok(_) => Outcome::Sent,
            Err(Fault::Refused { message, .. } | Fault::Reverted(message)) => refusal(&message),
            Err(fault) => {
                endpoints.note(index, fault);
                Outcome::Unsure
            }
        };
        best = Some(best.map_or(outcome.clone(), |best| best.min(outcome)));
    }
    best.unwrap_or(Outcome::Unsure)
}

/// Nodes have no codes for this, only words.
fn refusal(message: &str) -> Outcome {
    let text = message.to_ascii_lowercase();
    let says = |signs: &[&str]| signs.iter().any(|sign| text.contains(sign));
    if says(&["already known", "known transaction", "already imported", "already_exists", "already exists"]) {
        Outcome::Sent
    } else if says(&["nonce too low", "nonce is too low", "old nonce", "oldnonce", "invalid nonce"]) {
        Outcome::NonceTooLow
    } else if says(&["replacement", "feetoolowtocompete"]) {
        Outcome::ReplacementUnderpriced
    } else if says(&[
        "underpriced",
        "less than block base fee",
        "fee too low",
        "feetoolow",
        "gas price too low",
        "less than the minimum",
    ]) {
        Outcome::Underpriced
    } else if says(&["insufficient funds", "insufficientfunds", "insufficient balance"]) {
        Outcome::NoMoney
    } else {
        Outcome::Refused(message.to_owned())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_of_the_usual_nodes_are_understood() {
        let cases = [
            ("already known", Outcome::Sent),
            ("ALREADY_EXISTS: already known", Outcome::Sent),
            ("transaction already imported", Outcome::Sent),
            ("nonce too low: next nonce 7, tx nonce 5", Outcome::NonceTooLow),
            ("OldNonce", Outcome::NonceTooLow),
            ("replacement transaction underpriced", Outcome::ReplacementUnderpriced),
            ("FeeTooLowToCompete", Outcome::ReplacementUnderpriced),
            ("transaction underpriced: tip needed 1, tip permitted 0", Outcome::Underpriced),
            ("max fee per gas less than block base fee: address 0x00", Outcome::Underpriced),
            ("insufficient funds for gas * price + value", Outcome::NoMoney),
        ];
        for (message, outcome) in cases {
            assert_eq!(refusal(message), outcome, "{message}");
        }
        assert_eq!(refusal("txpool is full"), Outcome::Refused("txpool is full".to_owned()));
    }

    #[test]
    fn a_pool_that_has_it_outweighs_those_that_refuse() {
        assert!(Outcome::Sent < Outcome::Unsure && Outcome::Unsure < Outcome::NonceTooLow);
        assert!(Outcome::NonceTooLow < Outcome::NoMoney);
    }
}
