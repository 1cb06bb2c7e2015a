import { readdirSync, readFileSync } from "node:fs";
import { expect, it } from "vitest";
import { gapInfo, REMEDIES } from "../src/codes.ts";
import { JitterbugError } from "../src/errors.ts";

const directory = new URL("../src/", import.meta.url);
const sources = readdirSync(directory, { recursive: true, encoding: "utf8" })
  .filter((file) => file.endsWith(".ts") && file !== "codes.ts")
  .map((file) => readFileSync(new URL(file, directory), "utf8"))
  .join("\n");

/** A refused frame says one thing and no more (R59); malformed text ends as one, within the package. */
const NEVER_TOLD = new Set(["JB_MALFORMED", "JB_VERIFY"]);

it("every code that is used has a remedy, and every remedy a use", () => {
  const used = new Set([...sources.matchAll(/"(JB_[A-Z_]+)"/g)].map(([, code]) => String(code)));
  const gaps = (["overflow", "expired", "epoch"] as const).map(
    (reason) => gapInfo("a", reason, ["e", 1]).code,
  );
  const told = [...used, ...gaps].filter((code) => !NEVER_TOLD.has(code));
  expect([...new Set(told)].sort()).toEqual(Object.keys(REMEDIES).sort());
  expect(Object.values(REMEDIES).filter((remedy) => !/^[A-Z].*[.]$/.test(remedy))).toEqual([]);
});

it("an error has the remedy of its code, unless it was given a better one", () => {
  expect(new JitterbugError("JB_NETWORK", "Text").remedy).toBe(REMEDIES.JB_NETWORK);
  expect(new JitterbugError("JB_NETWORK", "Text", { remedy: "Do." }).remedy).toBe("Do.");
});

it("a gap says what it is and what to do", () => {
  expect(gapInfo("a", "expired", ["e", 1])).toEqual({
    channel: "a",
    reason: "expired",
    position: ["e", 1],
    code: "JB_GAP_EXPIRED",
    remedy: REMEDIES.JB_GAP_EXPIRED,
  });
});
