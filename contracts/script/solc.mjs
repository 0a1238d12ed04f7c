#!/usr/bin/env node
// Stands in for the native solc, which npm does not carry: answers what forge and slither ask of a compiler.
import { existsSync, readFileSync } from "node:fs";
import { text } from "node:stream/consumers";
import solc from "solc";

// slither reads syntax trees, and so nothing is generated for it that takes time.
const TREES = { "*": { "": ["ast"], "*": ["abi", "userdoc", "devdoc"] } };

function combinedJson(path, remappings) {
  const content = (file) => readFileSync(file, "utf8");
  const load = (file) => (existsSync(file) ? { contents: content(file) } : { error: `${file} not found` });
  const settings = { remappings, evmVersion: "cancun", outputSelection: TREES };
  const input = { language: "Solidity", sources: { [path]: { content: content(path) } }, settings };
  const output = JSON.parse(solc.compile(JSON.stringify(input), { import: load }));
  const errors = (output.errors ?? []).filter((e) => e.severity === "error");
  if (errors.length > 0) throw new Error(errors.map((e) => e.formattedMessage).join("\n"));
  const noCode = { bin: "", "bin-runtime": "", srcmap: "", "srcmap-runtime": "" };
  const contracts = {};
  for (const [file, inFile] of Object.entries(output.contracts)) {
    for (const [name, described] of Object.entries(inFile)) contracts[`${file}:${name}`] = { ...described, ...noCode };
  }
  const sources = Object.fromEntries(Object.entries(output.sources).map(([file, { ast }]) => [file, { AST: ast }]));
  return { contracts, sources, sourceList: Object.keys(sources), version: solc.version() };
}

const given = process.argv.slice(2);
if (given.includes("--version")) {
  console.log(`solc, the solidity compiler commandline interface\nVersion: ${solc.version()}`);
} else if (given.includes("--standard-json")) {
  process.stdout.write(solc.compile(await text(process.stdin)));
} else if (given.includes("--combined-json")) {
  const remappings = given.filter((argument) => argument.includes("="));
  const path = given.find((argument) => argument.endsWith(".sol"));
  process.stdout.write(JSON.stringify(combinedJson(path, remappings)));
} else {
  console.error("only --version, --standard-json and --combined-json are answered");
  process.exit(1);
}
