import { describe, expect, it } from "vitest";
import { isChannel, isLimits, isPosition, readPayload } from "../src/payloads.ts";
import type { JsonObject } from "../src/types.ts";
import { CONN, EPOCH, KID, NOW_MS } from "./support/frames.ts";

const LIMITS = { burst: 10, frame: 1024, rate: 0.5 };
const POS = [EPOCH, 0];

/** One good payload of each type, with its required members and values that each must not have. */
const TYPES: [payload: JsonObject, wrong: Record<string, unknown[]>][] = [
  [
    { t: "hello", v: 1, limits: LIMITS, serverTime: NOW_MS },
    { v: [undefined, 2, "1"], limits: [undefined, {}, [], null], serverTime: [undefined, 1.5, "1"] },
  ],
  [
    { t: "subscribed", ch: "a", pos: POS },
    { ch: [undefined, "", 1], pos: [undefined, EPOCH], recovered: [null, 1, "true"] },
  ],
  [
    { t: "unsubscribed", ch: "a", reason: "asked" },
    { ch: [undefined, "a b"], reason: [undefined, 1] },
  ],
  [
    { t: "msg", ch: "a", data: null, pos: POS },
    { ch: [undefined, "$"], data: [undefined], pos: [undefined, [EPOCH]], re: [null, 1] },
  ],
  [
    { t: "gap", ch: "a", pos: POS, reason: "expired" },
    { ch: [undefined, ""], pos: [undefined, [1, 1]], reason: [undefined, "whim"] },
  ],
  [{ t: "hb", serverTime: NOW_MS }, { serverTime: [undefined, -1] }],
  [
    { t: "join", ch: "a", subject: "u" },
    { ch: [undefined, "\n"], subject: [undefined, 1] },
  ],
  [
    { t: "leave", ch: "a", subject: "u" },
    { ch: [undefined], subject: [undefined, null] },
  ],
  [
    { t: "ack", id: "1", pos: POS },
    { id: [null, 1, {}], pos: [null, EPOCH, [EPOCH], [EPOCH, -1], [EPOCH, 0, 0]] },
  ],
  [
    { t: "err", id: "1", code: "unauthorized" },
    { id: [null, 1, []], code: [undefined, null, 401] },
  ],
  [
    { t: "rekey", kid: KID },
    { kid: [undefined, "a:b:c", null], by: [null, 1.5] },
  ],
  [{ t: "rekey", by: NOW_MS }, { by: [undefined, "soon"] }],
  [
    { t: "bye", reason: "shutdown", retry: 0 },
    { reason: [undefined, "whim"], retry: [-1, 0.5, null] },
  ],
];

describe("readPayload", () => {
  it.each(TYPES)("takes a good $t, with members it does not know", (payload) => {
    const full = { ...payload, conn: CONN, seq: 1 };
    const { id: _id, v: _v, ...kept } = full as JsonObject;
    expect(readPayload(full)).toMatchObject(kept);
    expect(readPayload({ ...full, further: { member: 1 } })).toEqual(readPayload(full));
  });

  it.each(TYPES)("refuses a $t with any member missing or wrong", (payload, wrong) => {
    const everywhere = {
      conn: [undefined, "", "a:b", 7],
      seq: [undefined, 0, -1, 1.5, "1"],
      t: [undefined, "ping", null],
    };
    for (const [name, values] of Object.entries({ ...everywhere, ...wrong })) {
      for (const value of values) {
        const broken = Object.fromEntries(
          Object.entries({ ...payload, conn: CONN, seq: 1, [name]: value }).filter(
            ([, member]) => member !== undefined,
          ),
        ) as JsonObject;
        expect(readPayload(broken), `${name}: ${JSON.stringify(value)}`).toBeNull();
      }
    }
  });

  it("knows no type of the other direction: nothing can be reflected", () => {
    for (const t of [
      "sub",
      "unsub",
      "pub",
      "confirm",
      "report",
      "ping",
      "publish",
      "constructor",
      "__proto__",
    ]) {
      expect(readPayload({ t, conn: CONN, seq: 1, ch: "a", id: "1", data: 1 })).toBeNull();
    }
  });

  it("reads answers to a frame with an id and to one without, with a position and without", () => {
    const read = (more: JsonObject) => readPayload({ conn: CONN, seq: 1, ...more });
    expect(read({ t: "ack" })).toEqual({ t: "ack", id: null, pos: null, conn: CONN, seq: 1 });
    expect(read({ t: "ack", id: "1" })).toMatchObject({ id: "1", pos: null });
    expect(read({ t: "ack", id: "1", pos: POS })).toMatchObject({ id: "1", pos: POS });
    expect(read({ t: "err", code: "rate limited" })).toMatchObject({ id: null, code: "rate limited" });
    expect(read({ t: "err", id: "", code: "" })).toMatchObject({ id: "", code: "" });
  });

  it("tells apart what was said and what was left out", () => {
    const read = (more: JsonObject) => readPayload({ conn: CONN, seq: 1, ...more });
    expect(read({ t: "subscribed", ch: "a", pos: POS })).toMatchObject({ recovered: null });
    expect(read({ t: "subscribed", ch: "a", pos: POS, recovered: false })).toMatchObject({
      recovered: false,
    });
    expect(read({ t: "msg", ch: "a", pos: POS, data: 1 })).toMatchObject({ re: false });
    expect(read({ t: "msg", ch: "a", pos: POS, data: 1, re: true })).toMatchObject({ re: true });
    expect(read({ t: "rekey", by: 5 })).toMatchObject({ kid: null, by: 5 });
    expect(read({ t: "bye", reason: "slow" })).toMatchObject({ retry: 0 });
    const hello = { t: "hello", v: 1, limits: LIMITS, serverTime: 1 };
    expect([
      read(hello),
      read({ ...hello, hb: 0 }),
      read({ ...hello, hb: "9" }),
      read({ ...hello, hb: 9 }),
    ]).toMatchObject([{ hb: null }, { hb: null }, { hb: null }, { hb: 9 }]);
  });
});

it("knows channels, positions and limits by form", () => {
  for (const name of ["a", "$sys/telemetry", "orders/42", "A_b-c.d", "x".repeat(128)])
    expect(isChannel(name)).toBe(true);
  for (const name of ["", "$", "a$", "a b", "a\n", "é", "x".repeat(129), 1])
    expect(isChannel(name)).toBe(false);
  expect(isPosition([EPOCH, Number.MAX_SAFE_INTEGER])).toBe(true);
  for (const value of [
    null,
    [],
    [EPOCH, -1],
    [EPOCH, 0.5],
    [EPOCH, "1"],
    [1, 1],
    ["", 1],
    [EPOCH, 1, 1],
    ["a b", 1],
  ]) {
    expect(isPosition(value)).toBe(false);
  }
  for (const wrong of [
    { burst: -1 },
    { burst: "1" },
    { frame: 0 },
    { frame: 1.5 },
    { rate: 0 },
    { rate: "1" },
    { rate: -1 },
  ]) {
    expect(isLimits({ ...LIMITS, ...wrong })).toBe(false);
  }
  expect(isLimits({ ...LIMITS, burst: 0 })).toBe(true);
});
