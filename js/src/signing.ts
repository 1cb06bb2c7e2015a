/**
 * HMAC-SHA256 by WebCrypto, and the only file that touches `crypto.subtle`. Secrets come in as bytes, become
 * non-extractable keys at once, and are overwritten. Comparing is left to `subtle.verify` (R34): no signature is ever
 * compared as text.
 */
import { decodeBase64, encodeBase64 } from "./base64.ts";
import { encode } from "./canonical.ts";
import { JitterbugError, MalformedError } from "./errors.ts";
import { frameText, type ParsedFrame, signedBytes } from "./frames.ts";

const HMAC_SHA256 = { name: "HMAC", hash: "SHA-256" } as const;
/** Secrets shorter than the hash are refused (R23); the hub gives exactly this many bytes. */
const SECRET_BYTES = 32;
const NONCE_BYTES = 32;

/** One secret as two keys of one use each, so that what verifies cannot sign. */
export interface KeyPair {
  readonly verifyKey: CryptoKey;
  readonly signKey: CryptoKey;
}

/** Throws JB_INSECURE_CONTEXT where the browser withholds WebCrypto, as it does on plain HTTP. */
export function assertWebCrypto(): void {
  if (globalThis.crypto?.subtle !== undefined) return;
  throw new JitterbugError("JB_INSECURE_CONTEXT", "WebCrypto is not available here", {
    remedy: "Open the page over HTTPS, or on localhost during development.",
  });
}

/** Imports a secret and overwrites the bytes it was given in, also on failure. @throws MalformedError under 32 bytes */
export async function importSecret(secret: Uint8Array<ArrayBuffer>): Promise<KeyPair> {
  try {
    if (secret.length < SECRET_BYTES) throw new MalformedError();
    const [verifyKey, signKey] = await Promise.all([
      crypto.subtle.importKey("raw", secret, HMAC_SHA256, false, ["verify"]),
      crypto.subtle.importKey("raw", secret, HMAC_SHA256, false, ["sign"]),
    ]);
    return { verifyKey, signKey };
  } finally {
    secret.fill(0);
  }
}

/** Whether the signature of a frame holds under a key. Never rejects for a wrong one. */
export function signatureHolds(verifyKey: CryptoKey, { frame, payloadText }: ParsedFrame): Promise<boolean> {
  return crypto.subtle.verify("HMAC", verifyKey, decodeBase64(frame.sig), signedBytes(frame, payloadText));
}

/** What to sign with. */
export interface Signer {
  readonly kid: string;
  readonly signKey: CryptoKey;
}

/**
 * One signed frame as canonical text. `tsMs` is the signing time on the hub's clock; the nonce is new unless a test
 * gives one.
 *
 * @throws MalformedError when the payload is not JSON, or nested too deeply for a frame
 */
export async function signFrame(
  signer: Signer,
  payload: object,
  tsMs: number,
  nonce: string = freshNonce(),
): Promise<string> {
  const unsigned = { kid: signer.kid, ts: tsMs, nonce };
  encode({ payload }); // the payload stands at depth 2 of the frame; this is where too deep a one is refused
  const payloadText = encode(payload);
  const mac = await crypto.subtle.sign(HMAC_SHA256, signer.signKey, signedBytes(unsigned, payloadText));
  return frameText({ ...unsigned, sig: encodeBase64(new Uint8Array(mac)) }, payloadText);
}

/** 32 bytes of the system's random source, base64 (R24). */
export function freshNonce(): string {
  return encodeBase64(crypto.getRandomValues(new Uint8Array(NONCE_BYTES)));
}

/**
 * An id for an upstream frame. Random, not counted: hubs take a second `pub` of a session with the same id for a
 * repetition, and other tabs, and this one after a reload, share the session.
 */
export function freshId(): string {
  return crypto.randomUUID();
}
