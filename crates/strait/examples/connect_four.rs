//! Connect four between two people, each with a node and a terminal of their own. The channel is opened before, by
//! `strait app open` with this app; docs/apps.md has the commands.
//!
//! `cargo run --release -p strait --example connect_four -- 127.0.0.1:4041 ~/.strait/admin.token CHANNEL`

use futures_util::StreamExt as _;
use std::error::Error;
use std::io::{BufRead as _, IsTerminal as _};
use std::sync::mpsc::{Receiver, channel as queue};
use strait::{
    Api, AppFinish, AppInfo, AppMove, AppPosition, B256, ChannelId, ChannelRef, Client, EventQuery, Subscribe,
};
use strait_app::{AppData, NativeRules, Position};
use strait_examples::connect_four::{Board, ConnectFour, Drop, Standing};
use strait_types::Side;

type Outcome<T> = Result<T, Box<dyn Error>>;

const HELP: &str = "\
Connect four against the peer of a channel that was opened with this app.

usage: connect_four API TOKEN_FILE CHANNEL
  API         where this node's API listens, such as 127.0.0.1:4041
  TOKEN_FILE  the file of its token, such as ~/.strait/admin.token
  CHANNEL     the channel's whole id, as `strait app open` prints it

docs/apps.md tells how to install the app and to open the channel.";

#[tokio::main]
async fn main() -> Outcome<()> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    if arguments.iter().any(|argument| matches!(argument.as_str(), "-h" | "--help")) {
        println!("{HELP}");
        return Ok(());
    }
    let [api, token, channel] = arguments.as_slice() else {
        return Err(format!("three arguments are needed\n\n{HELP}").into());
    };
    let token = std::fs::read_to_string(token)?;
    let node = Client::connect(&format!("http://{api}"), token.trim()).await?;
    let channel = ChannelId(channel.parse::<B256>()?);
    let mut keyboard = Keyboard::new();
    let mut say = |text: &str| println!("{text}");
    let (side, standing) = play(&node, channel, &mut |board| keyboard.column(board), &mut say).await?;
    println!("{}; the chain pays it out when both say so, which both programs do", result(standing, side));
    Ok(())
}

/// Lines as they are typed, on one's turn or not.
struct Keyboard {
    lines: Receiver<String>,
    is_terminal: bool,
}

impl Keyboard {
    fn new() -> Keyboard {
        let (sender, lines) = queue();
        // It ends with the input, or with the program.
        std::thread::spawn(move || {
            std::io::stdin().lock().lines().map_while(Result::ok).try_for_each(|line| sender.send(line))
        });
        Keyboard { lines, is_terminal: std::io::stdin().is_terminal() }
    }

    /// A column, asked for now.
    fn column(&mut self, board: &Board) -> Option<u32> {
        // Who types before the board is there has not seen what it is about. A file has.
        if self.is_terminal {
            discard(&self.lines);
        }
        println!("{board}\nYour column:");
        Some(self.lines.recv().ok()?.trim().parse().unwrap_or(u32::MAX))
    }
}

pub(crate) fn discard(lines: &Receiver<String>) {
    while lines.try_recv().is_ok() {}
}

/// Plays to the end, asking `choose` for a column when it is this side's turn, again when it can't be dropped there; and
/// agrees on what the rules give each side. What there is to know goes to `say`.
pub(crate) async fn play(
    node: &(impl Api + Subscribe + ?Sized),
    channel: ChannelId,
    choose: &mut (dyn FnMut(&Board) -> Option<u32> + Send),
    say: &mut (dyn FnMut(&str) + Send),
) -> Outcome<(Side, Standing)> {
    // What happens after each look at the channel makes for the next one.
    let channels = EventQuery { channel: Some(channel), ..EventQuery::default() };
    let mut news = node.subscribe(channels).await?;
    let mut told = String::new();
    loop {
        let info = node.app_show(ChannelRef { channel }).await?;
        let side = Side::from_index(info.side.into()).ok_or("a side that there is not")?;
        let position = position(&info).filter(|_| info.version > 0);
        if info.version > 0 && position.is_none() {
            return Err("this channel plays something else".into());
        }
        let ready = position.filter(|position| {
            !info.in_flight && (info.our_turn || position.data.standing() != Standing::Open)
        });
        let Some(position) = ready else {
            let text = waiting(info.version, info.in_flight, side);
            if text != told {
                say(&text);
                told = text;
            }
            news.next().await.ok_or("the node stops")??;
            continue;
        };
        let standing = position.data.standing();
        if standing != Standing::Open {
            say(&position.data.to_string());
            let outcome = ConnectFour.verdict(&position).ok_or("a stake that can't be counted")?;
            node.app_finish(AppFinish { channel, outcome: texts(&outcome), idempotency_key: None }).await?;
            return Ok((side, standing));
        }
        say(&format!("Your turn: you play {}.", mark(side)));
        let column = choose(&position.data).ok_or("nobody is there to play")?;
        match ConnectFour.play(&position, &Drop(column)) {
            Ok(next) => {
                say(&next.data.to_string());
                let next = AppPosition {
                    writer: next.writer as u8,
                    deltas: texts(&next.deltas),
                    data: next.data.encode().into(),
                };
                node.app_move(AppMove { channel, next, accept_less: false, idempotency_key: None }).await?;
            }
            Err(illegal) => say(&illegal.to_string()),
        }
    }
}

/// For whom it waits, while it is not this side's turn.
pub(crate) fn waiting(version: u64, in_flight: bool, side: Side) -> String {
    let [own, other] = [mark(side), mark(side.other())];
    match version {
        0 => format!("You play {own}. Play begins when both have put their stakes in; X moves first."),
        _ if in_flight => "Your move is on its way.".into(),
        _ => format!("You play {own}. Waits for the other, who plays {other}."),
    }
}

/// As the board shows a side's discs.
fn mark(side: Side) -> &'static str {
    match side {
        Side::Zero => "X",
        Side::One => "O",
    }
}

/// How a game ended, for this side.
pub(crate) fn result(standing: Standing, side: Side) -> &'static str {
    match standing {
        Standing::Won(winner) if winner == side => "You won",
        Standing::Won(_) => "The other won",
        Standing::Draw => "A draw: nobody won",
        Standing::Open => "Nobody has won yet",
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
