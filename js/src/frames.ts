/** The signed frame as text (PROTOCOL §1): its grammar, and the bytes a signature covers. No keys, no time. */
import { isBase64Of32Bytes } from "./base64.ts";
import { decodeCanonical, decodeNoting, encode, isObject } from "./canonical.ts";
import { MalformedError } from "./errors.ts";
import type { Frame, Json, JsonObject } from "./types.ts";

/** Ephemeral keys have 16 to 96 characters, configured ones 4 to 64; never a colon, so the signed text is unambiguous. */
const KID = /^[A-Za-z0-9_-]{4,96}$/;
/** No sign, fraction, exponent or leading zero (PROTOCOL §1, `ts`). */
const DECIMAL_INTEGER = /^(?:0|[1-9][0-9]*)$/;
const MEMBERS = 5;
const NOT_ASCII = /[^\0-\x7f]/;
const UTF8 = new TextEncoder();
/** Of one UTF-16 code unit. */
const MOST_BYTES_PER_UNIT = 3;
const MEMORY_BYTES = 65_536;
/** What is not written yet. */
let memory = new Uint8Array(0);
/** What stands to either side of the payload in a frame's canonical form. */
const BEFORE = '"payload":';
const AFTER = ',"sig":';

/** A frame whose grammar holds, with the canonical text of its payload. Nothing in it is verified yet. */
export interface ParsedFrame {
  readonly frame: Frame;
  readonly payloadText: string;
}

/** How strictly to read. */
export interface ParseOptions {
  /** Refuse text that is not in canonical form as a whole. The hub sends nothing else, so the client insists. */
  readonly requireCanonical: boolean;
}

/** Reads one frame. @throws MalformedError when any part of the grammar of PROTOCOL §1 does not hold */
export function parseFrame(text: string, options: ParseOptions): ParsedFrame {
  const canonical = decodeCanonical(text);
  if (canonical !== undefined) {
    const frame = readFrame(canonical);
    // What is signed is cut out of what came: neither kid nor nonce, sig nor ts holds a quote.
    return { frame, payloadText: text.slice(text.indexOf(BEFORE) + BEFORE.length, text.lastIndexOf(AFTER)) };
  }
  const { value, numberTexts } = decodeNoting(text);
  const frame = readFrame(value);
  if (!DECIMAL_INTEGER.test(numberTexts.get("ts") ?? "")) throw new MalformedError();
  const payloadText = encode(frame.payload);
  if (options.requireCanonical && frameText(frame, payloadText) !== text) throw new MalformedError();
  return { frame, payloadText };
}

function readFrame(value: Json): Frame {
  if (!isObject(value) || Object.keys(value).length !== MEMBERS) throw new MalformedError();
  const { kid, ts, nonce, sig, payload } = value;
  if (!isKid(kid) || !isBase64Of32Bytes(nonce) || !isBase64Of32Bytes(sig)) throw new MalformedError();
  if (!isTimeMs(ts) || !isObject(payload)) throw new MalformedError();
  return { kid, ts, nonce, sig, payload };
}

/** The frame in canonical form. `payloadText` must be the canonical text of its payload. */
export function frameText(frame: Omit<Frame, "payload">, payloadText: string): string {
  // Member names are in RFC 8785 order, and by grammar neither kid, nonce nor sig holds a character to escape.
  const { kid, nonce, sig, ts } = frame;
  return `{"kid":"${kid}","nonce":"${nonce}","payload":${payloadText},"sig":"${sig}","ts":${ts}}`;
}

/** The bytes that are signed: UTF-8 of `kid:ts:nonce:canonical(payload)` (PROTOCOL §1, R28). */
export function signedBytes(
  frame: Omit<Frame, "payload" | "sig">,
  payloadText: string,
): Uint8Array<ArrayBuffer> {
  return encodeUtf8(`${frame.kid}:${frame.ts}:${frame.nonce}:${payloadText}`);
}

/**
 * UTF-8 bytes in a piece of memory that many texts share, since asking for a piece of its own takes longer than
 * encoding. No part of it is written twice, so whoever still reads an earlier one reads what was put there.
 */
function encodeUtf8(text: string): Uint8Array<ArrayBuffer> {
  const mostBytes = text.length * MOST_BYTES_PER_UNIT;
  if (memory.length < mostBytes) memory = new Uint8Array(Math.max(MEMORY_BYTES, mostBytes));
  const { written } = UTF8.encodeInto(text, memory);
  const bytes = memory.subarray(0, written);
  memory = memory.subarray(written);
  return bytes;
}

/** Length in UTF-8 bytes, which is what every size limit counts (R58). */
export function utf8Length(text: string): number {
  return NOT_ASCII.test(text) ? UTF8.encode(text).length : text.length;
}

/** Whether a value has the form of a key id. */
export function isKid(value: unknown): value is string {
  return typeof value === "string" && KID.test(value);
}

/** Whether a value is a time in integer Unix milliseconds, at most 2^53 - 1. */
export function isTimeMs(value: unknown): value is number {
  return Number.isSafeInteger(value) && (value as number) >= 0;
}

/** `payload.ch` where it is text, otherwise null. For displays: the frame may be unverified. */
export function channelOf(payload: JsonObject): string | null {
  return typeof payload.ch === "string" ? payload.ch : null;
}
