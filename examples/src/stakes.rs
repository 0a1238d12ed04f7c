//! Verdicts of games for a stake of the first asset.

use strait_types::Side;

/// The loser's stake is the winner's; none when an amount would be too large to be counted.
pub(crate) fn won_by(winner: Side, stake: u128, deltas: &[[i128; 2]]) -> Option<Vec<[i128; 2]>> {
    let mut deltas = deltas.to_vec();
    let stake = i128::try_from(stake).ok()?;
    let first = deltas.first_mut()?;
    let [won, lost] = [winner.index(), winner.other().index()];
    first[won] = first[won].checked_add(stake)?;
    first[lost] = first[lost].checked_sub(stake)?;
    Some(deltas)
}
