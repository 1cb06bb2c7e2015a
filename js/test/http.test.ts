import { describe, expect, it } from "vitest";
import { ask, type Http, isPassing, post, readRetryAfterMs } from "../src/http.ts";
import { openStream } from "../src/transport-fetch.ts";
import { ManualRuntime } from "./support/clock.ts";

const SIGNAL = new AbortController().signal;

function answering(response: () => Response | Promise<Response>, runtime = new ManualRuntime()): Http {
  return { runtime, base: "/base", fetch: async () => response() };
}

describe("post", () => {
  it("sends the cookie to its own origin only, follows no redirect, caches nothing (R5, R40)", async () => {
    const seen: unknown[] = [];
    const fetch: typeof globalThis.fetch = async (url, init) => {
      seen.push(url, init);
      return new Response("{}");
    };
    await post({ runtime: new ManualRuntime(), base: "/base", fetch }, "/keys", "{}", SIGNAL);
    expect(seen[0]).toBe("/base/keys");
    expect(seen[1]).toMatchObject({
      method: "POST",
      credentials: "same-origin",
      redirect: "error",
      cache: "no-store",
      headers: { "Content-Type": "application/json" },
    });
  });
});

describe("ask", () => {
  it.each([
    [401, "JB_UNAUTHORIZED", null],
    [403, "JB_FORBIDDEN", null],
    [400, "JB_INVALID_REQUEST", null],
    [413, "JB_INVALID_REQUEST", null],
    [429, "JB_RATE_LIMITED", 7_000],
    [503, "JB_UNAVAILABLE", 7_000],
    [500, "JB_INTERNAL", null],
    [502, "JB_INTERNAL", null],
  ])("takes %i for %s", async (status, code, retryAfterMs) => {
    const response = () =>
      new Response('{"error":"secret cause"}', { status, headers: { "Retry-After": "7" } });
    const error = await ask(answering(response), "/x", "{}", SIGNAL).catch((reason) => reason);
    expect(error).toMatchObject({ code, retryAfterMs });
    expect(error.message).not.toContain("secret");
  });

  it("gives the body of 200, null for 204, and refuses what is not JSON", async () => {
    expect(
      await ask(
        answering(() => new Response('{"a":1}')),
        "/x",
        "{}",
        SIGNAL,
      ),
    ).toMatchObject({ a: 1 });
    expect(
      await ask(
        answering(() => new Response(null, { status: 204 })),
        "/x",
        "{}",
        SIGNAL,
      ),
    ).toBeNull();
    await expect(
      ask(
        answering(() => new Response("{")),
        "/x",
        "{}",
        SIGNAL,
      ),
    ).rejects.toMatchObject({
      code: "JB_UNREADABLE",
    });
  });

  it("gives up after 10 s, or with the signal", async () => {
    const runtime = new ManualRuntime();
    const control = new AbortController();
    const hanging: Http = {
      runtime,
      base: "",
      fetch: (_, init) =>
        new Promise((_resolve, reject) => {
          init?.signal?.addEventListener("abort", () => reject(new Error("aborted")));
        }),
    };
    const late = ask(hanging, "/x", "{}", control.signal).catch((error) => error);
    await runtime.advance(10_000);
    expect(await late).toMatchObject({ code: "JB_NETWORK" });
    const cut = ask(hanging, "/x", "{}", control.signal).catch((error) => error);
    control.abort();
    expect(await cut).toMatchObject({ code: "JB_NETWORK" });
    expect(runtime.pendingMs).toEqual([]);
  });
});

describe("openStream", () => {
  it.each<[string, () => Response, string]>([
    ["204", () => new Response(null, { status: 204 }), "JB_REVOKED"],
    ["503", () => new Response("", { status: 503 }), "JB_UNAVAILABLE"],
    ["another type", () => new Response("x", { headers: { "Content-Type": "text/html" } }), "JB_UNREADABLE"],
    [
      "a type that only starts alike",
      () => new Response("x", { headers: { "Content-Type": "text/event-streams" } }),
      "JB_UNREADABLE",
    ],
  ])("refuses %s", async (_, response, code) => {
    await expect(openStream(answering(response), { kid: "k", channels: {} }, SIGNAL)).rejects.toMatchObject({
      code,
    });
  });
});

it("reads Retry-After in whole seconds, and takes one for anything else", () => {
  expect(
    ["5", "0", null, "-1", "1.5", "Wed, 21 Oct 2026 07:28:00 GMT", "9999999"].map(readRetryAfterMs),
  ).toEqual([5_000, 0, 1_000, 1_000, 1_000, 1_000, 1_000]);
});

it("knows what may pass", () => {
  expect(isPassing(new Error("x"))).toBe(false);
});
