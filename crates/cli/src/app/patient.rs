//! What outlives a request: both users take their time for an end, and the chain for a move in a dispute. The node goes on with
//! it meanwhile, and a repetition joins what is under way.

use super::play::look;
use crate::context::Context;
use crate::failure::Failure;
use crate::text::short;
use std::time::Duration;
use strait_api::{Agreed, ApiError, AppFinish, AppMove, AppMoved, ErrorCode};

/// Between a request that brought no end and its repetition.
const PAUSE: Duration = Duration::from_millis(500);

/// Whether it goes on in the node, for all that is known.
fn goes_on(error: &ApiError) -> bool {
    [ErrorCode::IdempotencyPending, ErrorCode::NoAnswer].contains(&error.code)
}

/// Waits until the peer has asked for the same end, however long that takes.
///
/// # Errors
/// When it is refused or overtaken, and what the node says.
pub(super) async fn finish(context: &Context, request: AppFinish) -> Result<Agreed, Failure> {
    loop {
        match context.api.app_finish(request.clone()).await {
            Err(error) if goes_on(&error) => {}
            ended => return Ok(ended?),
        }
        tokio::time::sleep(PAUSE).await;
        let id = short(request.channel);
        let play = look(context, request.channel).await.map_err(|failure| {
            failure.hint(format!("a proposal does not outlive the node: when it is back, `strait app show {id}` tells how play stands, and the same command proposes it again"))
        })?;
        // One that stands no more would be proposed anew, in another position maybe.
        let stands = play.proposed.as_ref() == Some(&request.outcome) || play.in_flight || play.is_over;
        if !stands {
            return Err(Failure::peer("this end is not proposed any more: the peer has refused it, a move was made, or the node was started again")
                .hint(format!("`strait app show {id}` tells how play stands; propose it again if it still fits")));
        }
    }
}

/// Waits until a move is decided, however long that takes. Its key makes it once, so there has to be one.
///
/// # Errors
/// What the node says.
pub(super) async fn play(context: &Context, request: AppMove) -> Result<AppMoved, ApiError> {
    loop {
        match context.api.app_move(request.clone()).await {
            Err(error) if goes_on(&error) => {}
            ended => return ended,
        }
        tokio::time::sleep(PAUSE).await;
        let hint = format!(
            "the move may have been signed: `strait app show {}` tells when the node is back",
            short(request.channel)
        );
        let channel = request.channel;
        context.api.app_show(strait_api::ChannelRef { channel }).await.map_err(|error| error.hint(hint))?;
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::{Fake, channel_info};
    use serde_json::{Value, json};
    use std::sync::atomic::{AtomicUsize, Ordering};
    use strait_api::AppPosition;
    use strait_types::Address;

    fn shown(proposed: &Value) -> Value {
        json!({"channel": channel_info(0xab).channel, "app": Address::repeat_byte(7), "side": 0, "version": 3, "stakes": [],
            "position": {"writer": 1, "deltas": [["0", "0"]], "data": "0x"}, "our_turn": false, "in_flight": false,
            "deadline": null, "offer": null, "proposed": proposed})
    }

    /// Its first answers are of a request that takes too long.
    fn slow(method: &'static str, code: ErrorCode, proposed: Value) -> Fake {
        let asked = AtomicUsize::new(0);
        Fake::new(false).on("strait_app_show", move |_| Ok(shown(&proposed))).on(method, move |_| match asked
            .fetch_add(1, Ordering::Relaxed)
        {
            0..2 => Err(ApiError::new(code, "operation timed out")),
            _ => Ok(json!({"version": 4})),
        })
    }

    fn even() -> AppFinish {
        let outcome = vec![["0".into(), "0".into()]];
        AppFinish { channel: channel_info(0xab).channel, outcome, idempotency_key: None }
    }

    #[tokio::test(start_paused = true)]
    async fn an_end_is_waited_for_longer_than_a_request_may_take() {
        for code in [ErrorCode::NoAnswer, ErrorCode::IdempotencyPending] {
            let (context, seen) = slow("strait_app_finish", code, json!([["0", "0"]])).start();
            assert_eq!(finish(&context, even()).await.expect("agreed").version, 4);
            assert_eq!(seen.asked("strait_app_finish").len(), 3, "{code:?}");
        }
    }

    #[tokio::test(start_paused = true)]
    async fn an_end_that_stands_no_more_is_not_proposed_again() {
        let (context, seen) = slow("strait_app_finish", ErrorCode::NoAnswer, Value::Null).start();
        let told = finish(&context, even()).await.expect_err("it is gone").render(false, false);
        assert!(told.contains("not proposed any more") && !told.contains("key"), "{told}");
        assert_eq!(seen.asked("strait_app_finish").len(), 1);
    }

    #[tokio::test(start_paused = true)]
    async fn a_move_is_waited_for_longer_than_a_request_may_take() {
        let (context, seen) = slow("strait_app_move", ErrorCode::IdempotencyPending, Value::Null).start();
        let next = AppPosition { writer: 1, deltas: Vec::new(), data: "0x".parse().expect("hex") };
        let key = Some("one".to_owned());
        let request = AppMove { channel: even().channel, next, accept_less: false, idempotency_key: key };
        assert_eq!(play(&context, request).await.expect("moved").version, 4);
        let asked = seen.asked("strait_app_move");
        assert!(asked.len() == 3 && asked.iter().all(|asked| asked["idempotency_key"] == "one"), "{asked:?}");
    }
}
