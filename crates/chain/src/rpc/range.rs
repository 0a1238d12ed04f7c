//! How many blocks an endpoint allows in one question for logs. Nodes and providers differ, and few say it in a way that
//! programs understand, so it is searched for between what was accepted and what was refused.

/// Full questions after which more is tried again: what was refused may have been some blocks with very many logs.
const PATIENCE: u32 = 128;

pub(super) struct LogRange {
    /// Never more than this.
    most: u64,
    allowed: u64,
    /// The longest that was accepted and not refused later.
    accepted: u64,
    /// The shortest that was refused.
    refused: Option<u64>,
    full_questions: u32,
}

impl LogRange {
    pub(super) fn new(most: u64) -> LogRange {
        let most = most.max(1);
        LogRange { most, allowed: most, accepted: 0, refused: None, full_questions: 0 }
    }

    /// Blocks that the next question may span.
    pub(super) fn allowed(&self) -> u64 {
        self.allowed
    }

    /// A question was answered.
    pub(super) fn accept(&mut self, span: u64) {
        if span < self.allowed {
            return;
        }
        self.accepted = span;
        self.full_questions = self.full_questions.saturating_add(1);
        if self.full_questions >= PATIENCE {
            self.full_questions = 0;
            self.refused = None;
        }
        let above = self.refused.unwrap_or(u64::MAX).min(self.most.saturating_add(1));
        self.allowed = self.allowed.max(self.allowed.midpoint(above)).min(self.most);
    }

    /// A question was not answered, and may have spanned too much.
    pub(super) fn refuse(&mut self, span: u64) {
        self.refused = Some(span);
        self.full_questions = 0;
        if self.accepted >= span {
            self.accepted = 0;
        }
        self.allowed = if self.accepted > 0 { self.accepted } else { (span / 2).max(1) };
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Asks an endpoint with a limit; how many of the questions it refused.
    fn ask(range: &mut LogRange, limit: u64, questions: usize) -> usize {
        let mut refused = 0;
        for _ in 0..questions {
            let span = range.allowed();
            if span > limit {
                range.refuse(span);
                refused += 1;
            } else {
                range.accept(span);
            }
        }
        refused
    }

    #[test]
    fn finds_the_limit_and_keeps_to_it() {
        for limit in [1, 2, 9, 500, 2_000, 9_999, 10_000, 50_000] {
            let mut range = LogRange::new(10_000);
            assert!(ask(&mut range, limit, 40) <= 14, "limit {limit}");
            assert_eq!(range.allowed(), limit.min(10_000));
            assert_eq!(ask(&mut range, limit, 60), 0, "limit {limit}");
        }
    }

    #[test]
    fn a_limit_that_is_lifted_is_noticed() {
        let mut range = LogRange::new(10_000);
        ask(&mut range, 9, 40);
        ask(&mut range, 10_000, 200);
        assert_eq!(range.allowed(), 10_000);
    }

    #[test]
    fn crowded_blocks_are_asked_for_in_smaller_pieces() {
        let mut range = LogRange::new(10_000);
        range.accept(10_000);
        ask(&mut range, 10, 20);
        assert!(range.allowed() <= 10);
    }
}
