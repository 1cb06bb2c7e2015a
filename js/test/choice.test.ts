import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { AWAY_MS, FIRST_PATIENCE_MS, TransportChoice } from "../src/choice.ts";
import { JitterbugError } from "../src/errors.ts";
import type { StreamEnd } from "../src/resume.ts";
import type { Transport } from "../src/transport.ts";

const named = (name: "sse" | "websocket"): Transport => ({
  name,
  subscribes: name === "sse",
  open: () => {
    throw new Error("a choice opens nothing");
  },
});
const both = () => new TransportChoice([named("sse"), named("websocket")]);
const failed = (code: string): StreamEnd => ({ kind: "failed", error: new JitterbugError(code, "") });
const HELD: StreamEnd = { kind: "held" };
const CUT: StreamEnd = { kind: "cut" };
const UNOPENED: StreamEnd = { kind: "unopened" };

const names = (choice: TransportChoice, nowMs = 0) => choice.next(nowMs).transport.name;

describe("TransportChoice", () => {
  it("with one transport never waits for its hello by itself, and never leaves it", () => {
    const choice = new TransportChoice([named("websocket")]);
    for (const end of [HELD, UNOPENED, CUT, failed("JB_UNREADABLE")]) {
      expect(choice.ended(end, false, true, 0)).toBe(false);
      expect(choice.next(0)).toMatchObject({ transport: { name: "websocket" }, patienceMs: null });
    }
  });

  it.each<[string, StreamEnd, boolean]>([
    ["is held back", HELD, false],
    ["is silent to the end", { kind: "silent" }, false],
    ["is something else", failed("JB_UNREADABLE"), false],
    ["fails where a key came through just before", failed("JB_NETWORK"), true],
  ])("leaves a stream that %s", (_, end, freshKey) => {
    const choice = both();
    expect(choice.ended(end, false, freshKey, 0)).toBe(true);
    expect(names(choice)).toBe("websocket");
  });

  it.each<[string, StreamEnd]>([
    ["no network", failed("JB_NETWORK")],
    ["the hub's refusal", failed("JB_UNAUTHORIZED")],
    ["the hub's wait", failed("JB_UNAVAILABLE")],
    ["bye", { kind: "bye", reason: "shutdown", retryMs: 0 }],
    ["no key", { kind: "keyless", error: new JitterbugError("JB_NETWORK", "") }],
    ["a hole", { kind: "hole" }],
  ])("stays through %s, however often", (_, end) => {
    const choice = both();
    for (let turn = 0; turn < 10; turn += 1) expect(choice.ended(end, false, false, 0)).toBe(false);
    expect(names(choice)).toBe("sse");
  });

  it.each<[string, StreamEnd]>([
    ["cuts", CUT],
    ["answers of a broken gateway", failed("JB_INTERNAL")],
  ])("forgives one, but not two %s before hello", (_, end) => {
    const choice = both();
    choice.ended(end, false, false, 0);
    expect(names(choice)).toBe("sse");
    choice.ended(end, true, false, 0);
    choice.ended(end, false, false, 0);
    expect(names(choice)).toBe("sse");
    expect(choice.ended(end, false, false, 0)).toBe(true);
    expect(names(choice)).toBe("websocket");
  });

  it("is more patient with each transport given up, and says when none is new", () => {
    const choice = both();
    expect(choice.next(0).patienceMs).toBe(FIRST_PATIENCE_MS);
    expect(choice.ended(HELD, false, false, 0)).toBe(true);
    expect(choice.next(0)).toMatchObject({ transport: { name: "websocket" }, patienceMs: 6_000 });
    expect(choice.ended(UNOPENED, false, false, 0)).toBe(false);
    expect(choice.next(0)).toMatchObject({ transport: { name: "sse" }, patienceMs: 12_000 });
    for (let turn = 0; turn < 100; turn += 1) choice.ended(HELD, false, false, 0);
    expect(choice.next(0).patienceMs).toBe(30_000);
  });

  it("keeps what worked for an hour, then tries the stream again", () => {
    const choice = both();
    choice.ended(HELD, false, false, 1_000);
    choice.ended(CUT, true, false, 2_000);
    expect(names(choice, 1_000 + AWAY_MS - 1)).toBe("websocket");
    expect(choice.next(1_000 + AWAY_MS)).toMatchObject({
      transport: { name: "sse" },
      patienceMs: FIRST_PATIENCE_MS,
    });
  });

  it("never gives up a transport that gets to hello, whatever ends it", () => {
    const kinds = fc.constantFrom<StreamEnd>(HELD, CUT, UNOPENED, { kind: "silent" }, failed("JB_INTERNAL"));
    fc.assert(
      fc.property(fc.array(kinds), fc.array(kinds), (before, after) => {
        const choice = both();
        for (const end of before) choice.ended(end, false, true, 0);
        const used = names(choice);
        for (const end of after) {
          choice.ended(end, true, true, 0);
          expect(names(choice)).toBe(used);
        }
      }),
    );
  });
});
