//! What is measured: the table of scenarios, with what each has to reach.

use strait_protocol::Settings;

/// What the clients do.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Load {
    /// In-process clients pay, each awaiting its payment.
    Pay,
    /// In-process clients lock amounts, the payee settles each by its preimage.
    Locks,
    /// Programs call the API's `pay`, one payment at a time on each connection.
    Api,
    /// Programs call the API's `payMany` with [`PER_REQUEST`] payments.
    ApiMany,
}

/// Payments of one `payMany`.
pub(crate) const PER_REQUEST: usize = 1_000;

/// What a scenario has to reach.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Target {
    /// Payments per second.
    Rate(f64),
    /// Payments per second, at a median latency in microseconds.
    RateWithin(f64, f64),
    /// Median latency in microseconds.
    Latency(f64),
    /// Share of the rate of `stream`.
    OfStream(f64),
}

/// One line of the table.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Scenario {
    pub(crate) name: &'static str,
    pub(crate) load: Load,
    /// Between the two nodes.
    pub(crate) channels: u64,
    /// Payments that wait for their end at once, of all clients of one node together; for the API: connections.
    pub(crate) in_flight: usize,
    /// Most payments in a version, where it is not the product's own choice.
    batch: Option<usize>,
    /// Versions in flight, likewise.
    window: Option<usize>,
    /// Both pay.
    pub(crate) duplex: bool,
    pub(crate) target: Target,
}

impl Scenario {
    /// What the nodes demand of their channels.
    pub(crate) fn settings(&self) -> Settings {
        let product = Settings::default();
        Settings {
            batch: self.batch.unwrap_or(product.batch),
            window: self.window.unwrap_or(product.window),
            ..product
        }
    }
}

const STREAM: Scenario = Scenario {
    name: "stream",
    load: Load::Pay,
    channels: 1,
    in_flight: 65_536,
    batch: None,
    window: None,
    duplex: false,
    target: Target::Rate(1_000_000.0),
};

pub(crate) const SCENARIOS: [Scenario; 9] = [
    STREAM,
    Scenario { name: "stream_2ms", in_flight: 640, target: Target::RateWithin(300_000.0, 2_000.0), ..STREAM },
    Scenario {
        name: "versions",
        in_flight: 64,
        batch: Some(1),
        window: Some(64),
        target: Target::Rate(10_000.0),
        ..STREAM
    },
    Scenario { name: "sequential", in_flight: 1, target: Target::Latency(700.0), ..STREAM },
    Scenario {
        name: "channels_1000",
        channels: 1_000,
        in_flight: 524_288,
        target: Target::Rate(500_000.0),
        ..STREAM
    },
    Scenario { name: "duplex", duplex: true, target: Target::OfStream(0.6), ..STREAM },
    Scenario { name: "api_pay", load: Load::Api, in_flight: 32, target: Target::Rate(15_000.0), ..STREAM },
    Scenario {
        name: "api_many",
        load: Load::ApiMany,
        in_flight: 4,
        target: Target::Rate(200_000.0),
        ..STREAM
    },
    Scenario { name: "locks", load: Load::Locks, in_flight: 64, target: Target::Rate(20_000.0), ..STREAM },
];

/// The scenario with a name.
pub(crate) fn find(name: &str) -> Option<Scenario> {
    SCENARIOS.into_iter().find(|scenario| scenario.name == name)
}

/// For the command line.
pub(crate) fn parse(name: &str) -> Result<Scenario, String> {
    let names = || SCENARIOS.map(|scenario| scenario.name).join(", ");
    find(name).ok_or_else(|| format!("the scenarios are {}", names()))
}
