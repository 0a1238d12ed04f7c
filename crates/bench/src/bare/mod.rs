//! The ceiling: the same bytes on the wire, hashes, signatures and syncs as the product's, with nothing else. It keeps no
//! channels, checks no rules, and could not be restarted; what the product adds to it is what the product costs.

mod calls;
mod link;
mod locks;
mod log;
mod payee;
mod payer;

use crate::party::{orders, say};
use crate::scenario::{Load, Scenario};
use crate::talk::{Order, Ran, Role, Said, Setup};
use crate::usage::Counters;
use anyhow::{Context as _, Result};
use std::net::{Ipv4Addr, TcpListener, TcpStream};
use std::sync::Arc;
use std::time::{Duration, Instant};

/// Runs a party without product code.
pub(crate) fn run(setup: &Setup, scenario: &Scenario) -> Result<()> {
    let counters = Arc::new(Counters::default());
    let socket = connect(setup)?;
    socket.set_nodelay(true)?;
    let log = log::Log::create(&setup.directory, counters.clone())?;
    let mut party = match (setup.role, scenario.load) {
        (Role::Payee, Load::Locks) => {
            locks::settle(socket, log, counters.clone())?;
            Party::Idle
        }
        (Role::Payee, _) => {
            payee::start(socket, log, counters.clone(), scenario)?;
            Party::Idle
        }
        (Role::Payer, Load::Locks) => Party::Locks(locks::Locker::new(socket, log, counters.clone())),
        (Role::Payer, load) => {
            let payer = payer::Payer::start(socket, log, counters.clone(), scenario)?;
            match load {
                Load::Api | Load::ApiMany => Party::Calls(calls::Calls::start(payer, scenario)?),
                Load::Pay | Load::Locks => Party::Stream(payer),
            }
        }
    };
    say(&Said::Ready)?;
    let mut orders = orders();
    while let Some(order) = orders.blocking_recv() {
        match order {
            Order::Run { millis } => {
                let until = Instant::now() + Duration::from_millis(millis);
                say(&Said::Ran(party.run(until)?))?;
            }
            Order::Usage => say(&Said::Usage(counters.usage()?))?,
        }
    }
    Ok(())
}

fn connect(setup: &Setup) -> Result<TcpStream> {
    if let Some(peer) = &setup.peer {
        return Ok(TcpStream::connect(peer)?);
    }
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?;
    say(&Said::Listening(listener.local_addr()?.to_string()))?;
    Ok(listener.accept().context("the payer did not come")?.0)
}

/// What a party does in a run.
enum Party {
    Stream(payer::Payer),
    Calls(calls::Calls),
    Locks(locks::Locker),
    Idle,
}

impl Party {
    fn run(&mut self, until: Instant) -> Result<Ran> {
        match self {
            Party::Stream(payer) => payer.stream(until),
            Party::Calls(calls) => calls.run(until),
            Party::Locks(locker) => locker.run(until),
            Party::Idle => anyhow::bail!("this party makes no payments"),
        }
    }
}
