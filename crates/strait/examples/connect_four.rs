//! Connect four between two people, each with a node and a terminal of their own. The channel is opened before, by
//! `strait app open` with this app; docs/apps.md has the commands.
//!
//! `cargo run --release -p strait --example connect_four -- 127.0.0.1:4041 ~/.strait/admin.token CHANNEL`

use futures_util::StreamExt as _;
use std::error::Error;
use std::io::BufRead;
use strait::{
    Api, AppFinish, AppInfo, AppMove, AppPosition, B256, ChannelId, ChannelRef, Client, EventQuery, Subscribe,
};
use strait_app::{AppData, NativeRules, Position};
use strait_examples::connect_four::{Board, ConnectFour, Drop, Standing};
use strait_types::Side;

type Outcome<T> = Result<T, Box<dyn Error>>;

#[tokio::main]
async fn main() -> Outcome<()> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let [api, token, channel] = arguments.as_slice() else {
        return Err("give the API's address, the file of its token, and the channel's id".into());
    };
    let token = std::fs::read_to_string(token)?;
    let node = Client::connect(&format!("http://{api}"), token.trim()).await?;
    let channel = ChannelId(channel.parse::<B256>()?);
    let standing = play(&node, channel, &mut typed).await?;
    println!("{standing:?}; the chain pays it out when both say so, which both programs do");
    Ok(())
}

/// A column from the keyboard.
fn typed(board: &Board) -> Option<u32> {
    println!("{board}\nYour column:");
    let mut line = String::new();
    std::io::stdin().lock().read_line(&mut line).ok().filter(|read| *read > 0)?;
    Some(line.trim().parse().unwrap_or(u32::MAX))
}

/// Plays to the end, asking `choose` for a column when it is this side's turn, again when it can't be dropped there; and
/// agrees on what the rules give each side.
pub(crate) async fn play(
    node: &(impl Api + Subscribe + ?Sized),
    channel: ChannelId,
    choose: &mut (dyn FnMut(&Board) -> Option<u32> + Send),
) -> Outcome<Standing> {
    // What happens after each look at the channel makes for the next one.
    let channels = EventQuery { channel: Some(channel), ..EventQuery::default() };
    let mut news = node.subscribe(channels).await?;
    loop {
        let info = node.app_show(ChannelRef { channel }).await?;
        // Before both have put their stakes in there is no board.
        if info.version == 0 || info.in_flight {
            news.next().await.ok_or("the node stops")??;
            continue;
        }
        let position = position(&info).ok_or("this channel plays something else")?;
        let standing = position.data.standing();
        if standing != Standing::Open {
            println!("{}", position.data);
            let outcome = ConnectFour.verdict(&position).ok_or("a stake that can't be counted")?;
            node.app_finish(AppFinish { channel, outcome: texts(&outcome), idempotency_key: None }).await?;
            return Ok(standing);
        }
        if !info.our_turn {
            news.next().await.ok_or("the node stops")??;
            continue;
        }
        let column = choose(&position.data).ok_or("nobody is there to play")?;
        match ConnectFour.play(&position, &Drop(column)) {
            Ok(next) => {
                let next = AppPosition {
                    writer: next.writer as u8,
                    deltas: texts(&next.deltas),
                    data: next.data.encode().into(),
                };
                node.app_move(AppMove { channel, next, accept_less: false, idempotency_key: None }).await?;
            }
            Err(illegal) => println!("{illegal}"),
        }
    }
}

fn position(info: &AppInfo) -> Option<Position<Board>> {
    let pair = |[zero, one]: &[String; 2]| Some([zero.parse().ok()?, one.parse().ok()?]);
    Some(Position {
        writer: Side::from_index(info.position.writer.into())?,
        deltas: info.position.deltas.iter().map(pair).collect::<Option<_>>()?,
        data: Board::decode(&info.position.data)?,
    })
}

fn texts(deltas: &[[i128; 2]]) -> Vec<[String; 2]> {
    deltas.iter().map(|pair| pair.map(|delta| delta.to_string())).collect()
}
