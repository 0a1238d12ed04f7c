// Builds, hashes and signs channels with viem, independently of the contract and of the Rust side.
import {
  concat,
  encodeAbiParameters,
  encodeFunctionData,
  getContractAddress,
  hashStruct,
  hashTypedData,
  keccak256,
  parseSignature,
  signatureToCompactSignature,
  toFunctionSelector,
  toHex,
} from "viem";
import { sign } from "viem/accounts";
import { readFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";

const VERDICT =
  "verdict((uint64,uint8,bool,uint64,(int128,int128,uint128,uint128)[],bytes32,bytes32,bytes))";

export const ROOT = join(dirname(fileURLToPath(import.meta.url)), "..");
export const ZERO = `0x${"00".repeat(20)}`;
export const ZERO32 = `0x${"00".repeat(32)}`;

export const artifact = (name) => JSON.parse(readFileSync(join(ROOT, "artifacts", `${name}.json`), "utf8"));

export const TYPES = {
  State: [
    { name: "channelId", type: "bytes32" },
    { name: "version", type: "uint64" },
    { name: "writer", type: "uint8" },
    { name: "isFinal", type: "bool" },
    { name: "validUntil", type: "uint64" },
    { name: "allocations", type: "Allocation[]" },
    { name: "locksHash", type: "bytes32" },
    { name: "history", type: "bytes32" },
    { name: "appData", type: "bytes" },
  ],
  Allocation: [
    { name: "delta0", type: "int128" },
    { name: "delta1", type: "int128" },
    { name: "withdrawn0", type: "uint128" },
    { name: "withdrawn1", type: "uint128" },
  ],
  Challenge: [
    { name: "channelId", type: "bytes32" },
    { name: "dispute", type: "uint16" },
    { name: "stateHash", type: "bytes32" },
  ],
  Resume: [
    { name: "channelId", type: "bytes32" },
    { name: "dispute", type: "uint16" },
  ],
  Activation: [{ name: "channelId", type: "bytes32" }],
  ChildTerms: [
    { name: "parent0", type: "bytes32" },
    { name: "version0", type: "uint64" },
    { name: "parent1", type: "bytes32" },
    { name: "version1", type: "uint64" },
    { name: "hub", type: "address" },
    { name: "end", type: "uint64" },
    { name: "amount0", type: "uint128" },
    { name: "amount1", type: "uint128" },
  ],
};

export const LOCK = {
  name: "locks",
  type: "tuple[]",
  components: [
    { name: "kind", type: "uint8" },
    { name: "assetIndex", type: "uint8" },
    { name: "amount0", type: "uint128" },
    { name: "amount1", type: "uint128" },
    { name: "ref", type: "bytes32" },
    { name: "expiry", type: "uint64" },
    { name: "flip", type: "bool" },
  ],
};

const encode = (types, values) => encodeAbiParameters(types.map((type) => ({ type })), values);

export const domainOf = (chainId, adjudicator) => ({
  name: "Strait",
  version: "1",
  chainId,
  verifyingContract: adjudicator,
});

export const termsHash = (p) =>
  keccak256(
    encode(
      ["address", "address", "address", "address", "uint32", "uint64", "address"],
      [p.signer0, p.payout0, p.signer1, p.payout1, p.challengeDuration, p.nonce, p.app],
    ),
  );

export const moreAssets = (p) =>
  p.assets.length === 1 ? ZERO32 : keccak256(concat(p.assets.slice(1).map((a) => encode(["address"], [a]))));

export const channelId = (chainId, adjudicator, p) =>
  keccak256(
    encode(
      ["uint256", "address", "bytes32", "address", "bytes32", "bytes32"],
      [BigInt(chainId), adjudicator, termsHash(p), p.assets[0], moreAssets(p), p.child],
    ),
  );

export const structHash = (primaryType, data) => hashStruct({ primaryType, data, types: TYPES });

export const digest = (domain, primaryType, message) => hashTypedData({ domain, types: TYPES, primaryType, message });

export const locksHash = (locks) => (locks.length === 0 ? ZERO32 : keccak256(encodeAbiParameters([LOCK], [locks])));

/** First 25 bytes of keccak256(abi.encode(channelId, version, dispute, stateHash)). */
export const fingerprint = (id, version, dispute, stateHash) =>
  keccak256(encode(["bytes32", "uint256", "uint256", "bytes32"], [id, version, dispute, stateHash])).slice(0, 52);

/** First 25 bytes of keccak256(abi.encode(keccak256("Strait: pending locks"), channelId, locksHash)). */
export const locksFingerprint = (id, hash) =>
  keccak256(encode(["bytes32", "bytes32", "bytes32"], [keccak256(toHex("Strait: pending locks")), id, hash])).slice(0, 52);

/** EIP-2098. */
export async function compactSign(privateKey, hash) {
  const signature = parseSignature(await sign({ hash, privateKey, to: "hex" }));
  const { r, yParityAndS } = signatureToCompactSignature(signature);
  return { r, vs: yParityAndS };
}

/** Where `deployApp` of an adjudicator puts an app. */
export const appAddress = (adjudicator, runtime) =>
  getContractAddress({ opcode: "CREATE2", from: adjudicator, salt: ZERO32, bytecode: concat(["0x600b5981380380925939f3", runtime]) });

/** The simplest app, for one asset: it allows every move, and nobody ever loses anything. */
export const PERMISSIVE_APP = concat([
  // If this asks for the verdict, go to 0x16. Else return 1.
  "0x5f3560e01c", "0x63", toFunctionSelector(VERDICT), "0x14601657", "0x60015f5260205ff3",
  // Return the array [[0, 0]].
  "0x5b60205f52600160205260805ff3",
]);

export const NO_SIG = { r: ZERO32, vs: ZERO32 };

export const calldata = (name, args) =>
  encodeFunctionData({ abi: artifact("Adjudicator").abi, functionName: name, args });

/** What the adjudicator and nodes ask an app. */
export const appCalldata = (name, args) => encodeFunctionData({ abi: artifact("IApp").abi, functionName: name, args });
