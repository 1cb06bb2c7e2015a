/** Base64 of RFC 4648 §4: standard alphabet, padded, canonical. Whatever else decodes elsewhere is refused here. */
import { MalformedError } from "./errors.ts";

/** 32 bytes as base64: 43 characters of which the last carries two zero bits, and one pad. */
const BASE64_OF_32_BYTES = /^[A-Za-z0-9+/]{42}[AEIMQUYcgkosw048]=$/;

const NO_VALUE = -1;
/** Value of each letter of the alphabet, by its code. */
const VALUES = new Int8Array(128).fill(NO_VALUE);
for (const [value, letter] of [
  ..."ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/",
].entries()) {
  VALUES[letter.charCodeAt(0)] = value;
}

/** Bytes as padded base64. Meant for short inputs: keys, nonces, signatures. */
export function encodeBase64(bytes: Uint8Array): string {
  return btoa(String.fromCharCode(...bytes));
}

/**
 * Bytes of a canonical base64 text. By a table, as each frame has a signature: `atob` takes white space, missing
 * padding and spare bits, so its answer would have to be written again and compared.
 *
 * @throws MalformedError for foreign characters, white space, missing or excess padding, non-zero spare bits
 * (RFC 4648 §3.3, §3.5).
 */
export function decodeBase64(text: string): Uint8Array<ArrayBuffer> {
  const { length } = text;
  const pads = text.endsWith("==") ? 2 : text.endsWith("=") ? 1 : 0;
  if (length % 4 !== 0) throw new MalformedError();
  const filled = text.slice(0, length - pads) + "A".repeat(pads);
  const bytes = new Uint8Array((length / 4) * 3 - pads);
  let group = 0;
  for (let at = 0, to = 0; at < length; at += 1) {
    const value = VALUES[filled.charCodeAt(at)] ?? NO_VALUE;
    if (value === NO_VALUE) throw new MalformedError();
    group = (group << 6) | value; // the last four are what counts
    if (at % 4 < 3) continue;
    bytes[to++] = group >> 16;
    bytes[to++] = group >> 8; // what stands behind the end is dropped
    bytes[to++] = group;
  }
  if ((group & ((1 << (8 * pads)) - 1)) !== 0) throw new MalformedError();
  return bytes;
}

/** Whether the text is the canonical base64 of 32 bytes, as nonces and signatures are. */
export function isBase64Of32Bytes(text: unknown): text is string {
  return typeof text === "string" && BASE64_OF_32_BYTES.test(text);
}
