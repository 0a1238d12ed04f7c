#!/usr/bin/env node
// What a wallet can do with a node's channels, with viem alone: sign a state as `eth_signTypedData_v4` does, so that the
// signature is the very one that the nodes exchanged and accepted, and find the channels from the chain's events.
//
//   wallet.mjs API_URL ADMIN_TOKEN_FILE RPC_URL PRIVATE_KEY
import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { createPublicClient, hashTypedData, http, recoverTypedDataAddress, serializeCompactSignature, signatureToCompactSignature, parseSignature } from "viem";
import { privateKeyToAccount } from "viem/accounts";

const [api, tokenFile, rpc, key] = process.argv.slice(2);
const token = readFileSync(tokenFile, "utf8").trim();
const account = privateKeyToAccount(key);

async function ask(method, params = {}) {
  const headers = { "content-type": "application/json", authorization: `Bearer ${token}` };
  const body = JSON.stringify({ jsonrpc: "2.0", id: 1, method, params });
  const answer = await (await fetch(api, { method: "POST", headers, body })).json();
  if (answer.error) throw new Error(`${method}: ${answer.error.message}; ${answer.error.data.hint}`);
  return answer.result;
}

const { chains } = await ask("strait_node_info");
const { channels } = await ask("strait_channel_list");

// Signing.
let signed = 0;
for (const { channel } of channels) {
  const { typed_data: typed, digest, signatures } = await ask("strait_channel_state", { channel });
  if (signatures.every((signature) => signature === "0x")) continue;
  assert.equal(hashTypedData(typed), digest);
  const signature = await account.signTypedData(typed);
  assert.equal(await recoverTypedDataAddress({ ...typed, signature }), account.address);
  const compact = serializeCompactSignature(signatureToCompactSignature(parseSignature(signature)));
  assert.ok(signatures.includes(compact), "the nodes hold another signature of this key");
  signed += 1;
}
assert.ok(signed > 0, "no channel has a state that both have signed");

// Finding.
const client = createPublicClient({ transport: http(rpc) });
const { abi } = JSON.parse(readFileSync(new URL("../artifacts/Adjudicator.json", import.meta.url)));
const deposits = await client.getContractEvents({ address: chains[0].adjudicator, abi, eventName: "Deposited", fromBlock: 0n, strict: true });
const onChain = new Set(deposits.map(({ args }) => args.channelId));
for (const { channel, balances } of channels) {
  const all = deposits.filter(({ args }) => args.channelId === channel);
  const sum = all.reduce((total, { args }) => total + args.amount, 0n);
  const known = balances.reduce((total, b) => total + ["deposited", "peer_deposited", "arriving", "peer_arriving"].reduce((t, name) => t + BigInt(b[name]), 0n), 0n);
  assert.equal(known, sum, `deposits of ${channel}`);
  assert.ok(sum === 0n || onChain.has(channel));
}
console.log(`${signed} state(s) signed by viem as the nodes did, ${onChain.size} channel(s) found from events`);
