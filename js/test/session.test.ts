import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { type Outcome, Receiver } from "../src/session.ts";
import type { Frame, JsonObject, Position } from "../src/types.ts";
import { CONN, EPOCH, KID, NOW_MS } from "./support/frames.ts";

const LIMITS = { burst: 10, frame: 1024, rate: 1 };

/** Writes what a hub would send on one connection, numbered from 1. */
class Script {
  seq = 0;
  readonly conn: string;
  kid = KID;

  constructor(conn = CONN) {
    this.conn = conn;
  }

  frame(payload: Record<string, unknown>): Frame {
    this.seq += 1;
    return this.raw({ ...payload, conn: this.conn, seq: this.seq });
  }

  raw(payload: Record<string, unknown>): Frame {
    return { kid: this.kid, ts: NOW_MS, nonce: "", sig: "", payload: payload as JsonObject };
  }

  hello(): Frame {
    return this.frame({ t: "hello", v: 1, limits: LIMITS, serverTime: NOW_MS });
  }

  subscribed(offset: number, recovered?: boolean, epoch = EPOCH): Frame {
    return this.frame({
      t: "subscribed",
      ch: "a",
      pos: [epoch, offset],
      ...(recovered === undefined ? {} : { recovered }),
    });
  }

  msg(offset: number, more: Record<string, unknown> = {}): Frame {
    return this.frame({ t: "msg", ch: "a", data: offset, pos: [EPOCH, offset], ...more });
  }

  gap(offset: number, reason = "overflow"): Frame {
    return this.frame({ t: "gap", ch: "a", pos: [EPOCH, offset], reason });
  }
}

function receiver(position: Position | null = null): Receiver {
  const to = new Receiver();
  to.want("a", position);
  to.begin(0);
  return to;
}

it("who comes and goes is told of the channels that are read, and of no others", () => {
  const script = new Script();
  const to = receiver();
  const join = (ch: string) => script.frame({ t: "join", ch, subject: "ada" });
  expect(words(to, [script.hello(), script.subscribed(0), join("a"), join("b")]).slice(2)).toEqual([
    "presence",
    "taken",
  ]);
  to.drop("a", true);
  to.want("a", null);
  expect(words(to, [script.frame({ t: "leave", ch: "a", subject: "ada" })])).toEqual(["taken"]);
});

/** Outcomes in one word each: the effect's kind where there is one. */
function words(to: Receiver, frames: Frame[]): string[] {
  return frames.map((frame) => word(to.accept(frame, 0)));
}

function word(outcome: Outcome): string {
  if (outcome.verdict === "refused") return outcome.reason;
  if (outcome.verdict !== "taken") return outcome.verdict;
  return outcome.effect?.kind ?? "taken";
}

describe("conn and seq", () => {
  it("takes hello first, with seq 1, and only once", () => {
    const script = new Script();
    const early = script.raw({ t: "hb", serverTime: 1, conn: CONN, seq: 1 });
    const late = script.raw({ t: "hello", v: 1, limits: LIMITS, serverTime: 1, conn: CONN, seq: 2 });
    expect(words(receiver(), [early, late, script.hello(), script.hello()])).toEqual([
      "order",
      "order",
      "hello",
      "order",
    ]);
  });

  it("refuses another connection's frames, and frames at or below the last seq", () => {
    const script = new Script();
    const to = receiver();
    words(to, [script.hello(), script.frame({ t: "hb", serverTime: 1 })]);
    const foreign = new Script("another-conn-0001");
    foreign.seq = 2;
    expect(words(to, [foreign.frame({ t: "hb", serverTime: 1 })])).toEqual(["order"]);
    expect(words(to, [script.raw({ t: "hb", serverTime: 1, conn: CONN, seq: 2 })])).toEqual(["order"]);
  });

  it("finds a hole in seq and takes nothing after it (R14)", () => {
    const script = new Script();
    const to = receiver();
    words(to, [script.hello(), script.subscribed(0)]);
    const lost = script.msg(1);
    expect(words(to, [script.frame({ t: "hb", serverTime: 1 }), lost, script.msg(2)])).toEqual([
      "hole",
      "hole",
      "hole",
    ]);
    expect(to.positions()).toEqual({ a: [EPOCH, 0] });
  });

  it("follows the key only as rekey says", () => {
    const script = new Script();
    const to = receiver();
    words(to, [script.hello()]);
    const other = script.frame({ t: "hb", serverTime: 1 });
    expect(words(to, [{ ...other, kid: "n".repeat(52) }])).toEqual(["order"]);
    script.seq -= 1;
    expect(words(to, [script.frame({ t: "rekey", kid: "n".repeat(52) })])).toEqual(["rekey"]);
    script.kid = "n".repeat(52);
    expect(words(to, [script.frame({ t: "hb", serverTime: 1 })])).toEqual(["taken"]);
    expect(to.kid).toBe("n".repeat(52));
  });

  it("keeps the key when rekey only asks for the next one", () => {
    const script = new Script();
    const to = receiver();
    expect([to.conn, to.kid]).toEqual([null, null]);
    words(to, [script.hello(), script.frame({ t: "rekey", by: NOW_MS })]);
    expect([to.conn, to.kid]).toEqual([CONN, KID]);
    expect(words(to, [script.frame({ t: "hb", serverTime: 1 })])).toEqual(["taken"]);
  });

  it("refuses types of the other direction, unknown ones, and broken members", () => {
    const to = receiver();
    const script = new Script();
    words(to, [script.hello()]);
    for (const payload of [
      { t: "ping", id: "1" },
      { t: "sub", ch: "a" },
      { t: "constructor" },
      { t: "msg", ch: "a", pos: [EPOCH, 1] },
      { t: "msg", ch: "a", data: 1, pos: [EPOCH, -1] },
      { t: "bye", reason: "whim", retry: 1 },
      { t: "rekey" },
      {},
    ]) {
      expect(words(to, [script.frame(payload)])).toEqual(["type"]);
      script.seq -= 1;
    }
    expect(words(to, [script.frame({ t: "hb", serverTime: 1, further: "member" })])).toEqual(["taken"]);
  });
});

describe("positions", () => {
  it("starts where subscribed says, then goes on by one", () => {
    const script = new Script();
    const to = receiver();
    expect(words(to, [script.hello(), script.subscribed(41), script.msg(42), script.msg(43)])).toEqual([
      "hello",
      "subscribed",
      "deliver",
      "deliver",
    ]);
    expect(to.positions()).toEqual({ a: [EPOCH, 43] });
  });

  it("drops duplicates, and finds holes in offsets", () => {
    const script = new Script();
    const to = receiver();
    words(to, [script.hello(), script.subscribed(5)]);
    expect(words(to, [script.msg(5), script.msg(3), script.msg(7), script.msg(8)])).toEqual([
      "duplicate",
      "duplicate",
      "hole",
      "hole",
    ]);
  });

  it("takes nothing after a hole in offsets, not even a gap that would mend it", () => {
    const script = new Script();
    const to = receiver();
    words(to, [script.hello(), script.subscribed(5), script.msg(7)]);
    expect(words(to, [script.gap(7), script.msg(8)])).toEqual(["hole", "hole"]);
    expect(to.positions()).toEqual({ a: [EPOCH, 5] });
  });

  it("believes the first subscribed of a connection only, and takes nothing before it", () => {
    const script = new Script();
    const to = receiver([EPOCH, 5]);
    expect(
      words(to, [script.hello(), script.subscribed(5, true), script.subscribed(9, true), script.msg(6)]),
    ).toEqual(["hello", "subscribed", "taken", "deliver"]);
    const early = new Script();
    expect(words(receiver([EPOCH, 5]), [early.hello(), early.msg(6)])).toEqual(["hello", "hole"]);
  });

  it("resumes: everything since follows, marked as recovered", () => {
    const script = new Script();
    const to = receiver([EPOCH, 5]);
    words(to, [script.hello(), script.subscribed(7, true)]);
    const outcome = to.accept(script.msg(6, { re: true }), 0);
    expect(outcome).toMatchObject({
      effect: { publication: { data: 6, recovered: true, position: [EPOCH, 6] } },
    });
    expect(words(to, [script.msg(7, { re: true }), script.msg(8)])).toEqual(["deliver", "deliver"]);
  });

  it("takes nothing where recovering failed until a gap has said so, even one that goes back", () => {
    const script = new Script();
    const to = receiver([EPOCH, 50]);
    const seen = [script.hello(), script.subscribed(10, false), script.gap(10, "expired"), script.msg(11)];
    expect(words(to, seen)).toEqual(["hello", "subscribed", "gap", "deliver"]);
    const silent = new Script();
    expect(
      words(receiver([EPOCH, 5]), [silent.hello(), silent.subscribed(9, false), silent.msg(10)]),
    ).toEqual(["hello", "subscribed", "hole"]);
  });

  it("does not believe a recovery that stands before us, or in another epoch", () => {
    for (const [offset, epoch] of [
      [3, EPOCH],
      [9, "epoch-02"],
    ] as const) {
      const script = new Script();
      const to = receiver([EPOCH, 5]);
      expect(words(to, [script.hello(), script.subscribed(offset, true, epoch)])).toEqual(["hello", "hole"]);
      expect(to.positions()).toEqual({ a: [EPOCH, 5] });
    }
  });

  it("moves over a gap, and ignores one that has passed", () => {
    const script = new Script();
    const to = receiver();
    words(to, [script.hello(), script.subscribed(0), script.msg(1)]);
    expect(words(to, [script.gap(4), script.gap(4), script.msg(5)])).toEqual(["gap", "taken", "deliver"]);
  });

  it("takes no publication before subscribed, nor of another epoch", () => {
    const script = new Script();
    expect(words(receiver(), [script.hello(), script.msg(1)])).toEqual(["hello", "hole"]);
    const other = new Script();
    const seen = [other.hello(), other.subscribed(0), other.msg(1, { pos: ["epoch-02", 1] })];
    expect(words(receiver(), seen)).toEqual(["hello", "subscribed", "hole"]);
  });
});

describe("subscriptions", () => {
  it("ignores what comes for channels not wanted", () => {
    const script = new Script();
    const to = receiver();
    words(to, [script.hello(), script.subscribed(0)]);
    to.drop("a", true);
    expect(
      words(to, [
        script.msg(1),
        script.gap(3),
        script.frame({ t: "unsubscribed", ch: "a", reason: "asked" }),
      ]),
    ).toEqual(["taken", "taken", "taken"]);
    expect(words(to, [script.subscribed(9)])).toEqual(["taken"]);
    expect(to.positions()).toEqual({});
  });

  it("keeps an old subscription's last frames apart from a new one of the same name", () => {
    const script = new Script();
    const to = receiver();
    words(to, [script.hello(), script.subscribed(0)]);
    to.drop("a", true);
    to.want("a", null);
    const gone = () => script.frame({ t: "unsubscribed", ch: "a", reason: "asked" });
    expect(words(to, [script.msg(1), gone(), script.subscribed(8), script.msg(9)])).toEqual([
      "taken",
      "taken",
      "subscribed",
      "deliver",
    ]);
  });

  it("tells a right that ended, and does not ask for the channel again", () => {
    const script = new Script();
    const to = receiver();
    words(to, [script.hello(), script.subscribed(0)]);
    expect(words(to, [script.frame({ t: "unsubscribed", ch: "a", reason: "policy" })])).toEqual(["ended"]);
    expect(to.wants("a")).toBe(false);
    expect(to.positions()).toEqual({});
  });
});

describe("silence", () => {
  it("means death two heartbeats after the last good frame, not after a refused one", () => {
    const script = new Script();
    const to = receiver();
    expect(to.deadAtMs).toBe(30_000);
    to.accept(script.hello(), 1_000);
    to.accept(script.raw({ t: "hb", serverTime: 1, conn: "other", seq: 2 }), 9_000);
    expect(to.deadAtMs).toBe(31_000);
  });

  it("follows the interval a hello names", () => {
    const to = receiver();
    to.accept(new Script().frame({ t: "hello", v: 1, limits: LIMITS, serverTime: 1, hb: 2_000 }), 0);
    expect(to.deadAtMs).toBe(4_000);
  });
});

/** A hub that keeps four publications, a network that does what it likes, and the receiver between. */
class Interleaving {
  head: number;
  /** What the application knows: delivered, or told to be lost, up to here. */
  at: number;
  readonly #to: Receiver;
  #script = new Script();
  #line: Frame[] = [];
  #broken = false;
  #connections = 0;

  constructor(start: number) {
    this.head = start;
    this.at = start;
    this.#to = receiver([EPOCH, start]);
    this.#open();
  }

  step(what: string, publishes: boolean): void {
    if (publishes) this.#line.push(this.#script.msg(++this.head));
    const frame = this.#line.shift() ?? this.#script.frame({ t: "hb", serverTime: 1 });
    const next = what === "swap" ? this.#line.shift() : undefined;
    if (what === "repeat") this.#take(frame); // as if the nonce store had missed it
    if (next !== undefined) this.#take(next);
    if (what !== "drop") this.#take(frame); // what was tampered with is dropped by the verifier
    if (this.#broken) this.#open();
  }

  /** Lets all that is still under way arrive, in peace. */
  settle(): void {
    this.#open();
    while (this.#line.length > 0) this.step("pass", false);
  }

  #open(): void {
    this.#connections += 1;
    this.#script = new Script(`connection-${this.#connections}`);
    this.#broken = false;
    this.#to.begin(0);
    const from = this.#to.positions().a?.[1] ?? 0;
    const recovered = this.head - from <= 4;
    this.#line = [this.#script.hello(), this.#script.subscribed(this.head, recovered)];
    if (!recovered) this.#line.push(this.#script.gap(this.head, "expired"));
    for (let offset = from + 1; recovered && offset <= this.head; offset += 1) {
      this.#line.push(this.#script.msg(offset, { re: true }));
    }
  }

  #take(frame: Frame): void {
    const outcome = this.#to.accept(frame, 0);
    if (outcome.verdict === "hole") this.#broken = true;
    if (outcome.verdict !== "taken" || outcome.effect === null) return;
    if (outcome.effect.kind === "deliver") {
      expect(outcome.effect.publication.position[1]).toBe(this.at + 1);
      this.at += 1;
    } else if (outcome.effect.kind === "gap") {
      expect(outcome.effect.gap.position[1]).toBeGreaterThan(this.at);
      this.at = outcome.effect.gap.position[1];
    }
  }
}

it("delivers in order and once, or tells the loss, for any drops, repeats and swaps (R14, R50)", () => {
  const what = fc.constantFrom("pass", "pass", "pass", "drop", "repeat", "swap");
  const step = fc.record({ what, publishes: fc.boolean() });
  fc.assert(
    fc.property(fc.array(step, { maxLength: 80 }), fc.nat(6), (steps, start) => {
      const run = new Interleaving(start);
      for (const { what, publishes } of steps) run.step(what, publishes);
      run.settle();
      expect(run.at).toBe(run.head);
    }),
    { numRuns: 1_000 },
  );
});
