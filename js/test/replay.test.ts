import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { NonceStore } from "../src/replay.ts";
import { KID } from "./support/frames.ts";

const store = (maxEntries = 1_000) => new NonceStore({ skewMs: 5_000, windowMs: 10_000, maxEntries });

describe("NonceStore", () => {
  it("refuses the same nonce at 0, 1, 5 and 9.9 s, under this kid only (R33)", () => {
    const nonces = store();
    expect(nonces.insert(KID, "n", 100_000, 100_000)).toBe(true);
    for (const later of [0, 1_000, 5_000, 9_900, 10_000]) {
      expect(nonces.insert(KID, "n", 100_000, 100_000 + later)).toBe(false);
    }
    expect(nonces.insert("other", "n", 101_000, 101_000)).toBe(true);
  });

  it("remembers a frame stamped ahead as long as it stays fresh (O10)", () => {
    const nonces = store();
    nonces.insert(KID, "n", 105_000, 100_000);
    expect(nonces.insert(KID, "n", 105_000, 110_000)).toBe(false);
  });

  it("evicts nothing that is alive: full means refused (O11)", () => {
    const nonces = store(3);
    for (const nonce of ["a", "b", "c"]) nonces.insert(KID, nonce, 100_000, 100_000);
    expect(nonces.insert(KID, "d", 100_000, 100_000)).toBe(false);
    expect(nonces.insert(KID, "a", 100_000, 100_000)).toBe(false);
    expect(nonces.insert(KID, "d", 111_000, 111_000)).toBe(true);
    expect(nonces.size).toBe(1);
  });

  it("forgets only after the window, and never what may still be fresh", () => {
    const nonces = store();
    nonces.insert(KID, "old", 95_000, 100_000);
    nonces.insert(KID, "probe", 110_000, 110_000);
    expect(nonces.size).toBe(2);
    nonces.insert(KID, "probe 2", 110_001, 110_001);
    expect(nonces.size).toBe(2);
    const ahead = store();
    ahead.insert(KID, "far ahead, as only a caller that skips the time check would", 150_000, 100_000);
    ahead.insert(KID, "probe", 155_000, 155_000);
    expect(ahead.size).toBe(2);
  });

  it("revives nothing when the clock steps back", () => {
    const nonces = store();
    nonces.insert(KID, "n", 100_000, 100_000);
    nonces.insert(KID, "m", 130_000, 130_000);
    expect(nonces.insert(KID, "n", 100_000, 100_000)).toBe(false);
    expect(nonces.insert(KID, "o", 100_001, 100_000)).toBe(true);
  });

  it("refuses settings that leave a hole (R76)", () => {
    for (const [skewMs, windowMs] of [
      [5_000, 9_999],
      [-1, 10_000],
      [Number.NaN, 10_000],
      [1, Number.NaN],
    ] as const) {
      expect(() => new NonceStore({ skewMs, windowMs, maxEntries: 1 })).toThrow(RangeError);
    }
  });

  it("accepts no frame twice, for any skew, window, clock and order of replays (R67)", () => {
    const step = fc.record({
      frame: fc.nat(7),
      lag: fc.integer({ min: -6, max: 6 }),
      move: fc.integer({ min: -9, max: 9 }),
    });
    fc.assert(
      fc.property(
        fc.array(step, { maxLength: 60 }),
        fc.integer({ min: 0, max: 4 }),
        fc.nat(5),
        (steps, skew, more) => {
          const nonces = new NonceStore({ skewMs: skew, windowMs: 2 * skew + more, maxEntries: 4 });
          const made = new Map<number, number>();
          const accepted = new Set<number>();
          let now = 100;
          for (const { frame, lag, move } of steps) {
            now += move;
            const ts = made.get(frame) ?? now + lag;
            made.set(frame, ts);
            if (Math.abs(now - ts) > skew) continue; // the verifier would have refused it as stale
            if (!nonces.insert(KID, String(frame), ts, now)) continue;
            expect(accepted.has(frame)).toBe(false);
            accepted.add(frame);
          }
        },
      ),
      { numRuns: 2_000 },
    );
  });
});
