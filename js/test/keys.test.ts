import { beforeAll, describe, expect, it } from "vitest";
import { HubClock } from "../src/clock.ts";
import type { Http } from "../src/http.ts";
import { type EphemeralKey, fetchKey, KeyRing, phaseOf, renewAfterMs } from "../src/keys.ts";
import { importSecret, type KeyPair } from "../src/signing.ts";
import { ManualRuntime } from "./support/clock.ts";
import { KID, NOW_MS, SECRET } from "./support/frames.ts";

let pair: KeyPair;

beforeAll(async () => {
  pair = await importSecret(Uint8Array.from(SECRET));
});

const key = (kid: string, issuedAtMs = 0, lifeMs = 1_000): EphemeralKey => ({
  ...pair,
  kid,
  issuedAtMs,
  expiresAtMs: issuedAtMs + lifeMs,
});

describe("phaseOf", () => {
  it.each([
    [0, "use"],
    [800, "use"],
    [801, "renew"],
    [1_000, "renew"],
    [1_001, "verifyOnly"],
    [1_050, "verifyOnly"],
    [1_051, "forget"],
  ])("at %i of 1000, with a skew of 50: %s (R38)", (nowMs, phase) => {
    expect(phaseOf({ issuedAtMs: 7_000, expiresAtMs: 8_000 }, 7_000 + nowMs, 50)).toBe(phase);
  });
});

it("renews at 80 % of the life, 5 % to either side (R2)", () => {
  expect(renewAfterMs(600_000, 0)).toBeCloseTo(450_000);
  expect(renewAfterMs(600_000, 0.5)).toBeCloseTo(480_000);
  expect(renewAfterMs(600_000, 1)).toBeCloseTo(510_000);
});

describe("KeyRing", () => {
  it("verifies with a key until its end plus skew, and signs until its end (R31, O21)", () => {
    const ring = new KeyRing(50);
    ring.add(key("old"), 0);
    ring.add(key("new", 600), 600);
    expect(ring.newest(700)?.kid).toBe("new");
    expect(ring.find("old", 1_050)?.kid).toBe("old");
    expect(ring.find("old", 1_051)).toBeUndefined();
    expect(ring.newest(1_600)).toBeUndefined();
    expect(ring.find("new", 1_600)?.kid).toBe("new");
    ring.clear();
    expect(ring.find("new", 700)).toBeUndefined();
  });

  it("is bounded (O18)", () => {
    const ring = new KeyRing(50);
    for (let index = 0; index < 150; index += 1) ring.add(key(`key${index}`), 0);
    expect(ring.find("key49", 0)).toBeUndefined();
    expect(ring.find("key50", 0)?.kid).toBe("key50");
  });
});

describe("fetchKey", () => {
  const good = {
    algorithm: "sha256",
    kid: KID,
    secret: Buffer.from(SECRET).toString("base64"),
    expiresAt: NOW_MS + 600_000,
    serverTime: NOW_MS,
  };

  function asking(answer: unknown): Promise<EphemeralKey> {
    const runtime = new ManualRuntime();
    const fetch = async () => new Response(typeof answer === "string" ? answer : JSON.stringify(answer));
    const http: Http = { fetch, runtime, base: "" };
    return fetchKey(http, new HubClock(runtime), new AbortController().signal);
  }

  it("makes a key of a good answer (R42, R43)", async () => {
    const made = await asking(good);
    expect(made).toMatchObject({ kid: KID, issuedAtMs: NOW_MS, expiresAtMs: NOW_MS + 600_000 });
    expect(JSON.stringify(made)).not.toContain(good.secret);
  });

  it("takes a life of a whole day", async () => {
    expect(await asking({ ...good, expiresAt: NOW_MS + 86_400_000 })).toMatchObject({ kid: KID });
  });

  it.each<[string, unknown]>([
    ["another algorithm (R20, R44, O14)", { ...good, algorithm: "none" }],
    ["times in seconds (R45, O21)", { ...good, expiresAt: 1_784_637_000 }],
    ["an end in the past", { ...good, expiresAt: NOW_MS }],
    ["an end more than a day away", { ...good, expiresAt: NOW_MS + 86_400_001 }],
    ["a time as text", { ...good, serverTime: String(NOW_MS) }],
    ["a time with a fraction", { ...good, expiresAt: NOW_MS + 600_000.5 }],
    ["31 bytes (R23)", { ...good, secret: Buffer.from(SECRET.slice(1)).toString("base64") }],
    ["33 bytes", { ...good, secret: Buffer.from([...SECRET, 1]).toString("base64") }],
    ["loose base64", { ...good, secret: good.secret.replace("=", "") }],
    ["no secret", { ...good, secret: undefined }],
    ["a kid with a colon", { ...good, kid: "a:b:c:d" }],
    ["a list", [good]],
    ["a page", "<!doctype html>"],
  ])("refuses %s", async (_, answer) => {
    await expect(asking(answer)).rejects.toMatchObject({ code: "JB_UNREADABLE" });
  });
});
