import fc from "fast-check";
import { expect, it } from "vitest";
import { decodeBase64, encodeBase64, isBase64Of32Bytes } from "../src/base64.ts";
import { MalformedError } from "../src/errors.ts";

it("goes both ways for any bytes, as Node's encoder has it (R30)", () => {
  fc.assert(
    fc.property(fc.uint8Array({ maxLength: 80 }), (bytes) => {
      const text = Buffer.from(bytes).toString("base64");
      expect(encodeBase64(bytes)).toBe(text);
      expect([...decodeBase64(text)]).toEqual([...bytes]);
      expect(isBase64Of32Bytes(text)).toBe(bytes.length === 32);
    }),
  );
});

it.each([
  ["spare bits", "AB=="],
  ["no padding", "AA"],
  ["excess padding", "AA==="],
  ["white space", "AA A="],
  ["a line end", "AAAA\n"],
  ["the URL-safe alphabet", "-_-_"],
  ["a non-ASCII character", "AAAé"],
  ["padding inside", "AA==AAAA"],
])("refuses %s", (_, text) => expect(() => decodeBase64(text)).toThrow(MalformedError));

it("knows 32 bytes by form alone: no other type, no spare bits", () => {
  const good = `${"A".repeat(42)}A=`;
  expect(isBase64Of32Bytes(good)).toBe(true);
  expect(isBase64Of32Bytes(`${"A".repeat(42)}B=`)).toBe(false);
  expect(isBase64Of32Bytes(`${good}\n`)).toBe(false);
  expect(isBase64Of32Bytes(42)).toBe(false);
});
