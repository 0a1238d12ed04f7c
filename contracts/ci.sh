#!/bin/sh
# Everything that the contracts must pass. Offline once the tools are installed; see package.json for them.
set -eu
cd "$(dirname "$0")"
forge=node_modules/@foundry-rs/forge-linux-amd64/bin/forge
if [ ! -x "$forge" ] || [ package-lock.json -nt node_modules/.package-lock.json ]; then
    npm ci --ignore-scripts --no-audit --no-fund
fi
"$forge" fmt --check
node script/artifacts.mjs --check
node script/vectors.mjs --check
node script/transport-vectors.mjs --check
# Gas: test/Gas.t.sol asserts the limits that docs/gas.md promises, and the exact figures must be those of snapshots/.
"$forge" test --gas-snapshot-check true "$@"
