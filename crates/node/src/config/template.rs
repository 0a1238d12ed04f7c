//! The file that `strait init` writes: what is set, and what could be, with the reasons.

use std::fmt::Write;
use std::net::SocketAddr;
use std::path::PathBuf;
use strait_types::Address;

/// What goes into a new file.
#[derive(Clone, Debug)]
pub struct Template {
    /// Where peers connect.
    pub listen: SocketAddr,
    /// Where the API listens.
    pub api: SocketAddr,
    /// Name of the key.
    pub key: String,
    /// The file that holds the key's password, if there is one.
    pub password_file: Option<PathBuf>,
    /// Where channels pay out, if not to the key's own address.
    pub payout: Option<Address>,
    /// The chains.
    pub chains: Vec<TemplateChain>,
    /// The tokens.
    pub assets: Vec<TemplateAsset>,
    /// The shortest challenge period of the policy, such as `24h`.
    pub min_challenge: String,
}

/// A chain in a new file.
#[derive(Clone, Debug)]
pub struct TemplateChain {
    /// Its name.
    pub name: String,
    /// EIP-155 id.
    pub chain_id: u64,
    /// Endpoints.
    pub rpc: Vec<String>,
    /// The contract.
    pub adjudicator: Address,
    /// Block in which it was deployed, if that is known.
    pub deployed_at: Option<u64>,
    /// As it is written: a number, or `"finalized"`.
    pub confirmations: String,
    /// Milliseconds.
    pub poll_ms: u64,
    /// The account's key, if it is not the node's.
    pub account: Option<String>,
    /// Its time is not real.
    pub is_development: bool,
}

/// A token in a new file.
#[derive(Clone, Debug)]
pub struct TemplateAsset {
    /// The chain's name.
    pub chain: String,
    /// Its name.
    pub symbol: String,
    /// Its address.
    pub address: Address,
    /// Its decimals.
    pub decimals: u8,
}

/// A text in TOML.
fn quoted(text: &str) -> String {
    toml::Value::String(text.to_owned()).to_string()
}

impl Template {
    /// The file's text.
    pub fn render(&self) -> String {
        let mut text = String::from(HEAD);
        // Writing to a string cannot fail.
        let _infallible = self.write(&mut text);
        text
    }

    fn write(&self, out: &mut String) -> std::fmt::Result {
        writeln!(out, "[node]")?;
        writeln!(
            out,
            "# Where peers connect; \"off\" only dials. 0.0.0.0:4040 takes them from other machines, by TLS."
        )?;
        writeln!(out, "listen = {}", quoted(&self.listen.to_string()))?;
        writeln!(out, "# Under which host:port others reach this node, if that is another.")?;
        writeln!(out, "# advertise = \"node.example.org:4040\"")?;
        writeln!(out, "# Where commands and applications reach this node.")?;
        writeln!(out, "api = {}", quoted(&self.api.to_string()))?;
        writeln!(
            out,
            "# The key in keys/NAME.json that signs. Who has it can spend what is in the channels."
        )?;
        writeln!(out, "key = {}", quoted(&self.key))?;
        match &self.password_file {
            Some(path) => writeln!(out, "password_file = {}", quoted(&path.display().to_string()))?,
            None => writeln!(
                out,
                "# The file that holds its password; without it STRAIT_PASSWORD, or a question at the start.\n# password_file = \"password\""
            )?,
        }
        match self.payout {
            Some(payout) => writeln!(out, "payout = {}", quoted(&payout.to_string()))?,
            None => writeln!(
                out,
                "# Where channels pay out: an address whose key is kept off this machine is safer than the default, the key's own.\n# payout = \"0x...\""
            )?,
        }
        writeln!(
            out,
            "# log = \"info\"            # or \"strait_node=debug,warn\"\n# log_format = \"text\"     # or \"json\""
        )?;
        writeln!(out, "# peers = [\"strait://0xSIGNER@host:port\"]")?;
        writeln!(
            out,
            "# Watchtowers that defend this node's channels while it is away.\n# towers = [\"strait-tower://0xSIGNER@host:port\"]\n"
        )?;
        for chain in &self.chains {
            chain.write(out)?;
        }
        writeln!(
            out,
            "# Names of tokens count only from here: what a token calls itself on chain proves nothing."
        )?;
        self.write_assets(out)?;
        writeln!(out, "# Which channels this node takes from peers.\n[policy]")?;
        writeln!(out, "min_challenge = {}", quoted(&self.min_challenge))?;
        out.push_str(POLICY);
        Ok(())
    }

    fn write_assets(&self, out: &mut String) -> std::fmt::Result {
        for asset in &self.assets {
            writeln!(
                out,
                "[[assets]]\nchain = {}\nsymbol = {}",
                quoted(&asset.chain),
                quoted(&asset.symbol)
            )?;
            writeln!(
                out,
                "address = {}\ndecimals = {}\n",
                quoted(&asset.address.to_string()),
                asset.decimals
            )?;
        }
        if self.assets.is_empty() {
            let chain = self.chains.first().map_or("NAME", |chain| chain.name.as_str());
            writeln!(
                out,
                "# [[assets]]\n# chain = {}\n# symbol = \"USDC\"\n# address = \"0x...\"\n# decimals = 6\n",
                quoted(chain)
            )?;
        }
        Ok(())
    }
}

impl TemplateChain {
    fn write(&self, out: &mut String) -> std::fmt::Result {
        writeln!(out, "[chains.{}]", self.name)?;
        writeln!(out, "chain_id = {}", self.chain_id)?;
        let rpc: Vec<String> = self.rpc.iter().map(|url| quoted(url)).collect();
        writeln!(
            out,
            "# The preferred endpoint first; several of different operators survive the failure of one."
        )?;
        writeln!(out, "rpc = [{}]", rpc.join(", "))?;
        writeln!(out, "adjudicator = {}", quoted(&self.adjudicator.to_string()))?;
        match self.deployed_at {
            Some(block) => writeln!(out, "deployed_at = {block}")?,
            None => writeln!(
                out,
                "# Its block; without it the node searches for it at every start.\n# deployed_at = 0"
            )?,
        }
        if self.is_development {
            writeln!(out, "# A development chain may travel in time.\ncheck_clock = false")?;
        }
        writeln!(out, "# Blocks on top of a deposit before it counts, or \"finalized\".")?;
        writeln!(out, "confirmations = {}", self.confirmations)?;
        writeln!(out, "poll_ms = {}", self.poll_ms)?;
        match &self.account {
            Some(account) => writeln!(out, "account = {}", quoted(account))?,
            None => writeln!(
                out,
                "# The key whose account pays gas and deposits; by default the node's.\n# account = \"gas\""
            )?,
        }
        writeln!(out, "# challenge_duration = \"24h\"\n")
    }
}

const HEAD: &str = "\
# Configuration of a Strait node. `strait config show` tells what counts and why, `strait doctor` what is wrong.
# An environment variable such as STRAIT_NODE__LISTEN overrides a value, a flag overrides both.

";

const POLICY: &str = "\
# max_challenge = \"30d\"
# assets = [\"ETH\"]                 # by default those that have names; [\"any\"] takes all
# apps = []
# min_deposit = [\"0.05 ETH\"]       # what a peer that opens a channel must deposit
# stakes = [\"1 ETH\"]               # most that is put, unasked, into what a peer opens in a channel
# starts = []                      # games that begin so are played unasked; see `strait app start --help`
# channels_per_peer = 1024
# manual_approval = false          # true: channels wait for `strait channel approve`

# What `strait tower` does for whom, when it runs here instead of a node.
# [tower]
# clients = [\"0xSIGNER\"]            # the keys of the nodes that it serves; [\"any\"] serves everybody
# settle = true                    # also settles and unlocks, some time after the deadline
# metrics = \"127.0.0.1:4043\"       # figures for Prometheus on this machine
";
