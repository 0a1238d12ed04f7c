//! Connect four, on 7 columns of 6: `contracts/src/examples/ConnectFour.sol`.

use crate::stakes::won_by;
use std::fmt;
use strait_app::{AppCode, CodeError, NativeRules, Position};
use strait_types::Side;

alloy_sol_types::sol! {
    /// Bit `7 * column + row` of each side's discs, rows from below; row 6 stays empty, so that no line wraps.
    #[derive(Debug, PartialEq, Eq)]
    struct Board {
        uint128 stake;
        uint64 discs0;
        uint64 discs1;
    }
}

const COLUMNS: u32 = 7;
const ROWS: u32 = 6;
/// The lowest cell of every column.
const BOTTOM: u128 = 0x0408_1020_4081;
const ALL: u128 = BOTTOM * 63;

/// The contract's code, as committed.
///
/// # Errors
/// Never; a test reads it.
pub fn code() -> Result<AppCode, CodeError> {
    AppCode::from_artifact(include_str!("../../contracts/artifacts/ConnectFour.json"))
}

/// The empty board; side 0 begins. Each side puts `stake` of the first asset at stake.
pub fn start(stake: u128, assets: usize) -> Position<Board> {
    let data = Board { stake, discs0: 0, discs1: 0 };
    Position { writer: Side::Zero, deltas: vec![[0, 0]; assets], data }
}

/// A disc into this column, 0 to 6 from the left.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Drop(pub u32);

/// Why a disc can't be dropped.
#[derive(Clone, Copy, PartialEq, Eq, Debug, thiserror::Error)]
pub enum Illegal {
    /// There is no such column.
    #[error("the columns are 0 to 6")]
    NoSuchColumn,
    /// Its six cells are taken.
    #[error("this column is full")]
    Full,
    /// There are four in a row, or no cell is free.
    #[error("the game is over")]
    Over,
}

/// How a game stands.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Standing {
    /// Somebody is to move.
    Open,
    /// This side has four in a row.
    Won(Side),
    /// No cell is free.
    Draw,
}

impl Board {
    /// How the game stands.
    pub fn standing(&self) -> Standing {
        match self.winner() {
            Some(side) => Standing::Won(side),
            None if self.taken() == ALL => Standing::Draw,
            None => Standing::Open,
        }
    }

    /// Whose disc lies in a cell, rows from below.
    pub fn disc(&self, column: u32, row: u32) -> Option<Side> {
        let cell = 1_u64.checked_shl(column.checked_mul(COLUMNS)?.checked_add(row)?)?;
        let [zero, one] = [self.discs0 & cell != 0, self.discs1 & cell != 0];
        if zero { Some(Side::Zero) } else { one.then_some(Side::One) }
    }

    /// The columns with a free cell.
    pub fn free_columns(&self) -> Vec<u32> {
        (0..COLUMNS).filter(|column| self.disc(*column, ROWS - 1).is_none()).collect()
    }

    fn taken(&self) -> u128 {
        u128::from(self.discs0 | self.discs1)
    }

    fn winner(&self) -> Option<Side> {
        if has_four(self.discs0) {
            return Some(Side::Zero);
        }
        has_four(self.discs1).then_some(Side::One)
    }

    /// The cell into which a disc falls.
    fn lowest_free(&self, column: u32) -> Result<u64, Illegal> {
        if column >= COLUMNS {
            return Err(Illegal::NoSuchColumn);
        }
        let cells = (column * COLUMNS)..(column * COLUMNS + ROWS);
        let mut free = cells.map(|bit| 1_u64 << bit).filter(|cell| self.taken() & u128::from(*cell) == 0);
        free.next().ok_or(Illegal::Full)
    }
}

fn has_four(discs: u64) -> bool {
    // Upright, level, and both diagonals.
    [1, 7, 6, 8].iter().any(|step| {
        let pairs = discs & (discs >> step);
        pairs & (pairs >> (2 * step)) != 0
    })
}

impl fmt::Display for Board {
    /// X is side 0, O side 1.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for row in (0..ROWS).rev() {
            for column in 0..COLUMNS {
                f.write_str(match self.disc(column, row) {
                    Some(Side::Zero) => "X ",
                    Some(Side::One) => "O ",
                    None => ". ",
                })?;
            }
            writeln!(f)?;
        }
        f.write_str("0 1 2 3 4 5 6")
    }
}

/// The rules.
#[derive(Clone, Copy, Debug)]
pub struct ConnectFour;

impl NativeRules for ConnectFour {
    type Data = Board;
    type Move = Drop;
    type Illegal = Illegal;

    fn play(&self, before: &Position<Board>, chosen: &Drop) -> Result<Position<Board>, Illegal> {
        let mut after = before.clone();
        if before.data.standing() != Standing::Open {
            return Err(Illegal::Over);
        }
        let disc = before.data.lowest_free(chosen.0)?;
        match before.writer {
            Side::Zero => after.data.discs0 |= disc,
            Side::One => after.data.discs1 |= disc,
        }
        after.writer = before.writer.other();
        Ok(after)
    }

    fn chosen(&self, before: &Position<Board>, next: &Position<Board>) -> Option<Drop> {
        let added = (before.data.discs0 | before.data.discs1) ^ (next.data.discs0 | next.data.discs1);
        (added != 0).then(|| Drop(added.trailing_zeros() / COLUMNS))
    }

    fn verdict(&self, position: &Position<Board>) -> Option<Vec<[i128; 2]>> {
        let winner = match position.data.standing() {
            Standing::Draw => return Some(position.deltas.clone()),
            Standing::Won(side) => side,
            Standing::Open => position.writer.other(),
        };
        won_by(winner, position.data.stake, &position.deltas)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn after(columns: &[u32]) -> Position<Board> {
        let play = |position, column: &u32| ConnectFour.play(&position, &Drop(*column)).expect("allowed");
        columns.iter().fold(start(5, 1), play)
    }

    #[test]
    fn the_board_is_drawn() {
        let expected = "\
. . . . . . . \n\
. . . . . . . \n\
. . . . . . . \n\
. . . . . . . \n\
. . . O . . . \n\
O . . X X . . \n\
0 1 2 3 4 5 6";
        assert_eq!(after(&[3, 3, 4, 0]).data.to_string(), expected);
    }

    #[test]
    fn a_game_is_won_lost_and_refused() {
        let won = after(&[3, 4, 3, 4, 3, 4, 3]);
        assert_eq!(won.data.standing(), Standing::Won(Side::Zero));
        assert_eq!(ConnectFour.verdict(&won), Some(vec![[5, -5]]));
        assert_eq!(ConnectFour.play(&won, &Drop(0)), Err(Illegal::Over));
        assert_eq!(ConnectFour.play(&start(5, 1), &Drop(7)), Err(Illegal::NoSuchColumn));
        assert_eq!(ConnectFour.play(&after(&[3; 6]), &Drop(3)), Err(Illegal::Full));
        assert_eq!(after(&[3; 6]).data.free_columns(), [0, 1, 2, 4, 5, 6]);
    }
}
