import fc from "fast-check";
import { expect, it } from "vitest";
import { isLossless } from "../src/numbers.ts";
import { number } from "./support/json.ts";

it("takes every double in its shortest form, and in longer forms of the same value", () => {
  fc.assert(
    fc.property(number, fc.nat(30), (value, zeros) => {
      expect(isLossless(String(value))).toBe(true);
      expect(isLossless(value.toExponential())).toBe(true);
      if (Number.isInteger(value) && Math.abs(value) < 1e21) {
        expect(isLossless(`${value}.${"0".repeat(zeros + 1)}e+00`)).toBe(true);
      }
    }),
  );
});

it("takes an integer text exactly when BigInt and Number agree on it", () => {
  fc.assert(
    fc.property(fc.bigInt({ min: -(10n ** 20n), max: 10n ** 20n }), (value) => {
      // Between 2^53 and 10^21 a double is written in full but only its shortest digits count (PROTOCOL §1).
      expect(isLossless(String(value))).toBe(BigInt(String(Number(value)).replace(/\..*|e.*/, "")) === value);
    }),
  );
});

it.each([
  "0",
  "-0",
  "0.000",
  "-0e5",
  "0e999999999999",
  "4.50",
  "1E3",
  "100000000000000000000",
  "5e-324",
  "10e-1",
])("takes %s", (text) => expect(isLossless(text)).toBe(true));

it.each([
  "9007199254740993",
  "1e400",
  "-1e400",
  "1e-400",
  "0.1000000000000000055511151231257827",
  "2.5e-324",
])("refuses %s", (text) => expect(isLossless(text)).toBe(false));

it("takes linear time on long runs of zeros", () => {
  const text = `1${"0".repeat(500_000)}1`;
  expect(isLossless(text)).toBe(false);
  expect(isLossless(`0.${"0".repeat(500_000)}1`)).toBe(false);
});
