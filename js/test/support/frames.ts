import { createHmac, randomBytes } from "node:crypto";
import canonicalize from "canonicalize";

/** Signs as a hub would, by node:crypto and not by the code under test. */
export function signAs(
  kid: string,
  secret: Uint8Array,
  payload: object,
  ts: number,
  nonce: string = randomBytes(32).toString("base64"),
): string {
  const message = `${kid}:${ts}:${nonce}:${canonicalize(payload)}`;
  const sig = createHmac("sha256", secret).update(message, "utf8").digest("base64");
  return canonicalize({ kid, nonce, payload, sig, ts }) ?? "";
}

export const KID = "k".repeat(52);
export const SECRET: Uint8Array = Uint8Array.from({ length: 32 }, (_, index) => index * 7 + 1);
export const NOW_MS = 1_784_636_400_000;
export const CONN = "connection-00001";
export const EPOCH = "epoch-01";
