/** Base64 of RFC 4648 §4: standard alphabet, padded, canonical. Whatever else decodes elsewhere is refused here. */
import { MalformedError } from "./errors.ts";

/** 32 bytes as base64: 43 characters of which the last carries two zero bits, and one pad. */
const BASE64_OF_32_BYTES = /^[A-Za-z0-9+/]{42}[AEIMQUYcgkosw048]=$/;

/** Bytes as padded base64. Meant for short inputs: keys, nonces, signatures. */
export function encodeBase64(bytes: Uint8Array): string {
  return btoa(String.fromCharCode(...bytes));
}

/**
 * Bytes of a canonical base64 text.
 *
 * @throws MalformedError for foreign characters, white space, missing or excess padding, non-zero spare bits
 * (RFC 4648 §3.3, §3.5).
 */
export function decodeBase64(text: string): Uint8Array<ArrayBuffer> {
  const bytes = bytesOf(text);
  // `atob` takes white space, missing padding and spare bits; only the canonical text survives the way back.
  if (encodeBase64(bytes) !== text) throw new MalformedError();
  return bytes;
}

/** Whether the text is the canonical base64 of 32 bytes, as nonces and signatures are. */
export function isBase64Of32Bytes(text: unknown): text is string {
  return typeof text === "string" && BASE64_OF_32_BYTES.test(text);
}

function bytesOf(text: string): Uint8Array<ArrayBuffer> {
  try {
    return Uint8Array.from(atob(text), (character) => character.charCodeAt(0));
  } catch {
    throw new MalformedError();
  }
}
