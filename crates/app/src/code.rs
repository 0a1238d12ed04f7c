//! The code of an app, as compilers give it out and as a channel commits to it.

use crate::interface;
use crate::reason::Reasons;
use crate::scan::{Forbidden, scan};
use serde_json::Value;
use strait_types::abi::app::{MAX_APP_CODE, app_address};
use strait_types::{Address, Bytes};

/// Why bytes can't be an app.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
pub enum CodeError {
    /// Not the JSON of a compiled contract.
    #[error("this is no compiled contract: {0}; give the JSON that the compiler wrote for it")]
    Artifact(String),
    /// The compiler left places to be filled in later.
    #[error("the code is not complete: it has {0}, which only a deployment fills in; apps have neither")]
    Incomplete(&'static str),
    /// It could not be asked.
    #[error(
        "the contract has {0}; it has to be one that `is IApp`, with both of its functions as they are there"
    )]
    Interface(String),
    /// No code at all, as of an interface.
    #[error("there is no code; give the artifact of a contract, not of an interface or abstract contract")]
    Empty,
    /// No chain would take it.
    #[error(
        "the code has {0} bytes, and a chain takes 24576; make it shorter, or let the compiler optimise it"
    )]
    TooLong(usize),
    /// No chain would take it.
    #[error("the code begins with 0xef, which no chain deploys; compile it for the EVM of Cancun")]
    NotDeployable,
    /// It could answer differently another time.
    #[error(transparent)]
    Forbidden(#[from] Forbidden),
    /// It is another app than the channel's.
    #[error(
        "the code belongs to the app {actual}, the channel's is {expected}; ask your peer for the right code"
    )]
    OtherApp {
        /// The channel's app.
        expected: Address,
        /// The address of these bytes.
        actual: Address,
    },
}

/// Runtime code that is fit to be an app, and the names of its errors.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct AppCode {
    runtime: Bytes,
    reasons: Reasons,
    has_constructor: bool,
}

impl AppCode {
    /// Takes runtime code, after it was scanned.
    ///
    /// # Errors
    /// See [`CodeError`].
    pub fn new(runtime: impl Into<Bytes>) -> Result<AppCode, CodeError> {
        let runtime = runtime.into();
        match runtime.first() {
            None => return Err(CodeError::Empty),
            Some(0xef) => return Err(CodeError::NotDeployable),
            Some(_) if runtime.len() > MAX_APP_CODE => return Err(CodeError::TooLong(runtime.len())),
            Some(_) => scan(&runtime)?,
        }
        Ok(AppCode { runtime, reasons: Reasons::default(), has_constructor: false })
    }

    /// Reads what a compiler wrote: JSON with `abi` and `deployedBytecode`, as of forge, hardhat or this
    /// repository. The custom errors of the ABI are shown by name when the app reverts.
    ///
    /// # Errors
    /// See [`CodeError`].
    pub fn from_artifact(json: &str) -> Result<AppCode, CodeError> {
        let artifact: Value =
            serde_json::from_str(json).map_err(|error| CodeError::Artifact(error.to_string()))?;
        let deployed = &artifact["deployedBytecode"];
        let object = deployed.as_str().or_else(|| deployed["object"].as_str());
        let object = object.ok_or_else(|| CodeError::Artifact("it has no `deployedBytecode`".to_owned()))?;
        if object.contains("__") {
            return Err(CodeError::Incomplete("calls to a linked library"));
        }
        let immutables = [&artifact["immutableReferences"], &deployed["immutableReferences"]];
        if immutables.iter().any(|references| references.as_object().is_some_and(|map| !map.is_empty())) {
            return Err(CodeError::Incomplete("immutable variables"));
        }
        let runtime: Bytes = object
            .parse()
            .map_err(|_| CodeError::Artifact("`deployedBytecode` is not hexadecimal".to_owned()))?;
        let code = AppCode::new(runtime)?;
        let abi = &artifact["abi"];
        if let Some(lacks) = interface::lacks(abi) {
            return Err(CodeError::Interface(lacks));
        }
        let has_constructor = abi.as_array().into_iter().flatten().any(|item| item["type"] == "constructor");
        Ok(AppCode { reasons: Reasons::of_abi(abi), has_constructor, ..code })
    }

    /// Whether the contract that it was read from has a constructor: it never runs, since an app is its runtime code alone.
    pub fn has_constructor(&self) -> bool {
        self.has_constructor
    }

    /// The runtime code: what `deployApp` takes.
    pub fn runtime(&self) -> &Bytes {
        &self.runtime
    }

    /// The address that an adjudicator gives to it, deployed or not: the `app` of the channel's parameters.
    pub fn address(&self, adjudicator: Address) -> Address {
        app_address(adjudicator, &self.runtime)
    }

    /// Makes sure that a channel's app is this code.
    ///
    /// # Errors
    /// [`CodeError::OtherApp`].
    pub fn require(&self, app: Address, adjudicator: Address) -> Result<(), CodeError> {
        let actual = self.address(adjudicator);
        if actual == app { Ok(()) } else { Err(CodeError::OtherApp { expected: app, actual }) }
    }

    pub(crate) fn reason(&self, data: &[u8]) -> String {
        self.reasons.decode(data)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn refused(artifact: &Value) -> CodeError {
        AppCode::from_artifact(&artifact.to_string()).expect_err("no app")
    }

    #[test]
    fn artifacts_of_every_shape_are_read() {
        let runtime = Bytes::from_static(&[0x5f, 0x5f, 0xf3]);
        for artifact in [
            json!({ "abi": [], "deployedBytecode": "0x5f5ff3" }),
            json!({ "abi": [], "deployedBytecode": { "object": "0x5f5ff3", "immutableReferences": {} } }),
            json!({ "deployedBytecode": "5f5ff3", "immutableReferences": {} }),
        ] {
            assert_eq!(
                AppCode::from_artifact(&artifact.to_string()).map(|code| code.runtime),
                Ok(runtime.clone())
            );
        }
    }

    #[test]
    fn what_cannot_be_an_app_is_refused() {
        assert!(matches!(AppCode::from_artifact("{"), Err(CodeError::Artifact(_))));
        assert!(matches!(refused(&json!({})), CodeError::Artifact(_)));
        assert!(matches!(refused(&json!({ "deployedBytecode": "0xzz" })), CodeError::Artifact(_)));
        assert_eq!(refused(&json!({ "deployedBytecode": "0x" })), CodeError::Empty);
        assert_eq!(refused(&json!({ "deployedBytecode": "0xef00" })), CodeError::NotDeployable);
        let sticks: Value =
            serde_json::from_str(include_str!("../../../contracts/artifacts/Sticks.json")).expect("JSON");
        let mut other = sticks.clone();
        other["abi"].as_array_mut().expect("a list").retain(|item| item["name"] != "verdict");
        assert!(matches!(refused(&other), CodeError::Interface(lacks) if lacks.contains("verdict")));
        let mut built = sticks.clone();
        built["abi"].as_array_mut().expect("a list").push(json!({ "type": "constructor", "inputs": [] }));
        let [plain, built] = [sticks, built].map(|of| AppCode::from_artifact(&of.to_string()).expect("fit"));
        assert!(built.has_constructor() && !plain.has_constructor());
        let linked = json!({ "deployedBytecode": { "object": "0x73__$1234$__63" } });
        assert!(matches!(refused(&linked), CodeError::Incomplete(_)));
        let immutable =
            json!({ "object": "0x5f", "immutableReferences": { "7": [{ "start": 1, "length": 32 }] } });
        assert!(matches!(refused(&json!({ "deployedBytecode": immutable })), CodeError::Incomplete(_)));
        assert!(matches!(refused(&json!({ "deployedBytecode": "0x42" })), CodeError::Forbidden(_)));
        assert!(AppCode::new(vec![0; 24_576]).is_ok());
        assert_eq!(AppCode::new(vec![0; 24_577]), Err(CodeError::TooLong(24_577)));
    }

    #[test]
    fn a_channel_gets_its_own_code_only() {
        let adjudicator = Address::repeat_byte(7);
        let [one, other] = [0x00, 0x01].map(|byte| AppCode::new(vec![byte]).expect("harmless"));
        assert_eq!(one.require(one.address(adjudicator), adjudicator), Ok(()));
        assert!(matches!(
            other.require(one.address(adjudicator), adjudicator),
            Err(CodeError::OtherApp { actual, .. }) if actual == other.address(adjudicator)
        ));
        assert!(one.require(one.address(adjudicator), Address::repeat_byte(8)).is_err());
    }
}
