import fc from "fast-check";
import { beforeAll, describe, expect, it } from "vitest";
import { decodeUtf8 } from "../src/canonical.ts";
import { NonceStore } from "../src/replay.ts";
import { importSecret } from "../src/signing.ts";
import { stepsWith, Verifier, type VerifyingKey } from "../src/verifier.ts";
import { KID, NOW_MS, SECRET, signAs } from "./support/frames.ts";

let key: VerifyingKey;

beforeAll(async () => {
  const { verifyKey } = await importSecret(Uint8Array.from(SECRET));
  key = { verifyKey, expiresAtMs: NOW_MS + 600_000 };
});

function verifier(maxFrameBytes = 1_024): Verifier {
  return new Verifier({
    keys: { find: (kid) => (kid === KID ? key : undefined) },
    nonces: new NonceStore({ skewMs: 5_000, windowMs: 10_000, maxEntries: 1_000 }),
    skewMs: 5_000,
    maxFrameBytes,
    requireCanonical: true,
  });
}

async function verdictOf(to: Verifier, text: string, nowMs = NOW_MS): Promise<string> {
  const verdict = await to.verify(text, nowMs);
  return verdict.verified ? "verified" : `${verdict.failed}/${verdict.reason}`;
}

describe("Verifier", () => {
  it("refuses a frame with any one bit flipped (R15, R66)", async () => {
    const bytes = new TextEncoder().encode(signAs(KID, SECRET, { t: "msg", data: "é" }, NOW_MS));
    const to = verifier();
    for (let bit = 0; bit < bytes.length * 8; bit += 1) {
      const flipped = Uint8Array.from(bytes);
      flipped[bit >> 3] = (flipped[bit >> 3] ?? 0) ^ (1 << (bit & 7));
      const text = textOrNull(flipped);
      if (text !== null) expect(await verdictOf(to, text)).not.toBe("verified");
    }
    expect(await verdictOf(to, decodeUtf8(bytes))).toBe("verified");
  });

  it("refuses random edits of a frame (R15)", async () => {
    const text = signAs(KID, SECRET, { t: "msg", data: { a: [1, "x"] } }, NOW_MS);
    const edit = fc.record({ at: fc.nat(text.length), cut: fc.nat(4), put: fc.string({ maxLength: 4 }) });
    await fc.assert(
      fc.asyncProperty(fc.array(edit, { minLength: 1, maxLength: 3 }), async (edits) => {
        const edited = edits.reduce((t, { at, cut, put }) => t.slice(0, at) + put + t.slice(at + cut), text);
        fc.pre(edited !== text);
        expect(await verdictOf(verifier(), edited)).not.toBe("verified");
      }),
      { numRuns: 1_000 },
    );
  });

  it("keeps the order of checks: each failure is told by the first step that fails (R36)", async () => {
    const huge = "x".repeat(1_025);
    const at = (ts: number, kid = KID) => signAs(kid, SECRET, {}, ts);
    const forged = (text: string) =>
      text.replace(/"sig":"./, (start) => `${start.slice(0, -1)}${start.endsWith("A") ? "B" : "A"}`);
    const to = verifier();
    expect(await verdictOf(to, huge)).toBe("size/size");
    expect(await verdictOf(to, "{}")).toBe("grammar/grammar");
    expect(await verdictOf(to, forged(at(0, "z".repeat(52))))).toBe("key/key");
    expect(await verdictOf(to, forged(at(NOW_MS - 5_001)))).toBe("time/stale");
    expect(await verdictOf(to, forged(at(NOW_MS)))).toBe("signature/signature");
  });

  it("takes the skew itself, not a millisecond more (R32)", async () => {
    for (const [offset, verdict] of [
      [-5_000, "verified"],
      [5_000, "verified"],
      [-5_001, "time/stale"],
      [5_001, "time/stale"],
    ] as const) {
      expect(await verdictOf(verifier(), signAs(KID, SECRET, {}, NOW_MS + offset))).toBe(verdict);
    }
  });

  it("refuses what a key signed after its end (R17, R38)", async () => {
    const nowMs = key.expiresAtMs;
    expect(await verdictOf(verifier(), signAs(KID, SECRET, {}, nowMs), nowMs)).toBe("verified");
    expect(await verdictOf(verifier(), signAs(KID, SECRET, {}, nowMs + 1), nowMs)).toBe("time/stale");
  });

  it("refuses a frame seen before, and a forged copy burns nothing (R33, R36)", async () => {
    const to = verifier();
    const text = signAs(KID, SECRET, { n: 1 }, NOW_MS);
    const forged = text.replace('"n":1', '"n":2');
    expect(await verdictOf(to, forged)).toBe("signature/signature");
    expect(await verdictOf(to, text)).toBe("verified");
    expect(await verdictOf(to, text)).toBe("replay/replay");
    const both = await Promise.all(
      [1, 2].map(() => verdictOf(to, signAs(KID, SECRET, {}, NOW_MS, `${"B".repeat(42)}A=`))),
    );
    expect(both.sort()).toEqual(["replay/replay", "verified"]);
  });

  it("counts the limit in bytes (R58, O26)", async () => {
    const text = signAs(KID, SECRET, { d: "é".repeat(300) }, NOW_MS);
    const bytes = new TextEncoder().encode(text).length;
    expect(text.length).toBeLessThan(bytes);
    expect(await verdictOf(verifier(bytes), text)).toBe("verified");
    expect(await verdictOf(verifier(bytes - 1), text)).toBe("size/size");
  });

  it("hands on the frame, unverified, where there is one, and null where the grammar failed", async () => {
    const stale = await verifier().verify(signAs(KID, SECRET, { n: 1 }, 0), NOW_MS);
    expect(stale.frame?.payload).toEqual(Object.assign(Object.create(null), { n: 1 }));
    expect((await verifier().verify("[]", NOW_MS)).frame).toBeNull();
  });
});

it("shows the steps up to the one that failed", () => {
  expect(stepsWith("time").map((step) => step.ok)).toEqual([true, true, true, false, null, null, null]);
  expect(stepsWith(null).every((step) => step.ok)).toBe(true);
});

function textOrNull(bytes: Uint8Array): string | null {
  try {
    return decodeUtf8(bytes);
  } catch {
    return null;
  }
}
