#!/usr/bin/env node
// Measures the gas of real transactions on a fresh anvil and prints a table: the one in docs/gas.md.
// `--profile NAME` also prints where the gas of one call goes, by opcode.
import { spawn } from "node:child_process";
import { createInterface } from "node:readline";
import { join } from "node:path";
import { createPublicClient, createTestClient, createWalletClient, http, keccak256, sha256, size, toHex } from "viem";
import { privateKeyToAccount } from "viem/accounts";
import { foundry } from "viem/chains";
import * as lib from "./lib.mjs";

const KEYS = [keccak256(toHex("signer 0")), keccak256(toHex("signer 1"))];
const SENDER = privateKeyToAccount("0xac0974bec39a17e36ba4a6b4d238ff944bacb478cbed5efcae784d7bf4f2ff80");
const PAYOUTS = ["0x70997970C51812dc3A010C7d01b50e0d17dc79C8", "0x3C44CdDdB6a900fa2b585dd299e03d12FA4293BC"];
const PROFILE = process.argv.includes("--profile") ? process.argv[process.argv.indexOf("--profile") + 1] : undefined;
const ETHER = 10n ** 18n;
const DAY = 86_400;

const anvil = spawn(
  join(lib.ROOT, "node_modules/@foundry-rs/anvil-linux-amd64/bin/anvil"),
  ["--port", "0", "--order", "fifo", "--hardfork", "prague", "--steps-tracing"],
  { stdio: ["ignore", "pipe", "inherit"] },
);
process.on("exit", () => anvil.kill());
const url = await new Promise((resolve) => {
  createInterface({ input: anvil.stdout }).on("line", (line) => {
    const found = line.match(/Listening on (\S+)/);
    if (found) resolve(`http://${found[1]}`);
  });
});

const transport = http(url);
const chain = createPublicClient({ chain: foundry, transport, pollingInterval: 20 });
const wallet = createWalletClient({ account: SENDER, chain: foundry, transport });
const test = createTestClient({ mode: "anvil", chain: foundry, transport });
const rows = [];

async function mined(hash) {
  const receipt = await chain.waitForTransactionReceipt({ hash });
  if (receipt.status !== "success") throw new Error(`transaction ${hash} failed`);
  return receipt;
}

async function deploy(name) {
  const { abi, bytecode } = lib.artifact(name);
  const receipt = await mined(await wallet.deployContract({ abi, bytecode, args: [] }));
  return { address: receipt.contractAddress, gas: receipt.gasUsed };
}

const deployed = await deploy("Adjudicator");
const adjudicator = deployed.address;
const usdc = (await deploy("TestUSDC")).address;
const domain = lib.domainOf(foundry.id, adjudicator);
const now = async () => Number((await chain.getBlock()).timestamp);

async function call(label, name, args, value = 0n) {
  const data = lib.calldata(name, args);
  const receipt = await mined(await wallet.sendTransaction({ to: adjudicator, data, value }));
  if (label) rows.push([label, receipt.gasUsed, size(data)]);
  if (label && label === PROFILE) await profile(receipt.transactionHash);
}

async function token(name, args) {
  await mined(await wallet.writeContract({ address: usdc, abi: lib.artifact("TestUSDC").abi, functionName: name, args }));
}

async function profile(hash) {
  const trace = await chain.request({ method: "debug_traceTransaction", params: [hash, { disableStorage: true }] });
  const costs = new Map();
  for (const step of trace.structLogs.filter((s) => s.depth === 1)) {
    const [count, gas] = costs.get(step.op) ?? [0, 0];
    costs.set(step.op, [count + 1, gas + step.gasCost]);
  }
  const sorted = [...costs].sort((a, b) => b[1][1] - a[1][1]).slice(0, 24);
  console.log(sorted.map(([op, [count, gas]]) => `${op.padEnd(14)} ${count} x = ${gas}`).join("\n"));
}

let nonce = 0x1122334455667788n;
const paramsOf = (assets) => ({
  signer0: privateKeyToAccount(KEYS[0]).address,
  payout0: PAYOUTS[0],
  signer1: privateKeyToAccount(KEYS[1]).address,
  payout1: PAYOUTS[1],
  challengeDuration: DAY,
  nonce: nonce++,
  app: lib.ZERO,
  child: lib.ZERO32,
  assets,
});
const idOf = (p) => lib.channelId(foundry.id, adjudicator, p);

/** Participant 0 has given `paid` of the first asset to 1. */
const stateOf = (p, version, paid, more = {}) => ({
  version,
  writer: 0,
  isFinal: false,
  validUntil: 0n,
  allocations: p.assets.map((_, k) => ({
    delta0: k === 0 ? -paid : 0n,
    delta1: k === 0 ? paid : 0n,
    withdrawn0: 0n,
    withdrawn1: 0n,
  })),
  locksHash: lib.ZERO32,
  history: keccak256(toHex(version)),
  appData: "0x",
  ...more,
});
const full = (p, s) => ({ channelId: idOf(p), ...s });
const record = (p, s) => ({ version: s.version, stateHash: lib.structHash("State", full(p, s)) });
const NOTHING = { version: 0n, stateHash: lib.ZERO32 };

async function signed(primaryType, message) {
  const hash = lib.digest(domain, primaryType, message);
  return Promise.all(KEYS.map((key) => lib.compactSign(key, hash)));
}

async function challenge(label, p, s, previous = NOTHING, dispute = 0, withSigs = true) {
  const sigs = withSigs ? await signed("State", full(p, s)) : [lib.NO_SIG, lib.NO_SIG];
  const hash = lib.structHash("State", full(p, s));
  const [sig] = await signed("Challenge", { channelId: idOf(p), dispute, stateHash: hash });
  await call(label, "challenge", [p, s, ...sigs, previous, 0n, sig]);
}

async function open(label, p) {
  const terms = [lib.termsHash(p), lib.moreAssets(p)];
  await call(label && "deposit, first", "deposit", [...terms, 0n], ETHER);
  await call(label && "deposit, second", "deposit", [...terms, 1n], ETHER);
}

async function close(label, p, s) {
  const final = { ...s, isFinal: true, validUntil: BigInt((await now()) + 3600) };
  await call(label, "close", [p, final, ...(await signed("State", full(p, final)))]);
}

const NATIVE = [lib.ZERO];
const PAID = 123_456_789_000_000_000n;

// Open and close.
let p = paramsOf(NATIVE);
await open(true, p);
await close("close, both paid", p, stateOf(p, 70_000n, PAID));

// A dispute.
p = paramsOf(NATIVE);
await open(false, p);
let s = stateOf(p, 70_000n, PAID);
await challenge("challenge", p, s);
let higher = stateOf(p, 70_001n, 2n * PAID);
await call("respond", "respond", [p, higher, ...(await signed("State", full(p, higher))), record(p, s)]);
await test.increaseTime({ seconds: DAY + 1 });
await call("settle", "settle", [p, higher]);

// Resume, and challenge again.
p = paramsOf(NATIVE);
await open(false, p);
s = stateOf(p, 70_000n, PAID);
await challenge(undefined, p, s);
await call("resume", "resume", [p, record(p, s), ...(await signed("Resume", { channelId: idOf(p), dispute: 0 }))]);
await challenge("challenge at the recorded version, unsigned", p, s, record(p, s), 1, false);

// Nothing signed yet.
p = paramsOf(NATIVE);
await open(false, p);
s = { ...stateOf(p, 0n, 0n), history: lib.ZERO32 };
await challenge("challenge at version 0", p, s, NOTHING, 0, false);

// A lock.
p = paramsOf(NATIVE);
await open(false, p);
const preimage = keccak256(toHex("secret"));
const locks = [
  { kind: 0, assetIndex: 0, amount0: PAID, amount1: 0n, ref: sha256(preimage), expiry: BigInt((await now()) + 3 * DAY), flip: false },
];
s = stateOf(p, 70_000n, 0n, { locksHash: lib.locksHash(locks) });
s.allocations[0].delta0 = -PAID;
await challenge(undefined, p, s);
await call("registerPreimage", "registerPreimage", [preimage]);
await test.increaseTime({ seconds: DAY + 1 });
await call("settle, locks pending", "settle", [p, s]);
await call("unlock, one hash lock", "unlock", [p, locks]);

// Withdrawals.
p = paramsOf(NATIVE);
await open(false, p);
const withdrawn = async (version, amount) => {
  const state = stateOf(p, version, PAID, { validUntil: BigInt((await now()) + 3600) });
  state.allocations[0].delta0 -= amount;
  state.allocations[0].withdrawn0 = amount;
  return state;
};
s = await withdrawn(70_000n, ETHER / 2n);
await call("withdraw, first", "withdraw", [p, s, ...(await signed("State", full(p, s))), NOTHING]);
higher = await withdrawn(70_001n, (ETHER * 6n) / 10n);
await call("withdraw, second", "withdraw", [p, higher, ...(await signed("State", full(p, higher))), record(p, s)]);
await close("close after withdrawals", p, { ...higher, version: 70_002n });

// A token.
p = paramsOf([usdc]);
await token("mint", [SENDER.address, 10n ** 12n]);
await token("approve", [adjudicator, 2n ** 256n - 1n]);
for (const holder of [...PAYOUTS, adjudicator]) await token("mint", [holder, 1n]);
await call("depositToken, first", "depositToken", [lib.termsHash(p), p.assets, 0n, 0n, 10n ** 9n]);
await call("depositToken, second", "depositToken", [lib.termsHash(p), p.assets, 0n, 1n, 10n ** 9n]);
await close("close in a token, both paid", p, stateOf(p, 70_000n, 123_456_789n));

// An app.
await call("deployApp, the simplest", "deployApp", [lib.PERMISSIVE_APP]);
const APP = lib.appAddress(adjudicator, lib.PERMISSIVE_APP);
const move = (p, from) => ({ ...from, version: from.version + 1n, writer: 1 - from.writer, history: lib.structHash("State", full(p, from)), appData: `0x${"02".repeat(64)}` });
const alone = async (p, from, to) => (await signed("State", full(p, to))).map((sig, side) => (side === from.writer ? sig : lib.NO_SIG));
p = { ...paramsOf(NATIVE), app: APP };
await open(false, p);
s = stateOf(p, 70_000n, PAID, { appData: `0x${"01".repeat(64)}` });
await challenge("challenge, app", p, s);
higher = { ...stateOf(p, 70_001n, 2n * PAID), appData: s.appData };
await call("respond, app", "respond", [p, higher, ...(await signed("State", full(p, higher))), record(p, s)]);
await test.increaseTime({ seconds: DAY + 1 });
let next = move(p, higher);
await call("progress, one forced move", "progress", [p, higher, next, ...(await alone(p, higher, next))]);
await test.increaseTime({ seconds: DAY + 1 });
await call("settle, by the app's verdict", "settle", [p, next]);

// A child over a hub, and its lock in a parent.
const HUB_KEY = keccak256(toHex("hub"));
const byHub = (type, message) => lib.compactSign(HUB_KEY, lib.digest(domain, type, message));
const child = async (more) => {
  const terms = { parent0: keccak256(toHex("parent 0")), version0: 7n, parent1: keccak256(toHex("parent 1")), version1: 8n, hub: privateKeyToAccount(HUB_KEY).address, end: BigInt((await now()) + 30 * DAY), amount0: PAID, amount1: PAID };
  return [{ ...paramsOf(NATIVE), ...more, child: lib.structHash("ChildTerms", terms) }, terms];
};
const shown = (state, [sig0, sig1], activation, previous) => ({ state, sig0, sig1, activation, previous });
let [c, terms] = await child({ app: APP });
s = stateOf(c, 70_000n, PAID / 2n, { appData: `0x${"01".repeat(64)}` });
const activation = await byHub("Activation", { channelId: idOf(c) });
const [sig] = await signed("Challenge", { channelId: idOf(c), dispute: 0, stateHash: record(c, s).stateHash });
await call("challengeChild, with activation", "challengeChild", [c, terms, shown(s, await signed("State", full(c, s)), activation, NOTHING), 0n, sig]);
higher = { ...s, version: 70_001n };
await call("respondChild", "respondChild", [c, terms, shown(higher, await signed("State", full(c, higher)), lib.NO_SIG, record(c, s))]);
await test.increaseTime({ seconds: DAY + 1 });
next = move(c, higher);
await call("progressChild, one forced move", "progressChild", [c, terms, higher, next, ...(await alone(c, higher, next))]);
await test.increaseTime({ seconds: DAY + 1 });
await call("settleChild, by the app's verdict", "settleChild", [c, terms, next]);

p = paramsOf(NATIVE);
await open(false, p);
const childLocks = [{ kind: 1, assetIndex: 0, amount0: PAID, amount1: PAID, ref: idOf(c), expiry: 0n, flip: false }];
s = stateOf(p, 70_000n, 0n, { locksHash: lib.locksHash(childLocks) });
s.allocations[0] = { ...s.allocations[0], delta0: -PAID, delta1: -PAID };
await challenge(undefined, p, s);
await test.increaseTime({ seconds: DAY + 1 });
await call(undefined, "settle", [p, s]);
await call("unlock, one child", "unlock", [p, childLocks]);

[c, terms] = await child({});
const final = stateOf(c, 70_000n, PAID / 2n, { isFinal: true, validUntil: 2n ** 64n - 1n });
await call("closeChild, signed by three", "closeChild", [c, terms, final, ...(await signed("State", full(c, final))), await byHub("State", full(c, final))]);
[c, terms] = await child({});
s = { ...stateOf(c, 0n, 0n), history: lib.ZERO32 };
const hubSig = await byHub("Challenge", { channelId: idOf(c), dispute: 0, stateHash: record(c, s).stateHash });
await call("challengeChild by the hub, at version 0", "challengeChild", [c, terms, shown(s, [lib.NO_SIG, lib.NO_SIG], lib.NO_SIG, NOTHING), 2n, hubSig]);

// A batch.
const items = Array.from({ length: 20 }, () => ({
  terms: lib.termsHash(paramsOf(NATIVE)),
  moreAssets: lib.ZERO32,
  participant: 0,
  amount: ETHER,
}));
await call("depositMany, 20 channels", "depositMany", [items], 20n * ETHER);

rows.push(["deployment", deployed.gas, (lib.artifact("Adjudicator").bytecode.length - 2) / 2]);
console.log("| transaction | gas | calldata bytes |\n|---|---:|---:|");
for (const [label, gas, bytes] of rows) console.log(`| ${label} | ${gas.toLocaleString("en")} | ${bytes.toLocaleString("en")} |`);
process.exit(0);
