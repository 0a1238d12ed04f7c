#!/usr/bin/env node
// Stands in for the native solc, which npm does not carry: answers what forge asks of a compiler.
import solc from "solc";
import { text } from "node:stream/consumers";

if (process.argv.includes("--version")) {
  console.log(`solc, the solidity compiler commandline interface\nVersion: ${solc.version()}`);
} else if (process.argv.includes("--standard-json")) {
  process.stdout.write(solc.compile(await text(process.stdin)));
} else {
  console.error("only --version and --standard-json are answered");
  process.exit(1);
}
