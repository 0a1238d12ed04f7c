#!/usr/bin/env node
// Writes vectors/transport.json with viem; docs/transport.md describes the bytes. `--check` compares instead of writing.
import { readFileSync, writeFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import { concat, keccak256, numberToHex, parseSignature, serializeCompactSignature, signatureToCompactSignature, toHex } from "viem";
import { privateKeyToAddress, sign } from "viem/accounts";

const FILE = join(dirname(fileURLToPath(import.meta.url)), "..", "..", "vectors", "transport.json");
const repeat = (byte, count) => `0x${byte.repeat(count)}`;
const HEADER = concat([toHex("STRT"), "0x01"]);
const WIRE = "0x0101";
const CHAIN_ID = 31337;
const ADJUDICATOR = "0xadADADadAdADAdadADADADadadADAdAdadaDAdAD";
const BINDING = repeat("33", 32);

/// An integer as borsh writes it: little-endian.
const little = (number, size) => concat(numberToHex(number, { size }).slice(2).match(/../g).reverse().map((byte) => `0x${byte}`));

const side = (byte, nonce) => {
  const privateKey = repeat(byte, 32);
  return { privateKey, signer: privateKeyToAddress(privateKey), nonce: repeat(nonce, 32), payout: repeat(nonce, 20) };
};

const hello = ({ signer, nonce, payout }) =>
  concat([HEADER, "0x00", WIRE, little(0, 8), signer.toLowerCase(), nonce, little(CHAIN_ID, 8), ADJUDICATOR.toLowerCase(), payout]);

const initiator = side("01", "11");
const acceptor = side("02", "22");
const hellos = [hello(initiator), hello(acceptor)];

const proof = async (role, { privateKey }) => {
  const digest = keccak256(concat([toHex("Strait transport proof"), "0x00", role, keccak256(hellos[0]), keccak256(hellos[1]), BINDING]));
  const signature = parseSignature(await sign({ hash: digest, privateKey, to: "hex" }));
  const compact = serializeCompactSignature(signatureToCompactSignature(signature));
  return { digest, message: concat([HEADER, "0x01", compact]) };
};

const reject = (reason, ...body) => ({ reason, message: concat([HEADER, "0x02", ...body]) });
const third = privateKeyToAddress(repeat("03", 32)).toLowerCase();

const vectors = {
  initiator: { privateKey: initiator.privateKey, signer: initiator.signer, nonce: initiator.nonce },
  acceptor: { privateKey: acceptor.privateKey, signer: acceptor.signer, nonce: acceptor.nonce },
  initiatorPayout: initiator.payout,
  acceptorPayout: acceptor.payout,
  binding: BINDING,
  chainId: CHAIN_ID,
  adjudicator: ADJUDICATOR,
  initiatorHello: hellos[0],
  acceptorHello: hellos[1],
  initiatorProof: await proof("0x00", initiator),
  acceptorProof: await proof("0x01", acceptor),
  rejections: [
    reject("NoCommonVersion(WireRange { oldest: 2, newest: 3 })", "0x00", "0x0203"),
    reject(`OtherDomain { chain_id: 1, adjudicator: ${ADJUDICATOR.toLowerCase()} }`, "0x01", little(1, 8), ADJUDICATOR.toLowerCase()),
    reject(`WrongIdentity { expected: ${third} }`, "0x02", third),
    ...["OwnIdentity", "BadProof", "Malformed", "AlreadyConnected", "Busy", "NoKey", "ShuttingDown", "NeedsTls", "NoTower", "NoNode"].map((reason, index) =>
      reject(reason, numberToHex(index + 3, { size: 1 })),
    ),
  ],
};

const text = `${JSON.stringify(vectors, null, 2)}\n`;
if (process.argv.includes("--check")) {
  if (readFileSync(FILE, "utf8") !== text) {
    console.error("vectors/transport.json is not what this script writes");
    process.exit(1);
  }
} else {
  writeFileSync(FILE, text);
}
