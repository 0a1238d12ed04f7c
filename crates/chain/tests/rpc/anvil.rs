//! A fresh anvil for each test, mined by hand.

use serde_json::{Value, json};
use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpStream;
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use strait_types::{Address, U256};

pub(crate) const CHAIN_ID: u64 = 31_337;

/// Ends with the value.
pub(crate) struct Anvil {
    process: Child,
    pub(crate) port: u16,
}

impl Anvil {
    pub(crate) fn start() -> Anvil {
        Anvil::start_with(&[])
    }

    pub(crate) fn start_with(more: &[&str]) -> Anvil {
        let contracts = PathBuf::from(concat!(env!("CARGO_MANIFEST_DIR"), "/../../contracts"));
        let program = contracts.join("node_modules/@foundry-rs/anvil-linux-amd64/bin/anvil");
        assert!(
            program.exists(),
            "anvil is not installed; run: (cd contracts && npm ci --ignore-scripts --no-audit --no-fund)"
        );
        let mut process = Command::new(program)
            .args(["--port", "0", "--order", "fifo", "--no-mining", "--chain-id", &CHAIN_ID.to_string()])
            .args(more)
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .expect("anvil starts");
        let mut output = BufReader::new(process.stdout.take().expect("piped"));
        let mut port = None;
        let mut line = String::new();
        while port.is_none() {
            line.clear();
            assert!(output.read_line(&mut line).expect("anvil speaks") > 0, "anvil ended");
            port =
                line.trim().strip_prefix("Listening on 127.0.0.1:").map(|port| port.parse().expect("a port"));
        }
        // It stops when nobody reads what it says.
        std::thread::spawn(move || std::io::copy(&mut output, &mut std::io::sink()));
        Anvil { process, port: port.expect("just found") }
    }

    pub(crate) fn url(&self, scheme: &str) -> strait_chain::rpc::Url {
        format!("{scheme}://127.0.0.1:{}", self.port).parse().expect("an address")
    }

    /// Asks; the answer must be a result.
    pub(crate) fn ask(&self, method: &str, parameters: &Value) -> Value {
        let request = json!({ "jsonrpc": "2.0", "id": 1, "method": method, "params": parameters });
        let mut answer = post(self.port, &request.to_string());
        assert!(answer.get("error").is_none(), "{method}: {answer}");
        answer["result"].take()
    }

    pub(crate) fn number(&self, method: &str, parameters: &Value) -> U256 {
        serde_json::from_value(self.ask(method, parameters)).expect("a number")
    }

    pub(crate) fn mine(&self) {
        self.ask("evm_mine", &json!([]));
    }

    pub(crate) fn fund(&self, account: Address, wei: U256) {
        self.ask("anvil_setBalance", &json!([account, self.balance(account) + wei]));
    }

    /// Replaces the newest blocks by others: with the same transactions, or without any, which the pool does not get back.
    pub(crate) fn reorg(&self, depth: usize, keep_transactions: bool) {
        let head: u64 = self.number("eth_blockNumber", &json!([])).to();
        let mut kept: Vec<Value> = Vec::new();
        for index in 0..depth {
            let number = head - u64::try_from(depth - index - 1).expect("small");
            let block = self.ask("eth_getBlockByNumber", &json!([format!("0x{number:x}"), false]));
            for hash in block["transactions"].as_array().expect("hashes") {
                let raw = self.ask("eth_getRawTransactionByHash", &json!([hash]));
                kept.push(json!([raw, index]));
            }
        }
        let pairs = if keep_transactions { kept } else { Vec::new() };
        self.ask("anvil_reorg", &json!([depth, pairs]));
    }

    pub(crate) fn balance(&self, account: Address) -> U256 {
        self.number("eth_getBalance", &json!([account, "latest"]))
    }
}

impl Drop for Anvil {
    fn drop(&mut self) {
        // It may have ended by itself, which the test has noticed then.
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

pub(crate) fn post(port: u16, body: &str) -> Value {
    let mut stream = TcpStream::connect(("127.0.0.1", port)).expect("anvil listens");
    let head = format!(
        "POST / HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\nContent-Length: {}\r\n\
         Connection: close\r\n\r\n",
        body.len()
    );
    stream.write_all(head.as_bytes()).and_then(|()| stream.write_all(body.as_bytes())).expect("sent");
    let mut answer = String::new();
    stream.read_to_string(&mut answer).expect("answered");
    let (_, body) = answer.split_once("\r\n\r\n").expect("an HTTP answer");
    serde_json::from_str(body).unwrap_or_else(|error| panic!("{error}: {body}"))
}
