//! A dishonest node. It runs the engine too, so that channels with it come about, but it holds its key itself, keeps
//! everything it ever saw, and does more and less than the engine asks.

mod court;
mod forge;

use crate::failure::Broken;
use crate::plan::Role;
use crate::queue::Event;
use crate::world::World;
use std::collections::BTreeMap;
use strait_engine::{Submission, SubmissionKey};
use strait_protocol::{Body, Command, Frame, Position};
use strait_types::{AssetIndex, B256, ChannelId, Signature};

/// Frames that are kept for later.
const KEPT: usize = 64;

/// What the dishonest node is about.
pub(crate) struct Liar {
    pub(crate) role: Role,
    /// It does not speak, listen or act any more.
    pub(crate) silent: bool,
    /// Frames of both directions.
    frames: Vec<Vec<u8>>,
    /// Calls that it holds back.
    kept: Vec<Submission>,
    /// States with the peer's signature that its engine does not know of.
    secret: BTreeMap<ChannelId, Vec<(Position, Signature)>>,
}

impl Liar {
    pub(crate) fn new(role: Role) -> Liar {
        Liar { role, silent: false, frames: Vec::new(), kept: Vec::new(), secret: BTreeMap::new() }
    }

    pub(crate) fn overhear(&mut self, frame: &[u8]) {
        if self.frames.len() < KEPT {
            self.frames.push(frame.to_vec());
        }
    }
}

impl World {
    fn role(&self, node: usize) -> Option<Role> {
        self.nodes[node].liar.as_ref().filter(|liar| !liar.silent).map(|liar| liar.role)
    }

    /// Whether a node's user has left it, too.
    pub(crate) fn is_silent(&self, node: usize) -> bool {
        self.nodes[node].liar.as_ref().is_some_and(|liar| liar.silent)
    }

    /// What the dishonest node sends instead of a frame.
    pub(crate) fn falsify(&mut self, node: usize, frame: Vec<u8>) -> Vec<Vec<u8>> {
        let Some(role) = self.role(node) else { return Vec::new() };
        let old = self.old_frame(node);
        if let Some(liar) = &mut self.nodes[node].liar {
            liar.overhear(&frame);
        }
        match role {
            Role::Garbage if self.lies.chance(150) => {
                self.report.count("lie", "damaged frame");
                vec![self.damage(frame)]
            }
            Role::Replayer if self.lies.chance(250) => {
                self.report.count("lie", "frame sent again");
                old.into_iter().chain([frame.clone(), frame]).collect()
            }
            Role::Withholder if self.lies.chance(600) && is_answer(&frame) => {
                self.report.count("lie", "acknowledgement withheld");
                Vec::new()
            }
            Role::DoubleSigner if self.lies.chance(350) => match self.second_version(node, &frame) {
                Some(other) => {
                    self.report.count("lie", "two states of one version");
                    if self.lies.chance(500) { vec![other] } else { vec![frame, other] }
                }
                None => vec![frame],
            },
            _ => vec![frame],
        }
    }

    fn old_frame(&mut self, node: usize) -> Option<Vec<u8>> {
        let count = self.nodes[node].liar.as_ref().map_or(0, |liar| liar.frames.len());
        let index = self.lies.index(count);
        self.nodes[node].liar.as_ref()?.frames.get(index).cloned()
    }

    pub(crate) fn damage(&mut self, mut frame: Vec<u8>) -> Vec<u8> {
        match self.lies.below(5) {
            0 => {
                let index = self.lies.index(frame.len());
                frame[index] ^= 1 << self.lies.below(8);
                frame
            }
            1 => {
                frame.truncate(self.lies.index(frame.len()));
                frame
            }
            2 => {
                let length = self.lies.index(300);
                self.lies.bytes(length)
            }
            3 => {
                frame.extend(self.lies.bytes(3));
                frame
            }
            _ => {
                let length = self.lies.index(40);
                let mut bytes = vec![1, self.lies.below(5) as u8];
                bytes.extend(self.lies.bytes(length));
                bytes
            }
        }
    }

    /// Whether a call of a node goes to the chain now.
    pub(crate) fn lets_through(&mut self, node: usize, submission: &Submission) -> bool {
        if self.nodes[node].liar.is_none() {
            return true;
        }
        let Some(role) = self.role(node) else { return false };
        let SubmissionKey::Call(key) = submission.key else { return true };
        if key.name == "respond" && !self.towers.is_empty() {
            // Its own engine would answer in place of the towers.
            return false;
        }
        match role {
            Role::StaleChallenger => key.name != "respond",
            Role::WithdrawerInFlight if key.name == "withdraw" && self.lies.chance(800) => {
                self.report.count("lie", "withdrawal held back");
                if let Some(liar) = &mut self.nodes[node].liar {
                    liar.kept.push(submission.clone());
                }
                false
            }
            Role::LateExecutor if matches!(key.name, "withdraw" | "close") && self.lies.chance(700) => {
                self.report.count("lie", "execution held back");
                if let Some(liar) = &mut self.nodes[node].liar {
                    liar.kept.push(submission.clone());
                }
                false
            }
            _ => true,
        }
    }

    /// The dishonest node's own initiative.
    pub(crate) fn scheme(&mut self) -> Result<(), Broken> {
        let Some((node, _)) = self.plan.liar else { return Ok(()) };
        let Some(role) = self.role(node) else { return Ok(()) };
        let pace = if self.calm || self.coarse { 2 * self.block_ms } else { 10 * self.plan.pause.end() + 50 };
        let wait = self.lies.within(&(1..=pace));
        self.after(wait, Event::Scheme);
        let ids: Vec<ChannelId> =
            self.channels.iter().filter(|(_, plan)| plan.nodes.contains(&node)).map(|(id, _)| *id).collect();
        let channel = self.lies.pick(&ids);
        let challenges = match role {
            Role::StaleChallenger => 150,
            Role::Withholder | Role::DoubleSigner | Role::Replayer | Role::Turncoat | Role::PenHolder => 30,
            Role::Griefer => 80,
            _ => 10,
        };
        if self.lies.chance(challenges) {
            self.challenge_with_old(node, channel);
        }
        match role {
            Role::Staller if self.lies.chance(120) => {
                self.report.count("lie", "gone silent");
                self.note("the staller goes silent");
                if let Some(liar) = &mut self.nodes[node].liar {
                    liar.silent = true;
                }
            }
            Role::Garbage => {
                let bytes = self.damage(vec![1, 2, 3]);
                self.whisper(node, channel, bytes);
            }
            Role::Replayer => {
                if let Some(frame) = self.old_frame(node) {
                    self.whisper(node, channel, frame);
                }
            }
            Role::Forger => {
                if let Some(body) = self.forge(node, channel) {
                    self.report.count("lie", "forged message");
                    self.note(format_args!("the forger says {body:?}"));
                    self.whisper(node, channel, Frame::Channel { channel, body }.encode());
                }
            }
            Role::LateExecutor if self.lies.chance(200) => self.execute_late(node),
            Role::Turncoat if self.lies.chance(600) => self.respond_with_secret(node, channel),
            Role::LockGriefer => {
                self.register_late(node, channel);
                return self.lock_up(node, channel);
            }
            Role::WithdrawerInFlight => return self.withdraw_in_flight(node, channel),
            _ => {}
        }
        Ok(())
    }

    /// Whether a request for the pen is not heard.
    pub(crate) fn keeps_pen(&mut self, node: usize, bytes: &[u8]) -> bool {
        let asks = matches!(Frame::decode(bytes), Ok(Frame::Channel { body: Body::RequestPen, .. }));
        let keeps = asks && self.role(node) == Some(Role::PenHolder) && self.lies.chance(950);
        if keeps {
            self.report.count("lie", "pen kept");
        }
        keeps
    }

    /// Takes money out while payments are on their way, executes that at some later time, and then shows what it replaced.
    fn withdraw_in_flight(&mut self, node: usize, channel: ChannelId) -> Result<(), Broken> {
        let Some(view) = self.view(node, channel) else { return Ok(()) };
        if self.lies.chance(250) {
            let own = view.balances[0].own.max(0).unsigned_abs();
            let amount = self.lies.below(u64::try_from(own / 2).unwrap_or(u64::MAX)).max(1).into();
            self.report.count("lie", "withdrawal in flight");
            let asset = AssetIndex(0);
            self.command(node, channel, "withdraw", Command::Withdraw { asset, amount })?;
            self.pay(node, channel, asset, 1.into())?;
        }
        if self.lies.chance(150) {
            self.execute_late(node);
            if self.lies.chance(300) {
                self.challenge_with_old(node, channel);
            }
        }
        Ok(())
    }

    /// Locks as much as it can for as long as it can.
    fn lock_up(&mut self, node: usize, channel: ChannelId) -> Result<(), Broken> {
        if self.calm || !self.lies.chance(200) {
            return Ok(());
        }
        self.report.count("lie", "money locked up");
        let hash = crate::workload::sha256(B256::new(self.lies.word()));
        let expiry = self.now / 1_000 + self.plan.settings[node].lock_horizon - 100;
        let command = Command::AddLock { asset: AssetIndex(0), amount: 1.into(), hash, expiry };
        self.command(node, channel, "add lock", command)
    }

    pub(crate) fn whisper(&mut self, node: usize, channel: ChannelId, frame: Vec<u8>) {
        let [zero, one] = self.channels[&channel].nodes;
        if let Some(link) = self.link_between(zero, one) {
            self.transmit(link, node, frame);
        }
    }

    fn execute_late(&mut self, node: usize) {
        let Some(kept) = self.nodes[node].liar.as_mut().and_then(|liar| liar.kept.pop()) else { return };
        self.report.count("lie", "late execution");
        // What the chain refuses by then was too late.
        drop(self.send_transaction(node, &kept.call));
    }
}

fn is_answer(frame: &[u8]) -> bool {
    matches!(
        Frame::decode(frame),
        Ok(Frame::Channel { body: Body::Acknowledge { .. } | Body::Refuse(_) | Body::Sync(_), .. })
    )
}
