//! Programs that pay over sockets of their own, with as many bytes as the API's requests and answers take.

use super::payer::{News, Payer, Reply};
use crate::latency::Histogram;
use crate::scenario::{Load, PER_REQUEST, Scenario};
use crate::talk::Ran;
use anyhow::Result;
use std::net::{Ipv4Addr, SocketAddr};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::mpsc::Sender;
use std::time::Instant;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};
use tokio::runtime::Runtime;
use tokio::sync::Notify;

/// Bytes of a request and of its answer.
#[derive(Clone, Copy)]
struct Size {
    request: usize,
    answer: usize,
    payments: usize,
}

fn size(load: Load) -> Size {
    match load {
        Load::ApiMany => Size { request: 70_000, answer: 45_000, payments: PER_REQUEST },
        _ => Size { request: 450, answer: 300, payments: 1 },
    }
}

/// The callers and the server.
pub(super) struct Calls {
    payer: Payer,
    runtime: Runtime,
    callers: Vec<TcpStream>,
    size: Size,
}

impl Calls {
    pub(super) fn start(payer: Payer, scenario: &Scenario) -> Result<Calls> {
        let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build()?;
        let size = size(scenario.load);
        let news = payer.news.clone();
        let callers = runtime.block_on(async {
            let listener = TcpListener::bind(SocketAddr::from((Ipv4Addr::LOCALHOST, 0))).await?;
            let mut callers = Vec::new();
            for _ in 0..scenario.in_flight {
                let caller = TcpStream::connect(listener.local_addr()?).await?;
                caller.set_nodelay(true)?;
                callers.push(caller);
                let (served, _) = listener.accept().await?;
                served.set_nodelay(true)?;
                tokio::spawn(serve(served, news.clone(), size));
            }
            Ok::<_, std::io::Error>(callers)
        })?;
        Ok(Calls { payer, runtime, callers, size })
    }

    pub(super) fn run(&mut self, until: Instant) -> Result<Ran> {
        let size = self.size;
        let callers: Vec<_> =
            self.callers.drain(..).map(|caller| self.runtime.spawn(call(caller, until, size))).collect();
        let news = self.payer.news.clone();
        let all = self.runtime.spawn(async move {
            let mut ended = Vec::new();
            for caller in callers {
                ended.push(caller.await??);
            }
            // The payer outlives its callers.
            drop(news.send(News::Enough));
            Ok::<_, anyhow::Error>(ended)
        });
        let mut ran = self.payer.serve()?;
        ran.latency = Histogram::default();
        for (caller, latency) in self.runtime.block_on(all)?? {
            ran.latency.merge(&latency);
            self.callers.push(caller);
        }
        Ok(ran)
    }
}

async fn call(mut socket: TcpStream, until: Instant, size: Size) -> Result<(TcpStream, Histogram)> {
    let mut latency = Histogram::default();
    let (request, mut answer) = (vec![b' '; size.request], vec![0; size.answer]);
    while Instant::now() < until {
        let start = Instant::now();
        socket.write_all(&request).await?;
        socket.read_exact(&mut answer).await?;
        let took = start.elapsed();
        (0..size.payments).for_each(|_| latency.add(took));
    }
    Ok((socket, latency))
}

async fn serve(mut socket: TcpStream, news: Sender<News>, size: Size) -> Result<()> {
    let (mut request, answer) = (vec![0; size.request], vec![b' '; size.answer]);
    loop {
        socket.read_exact(&mut request).await?;
        let paid = Arc::new(Notify::new());
        let (left, all) = (AtomicUsize::new(size.payments), paid.clone());
        let reply: Reply = Arc::new(move || {
            if left.fetch_sub(1, Ordering::Relaxed) == 1 {
                all.notify_one();
            }
        });
        if news.send(News::Wanted(size.payments, reply)).is_err() {
            return Ok(());
        }
        paid.notified().await;
        socket.write_all(&answer).await?;
    }
}
