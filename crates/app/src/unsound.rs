//! Answers that the adjudicator does not take, as their author can read them.

use alloy_primitives::I256;
use strait_types::U256;

/// Pairs that are shown of a verdict.
const MOST_PAIRS: usize = 4;

/// What cannot be read as anything else.
pub(crate) fn bytes(answer: &[u8]) -> String {
    match answer.len() {
        1 => "1 byte".to_owned(),
        length => format!("{length} bytes"),
    }
}

/// A verdict's pairs and what is wrong with them.
pub(crate) fn verdict(answer: &[u8], assets: usize) -> String {
    let Some(pairs) = pairs(answer) else { return bytes(answer) };
    let sum = |[zero, one]: &[I256; 2]| zero.checked_add(*one);
    let is_even = |pair: &[I256; 2]| sum(pair) == Some(I256::ZERO);
    if pairs.len() != assets {
        let rows = if pairs.len() == 1 { "1 pair".to_owned() } else { format!("{} pairs", pairs.len()) };
        let assets = if assets == 1 { "1 asset".to_owned() } else { format!("{assets} assets") };
        return format!("{rows}, {}while the channel has {assets}", shown(&pairs));
    }
    match pairs.iter().position(|pair| !is_even(pair)) {
        Some(index) => {
            let total =
                pairs.get(index).and_then(sum).map_or_else(|| "too large".to_owned(), |sum| sum.to_string());
            format!("{}the sum of pair {} being {total}", shown(&pairs), index.saturating_add(1))
        }
        None => format!("{}beyond int128", shown(&pairs)),
    }
}

fn shown(pairs: &[[I256; 2]]) -> String {
    let texts: Vec<String> =
        pairs.iter().take(MOST_PAIRS).map(|[zero, one]| format!("[{zero}, {one}]")).collect();
    if texts.is_empty() { String::new() } else { format!("{}, ", texts.join(", ")) }
}

/// Reads a list of pairs, whatever the numbers in it.
fn pairs(answer: &[u8]) -> Option<Vec<[I256; 2]>> {
    let mut words = answer.chunks_exact(32).map(U256::from_be_slice);
    let (offset, length) = (words.next()?, usize::try_from(words.next()?).ok()?);
    let expected = length.checked_mul(64)?.checked_add(64)?;
    if offset != U256::from(32) || answer.len() != expected {
        return None;
    }
    let words: Vec<I256> = words.map(I256::from_raw).collect();
    Some(words.chunks_exact(2).filter_map(|pair| Some([*pair.first()?, *pair.get(1)?])).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn answer(pairs: &[[i64; 2]]) -> Vec<u8> {
        let mut bytes =
            [U256::from(32), U256::from(pairs.len())].map(|word| word.to_be_bytes::<32>()).concat();
        for number in pairs.iter().flatten() {
            bytes.extend(I256::try_from(*number).expect("small").to_be_bytes::<32>());
        }
        bytes
    }

    #[test]
    fn what_is_wrong_with_a_verdict_is_shown() {
        assert_eq!(verdict(&answer(&[[100, 100]]), 1), "[100, 100], the sum of pair 1 being 200");
        assert_eq!(
            verdict(&answer(&[[5, -5], [1, -1]]), 1),
            "2 pairs, [5, -5], [1, -1], while the channel has 1 asset"
        );
        assert_eq!(verdict(&answer(&[]), 2), "0 pairs, while the channel has 2 assets");
        let huge = [answer(&[[0, 0]])[..64].to_vec(), vec![0x7f; 64]].concat();
        assert!(verdict(&huge, 1).contains("too large"));
        for no_list in [&[0_u8; 32][..], &[], &[1; 95], &[0xff; 64]] {
            assert_eq!(verdict(no_list, 1), bytes(no_list));
        }
    }
}
