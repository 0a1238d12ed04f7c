#!/usr/bin/env node
// Writes vectors/*.json with viem; vectors/README.md describes them. `--check` compares instead of writing.
import { existsSync, mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { concat, getContractAddress, keccak256, numberToHex, parseSignature, serializeCompactSignature, sha256, signatureToCompactSignature, toHex } from "viem";
import { privateKeyToAccount, privateKeyToAddress } from "viem/accounts";
import * as lib from "./lib.mjs";

const OUT = join(lib.ROOT, "..", "vectors");
const hash = (text) => keccak256(toHex(text));
const address = (byte) => `0x${byte.repeat(20)}`;
const KEYS = [hash("strait vector signer 0"), hash("strait vector signer 1")];
const MAX127 = (1n << 127n) - 1n;
const MAX128 = (1n << 128n) - 1n;
const MAX64 = (1n << 64n) - 1n;

const DOMAINS = [
  { chainId: 1, adjudicator: address("ad") },
  { chainId: 31337, adjudicator: "0x5FbDB2315678afecb367f032d93F642f64180aa3" },
];

const childTerms = {
  parent0: hash("parent 0"),
  version0: 7n,
  parent1: hash("parent 1"),
  version1: MAX64,
  hub: address("0b"),
  end: 1_900_000_000n,
  amount0: 5n,
  amount1: MAX128,
};

const base = {
  signer0: privateKeyToAddress(KEYS[0]),
  payout0: address("10"),
  signer1: privateKeyToAddress(KEYS[1]),
  payout1: address("11"),
  challengeDuration: 86_400,
  nonce: 1n,
  app: lib.ZERO,
  child: lib.ZERO32,
  assets: [lib.ZERO],
};
const FOUR = [lib.ZERO, address("01"), address("7f"), address("ff")];

const CHANNELS = [
  ["native", base],
  ["one token", { ...base, assets: [address("a0")] }],
  ["native and a token", { ...base, assets: [lib.ZERO, address("a0")] }],
  ["four assets", { ...base, assets: FOUR }],
  ["shortest period, largest nonce", { ...base, challengeDuration: 3_600, nonce: MAX64 }],
  ["longest period, payouts are the signers", { ...base, challengeDuration: 2_592_000, nonce: 0n, payout0: base.signer0, payout1: base.signer1 }],
  ["app", { ...base, app: address("42") }],
  ["child of a hub", { ...base, child: lib.structHash("ChildTerms", childTerms) }],
].map(([name, params]) => ({ name, params }));

const LOCKS = [
  ["none", []],
  ["one hash lock", [{ kind: 0, assetIndex: 0, amount0: 100n, amount1: 0n, ref: sha256(hash("preimage")), expiry: 1_800_000_000n, flip: false }]],
  [
    "three locks, with extremes",
    [
      { kind: 0, assetIndex: 3, amount0: 0n, amount1: MAX128, ref: sha256(hash("another")), expiry: MAX64, flip: false },
      { kind: 1, assetIndex: 0, amount0: 1n, amount1: 2n, ref: hash("child"), expiry: 0n, flip: true },
      { kind: 0, assetIndex: 255, amount0: 1n, amount1: 0n, ref: lib.ZERO32, expiry: 0n, flip: false },
    ],
  ],
].map(([name, locks]) => ({ name, locks }));

const flat = { delta0: 0n, delta1: 0n, withdrawn0: 0n, withdrawn1: 0n };
const blank = (assets) => ({
  version: 0n,
  writer: 0,
  isFinal: false,
  validUntil: 0n,
  allocations: assets.map(() => flat),
  locksHash: lib.ZERO32,
  history: lib.ZERO32,
  appData: "0x",
});

/** [name, name of the channel, what differs from the zero state]. */
const STATES = [
  ["zero state", "native", {}],
  ["zero state of four assets", "four assets", {}],
  ["a payment from 0 to 1", "native", { version: 1n, history: hash("history"), allocations: [{ ...flat, delta0: -250n, delta1: 250n }] }],
  ["a payment from 1 to 0, written by 1", "one token", { version: 2n, writer: 1, history: hash("history"), allocations: [{ ...flat, delta0: 250n, delta1: -250n }] }],
  ["a withdrawal", "native", { version: 70_000n, validUntil: 1_800_003_600n, history: hash("history"), allocations: [{ delta0: -1_100n, delta1: 600n, withdrawn0: 500n, withdrawn1: 0n }] }],
  ["final", "native and a token", { version: 9n, isFinal: true, validUntil: MAX64, history: hash("history"), allocations: [{ ...flat, delta0: -1n, delta1: 1n }, { ...flat, delta0: 3n, delta1: -3n }] }],
  ["a lock", "native", { version: 10n, history: hash("history"), locksHash: lib.locksHash(LOCKS[1].locks), allocations: [{ ...flat, delta0: -100n }] }],
  ["largest amounts", "native", { version: MAX64, history: hash("history"), allocations: [{ ...flat, delta0: -MAX127, delta1: MAX127 }] }],
  ["smallest delta, all of it withdrawn", "native", { version: 11n, validUntil: 1n, history: hash("history"), allocations: [{ delta0: -MAX127 - 1n, delta1: 0n, withdrawn0: MAX127 + 1n, withdrawn1: 0n }] }],
  ["largest withdrawals, of four assets", "four assets", {
    version: 12n,
    writer: 1,
    validUntil: 2n,
    history: hash("history"),
    locksHash: lib.locksHash(LOCKS[2].locks),
    allocations: [
      { delta0: -MAX127 - 1n, delta1: -MAX127 - 1n, withdrawn0: MAX128, withdrawn1: 0n },
      { delta0: -MAX127 - 1n, delta1: -MAX127 - 1n, withdrawn0: 0n, withdrawn1: MAX128 },
      { ...flat, delta1: -1n },
      flat,
    ],
  }],
  ["app data", "app", { version: 3n, history: hash("history"), appData: "0x0102030405" }],
  ["app data of 33 bytes", "app", { version: 4n, history: hash("history"), appData: `0x${"ab".repeat(33)}` }],
].map(([name, channel, changes]) => ({ name, channel, changes }));

async function both(digest) {
  return Promise.all(KEYS.map((key) => lib.compactSign(key, digest)));
}

const channels = DOMAINS.flatMap(({ chainId, adjudicator }) =>
  CHANNELS.map(({ name, params }) => ({
    name,
    chainId,
    adjudicator,
    params,
    termsHash: lib.termsHash(params),
    moreAssets: lib.moreAssets(params),
    channelId: lib.channelId(chainId, adjudicator, params),
  })),
);

const states = [];
const disputes = [];
for (const { chainId, adjudicator } of DOMAINS) {
  const domain = lib.domainOf(chainId, adjudicator);
  for (const { name, channel, changes } of STATES) {
    const { params } = CHANNELS.find((c) => c.name === channel);
    const state = { ...blank(params.assets), ...changes };
    const id = lib.channelId(chainId, adjudicator, params);
    const message = { channelId: id, ...state };
    const stateHash = lib.structHash("State", message);
    const digest = lib.digest(domain, "State", message);
    const [sig0, sig1] = await both(digest);
    states.push({ name, chainId, adjudicator, params, channelId: id, state, stateHash, digest, privateKey0: KEYS[0], privateKey1: KEYS[1], sig0, sig1 });
    for (const dispute of [0, 1, 65_535]) {
      const challengeDigest = lib.digest(domain, "Challenge", { channelId: id, dispute, stateHash });
      const resumeDigest = lib.digest(domain, "Resume", { channelId: id, dispute });
      const [challengeSig0, challengeSig1] = await both(challengeDigest);
      const [resumeSig0, resumeSig1] = await both(resumeDigest);
      disputes.push({
        name: `${name}, dispute ${dispute}`,
        chainId,
        adjudicator,
        channelId: id,
        version: state.version,
        stateHash,
        dispute,
        fingerprint: lib.fingerprint(id, state.version, BigInt(dispute), stateHash),
        challengeDigest,
        challengeSig0,
        challengeSig1,
        resumeDigest,
        resumeSig0,
        resumeSig1,
      });
    }
  }
}

const locks = LOCKS.map(({ name, locks: list }) => {
  const locksHash = lib.locksHash(list);
  return { name, locks: list, locksHash, channelId: channels[0].channelId, fingerprint: lib.locksFingerprint(channels[0].channelId, locksHash) };
});

const children = [{ name: "over a hub", terms: childTerms, child: lib.structHash("ChildTerms", childTerms) }];

const apps = DOMAINS.flatMap(({ adjudicator }) =>
  [
    ["one byte", "0x00"],
    ["permissive", lib.PERMISSIVE_APP],
    ["longer than a word of its length", toHex(new Uint8Array(300).fill(0x5b))],
  ].map(([name, runtime]) => ({ name, adjudicator, runtime, app: lib.appAddress(adjudicator, runtime) })),
);

/** A dispute in a channel with an app: 0 moves alone, after the period. */
const moves = [];
/** A child over a hub, through a dispute that is resumed to its end by agreement. */
const childDisputes = [];
const HUB_KEY = hash("strait vector hub");
const HUB = privateKeyToAddress(HUB_KEY);
for (const { chainId, adjudicator } of DOMAINS) {
  const domain = lib.domainOf(chainId, adjudicator);
  const signBy = (key, type, message) => lib.compactSign(key, lib.digest(domain, type, message));
  const appData = `0x${"c0ffee".repeat(12)}`;

  const params = { ...base, app: lib.appAddress(adjudicator, lib.PERMISSIVE_APP) };
  const channelId = lib.channelId(chainId, adjudicator, params);
  const state = { ...blank(params.assets), version: 7n, history: hash("history"), appData: "0x01", allocations: [{ ...flat, delta0: -5n, delta1: 5n }] };
  const stateHash = lib.structHash("State", { channelId, ...state });
  const next = { ...state, version: 8n, writer: 1, history: stateHash, appData, allocations: [{ ...flat, delta0: 3n, delta1: -3n }] };
  const nextHash = lib.structHash("State", { channelId, ...next });
  const [sig0, sig1] = await both(lib.digest(domain, "State", { channelId, ...state }));
  const mover = await signBy(KEYS[0], "State", { channelId, ...next });
  moves.push({
    name: "0 moves", chainId, adjudicator, params, channelId, runtime: lib.PERMISSIVE_APP, state, stateHash, sig0, sig1, next, nextHash, mover,
    fingerprint: lib.fingerprint(channelId, 8n, 0n, nextHash),
    validTransition: lib.appCalldata("validTransition", [state, next]),
    verdict: lib.appCalldata("verdict", [state]),
    progress: lib.calldata("progress", [params, state, next, mover, lib.NO_SIG]),
    settle: lib.calldata("settle", [params, next]),
  });

  const terms = { ...childTerms, hub: HUB, amount0: 100n, amount1: 50n };
  const child = { ...params, child: lib.structHash("ChildTerms", terms) };
  const childId = lib.channelId(chainId, adjudicator, child);
  const childHash = lib.structHash("State", { channelId: childId, ...state });
  const final = { ...next, version: 9n, isFinal: true, validUntil: MAX64, appData: "0x" };
  const sigs = await both(lib.digest(domain, "State", { channelId: childId, ...state }));
  const finals = await both(lib.digest(domain, "State", { channelId: childId, ...final }));
  const resumes = await both(lib.digest(domain, "Resume", { channelId: childId, dispute: 0 }));
  const activation = await signBy(HUB_KEY, "Activation", { channelId: childId });
  const [challenge] = await both(lib.digest(domain, "Challenge", { channelId: childId, dispute: 0, stateHash: childHash }));
  const [finalByHub, resumeByHub] = [await signBy(HUB_KEY, "State", { channelId: childId, ...final }), await signBy(HUB_KEY, "Resume", { channelId: childId, dispute: 0 })];
  const nothing = { version: 0n, stateHash: lib.ZERO32 };
  const shown = { state, sig0: sigs[0], sig1: sigs[1], activation, previous: nothing };
  const recorded = { version: 7n, stateHash: childHash };
  childDisputes.push({
    name: "over a hub", chainId, adjudicator, params: child, runtime: lib.PERMISSIVE_APP, terms, channelId: childId, hubKey: HUB_KEY,
    activationDigest: lib.digest(domain, "Activation", { channelId: childId }), activation,
    state, sig0: sigs[0], sig1: sigs[1], challenge, final, finalByHub, final0: finals[0], final1: finals[1],
    resume0: resumes[0], resume1: resumes[1], resumeByHub,
    challengeChild: lib.calldata("challengeChild", [child, terms, shown, 0n, challenge]),
    resumeChild: lib.calldata("resumeChild", [child, terms, recorded, ...resumes, resumeByHub]),
    closeChild: lib.calldata("closeChild", [child, terms, final, ...finals, finalByHub]),
    respondChild: lib.calldata("respondChild", [child, terms, shown]),
    progressChild: lib.calldata("progressChild", [child, terms, state, final, ...finals]),
    settleChild: lib.calldata("settleChild", [child, terms, state]),
    outcome0: 103n, outcome1: 47n, settled0: 100n, settled1: 50n,
  });
}

/** An integer as borsh writes it: little-endian. */
const little = (number, size) => concat(numberToHex(number, { size }).slice(2).match(/../g).reverse().map((byte) => `0x${byte}`));

/** The first payment of a channel on the embedded chain, signed as a wallet signs typed data: the whole message as a node takes it. */
const payments = [];
{
  const [payer, payee] = ["01", "02"].map((byte) => privateKeyToAccount(`0x${byte.repeat(32)}`));
  const deployer = privateKeyToAddress(keccak256(toHex("development chain deployer")));
  const [chainId, adjudicator] = [31337, getContractAddress({ from: deployer, nonce: 0n })];
  const params = { ...base, signer0: payer.address, payout0: address("b0"), signer1: payee.address, payout1: address("b1") };
  const channelId = lib.channelId(chainId, adjudicator, params);
  const [amount, memo] = [250n, toHex("coffee")];
  // One operation, the payment: first asset, amount, no invoice, memo.
  const operations = concat([little(1, 4), "0x00", "0x00", little(amount, 16), "0x00", little((memo.length - 2) / 2, 4), memo]);
  // The writer is participant 0, who has paid nothing before.
  const history = keccak256(concat([lib.ZERO32, "0x00", little(0, 8), operations]));
  const message = { channelId, ...blank(params.assets), version: 1n, history, allocations: [{ ...flat, delta0: -amount, delta1: amount }] };
  const typed = { domain: lib.domainOf(chainId, adjudicator), types: lib.TYPES, primaryType: "State", message };
  const wallet = parseSignature(await payer.signTypedData(typed));
  const signature = serializeCompactSignature(signatureToCompactSignature(wallet));
  const zero = lib.structHash("State", { channelId, ...blank(params.assets) });
  // Version of the format; a channel's message; an update of version 0.
  const frame = concat(["0x01", "0x02", channelId, "0x01", little(0, 8), zero, little(1, 8), operations, signature]);
  payments.push({ name: "the first, of 0", chainId, adjudicator, params, channelId, amount, digest: lib.digest(typed.domain, "State", message), signature, frame });
}

/** What the adjudicator decides by and others must know. */
const constants = [
  ["gas of a question to an app", 1_000_000],
  ["longest code of an app", 24_576],
  ["most turns begun by forced moves in one dispute", 127],
  ["longest app data", 8_192],
  ["challenge durations of forced moves after the end of a hub's child", 4],
].map(([name, value]) => ({ name, value }));

const text = (value) =>
  `${JSON.stringify(value, (_, v) => (typeof v === "bigint" || typeof v === "number" ? v.toString() : v), 2)}\n`;

const check = process.argv.includes("--check");
let stale = false;
mkdirSync(OUT, { recursive: true });
for (const [name, value] of Object.entries({ channels, states, disputes, locks, children, apps, moves, child_disputes: childDisputes, payments, constants })) {
  const file = join(OUT, `${name}.json`);
  if (!check) {
    writeFileSync(file, text(value));
    console.log(`wrote vectors/${name}.json (${value.length} vectors)`);
  } else if (!existsSync(file) || readFileSync(file, "utf8") !== text(value)) {
    console.error(`vectors/${name}.json differs from script/vectors.mjs: run 'node contracts/script/vectors.mjs' and commit it`);
    stale = true;
  } else {
    console.log(`vectors/${name}.json matches (${value.length} vectors)`);
  }
}
process.exit(stale ? 1 : 0);
