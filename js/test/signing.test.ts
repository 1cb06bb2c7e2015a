import { afterEach, describe, expect, it, vi } from "vitest";
import { JitterbugError, MalformedError } from "../src/errors.ts";
import { parseFrame } from "../src/frames.ts";
import { assertWebCrypto, freshNonce, importSecret, signatureHolds, signFrame } from "../src/signing.ts";
import { KID, NOW_MS, SECRET, signAs } from "./support/frames.ts";

const pair = () => importSecret(Uint8Array.from(SECRET));

afterEach(() => vi.unstubAllGlobals());

describe("importSecret", () => {
  it("makes keys of one use that cannot be taken out, and overwrites the bytes (R18, T5)", async () => {
    const secret = Uint8Array.from(SECRET);
    const { verifyKey, signKey } = await importSecret(secret);
    expect([...secret]).toEqual(Array(32).fill(0));
    expect([verifyKey.extractable, signKey.extractable]).toEqual([false, false]);
    expect([verifyKey.usages, signKey.usages]).toEqual([["verify"], ["sign"]]);
    await expect(crypto.subtle.exportKey("raw", verifyKey)).rejects.toThrow();
  });

  it("refuses 31 bytes, and overwrites those too (R23, O4)", async () => {
    const secret = new Uint8Array(31).fill(9);
    await expect(importSecret(secret)).rejects.toThrow(MalformedError);
    expect([...secret]).toEqual(Array(31).fill(0));
  });
});

describe("signFrame", () => {
  it("writes what another implementation writes (R6, R28)", async () => {
    const { signKey } = await pair();
    const payload = { t: "pub", data: { é: [1.5, "\u2028"] } };
    const nonce = freshNonce();
    expect(await signFrame({ kid: KID, signKey }, payload, NOW_MS, nonce)).toBe(
      signAs(KID, SECRET, payload, NOW_MS, nonce),
    );
  });

  it("uses a new nonce of 32 bytes each time (R24, R26)", async () => {
    const { signKey } = await pair();
    const texts = await Promise.all([1, 2].map(() => signFrame({ kid: KID, signKey }, {}, NOW_MS)));
    const nonces = texts.map((text) => parseFrame(text, { requireCanonical: true }).frame.nonce);
    expect(new Set(nonces).size).toBe(2);
  });

  it("refuses a payload one level too deep for a frame", async () => {
    const { signKey } = await pair();
    const deep = (levels: number): object => (levels === 1 ? {} : { a: deep(levels - 1) });
    await expect(signFrame({ kid: KID, signKey }, deep(31), NOW_MS)).resolves.toContain(KID);
    await expect(signFrame({ kid: KID, signKey }, deep(32), NOW_MS)).rejects.toThrow(MalformedError);
  });
});

it("checks signatures, and never throws for a wrong one (O8)", async () => {
  const { verifyKey } = await pair();
  const parsed = parseFrame(signAs(KID, SECRET, { t: "hb" }, NOW_MS), { requireCanonical: true });
  expect(await signatureHolds(verifyKey, parsed)).toBe(true);
  expect(await signatureHolds(verifyKey, { ...parsed, payloadText: '{"t":"HB"}' })).toBe(false);
});

it("says what to do where WebCrypto is withheld", () => {
  vi.stubGlobal("crypto", {});
  expect(assertWebCrypto).toThrow(JitterbugError);
  expect(assertWebCrypto).toThrow(expect.objectContaining({ code: "JB_INSECURE_CONTEXT" }));
});
