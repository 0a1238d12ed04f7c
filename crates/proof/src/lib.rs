//! Assurance beyond examples: the adjudicator against a model, the protocol under a model checker, decoders under
//! fuzzing. All of it is in the tests; `docs/security.md` says what is shown, and within which bounds.
