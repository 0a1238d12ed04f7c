#!/usr/bin/env node
// Uses `strait devnet` as wallets and tools do, with viem and cast: `node script/devnet.mjs path/to/strait`.
import assert from "node:assert/strict";
import { execFile, spawn } from "node:child_process";
import { once } from "node:events";
import { join } from "node:path";
import { createInterface } from "node:readline";
import { promisify } from "node:util";
import {
  createPublicClient,
  createTestClient,
  createWalletClient,
  getContract,
  http,
  parseEventLogs,
  publicActions,
  walletActions,
  webSocket,
} from "viem";
import { privateKeyToAccount } from "viem/accounts";
import { foundry } from "viem/chains";
import * as lib from "./lib.mjs";

const strait = process.argv[2];
assert(strait, "say where the `strait` binary is: node script/devnet.mjs target/release/strait");
const { abi, bytecode } = lib.artifact("Adjudicator");

async function withViem({ http: url, ws, accounts }) {
  const transport = http(url);
  const [payer, payee] = accounts.map((account) => privateKeyToAccount(account.private_key));
  const chain = createTestClient({ chain: foundry, mode: "anvil", transport })
    .extend(publicActions)
    .extend(walletActions);
  const wallet = createWalletClient({ account: payer, chain: foundry, transport });
  const listener = createPublicClient({ chain: foundry, transport: webSocket(ws) });

  const creation = await wallet.deployContract({ abi, bytecode });
  const { contractAddress: address } = await chain.waitForTransactionReceipt({ hash: creation });
  const adjudicator = getContract({ address, abi, client: { public: chain, wallet } });

  const params = {
    signer0: payer.address,
    payout0: payer.address,
    signer1: payee.address,
    payout1: payee.address,
    challengeDuration: 3_600,
    nonce: 1n,
    app: lib.ZERO,
    child: lib.ZERO32,
    assets: [lib.ZERO],
  };
  const id = lib.channelId(foundry.id, address, params);
  assert.equal(await adjudicator.read.channelId([params]), id);

  const heard = [];
  let hear;
  const told = new Promise((resolve) => (hear = resolve));
  const unwatch = listener.watchContractEvent({
    abi,
    address,
    eventName: "Deposited",
    onLogs: (logs) => {
      heard.push(...logs);
      hear();
    },
  });
  // viem subscribes in the background; the answer to this comes after the answer to that.
  await listener.getBlockNumber();

  const snapshot = await chain.snapshot();
  const hash = await adjudicator.write.deposit([lib.termsHash(params), lib.moreAssets(params), 0n], { value: 42n });
  const receipt = await chain.waitForTransactionReceipt({ hash });
  assert.equal(receipt.status, "success");
  const [event] = parseEventLogs({ abi, logs: receipt.logs });
  assert.deepEqual([event.eventName, event.args.channelId, event.args.amount], ["Deposited", id, 42n]);
  await told;
  unwatch();
  assert.equal(heard[0].transactionHash, hash);
  const logs = await adjudicator.getEvents.Deposited({ channelId: id }, { fromBlock: 0n });
  assert.equal(logs.length, 1);
  assert.deepEqual((await adjudicator.read.funds([id, 0n]))[0], [42n, 0n]);
  await assert.rejects(adjudicator.read.channelId([{ ...params, challengeDuration: 1 }]), /InvalidChallengeDuration/);

  const before = await chain.getBlock();
  await chain.request({ method: "anvil_reorg", params: [1, []] });
  const after = await chain.getBlock();
  assert.equal(after.number, before.number);
  assert.notEqual(after.hash, before.hash);
  await assert.rejects(chain.getTransactionReceipt({ hash }), /could not be found/);
  assert.deepEqual((await adjudicator.read.funds([id, 0n]))[0], [0n, 0n]);

  await chain.increaseTime({ seconds: 86_400 });
  await chain.mine({ blocks: 2, interval: 12 });
  const later = await chain.getBlock();
  assert(later.timestamp >= after.timestamp + 86_400n);
  assert.equal(later.number, after.number + 2n);

  await chain.setBalance({ address: lib.ZERO, value: 7n });
  assert.equal(await chain.getBalance({ address: lib.ZERO }), 7n);
  await chain.revert({ id: snapshot });
  assert.equal(await chain.getBlockNumber(), before.number - 1n);
  const fees = await chain.estimateFeesPerGas();
  assert(fees.maxFeePerGas > fees.maxPriorityFeePerGas);
  return "viem: deploy, deposit, event, subscription, revert reason, reorg, time travel, snapshot";
}

async function withCast({ http: url, usdc, accounts }) {
  const run = promisify(execFile);
  const program = join(lib.ROOT, "node_modules/@foundry-rs/cast-linux-amd64/bin/cast");
  const env = { ...process.env, ETH_RPC_URL: url };
  const cast = async (...args) => (await run(program, args, { env })).stdout.trim();
  const [payer, payee] = accounts;
  assert.equal(await cast("chain-id"), String(foundry.id));
  const balance = async () => BigInt((await cast("call", usdc, "balanceOf(address)(uint256)", payee.address)).split(" ")[0]);
  const before = await balance();
  const transfer = [usdc, "transfer(address,uint256)", payee.address];
  const sent = await cast("send", "--json", "--private-key", payer.private_key, ...transfer, "5000000");
  assert.equal(JSON.parse(sent).status, "0x1");
  assert.equal(await balance(), before + 5_000_000n);
  const created = await cast("send", "--json", "--private-key", payer.private_key, "--create", bytecode);
  assert.notEqual(await cast("code", JSON.parse(created).contractAddress), "0x");
  const logs = await cast("logs", "--json", "--from-block", "4", "--address", usdc, "Transfer(address,address,uint256)");
  assert.equal(JSON.parse(logs).length, 1);
  await assert.rejects(cast("estimate", "--from", payer.address, ...transfer, String(10n ** 30n)), /ERC20InsufficientBalance/);
  await cast("rpc", "evm_increaseTime", "100");
  await cast("rpc", "evm_mine");
  await cast("rpc", "anvil_reorg", "3", "[]");
  assert.equal(await balance(), before);
  return "cast: send, call, deploy, logs, revert reason, time travel, reorg";
}

const devnet = spawn(strait, ["devnet", "--listen", "127.0.0.1:0", "--block-time", "instant", "--json"], {
  stdio: ["ignore", "pipe", "inherit"],
});
try {
  const [line] = await once(createInterface({ input: devnet.stdout }), "line");
  const started = JSON.parse(line);
  console.log(await withViem(started));
  console.log(await withCast(started));
} finally {
  devnet.kill("SIGTERM");
}
const [code] = await once(devnet, "exit");
assert.equal(code, 0, "it ends cleanly");
process.exit(0);
