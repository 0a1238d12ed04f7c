#!/usr/bin/env node
// Writes contracts/artifacts/*.json, which the Rust side reads: ABI and bytecode, nothing else.
// `--check` writes nothing and fails when what is committed differs from the sources.
import { existsSync, mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import solc from "solc";

const ROOT = join(dirname(fileURLToPath(import.meta.url)), "..");
const CONTRACTS = {
  Adjudicator: "src/Adjudicator.sol",
  IApp: "src/interfaces/IApp.sol",
  TestUSDC: "src/test/TestUSDC.sol",
  TestUSDT: "src/test/TestUSDT.sol",
  ConnectFour: "src/examples/ConnectFour.sol",
  FairExchange: "src/examples/FairExchange.sol",
  RockPaperScissors: "src/examples/RockPaperScissors.sol",
  Sticks: "src/examples/Sticks.sol",
  // Of tests only: what the model of the adjudicator (crates/proof) is compared on.
  HostileApp: "test/mocks/Apps.sol",
  MoodyPayout: "test/mocks/Moody.sol",
  MoodyToken: "test/mocks/Moody.sol",
};
// The adjudicator creates its extension and delegates to it what it does not know: callers see one contract.
const EXTENSIONS = { Adjudicator: ["src/AdjudicatorExtension.sol", "AdjudicatorExtension"] };
// As in foundry.toml; test/Artifacts.t.sol proves that both compilations agree.
const SETTINGS = {
  viaIR: true,
  evmVersion: "cancun",
  optimizer: { enabled: true, runs: 10_000 },
  metadata: { bytecodeHash: "none", appendCBOR: false },
  remappings: ["@openzeppelin/contracts/=node_modules/@openzeppelin/contracts/"],
  outputSelection: { "*": { "*": ["abi", "evm.bytecode.object", "evm.deployedBytecode.object"] } },
};

function compile(name, path) {
  const input = {
    language: "Solidity",
    sources: { [path]: { content: readFileSync(join(ROOT, path), "utf8") } },
    settings: SETTINGS,
  };
  const load = (file) => {
    const full = join(ROOT, file);
    return existsSync(full) ? { contents: readFileSync(full, "utf8") } : { error: `${file} not found` };
  };
  const output = JSON.parse(solc.compile(JSON.stringify(input), { import: load }));
  const errors = (output.errors ?? []).filter((e) => e.severity === "error");
  if (errors.length > 0) {
    throw new Error(errors.map((e) => e.formattedMessage).join("\n"));
  }
  const { abi, evm } = output.contracts[path][name];
  const [file, extension] = EXTENSIONS[name] ?? [];
  const more = file ? output.contracts[file][extension].abi : [];
  const known = new Set(abi.map((entry) => JSON.stringify(entry)));
  return `${JSON.stringify({
    abi: [...abi, ...more.filter((entry) => entry.type !== "constructor" && !known.has(JSON.stringify(entry)))],
    bytecode: `0x${evm.bytecode.object}`,
    deployedBytecode: `0x${evm.deployedBytecode.object}`,
  })}\n`;
}

const check = process.argv.includes("--check");
let stale = false;
mkdirSync(join(ROOT, "artifacts"), { recursive: true });
for (const [name, path] of Object.entries(CONTRACTS)) {
  const file = join(ROOT, "artifacts", `${name}.json`);
  const fresh = compile(name, path);
  const size = (JSON.parse(fresh).deployedBytecode.length - 2) / 2;
  if (!check) {
    writeFileSync(file, fresh);
    console.log(`wrote artifacts/${name}.json (${size} bytes of code)`);
  } else if (!existsSync(file) || readFileSync(file, "utf8") !== fresh) {
    console.error(`artifacts/${name}.json differs from ${path}: run 'node contracts/script/artifacts.mjs' and commit it`);
    stale = true;
  } else {
    console.log(`artifacts/${name}.json matches ${path} (${size} bytes of code)`);
  }
}
process.exit(stale ? 1 : 0);
