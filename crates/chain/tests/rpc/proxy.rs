//! An endpoint that passes questions on to anvil, unless the test has it answer otherwise.

use crate::anvil::post;
use serde_json::{Value, json};
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use strait_chain::rpc::Url;

/// What the endpoint does with a question.
pub(crate) enum Act {
    /// Asks anvil.
    Pass,
    /// Answers with this result.
    Answer(Value),
    /// Asks anvil and changes the result.
    Change(Box<dyn FnOnce(Value) -> Value>),
    /// Answers by a JSON-RPC error.
    Refuse(i64, &'static str),
    /// Answers with an HTTP status, and after how many seconds to come back.
    Status(u16, u32),
    /// Answers with something else than JSON.
    Text(&'static str),
    /// Closes the connection without an answer.
    HangUp,
    /// Never answers.
    Silent,
}

type Script = Box<dyn FnMut(&str, &Value) -> Act + Send>;

/// Runs until the process ends; the thread is small.
#[derive(Clone)]
pub(crate) struct Proxy {
    port: u16,
    script: Arc<Mutex<Script>>,
    asked: Arc<Mutex<Vec<(String, Value)>>>,
}

impl Proxy {
    pub(crate) fn before(anvil_port: u16) -> Proxy {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
        let proxy = Proxy {
            port: listener.local_addr().expect("bound").port(),
            script: Arc::new(Mutex::new(Box::new(|_, _| Act::Pass))),
            asked: Arc::default(),
        };
        let serving = proxy.clone();
        std::thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                let connection = serving.clone();
                std::thread::spawn(move || connection.serve(&stream, anvil_port));
            }
        });
        proxy
    }

    pub(crate) fn url(&self) -> Url {
        format!("http://127.0.0.1:{}/key-of-an-account", self.port).parse().expect("an address")
    }

    /// From now on the endpoint does what this says.
    pub(crate) fn script(&self, script: impl FnMut(&str, &Value) -> Act + Send + 'static) {
        *self.script.lock().expect("no panic") = Box::new(script);
    }

    pub(crate) fn pass(&self) {
        self.script(|_, _| Act::Pass);
    }

    /// How often it was asked this since the last time.
    pub(crate) fn count(&self, method: &str) -> usize {
        let mut asked = self.asked.lock().expect("no panic");
        let count = asked.iter().filter(|(of, _)| of == method).count();
        asked.clear();
        count
    }

    /// Serves a connection until it ends, by either side.
    fn serve(&self, stream: &TcpStream, anvil_port: u16) -> Option<()> {
        let mut reader = BufReader::new(stream);
        loop {
            let mut length = 0;
            loop {
                let mut line = String::new();
                if reader.read_line(&mut line).ok()? == 0 {
                    return None;
                }
                let line = line.trim().to_ascii_lowercase();
                if let Some(value) = line.strip_prefix("content-length:") {
                    length = value.trim().parse().ok()?;
                }
                if line.is_empty() {
                    break;
                }
            }
            let mut body = vec![0; length];
            reader.read_exact(&mut body).ok()?;
            let question: Value = serde_json::from_slice(&body).ok()?;
            let (status, more, answer) = self.answer(&question, anvil_port)?;
            let text = format!(
                "HTTP/1.1 {status} X\r\nContent-Type: application/json\r\n{more}Content-Length: {}\r\n\r\n{answer}",
                answer.len()
            );
            let mut writer = stream;
            writer.write_all(text.as_bytes()).ok()?;
        }
    }

    fn answer(&self, question: &Value, anvil_port: u16) -> Option<(u16, String, String)> {
        let method = question["method"].as_str()?;
        self.asked.lock().expect("no panic").push((method.to_owned(), question["params"].clone()));
        let act = (self.script.lock().expect("no panic"))(method, &question["params"]);
        let passed = || post(anvil_port, &question.to_string());
        let with = |member: &str, value: Value| {
            json!({ "jsonrpc": "2.0", "id": question["id"], member: value }).to_string()
        };
        let (status, more, text) = match act {
            Act::Pass => (200, String::new(), passed().to_string()),
            Act::Answer(result) => (200, String::new(), with("result", result)),
            Act::Change(change) => (200, String::new(), with("result", change(passed()["result"].take()))),
            Act::Refuse(code, message) => {
                (200, String::new(), with("error", json!({ "code": code, "message": message })))
            }
            Act::Status(status, wait) => (status, format!("Retry-After: {wait}\r\n"), String::new()),
            Act::Text(text) => (200, String::new(), text.to_owned()),
            Act::HangUp => return None,
            Act::Silent => loop {
                std::thread::park();
            },
        };
        Some((status, more, text))
    }
}

/// A line to anvil that passes bytes on, and can be cut.
pub(crate) struct Line {
    port: u16,
    open: Arc<Mutex<Vec<TcpStream>>>,
    is_down: Arc<AtomicBool>,
}

impl Line {
    pub(crate) fn to(anvil_port: u16) -> Line {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
        let port = listener.local_addr().expect("bound").port();
        let line = Line { port, open: Arc::default(), is_down: Arc::default() };
        let (opened, is_down) = (line.open.clone(), line.is_down.clone());
        std::thread::spawn(move || {
            for near in listener.incoming().flatten() {
                if is_down.load(Ordering::SeqCst) {
                    continue;
                }
                let far = TcpStream::connect(("127.0.0.1", anvil_port)).expect("anvil listens");
                for (from, to) in [(&near, &far), (&far, &near)] {
                    let (mut from, mut to) =
                        (from.try_clone().expect("a socket"), to.try_clone().expect("a socket"));
                    std::thread::spawn(move || std::io::copy(&mut from, &mut to));
                }
                opened.lock().expect("no panic").extend([near, far]);
            }
        });
        line
    }

    pub(crate) fn url(&self) -> Url {
        format!("ws://127.0.0.1:{}", self.port).parse().expect("an address")
    }

    /// Breaks all connections; new ones are served.
    pub(crate) fn cut(&self) {
        for stream in self.open.lock().expect("no panic").drain(..) {
            // The other side may have closed it already.
            let _ = stream.shutdown(std::net::Shutdown::Both);
        }
    }

    /// Breaks all connections, and new ones as well until it is mended.
    pub(crate) fn take_down(&self) {
        self.is_down.store(true, Ordering::SeqCst);
        self.cut();
    }

    pub(crate) fn mend(&self) {
        self.is_down.store(false, Ordering::SeqCst);
    }
}
