import { describe, expect, it } from "vitest";
import { JitterbugError } from "../src/errors.ts";
import { type EndFacts, type NextStep, nextStep, type StreamEnd } from "../src/resume.ts";

const LIVE: EndFacts = { everLive: true, freshKey: false, liveMs: 60_000, anotherWay: false };
const FIRST: EndFacts = { everLive: false, freshKey: true, liveMs: 0, anotherWay: false };

const failed = (code: string, retryAfterMs: number | null = null): StreamEnd => ({
  kind: "failed",
  error: new JitterbugError(code, "", { retryAfterMs }),
});
const keyless = (code: string): StreamEnd => ({ kind: "keyless", error: new JitterbugError(code, "") });
const bye = (
  reason: "shutdown" | "key_expired" | "revoked" | "slow" | "rate" | "lifetime",
  retryMs = 0,
): StreamEnd => ({
  kind: "bye",
  reason,
  retryMs,
});

describe("nextStep, while it works", () => {
  it.each<[string, StreamEnd, Partial<NextStep>]>([
    ["a hole", { kind: "hole" }, { stop: false, wait: "backoff", anotherKey: false, code: "JB_HOLE" }],
    ["a page put away", { kind: "paused" }, { stop: false, wait: "none", code: "JB_PAUSED" }],
    ["a wake", { kind: "woken" }, { stop: false, wait: "none", anotherKey: false, code: "JB_WOKEN" }],
    ["silence", { kind: "silent" }, { stop: false, wait: "backoff", code: "JB_SILENT" }],
    ["a cut", { kind: "cut" }, { stop: false, wait: "backoff", code: "JB_CUT" }],
    ["a key not held", { kind: "keyMissing" }, { stop: false, anotherKey: true }],
    ["bye shutdown", bye("shutdown", 700), { stop: false, wait: "exact", askedMs: 700, code: "JB_SHUTDOWN" }],
    ["bye slow", bye("slow", 9), { wait: "exact", askedMs: 9 }],
    ["bye rate", bye("rate", 9), { wait: "exact", askedMs: 9 }],
    ["bye lifetime", bye("lifetime", 900), { stop: true, code: "JB_LIFETIME" }],
    ["bye key_expired", bye("key_expired", 900), { stop: false, wait: "none", anotherKey: true }],
    ["bye revoked", bye("revoked", 900), { stop: true, code: "JB_REVOKED" }],
    ["204", failed("JB_REVOKED"), { stop: true }],
    ["403", failed("JB_FORBIDDEN"), { stop: true }],
    ["429", failed("JB_RATE_LIMITED", 7_000), { stop: false, wait: "backoff", askedMs: 7_000 }],
    ["503", failed("JB_UNAVAILABLE", 2_000), { stop: false, wait: "backoff", askedMs: 2_000 }],
    ["500", failed("JB_INTERNAL"), { stop: false, wait: "backoff" }],
    ["400 in passing", failed("JB_INVALID_REQUEST"), { stop: false, wait: "backoff" }],
    ["no network", keyless("JB_NETWORK"), { stop: false, wait: "backoff" }],
    ["401 for an old key", failed("JB_UNAUTHORIZED"), { stop: false, wait: "none", anotherKey: true }],
    ["401 at the key endpoint", keyless("JB_UNAUTHORIZED"), { stop: true }],
  ])("%s", (_, end, step) => {
    expect(nextStep(end, LIVE)).toMatchObject(step);
  });

  it("does not spin when a key expires as soon as the stream opens", () => {
    expect(nextStep(bye("key_expired"), { ...LIVE, liveMs: 999 })).toMatchObject({
      wait: "backoff",
      anotherKey: true,
    });
  });
});

describe("nextStep, before it ever worked", () => {
  it.each<[string, StreamEnd, boolean]>([
    ["401 for a fresh key", failed("JB_UNAUTHORIZED"), true],
    ["400", failed("JB_INVALID_REQUEST"), true],
    ["an answer that is no stream", failed("JB_UNREADABLE"), true],
    ["503", failed("JB_UNAVAILABLE", 1_000), false],
    ["no network", keyless("JB_NETWORK"), false],
  ])("%s: stops %s", (_, end, stops) => {
    expect(nextStep(end, FIRST).stop).toBe(stops);
  });
});
