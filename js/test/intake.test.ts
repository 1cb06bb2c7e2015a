import { afterEach, beforeAll, expect, it, vi } from "vitest";
import { HubClock, systemRuntime } from "../src/clock.ts";
import { Counters } from "../src/counters.ts";
import { Intake, type Source } from "../src/intake.ts";
import { NonceStore } from "../src/replay.ts";
import { Receiver } from "../src/session.ts";
import { importSecret } from "../src/signing.ts";
import { Verifier, type VerifyingKey } from "../src/verifier.ts";
import { CONN, EPOCH, KID, SECRET, signAs } from "./support/frames.ts";

const LIMITS = { burst: 10, frame: 1_024, rate: 1 };
let key: VerifyingKey;

beforeAll(async () => {
  const { verifyKey } = await importSecret(Uint8Array.from(SECRET));
  key = { verifyKey, expiresAtMs: Number.POSITIVE_INFINITY };
});

afterEach(() => {
  vi.restoreAllMocks();
});

/** What a hub says to one connection, and what the intake makes of it, in one word each. */
function scene() {
  const receiver = new Receiver();
  receiver.want("a", null);
  receiver.begin(0);
  const verifier = new Verifier({
    keys: { find: (kid) => (kid === KID ? key : undefined) },
    nonces: new NonceStore({ skewMs: 5_000, windowMs: 10_000, maxEntries: 100_000 }),
    skewMs: 5_000,
    maxFrameBytes: 16_384,
    requireCanonical: true,
  });
  const counters = new Counters();
  const runtime = systemRuntime;
  const intake = new Intake({
    runtime,
    clock: new HubClock(runtime),
    verifier,
    receiver,
    counters,
    watcher: () => null,
  });
  const words: string[] = [];
  let seq = 0;
  const frame = (payload: object) => {
    seq += 1;
    return signAs(KID, SECRET, { ...payload, conn: CONN, seq }, Date.now());
  };
  const source: Source = {
    isCurrent: () => true,
    act: (judgement) => {
      const { verdict } = judgement;
      if (verdict === "taken") {
        if (judgement.effect?.kind === "hello") verifier.maxFrameBytes = judgement.effect.limits.frame;
        words.push(judgement.effect?.kind ?? "taken");
      } else words.push(verdict === "refused" ? judgement.reason : verdict);
    },
    failed: () => words.push("failed"),
  };
  const opening = [
    frame({ t: "hello", v: 1, limits: LIMITS, serverTime: Date.now() }),
    frame({ t: "subscribed", ch: "a", pos: [EPOCH, 0] }),
  ];
  let offset = 0;
  const msg = (data: unknown = "x") => {
    offset += 1;
    return frame({ t: "msg", ch: "a", data, pos: [EPOCH, offset] });
  };
  const take = (texts: readonly string[]) => {
    for (const text of texts) intake.take(text, source);
    return intake.idle();
  };
  return { intake, source, words, opening, msg, take, counters };
}

const forged = (text: string) => text.replace('"data":"x"', '"data":"y"');

it("refuses a forged frame amid a burst, and judges those before and behind it in order (R14, R36)", async () => {
  const { words, opening, msg, take } = scene();
  const before = Array.from({ length: 100 }, () => msg());
  const genuine = msg();
  const behind = msg();
  await take([...opening, ...before, forged(genuine), genuine, behind]);
  const expected = ["hello", "subscribed", ...before.map(() => "deliver"), "signature", "deliver", "deliver"];
  expect(words).toEqual(expected);
});

it("finds the hole a forged frame leaves, though what follows was checked along with it (R14)", async () => {
  const { words, opening, msg, take } = scene();
  await take([...opening, msg(), forged(msg()), msg(), msg()]);
  expect(words).toEqual(["hello", "subscribed", "deliver", "signature", "hole", "hole"]);
});

it("takes one of two copies in one burst (R33)", async () => {
  const { words, opening, msg, take } = scene();
  const twice = msg();
  await take([...opening, twice, twice, msg()]);
  expect(words).toEqual(["hello", "subscribed", "deliver", "replay", "deliver"]);
});

it("holds the frames that came with a hello to its limits (R58)", async () => {
  const { words, opening, msg, take } = scene();
  await take([...opening, msg("z".repeat(2_000))]);
  expect(words).toEqual(["hello", "subscribed", "size"]);
});

it("tells the stream of each frame that WebCrypto itself failed on, and goes on", async () => {
  const { words, opening, msg, take } = scene();
  await take(opening);
  vi.spyOn(crypto.subtle, "verify").mockRejectedValueOnce(new Error("no"));
  const lost = [msg(), msg()];
  await take(lost);
  await take(lost);
  expect(words.slice(2)).toEqual(["failed", "failed", "deliver", "deliver"]);
});

it("goes on behind a handler that throws", async () => {
  const { intake, source, words, opening, msg, take } = scene();
  await take(opening);
  const act = () => {
    throw new Error("no");
  };
  intake.take(msg(), { ...source, act });
  await take([msg()]);
  expect(words.slice(2)).toEqual(["failed", "deliver"]);
});

it("is idle when what came until then is judged, whatever comes after", async () => {
  const { intake, source, words, opening, msg, take } = scene();
  const first = take(opening);
  const rest = Array.from({ length: 500 }, () => msg());
  for (const text of rest) intake.take(text, source);
  await first;
  expect(words.length).toBeGreaterThanOrEqual(2);
  expect(words.length).toBeLessThan(100);
  await intake.idle();
  expect(words).toHaveLength(502);
});

it("lets the page have its turn during a burst of 5,000 frames", async () => {
  const { words, opening, msg, take } = scene();
  const burst = Array.from({ length: 5_000 }, () => msg());
  let turns = 0;
  let going = true;
  const page = () => {
    turns += 1;
    if (going) setImmediate(page);
  };
  const startMs = performance.now();
  setImmediate(page);
  await take([...opening, ...burst]);
  going = false;
  const tookMs = performance.now() - startMs;
  expect(words).toHaveLength(5_002);
  expect(turns).toBeGreaterThan(tookMs / 50);
});
