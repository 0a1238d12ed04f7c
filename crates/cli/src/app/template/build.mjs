#!/usr/bin/env node
// Compiles contracts/@CONTRACT@.sol into artifact.json, which the Rust side reads. `npm install` once, then it needs no network.
import { readFileSync, writeFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import solc from "solc";

const ROOT = dirname(fileURLToPath(import.meta.url));
const PATH = "contracts/@CONTRACT@.sol";
const read = (path) => readFileSync(join(ROOT, path), "utf8");

const output = JSON.parse(
  solc.compile(
    JSON.stringify({
      language: "Solidity",
      sources: { [PATH]: { content: read(PATH) } },
      settings: {
        evmVersion: "cancun",
        viaIR: true,
        optimizer: { enabled: true, runs: 10_000 },
        // Metadata are no code, but would be taken for it, and change with every comment.
        metadata: { bytecodeHash: "none", appendCBOR: false },
        outputSelection: { "*": { "*": ["abi", "evm.bytecode.object", "evm.deployedBytecode.object"] } },
      },
    }),
    { import: (path) => ({ contents: read(path) }) },
  ),
);
for (const message of output.errors ?? []) console.error(message.formattedMessage);
if ((output.errors ?? []).some((message) => message.severity === "error")) process.exit(1);
const { abi, evm } = output.contracts[PATH]["@CONTRACT@"];
const artifact = { contractName: "@CONTRACT@", abi, bytecode: `0x${evm.bytecode.object}`, deployedBytecode: `0x${evm.deployedBytecode.object}` };
writeFileSync(join(ROOT, "artifact.json"), `${JSON.stringify(artifact)}\n`);
console.log(`wrote artifact.json: ${evm.deployedBytecode.object.length / 2} bytes of code`);
