//! Strangers.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;
use strait::{ChannelId, NodeInfo, SigningKey};
use strait_node::transport::{
    Limits, LinkKind, Listen, Network, NetworkConfig, NetworkEvent, NetworkEvents, PeerAddress, PeerStatus,
};
use strait_protocol::{Body, Frame, Update};
use strait_types::{Address, B256, ChannelParams, Domain, Participant, Signature, Version, keccak256};
use tokio::io::AsyncWriteExt;
use tokio::net::TcpStream;

/// Strangers with a key, who shake hands as they should.
const SIGNERS: u8 = 4;
/// One message in so many is no frame, for which the node hangs up.
const GARBAGE_EVERY: u64 = 5_000;
/// Messages between pauses.
const BURST: u64 = 20;
/// Connections that say nothing, or not enough, and stay.
const HELD: usize = 150;

struct Stranger {
    key: SigningKey,
    network: Network,
}

/// Everything hostile.
pub(crate) struct Attack {
    strangers: Vec<Stranger>,
    target: PeerAddress,
    channel: ChannelId,
    sent: u64,
    connections: u64,
    answers: Arc<AtomicU64>,
    hung_up: Arc<AtomicU64>,
    held: Vec<TcpStream>,
}

/// Counts what the node says, and how often it hangs up.
async fn listen(mut events: NetworkEvents, answers: Arc<AtomicU64>, hung_up: Arc<AtomicU64>) {
    while let Some(event) = events.recv().await {
        match event {
            NetworkEvent::Frame { .. } => answers.fetch_add(1, Ordering::Relaxed),
            NetworkEvent::Disconnected { .. } => hung_up.fetch_add(1, Ordering::Relaxed),
            NetworkEvent::Connected { .. } => continue,
        };
    }
}

impl Attack {
    pub(crate) async fn prepare(info: &NodeInfo, target: &str, channel: ChannelId) -> Attack {
        let chain = info.chains.first().expect("a chain");
        let domain = Domain::new(chain.chain_id, chain.adjudicator);
        let target: PeerAddress = target.parse().expect("an address");
        let (answers, hung_up) = (Arc::<AtomicU64>::default(), Arc::<AtomicU64>::default());
        let mut strangers = Vec::new();
        for number in 0..SIGNERS {
            let key = SigningKey::from_bytes([0x70 + number; 32]).expect("a key");
            let limits = Limits {
                min_backoff: Duration::from_millis(5),
                max_backoff: Duration::from_millis(50),
                ..Limits::default()
            };
            let config = NetworkConfig {
                listen: Listen::Off,
                signer: Arc::new(key.clone()),
                domain,
                payout: key.address(),
                allow_plain_remote: false,
                kind: LinkKind::Peer,
                limits,
            };
            let (network, events) = Network::start(config).await.expect("starts");
            tokio::spawn(listen(events, answers.clone(), hung_up.clone()));
            network.add_peer(target.clone());
            strangers.push(Stranger { key, network });
        }
        let held = Vec::new();
        Attack { strangers, target, channel, sent: 0, connections: 0, answers, hung_up, held }
    }

    /// Sends so many messages and opens so many connections, evenly over the time, or for longer.
    pub(crate) async fn flood(&mut self, messages: u64, strangers: u64, time: Duration) {
        let bursts = (messages / BURST).max(1);
        let mut beat = tokio::time::interval(time / u32::try_from(bursts).unwrap_or(u32::MAX));
        let mut connected = 0;
        for burst in 0..bursts {
            beat.tick().await;
            let size = if burst + 1 == bursts { messages - burst * BURST } else { BURST };
            self.burst(size).await;
            while connected < strangers * (burst + 1) / bursts {
                self.connect().await;
                connected += 1;
            }
        }
    }

    async fn burst(&mut self, size: u64) {
        let which = usize::try_from(self.sent / BURST).unwrap_or(0) % self.strangers.len();
        let signer = self.target.signer();
        // Whoever was hung up on comes back first: what is said to nobody does not count.
        while self.strangers[which].network.status(signer) != Some(PeerStatus::Connected) {
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
        for _ in 0..size {
            let frame = self.message(which);
            self.strangers[which].network.send(signer, frame).expect("not too large");
            self.sent += 1;
        }
    }

    /// What nobody should say.
    fn message(&self, which: usize) -> Vec<u8> {
        let number = self.sent;
        let random = keccak256(number.to_be_bytes());
        let unknown = ChannelId(random);
        let update = Update {
            base: Version(number),
            base_hash: random,
            version: Version(number + 1),
            operations: [].into(),
            signature: Signature([7; 64]),
        };
        let sync = strait_protocol::Sync {
            confirmed: Version(number),
            confirmed_hash: random,
            signature: None,
            restored: number.is_multiple_of(2),
            reply: true,
        };
        let of = |channel, body| Frame::Channel { channel, body }.encode();
        match number % 8 {
            _ if number % GARBAGE_EVERY == GARBAGE_EVERY - 1 => vec![0xff; 300],
            0 | 1 => of(unknown, Body::Sync(sync)),
            // A channel that is known, and none of the stranger's.
            2 => of(self.channel, Body::Sync(sync)),
            3 => of(self.channel, Body::Update(update)),
            4 => of(self.channel, Body::RequestPen),
            5 => of(unknown, Body::Update(update)),
            6 => of(
                self.channel,
                Body::Acknowledge { version: Version(number), signature: Signature([9; 64]) },
            ),
            _ => self.offer(which, random),
        }
    }

    /// A channel that nobody funds.
    fn offer(&self, which: usize, random: B256) -> Vec<u8> {
        let participant = |signer| Participant { signer, payout: signer };
        let params = ChannelParams {
            participants: [
                participant(self.strangers[which].key.address()),
                participant(self.target.signer()),
            ],
            challenge_duration: 24 * 3_600,
            nonce: u64::from_be_bytes(*random.first_chunk().expect("32 bytes")),
            app: Address::ZERO,
            child: B256::ZERO,
            assets: vec![Address::ZERO],
        };
        Frame::Open { params }.encode()
    }

    /// A connection of somebody without a key.
    async fn connect(&mut self) {
        let place: SocketAddr = self.target.authority().parse().expect("an IP address and port");
        // A node under attack may refuse.
        let Ok(mut stream) = TcpStream::connect(place).await else { return };
        self.connections += 1;
        let says: &[u8] = match self.connections % 5 {
            0 => b"",
            1 => &[0xff; 600],
            2 => b"GET / HTTP/1.1\r\nHost: x\r\n\r\n",
            3 => b"GET / HTTP/1.1\r\nHost: x\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n",
            _ => b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03",
        };
        // It may have hung up already.
        stream.write_all(says).await.ok();
        self.held.push(stream);
        if self.held.len() > HELD {
            self.held.remove(0);
        }
    }

    pub(crate) fn sent(&self) -> u64 {
        self.sent
    }

    pub(crate) fn strangers(&self) -> u64 {
        self.connections
    }

    /// Frames with which the node answered strangers.
    pub(crate) fn answers(&self) -> u64 {
        self.answers.load(Ordering::Relaxed)
    }

    pub(crate) fn hung_up(&self) -> u64 {
        self.hung_up.load(Ordering::Relaxed)
    }
}
