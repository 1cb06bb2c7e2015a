import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { encode } from "../src/canonical.ts";
import { MalformedError } from "../src/errors.ts";
import { channelOf, isKid, isTimeMs, parseFrame, signedBytes, utf8Length } from "../src/frames.ts";
import { KID, NOW_MS, SECRET, signAs } from "./support/frames.ts";
import { object } from "./support/json.ts";

const STRICT = { requireCanonical: true };
const LOOSE = { requireCanonical: false };
const NONCE = Buffer.alloc(32, 7).toString("base64");
const good = () => JSON.parse(signAs(KID, SECRET, { t: "hb", n: 1 }, NOW_MS, NONCE));

describe("parseFrame", () => {
  it("reads every frame a hub writes, and the bytes it signed (R25, R28)", () => {
    fc.assert(
      fc.property(object(), fc.nat(Number.MAX_SAFE_INTEGER), (payload, ts) => {
        const { frame, payloadText } = parseFrame(signAs(KID, SECRET, payload, ts, NONCE), STRICT);
        expect(payloadText).toBe(encode(payload));
        expect(Buffer.from(signedBytes(frame, payloadText)).toString()).toBe(
          `${KID}:${ts}:${NONCE}:${encode(payload)}`,
        );
      }),
    );
  });

  it.each([
    ["white space", () => JSON.stringify(good(), null, 1)],
    ["another order of members", () => JSON.stringify(Object.fromEntries(Object.entries(good()).reverse()))],
    ["another escape", () => JSON.stringify(good()).replace("hb", "h\\u0062")],
    ["another number text", () => JSON.stringify(good()).replace('"n":1', '"n":1.0')],
    ["an end of line", () => `${JSON.stringify(good())}\n`],
  ])("refuses %s from the hub, though not malformed", (_, text) => {
    expect(() => parseFrame(text(), STRICT)).toThrow(MalformedError);
    expect(parseFrame(text(), LOOSE).frame.kid).toBe(KID);
  });

  it.each([
    ["a further member (O7)", { ...good(), admin: true }],
    ["no payload", { ...good(), payload: undefined }],
    ["a payload that is a list", { ...good(), payload: [] }],
    ["a kid with a colon", { ...good(), kid: `${"k".repeat(20)}:` }],
    ["a short nonce", { ...good(), nonce: "AAAA" }],
    ["a numeric sig", { ...good(), sig: 1 }],
    ["a negative ts", { ...good(), ts: -1 }],
    ["a fraction in ts", { ...good(), ts: 1.5 }],
    ["a ts past 2^53 - 1", { ...good(), ts: 2 ** 53 }],
  ])("refuses %s", (_, frame) => {
    expect(() => parseFrame(JSON.stringify(frame), LOOSE)).toThrow(MalformedError);
  });

  it("refuses a ts in any notation but decimal digits", () => {
    for (const ts of ["1.0", "1e3", "-0", "0.0", "1784636400000.0"]) {
      const text = JSON.stringify(good()).replace(String(NOW_MS), ts);
      expect(() => parseFrame(text, LOOSE)).toThrow(MalformedError);
    }
  });
});

it("keeps the bytes to be signed as they are, however many come after (R28)", () => {
  const texts = ["é😀", "", "x".repeat(40_000), ...Array.from({ length: 300 }, (_, n) => `é${n}`.repeat(99))];
  const frame = { kid: KID, ts: NOW_MS, nonce: NONCE };
  const all = texts.map((text) => signedBytes(frame, text));
  for (const [index, bytes] of all.entries()) {
    expect(Buffer.from(bytes).toString()).toBe(`${KID}:${NOW_MS}:${NONCE}:${texts[index]}`);
  }
});

it("counts bytes, not characters (R58)", () => {
  expect(utf8Length("é😀a")).toBe(7);
});

it("knows kids, times and channels by form", () => {
  expect([isKid("abcd"), isKid("abc"), isKid("a:bcd"), isKid("a".repeat(97)), isKid(null)]).toEqual([
    true,
    false,
    false,
    false,
    false,
  ]);
  expect([isTimeMs(0), isTimeMs(-1), isTimeMs(0.5), isTimeMs("1")]).toEqual([true, false, false, false]);
  expect([channelOf({ ch: "a" }), channelOf({ ch: 1 }), channelOf({})]).toEqual(["a", null, null]);
});
