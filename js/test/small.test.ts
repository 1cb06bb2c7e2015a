/** The small parts: back-off, listeners, queues, counters, reports. */
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { BACKOFF_BASE_MS, BACKOFF_CAP_MS, Backoff } from "../src/backoff.ts";
import { confirmKey } from "../src/confirm.ts";
import { Counters } from "../src/counters.ts";
import { Emitter } from "../src/emitter.ts";
import { JitterbugError, SecurityError } from "../src/errors.ts";
import { Handlers } from "../src/handlers.ts";
import { readOptions } from "../src/options.ts";
import { Presence } from "../src/presence.ts";
import { Reports } from "../src/reports.ts";
import type { ConnectOptions, Publication } from "../src/types.ts";
import { ManualRuntime } from "./support/clock.ts";
import { EPOCH, KID } from "./support/frames.ts";

describe("Backoff", () => {
  it("draws from nothing up to a ceiling that doubles to 10 s (R54)", () => {
    const highest = new Backoff(() => 1);
    expect([1, 2, 3, 4, 5, 6, 7, 8].map(() => highest.nextMs())).toEqual([
      250, 500, 1_000, 2_000, 4_000, 8_000, 10_000, 10_000,
    ]);
    expect(new Backoff(() => 0).nextMs()).toBe(0);
    highest.reset();
    expect(highest.nextMs()).toBe(BACKOFF_BASE_MS);
  });

  it("never comes back before the hub asked, nor long after", () => {
    fc.assert(
      fc.property(
        fc.double({ min: 0, max: 0.999, noNaN: true }),
        fc.nat(60_000),
        fc.nat(200),
        (chance, asked, tries) => {
          const backoff = new Backoff(() => chance);
          for (let index = 0; index < tries; index += 1) backoff.nextMs();
          const wait = backoff.afterMs(asked);
          expect(wait).toBeGreaterThanOrEqual(asked);
          expect(wait).toBeLessThanOrEqual(Math.max(asked * 1.25, BACKOFF_CAP_MS));
        },
      ),
    );
  });
});

describe("Emitter", () => {
  it("calls listeners in order; a fault of one reaches the fault handler, not the others", () => {
    const faults: unknown[] = [];
    const seen: string[] = [];
    const emitter = new Emitter<{ a: string }>((fault, name) => faults.push([fault, name]));
    emitter.on("a", (value) => seen.push(`1${value}`));
    const off = emitter.on("a", () => {
      throw "fault";
    });
    emitter.on("a", (value) => seen.push(`2${value}`));
    emitter.emit("a", "x");
    off();
    off();
    emitter.emit("a", "y");
    expect(seen).toEqual(["1x", "2x", "1y", "2y"]);
    expect(faults).toEqual([["fault", "a"]]);
  });

  it("takes off exactly one of two equal listeners, also while it calls them", () => {
    let calls = 0;
    const emitter = new Emitter<{ a: null }>(() => undefined);
    const listener = () => {
      calls += 1;
      off();
    };
    const off = emitter.on("a", listener);
    emitter.on("a", listener);
    emitter.emit("a", null);
    emitter.emit("a", null);
    expect(calls).toBe(3);
    expect(emitter.has("a")).toBe(true);
    emitter.clear();
    expect(emitter.has("a")).toBe(false);
  });

  it("keeps what must not be missed for whoever listens first, a hundred at most, and nothing after that", () => {
    const seen: unknown[] = [];
    const emitter = new Emitter<{ a: number; b: number }>(() => undefined, ["a"]);
    for (let number = 0; number < 103; number += 1) emitter.emit("a", number);
    emitter.emit("b", 1);
    emitter.on("b", (value) => seen.push(value));
    expect(seen).toEqual([]);
    const off = emitter.on("a", (value) => seen.push(value), [-1]);
    expect(seen).toEqual([-1, ...Array.from({ length: 100 }, (_, index) => index + 3)]);
    emitter.on("a", () => seen.push("second"));
    expect(seen).toHaveLength(101);
    off();
    emitter.emit("a", 200);
    expect(seen.slice(101)).toEqual(["second"]);
  });

  it("tells a new listener alone what stands already, at once and before anything else", () => {
    const faults: unknown[] = [];
    const seen: string[] = [];
    const emitter = new Emitter<{ a: string }>((fault, name) => faults.push([fault, name]));
    emitter.on("a", (value) => seen.push(`1${value}`), []);
    const off = emitter.on("a", (value) => seen.push(`2${value}`), ["x", "y"]);
    expect(seen).toEqual(["2x", "2y"]);
    emitter.emit("a", "z");
    off();
    emitter.emit("a", "w");
    expect(seen).toEqual(["2x", "2y", "1z", "2z", "1w"]);
    emitter.on(
      "a",
      (value) => {
        throw value;
      },
      ["fault", "another"],
    );
    expect(faults).toEqual([
      ["fault", "a"],
      ["another", "a"],
    ]);
    emitter.emit("a", "third");
    expect(faults.slice(2)).toEqual([["third", "a"]]);
  });
});

describe("Presence", () => {
  const change = (kind: "join" | "leave", channel: string, subject: string) => ({ channel, kind, subject });

  it("says who is there as joins, to a listener that came after they were told", () => {
    const told: unknown[] = [];
    const presence = new Presence((info) => told.push(info));
    expect(presence.here()).toEqual([]);
    for (const subject of ["bob", "eve", "ada"]) presence.take(change("join", "a", subject));
    presence.take(change("join", "b", "bob"));
    presence.take(change("leave", "a", "eve"));
    told.length = 0;
    expect(presence.here()).toEqual([
      { ...change("join", "a", "ada"), members: ["ada", "bob"] },
      { ...change("join", "a", "bob"), members: ["ada", "bob"] },
      { ...change("join", "b", "bob"), members: ["bob"] },
    ]);
    expect(told).toEqual([]);
    presence.anew("a");
    expect(presence.here()).toEqual([{ ...change("join", "b", "bob"), members: ["bob"] }]);
    presence.take(change("leave", "b", "bob"));
    presence.take(change("join", "c", "ada"));
    presence.clear();
    expect(presence.here()).toEqual([]);
  });
});

it("counters hand out snapshots", () => {
  const counters = new Counters();
  const before = counters.snapshot();
  counters.add("bytes", 5);
  counters.refused("stale");
  expect([before.bytes, before.refused.stale]).toEqual([0, 0]);
  expect([counters.snapshot().bytes, counters.snapshot().refused.stale]).toEqual([5, 1]);
});

describe("Handlers", () => {
  const publication = (offset: number): Publication => ({
    channel: "a",
    data: offset,
    position: [EPOCH, offset],
    recovered: false,
    ts: 0,
    kid: KID,
  });

  it("keeps what comes before the first handler, and gives it to that one only", () => {
    const seen: unknown[] = [];
    const handlers = new Handlers(() => undefined);
    handlers.hold("a");
    handlers.deliver(publication(1));
    const off = handlers.add("a", (data, { position }) => seen.push([data, position[1]]));
    handlers.add("a", () => seen.push("second"));
    handlers.deliver(publication(2));
    expect(seen).toEqual([[1, 1], [2, 2], "second"]);
    expect(off()).toBe(false);
  });

  it("holds a thousand, then tells the loss of the oldest", () => {
    const handlers = new Handlers(() => undefined);
    handlers.hold("a");
    for (let offset = 1; offset <= 1_000; offset += 1)
      expect(handlers.deliver(publication(offset))).toBeNull();
    expect(handlers.deliver(publication(1_001))).toMatchObject({
      channel: "a",
      reason: "overflow",
      position: [EPOCH, 1],
    });
  });

  it("says when the last one is off, and survives faults", () => {
    const faults: unknown[] = [];
    const handlers = new Handlers((fault) => faults.push(fault));
    const off = handlers.add("a", () => {
      throw "fault";
    });
    expect(handlers.deliver(publication(1))).toBeNull();
    expect([off(), off()]).toEqual([true, false]);
    expect(handlers.deliver(publication(2))).toBeNull();
    expect(faults).toEqual(["fault"]);
  });
});

describe("Reports", () => {
  it("sums up, sends at most once per 15 s, and waits for a stream", async () => {
    const runtime = new ManualRuntime();
    const sent: string[] = [];
    let open = false;
    const reports = new Reports(runtime, (kind, count) => {
      if (!open) return null;
      sent.push(`${kind} ${count}`);
      return Promise.reject(new Error("lost"));
    });
    reports.refused("grammar");
    reports.refused("key");
    await runtime.advance(0);
    expect(sent).toEqual([]);
    open = true;
    await reports.flush();
    expect(sent).toEqual(["signature 2"]);
    reports.refused("replay");
    reports.refused("stale");
    reports.refused("type");
    reports.refused("stale");
    await runtime.advance(14_999);
    expect(sent).toHaveLength(1);
    await runtime.advance(1);
    expect(sent.slice(1)).toEqual(["replay 1", "stale 2", "order 1"]);
    await reports.gap();
    expect(sent.at(-1)).toBe("gap 1");
    reports.refused("stale");
    reports.stop();
    await runtime.advance(60_000);
    expect(sent).toHaveLength(5);
  });
});

it("reports the first refusal at once, also after a flush that had nothing to say", async () => {
  const runtime = new ManualRuntime();
  await runtime.advance(7_000);
  const sent: string[] = [];
  const reports = new Reports(runtime, async (kind) => sent.push(kind));
  await reports.flush();
  reports.refused("stale");
  await runtime.advance(0);
  expect(sent).toEqual(["stale"]);
  await runtime.advance(14_999);
  reports.refused("order");
  await runtime.advance(0);
  expect(sent).toEqual(["stale"]);
  await runtime.advance(1);
  expect(sent).toEqual(["stale", "order"]);
});

describe("confirmKey", () => {
  const failing = (code: string) => new JitterbugError(code, "");

  it("tries until the hub answers, or refuses, or it is no longer due", async () => {
    const runtime = new ManualRuntime();
    const stream = new AbortController().signal;
    const answers = [failing("JB_NETWORK"), failing("JB_RATE_LIMITED"), null];
    let sent = 0;
    const send = async () => {
      const answer = answers[sent++];
      if (answer) throw answer;
    };
    const done = confirmKey({ runtime, stream, isDue: () => true, send });
    await runtime.advance(10_000);
    await done;
    expect(sent).toBe(3);
    await confirmKey({
      runtime,
      stream,
      isDue: () => true,
      send: () => Promise.reject(failing("JB_UNAUTHORIZED")),
    });
    await confirmKey({ runtime, stream, isDue: () => false, send: () => expect.unreachable() });
  });
});

it("has one SecurityError: one text, one code, no cause (R59)", () => {
  const error = new SecurityError();
  expect([error.message, error.code, error.cause, error.remedy]).toEqual([
    "Frame verification failed",
    "JB_VERIFY",
    undefined,
    null,
  ]);
  expect("cause" in error).toBe(false);
});

describe("readOptions", () => {
  it("completes what is left out (R32, R33)", () => {
    const settings = readOptions("/api/jitterbug//", {});
    expect(settings).toMatchObject({
      base: "/api/jitterbug",
      skewMs: 5_000,
      replayWindowMs: 10_000,
      anonymous: true,
    });
    expect(readOptions("", { skewMs: 0 }).skewMs).toBe(0); // O9: a set 0 is not the default
  });

  it.each<[string, ConnectOptions]>([
    ["JB_CHANNEL_NAME", { channels: { "a b": null } }],
    ["JB_CHANNEL_NAME", { channels: { "": null } }],
    ["JB_CHANNEL_NAME", { channels: { ["x".repeat(129)]: null } }],
    ["JB_CHANNEL_NAME", { channels: { a$: null } }],
    ["JB_POSITION", { channels: { a: ["epoch", -1] } }],
    ["JB_POSITION", { channels: { a: ["epoch", 1.5] } }],
    [
      "JB_TOO_MANY_CHANNELS",
      { channels: Object.fromEntries(Array.from({ length: 101 }, (_, n) => [`c${n}`, null])) },
    ],
  ])("refuses with %s", (code, options) => {
    expect(() => readOptions("", options)).toThrow(expect.objectContaining({ code }));
  });
});
