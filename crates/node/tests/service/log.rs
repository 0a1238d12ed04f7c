//! What a node writes into its log about games that have ended, for who was away meanwhile.

use std::fmt::Debug;
use std::sync::{Mutex, Once};
use tracing::field::{Field, Visit};
use tracing::span::{Attributes, Id, Record};
use tracing::subscriber::set_global_default;
use tracing::{Event, Metadata, Subscriber};

/// Lines of all nodes of this process.
static LINES: Mutex<Vec<String>> = Mutex::new(Vec::new());
static BEGUN: Once = Once::new();

struct Log;

#[derive(Default)]
struct Line(String);

impl Visit for Line {
    fn record_debug(&mut self, field: &Field, value: &dyn Debug) {
        self.0.push_str(&format!("{field}={value:?} "));
    }
}

impl Subscriber for Log {
    fn enabled(&self, of: &Metadata<'_>) -> bool {
        of.is_event() && of.target().starts_with("strait_node::service::events")
    }

    fn new_span(&self, _: &Attributes<'_>) -> Id {
        Id::from_u64(1)
    }

    fn record(&self, _: &Id, _: &Record<'_>) {}

    fn record_follows_from(&self, _: &Id, _: &Id) {}

    fn event(&self, event: &Event<'_>) {
        let mut line = Line::default();
        event.record(&mut line);
        LINES.lock().expect("no panic").push(line.0);
    }

    fn enter(&self, _: &Id) {}

    fn exit(&self, _: &Id) {}
}

/// From now on lines are kept.
pub(crate) fn keep() {
    BEGUN.call_once(|| set_global_default(Log).expect("the only one"));
}

/// The lines that name something.
pub(crate) fn about(what: &str) -> Vec<String> {
    LINES.lock().expect("no panic").iter().filter(|line| line.contains(what)).cloned().collect()
}
