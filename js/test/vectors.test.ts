import { describe, expect, it } from "vitest";
import { decodeBase64, encodeBase64 } from "../src/base64.ts";
import { decode, decodeUtf8, encode } from "../src/canonical.ts";
import { MalformedError } from "../src/errors.ts";
import { NonceStore } from "../src/replay.ts";
import { importSecret, signFrame } from "../src/signing.ts";
import { SseDecoder } from "../src/sse.ts";
import { Verifier, type VerifyingKey } from "../src/verifier.ts";
import { bytesOf, vectors } from "./support/vectors.ts";

interface CanonicalVectors {
  cases: { name: string; input?: string; input_hex?: string; canonical: string | null }[];
}
interface FrameCase {
  name: string;
  frame?: string;
  frame_hex?: string;
  now_ms: number;
}
interface FrameVectors {
  keys: Record<string, { secret: string; expires_at_ms: number | null }>;
  skew_ms: number;
  replay_window_ms: number;
  max_frame_bytes: number;
  sign: { name: string; kid: string; ts: number; nonce: string; payload: object; frame: string }[];
  accept: (FrameCase & { payload_canonical: string })[];
  refuse: (FrameCase & { reason: string })[];
  sequences: { name: string; steps: { frame: string; now_ms: number; verdict: string }[] }[];
}
interface KeyVectors {
  cases: { root: string; session: string; kid: string; secret: string }[];
}
interface SseVectors {
  encode: { id: string | null; data: string; bytes: string }[];
  decode: { name: string; chunks: string[]; events: { id: string; data: string; event: string }[] }[];
}

describe("canonical.json (R27, O6)", () => {
  const { cases } = vectors<CanonicalVectors>("canonical");
  it.each(cases)("$name", ({ input, input_hex, canonical }) => {
    const read = () => encode(decode(decodeUtf8(bytesOf(input, input_hex))));
    if (canonical === null) expect(read).toThrow(MalformedError);
    else expect(read()).toBe(canonical);
  });
});

describe("frames.json", () => {
  const file = vectors<FrameVectors>("frames");

  async function verifier(): Promise<Verifier> {
    const keys = new Map<string, VerifyingKey>();
    for (const [kid, { secret, expires_at_ms }] of Object.entries(file.keys)) {
      const { verifyKey } = await importSecret(decodeBase64(secret));
      keys.set(kid, { verifyKey, expiresAtMs: expires_at_ms ?? Number.POSITIVE_INFINITY });
    }
    const { skew_ms: skewMs, replay_window_ms: windowMs, max_frame_bytes: maxFrameBytes } = file;
    const nonces = new NonceStore({ skewMs, windowMs, maxEntries: 1_000 });
    const source = { find: (kid: string) => keys.get(kid) };
    return new Verifier({ keys: source, nonces, skewMs, maxFrameBytes, requireCanonical: false });
  }

  async function verdictOf(to: Verifier, { frame, frame_hex, now_ms }: FrameCase): Promise<string> {
    const bytes = bytesOf(frame, frame_hex);
    try {
      const verdict = await to.verify(decodeUtf8(bytes), now_ms);
      return verdict.verified ? encode(verdict.frame.payload) : `refused: ${verdict.reason}`;
    } catch (error) {
      // Not UTF-8: the client's stream decoder would have refused it before.
      if (error instanceof MalformedError) return "refused: grammar";
      throw error;
    }
  }

  it.each(file.sign)("signs: $name (R28, R30)", async ({ kid, ts, nonce, payload, frame }) => {
    const secret = file.keys[kid]?.secret ?? "";
    const { signKey } = await importSecret(decodeBase64(secret));
    expect(await signFrame({ kid, signKey }, payload, ts, nonce)).toBe(frame);
  });

  it.each(file.accept)("accepts: $name (R35)", async (each) => {
    expect(await verdictOf(await verifier(), each)).toBe(each.payload_canonical);
  });

  it.each(file.refuse)("refuses: $name (R36, R68)", async (each) => {
    expect(await verdictOf(await verifier(), each)).toBe(`refused: ${each.reason}`);
  });

  it.each(file.sequences)("in sequence: $name (R33)", async ({ name, steps }) => {
    const one = await verifier();
    for (const { frame, now_ms, verdict } of steps) {
      const found = await verdictOf(one, { name, frame, now_ms });
      expect(found.startsWith("refused: ") ? found.slice(9) : "verified").toBe(verdict);
    }
  });
});

describe("keys.json (PROTOCOL §2)", () => {
  const { cases } = vectors<KeyVectors>("keys");
  it.each(cases)("derives $kid", async ({ root, session, kid, secret }) => {
    const info = new TextEncoder().encode(`jitterbug ephemeral v1${kid}`);
    const key = await crypto.subtle.importKey("raw", decodeBase64(root), "HKDF", false, ["deriveBits"]);
    const salt = new TextEncoder().encode(session);
    const algorithm = { name: "HKDF", hash: "SHA-256", salt, info };
    const derived = await crypto.subtle.deriveBits(algorithm, key, 256);
    expect(encodeBase64(new Uint8Array(derived))).toBe(secret);
  });
});

describe("sse.json (data only: ids and event names carry nothing in this client, R1)", () => {
  const file = vectors<SseVectors>("sse");

  function dataOf(chunks: string[]): string[] {
    const found: string[] = [];
    const decoder = new SseDecoder((data) => found.push(data));
    for (const chunk of chunks) decoder.push(new TextEncoder().encode(chunk));
    return found;
  }

  it.each(file.encode)("reads what a hub writes: $bytes", ({ data, bytes }) => {
    expect(dataOf([bytes])).toEqual([data.replace(/\r\n?/g, "\n")]);
  });

  it.each(file.decode)("$name", ({ chunks, events }) => {
    expect(dataOf(chunks)).toEqual(events.map((event) => event.data));
  });
});
