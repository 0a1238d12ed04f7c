//! The adjudicator's calls and events, read from the committed artifact.
