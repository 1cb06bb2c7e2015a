import { afterEach, beforeEach, describe, expect, it, vi } from "vitest";
import { connectWith } from "../src/client.ts";
import { REMEDIES } from "../src/codes.ts";
import { connect } from "../src/index.ts";
import type { ConnectOptions, GapInfo, KeyInfo, Push, SeenFrame, Status } from "../src/types.ts";
import { ManualRuntime } from "./support/clock.ts";
import { fetchWithCookie, TestHub } from "./support/hub.ts";

let runtime: ManualRuntime;
let hub: TestHub;
let base: string;
let open: Push[];

beforeEach(async () => {
  runtime = new ManualRuntime();
  hub = new TestHub(() => runtime.deviceMs());
  base = await hub.start();
  open = [];
});

afterEach(async () => {
  for (const push of open) push.close();
  vi.unstubAllGlobals();
  await hub.stop();
});

async function connected(options: ConnectOptions = {}): Promise<Push> {
  const push = await connectWith(runtime, base, { fetch: fetchWithCookie(), ...options });
  open.push(push);
  return push;
}

/** Everything a channel brings, growing. */
function follow(push: Push, channel: string): unknown[] {
  const got: unknown[] = [];
  push.subscribe(channel, (data) => got.push(data));
  return got;
}

async function subscribed(channel: string): Promise<void> {
  await runtime.until(() => hub.wire?.channels.has(channel) ?? false, `${channel} is subscribed`);
}

async function heartbeatsFor(push: Push, durationMs: number): Promise<void> {
  for (let pastMs = 0; pastMs < durationMs; pastMs += 15_000) {
    await runtime.advance(15_000);
    const before = push.stats.verified;
    hub.send(hub.wire, { t: "hb", serverTime: runtime.deviceMs() });
    await runtime.until(() => push.stats.verified > before, "the heartbeat is here");
  }
}

describe("connect", () => {
  it("gets a session and a key, and resolves when hello is verified (R37, R39)", async () => {
    const push = await connected({ channels: { a: null } });
    expect(hub.requests.map(({ method, path }) => `${method} ${path}`)).toEqual([
      "POST /keys",
      "POST /session",
      "POST /keys",
      "POST /stream",
    ]);
    expect(push.status).toEqual({ state: "live" });
    expect(push.limits).toEqual({ burst: 10, frame: 1024, rate: 1 });
    expect(push.key).toMatchObject({ kid: hub.keys[0]?.kid, offsetMs: 0, reason: "first" });
    expect(JSON.parse(hub.requests.at(-1)?.body ?? "")).toEqual({
      kid: push.key?.kid,
      channels: { a: null },
    });
  });

  it("has no key material in anything an application can see (R4, R48)", async () => {
    const push = await connected();
    const visible = JSON.stringify([push, push.key, push.stats, push.status, Object.entries(push)]);
    expect(visible).not.toContain(hub.keys[0]?.secret.toString("base64"));
  });

  it.each([
    ["without a session (R61)", () => (hub.anonymous = false), "JB_UNAUTHORIZED"],
    ["from a foreign origin (R40)", () => hub.canned.push({ path: "/keys", status: 403 }), "JB_FORBIDDEN"],
    [
      "where the stream is forbidden",
      () => hub.canned.push({ path: "/stream", status: 403 }),
      "JB_FORBIDDEN",
    ],
    ["where the session is revoked", () => hub.canned.push({ path: "/stream", status: 204 }), "JB_REVOKED"],
    ["where no hub is", () => hub.canned.push({ path: "/keys", status: 404 }), "JB_INVALID_REQUEST"],
    [
      "with a fresh key that is not taken",
      () => hub.canned.push({ path: "/stream", status: 401 }),
      "JB_UNAUTHORIZED",
    ],
  ])("rejects %s", async (_, prepare, code) => {
    prepare();
    await expect(connected()).rejects.toMatchObject({ code });
    expect(runtime.pendingMs).toEqual([]);
  });

  it("reads the largest frames of a hub that is set to them, on one stream (R58)", async () => {
    hub.limits = { ...hub.limits, frame: 1_048_576 };
    const push = await connected({ channels: { a: null } });
    const got = follow(push, "a");
    for (const size of [100_000, 1_000_000]) hub.publish("a", "x".repeat(size));
    await runtime.until(() => got.length === 2, "both are here");
    expect(got.map((data) => String(data).length)).toEqual([100_000, 1_000_000]);
    expect([push.stats.reconnects, push.stats.refused.size]).toEqual([0, 0]);
  });

  it("tells who comes and goes, each in turn, and starts anew with each stream", async () => {
    const push = await connected({ channels: { a: null } });
    const told: string[] = [];
    push.on("presence", ({ channel, kind, subject, members }) =>
      told.push(`${kind} ${channel} ${subject}: ${members}`),
    );
    const say = (t: string, subject: string) => hub.send(hub.wire, { t, ch: "a", subject });
    for (const subject of ["bob", "ada", "bob"]) say("join", subject);
    say("leave", "eve");
    say("leave", "bob");
    await runtime.until(() => told.length === 3, "all are told");
    expect(told.splice(0)).toEqual(["join a bob: bob", "join a ada: ada,bob", "leave a bob: ada"]);
    const late: string[] = [];
    const off = push.on("presence", ({ kind, subject, members }) =>
      late.push(`${kind} ${subject}: ${members}`),
    );
    expect([late, told], "one that comes late is told who is there, the others are not").toEqual([
      ["join ada: ada"],
      [],
    ]);
    off();
    hub.wire?.res.destroy();
    await runtime.until(() => push.status.state === "reconnecting", "it is noticed");
    await runtime.advance(1_000);
    await runtime.until(() => told.length === 1, "the next stream stands");
    say("join", "eve");
    await runtime.until(() => told.length === 2, "who is there is told");
    expect(told.splice(0)).toEqual(["leave a ada: ", "join a eve: eve"]);
    push.subscribe("a", () => undefined)();
    expect(told).toEqual(["leave a eve: "]);
  });

  it("does not ask for a session when told not to", async () => {
    await expect(connected({ anonymous: false })).rejects.toMatchObject({ code: "JB_UNAUTHORIZED" });
    expect(hub.count("/session")).toBe(0);
  });

  it("rejects in an insecure context, and for settings that leave a hole (R76)", async () => {
    await expect(connected({ skewMs: 5_001 })).rejects.toThrow(RangeError);
    vi.stubGlobal("crypto", {});
    await expect(connect(base)).rejects.toMatchObject({ code: "JB_INSECURE_CONTEXT" });
  });

  it("tries on through what may pass, and honours Retry-After", async () => {
    hub.canned.push({ path: "/keys", status: 429, headers: { "Retry-After": "20" } });
    hub.canned.push({ path: "/stream", status: 503, headers: { "Retry-After": "3" } });
    const pending = connected();
    await runtime.until(() => (runtime.pendingMs[0] ?? 0) >= 20_000, "the client waits");
    await runtime.advance(19_999);
    expect(hub.requests).toHaveLength(1);
    await runtime.advanceUntil(() => hub.wires.length === 1, "a stream is open", 1_000);
    expect((await pending).status.state).toBe("live");
    expect(hub.count("/stream")).toBe(2);
  });

  it("sets its clock by the hub, however wrong the device's is (R32)", async () => {
    const late = new TestHub(() => runtime.deviceMs() + 3_600_000);
    const push = await connectWith(runtime, await late.start(), { fetch: fetchWithCookie() });
    expect(push.key?.offsetMs).toBe(3_600_000);
    expect(push.key?.expiresAtMs).toBe(runtime.deviceMs() + 600_000);
    push.close();
    await late.stop();
  });
});

describe("publications", () => {
  it("arrive once, in order, as they were published (R35, O1, O2)", async () => {
    const push = await connected({ channels: { a: null } });
    const got: unknown[] = [];
    push.subscribe("a", (data, publication) =>
      got.push([data, publication.position[1], publication.recovered]),
    );
    hub.publish("a", { n: 1 });
    hub.publish("a", [2]);
    await runtime.until(() => got.length === 2, "both are here");
    expect(JSON.parse(JSON.stringify(got))).toEqual([
      [{ n: 1 }, 1, false],
      [[2], 2, false],
    ]);
    expect(push.stats).toMatchObject({ verified: 4, duplicates: 0, gaps: 0, reconnects: 0, rotations: 0 });
    expect(push.stats.bytes).toBeGreaterThan(4 * 200);
  });

  it("go on from a position given at the start, also to a handler that comes later", async () => {
    for (const data of ["one", "two", "three"]) hub.publish("a", data);
    const push = await connected({ channels: { a: [hub.epoch, 1] } });
    await runtime.until(() => push.stats.verified === 4, "history is here");
    expect(follow(push, "a")).toEqual(["two", "three"]);
  });

  it("go on from a position given to subscribe on a live stream, and where the channel stands is told", async () => {
    for (const data of ["one", "two", "three"]) hub.publish("a", data);
    const push = await connected();
    const subscribed: unknown[] = [];
    push.on("subscribed", (info) => subscribed.push(info));
    const got: unknown[] = [];
    push.subscribe("a", (data) => got.push(data), [hub.epoch, 1]);
    push.subscribe("b", () => undefined);
    await runtime.until(() => got.length === 2 && subscribed.length === 2, "the rest of a is here");
    expect(got).toEqual(["two", "three"]);
    expect(subscribed).toEqual([
      { channel: "a", position: [hub.epoch, 3], recovered: true },
      { channel: "b", position: [hub.epoch, 0], recovered: null },
    ]);
    expect(() => push.subscribe("c", () => undefined, ["", 1])).toThrow(
      expect.objectContaining({ code: "JB_POSITION" }),
    );
  });

  it("can be sent, and give their position", async () => {
    const push = await connected();
    expect(await push.publish("a", { x: 1 })).toEqual([hub.epoch, 1]);
    await push.publish("a", { x: 1 });
    expect(new Set(hub.received.map((payload) => payload.id)).size).toBe(2);
    expect(hub.received.at(-1)).toMatchObject({ t: "pub", ch: "a", data: { x: 1 }, conn: hub.wire?.conn });
  });

  it("are refused before they are sent when too large, not JSON, or for no channel (R58)", async () => {
    const push = await connected();
    const before = hub.requests.length;
    await expect(push.publish("a", "x".repeat(1_000))).rejects.toMatchObject({ code: "JB_TOO_LARGE" });
    await expect(push.publish("a", undefined)).rejects.toMatchObject({ code: "JB_NOT_JSON" });
    await expect(push.publish("a", new Date())).rejects.toMatchObject({ code: "JB_NOT_JSON" });
    await expect(push.publish("no way", 1)).rejects.toMatchObject({ code: "JB_CHANNEL_NAME" });
    expect(hub.requests).toHaveLength(before);
  });

  it("reject with the hub's refusal", async () => {
    const push = await connected();
    hub.canned.push({ path: "/frames", status: 429, headers: { "Retry-After": "2" } });
    await expect(push.publish("a", 1)).rejects.toMatchObject({
      code: "JB_RATE_LIMITED",
      retryAfterMs: 2_000,
    });
    hub.canned.push({ path: "/frames", status: 200, body: '{"id":"1"}' });
    await expect(push.publish("a", 1)).rejects.toMatchObject({ code: "JB_UNREADABLE" });
  });
});

describe("subscriptions", () => {
  it("come and go on a live stream", async () => {
    const push = await connected();
    const got: unknown[] = [];
    const off = push.subscribe("a", (data) => got.push(data));
    const offToo = push.subscribe("a", (data) => got.push(`${data} too`));
    await subscribed("a");
    hub.publish("a", 1);
    await runtime.until(() => got.length === 2, "both handlers are called");
    off();
    hub.publish("a", 2);
    await runtime.until(() => got.length === 3, "one handler is called");
    offToo();
    await runtime.until(() => hub.wire?.channels.size === 0, "it is unsubscribed");
    hub.publish("a", 3);
    follow(push, "a");
    await subscribed("a");
    expect(got).toEqual([1, "1 too", "2 too"]);
    expect(hub.received.map((payload) => payload.t)).toEqual(["sub", "unsub", "sub"]);
  });

  it("changed in one breath still end as the last wish", async () => {
    const push = await connected({ channels: { a: null } });
    push.subscribe("a", () => undefined)();
    push.subscribe("a", () => undefined)();
    const got = follow(push, "a");
    await runtime.until(() => hub.received.length === 4, "all changes are through");
    await subscribed("a");
    hub.publish("a", "last");
    await runtime.until(() => got.length === 1, "it arrives");
    expect(got).toEqual(["last"]);
  });

  it("are tried again while the hub is busy, and told when refused", async () => {
    const push = await connected();
    const errors: unknown[] = [];
    push.on("error", (error) => errors.push([error.code, error.channel]));
    hub.canned.push({ path: "/frames", status: 429, headers: { "Retry-After": "1" } });
    hub.canned.push({ path: "/frames", status: 503 });
    const got = follow(push, "a");
    await runtime.advanceUntil(() => hub.wire?.channels.has("a") ?? false, "a is subscribed", 500);
    hub.refuses.add("secret");
    follow(push, "secret");
    await runtime.until(() => errors.length === 1, "the refusal is told");
    expect(errors).toEqual([["JB_CHANNEL_ENDED", "secret"]]);
    hub.publish("a", 1);
    await runtime.until(() => got.length === 1, "a goes on");
  });

  it("sent twice by the browser, of which the second is a replay, are no refusal", async () => {
    const send = fetchWithCookie();
    let again = 0;
    const push = await connected({
      // As a browser does whose connection broke after the request: it sends the same once more.
      fetch: async (input, init) => {
        const answer = await send(input, init);
        if (!String(init?.body).includes('"t":"sub"') || again > 0) return answer;
        again += 1;
        return send(input, init);
      },
    });
    const errors: unknown[] = [];
    push.on("error", (error) => errors.push([error.code, error.channel]));
    const got = follow(push, "a");
    await push.publish("a", 1); // not before the subscription is settled
    await runtime.until(() => got.length + errors.length > 0, "it flows");
    expect([again, got, errors, push.stats.reconnects]).toEqual([1, [1], [], 0]);
  });

  it("refused because the hub has lost the connection are kept: a new stream settles it", async () => {
    const push = await connected();
    hub.canned.push({ path: "/frames", status: 401 }, { path: "/frames", status: 401 });
    const got = follow(push, "a");
    await runtime.advanceUntil(() => hub.wires.length === 2 && push.status.state === "live", "it is back");
    hub.publish("a", 1);
    await runtime.until(() => got.length === 1, "it is subscribed");
  });

  describe("under way", () => {
    let arrive: () => void;

    beforeEach(() => {
      const arrived = new Promise<void>((resolve) => {
        arrive = resolve;
      });
      hub.underWay = async ({ t }) => (t === "sub" ? arrived : undefined);
    });

    const asked = (count: number) =>
      runtime.until(() => hub.count("/frames") === count, `${count} frames are under way`);

    it("hold back what is published on them, so that one's own is never missed, and nothing else", async () => {
      const push = await connected();
      const got = follow(push, "a");
      const published = Promise.all([push.publish("a", 1), push.publish("a", 2)]);
      await push.publish("b", 0);
      expect(hub.history.get("a")).toBeUndefined();
      arrive();
      expect(await published).toHaveLength(2);
      await runtime.until(() => got.length === 2, "both are here");
      expect(hub.received.map(({ t, ch }) => `${t} ${ch}`)).toEqual(["pub b", "sub a", "pub a", "pub a"]);
    });

    it("hold it back also while they wait for their turn, and no longer than that", async () => {
      const push = await connected();
      follow(push, "first");
      const got = follow(push, "a");
      follow(push, "last");
      const published = push.publish("a", 1);
      let lastMayGo: () => void = () => undefined;
      const last = new Promise<void>((resolve) => {
        lastMayGo = resolve;
      });
      hub.underWay = async ({ ch }) => (ch === "last" ? last : undefined);
      await asked(1);
      arrive();
      await published;
      await runtime.until(() => got.length === 1, "it is here");
      expect(hub.wire?.channels.has("last")).toBe(false);
      lastMayGo();
      await subscribed("last");
    });

    it("let it go when they are refused", async () => {
      const push = await connected();
      const errors: unknown[] = [];
      push.on("error", ({ channel }) => errors.push(channel));
      hub.refuses.add("secret");
      arrive();
      follow(push, "secret");
      expect(await push.publish("secret", 1)).toEqual([hub.epoch, 1]);
      expect(errors).toEqual(["secret"]);
    });

    it("let it go with the stream, and it is refused as without one", async () => {
      const push = await connected();
      follow(push, "a");
      const published = push.publish("a", 1);
      await asked(1);
      hub.wire?.res.destroy();
      await expect(published).rejects.toMatchObject({ code: "JB_NOT_LIVE" });
      arrive();
    });

    it("do not hold back what was published before them", async () => {
      const push = await connected();
      const published = push.publish("a", 1);
      follow(push, "a");
      expect(await published).toEqual([hub.epoch, 1]);
      arrive();
    });
  });

  it("that the hub ends are told, and not asked for again", async () => {
    const push = await connected({ channels: { a: null, b: null } });
    const errors: unknown[] = [];
    push.on("error", (error) => errors.push([error.code, error.channel]));
    hub.send(hub.wire, { t: "unsubscribed", ch: "a", reason: "policy" });
    await runtime.until(() => errors.length === 1, "the end is told");
    hub.bye("shutdown", 100);
    await runtime.advanceUntil(() => hub.wires.length === 2, "the client is back");
    expect([...(hub.wire?.channels ?? [])]).toEqual(["b"]);
  });

  it("end with the login, and no key is asked for any more", async () => {
    const push = await connected({ channels: { a: null } });
    const keys = hub.count("/keys");
    hub.bye("lifetime", 100);
    await runtime.until(() => push.status.state === "refused", "the end is told");
    expect(push.status).toEqual({ state: "refused", code: "JB_LIFETIME", remedy: "Log in again." });
    await runtime.advance(3_600_000);
    expect([hub.count("/keys"), hub.wires.length, push.key]).toEqual([keys, 1, null]);
  });

  it("are at most a hundred, with a name by grammar", async () => {
    const push = await connected({
      channels: Object.fromEntries([...Array(100)].map((_, n) => [`c${n}`, null])),
    });
    expect(() => push.subscribe("one-more", () => undefined)).toThrow(
      expect.objectContaining({ code: "JB_TOO_MANY_CHANNELS" }),
    );
    expect(() => push.subscribe("a b", () => undefined)).toThrow(
      expect.objectContaining({ code: "JB_CHANNEL_NAME" }),
    );
    push.subscribe("c1", () => undefined);
  });
});

const underAnotherKid = (text: string) =>
  text.replace(/"kid":"(.)/, (_, c) => `"kid":"${c === "_" ? "-" : "_"}`);

describe("a network that tampers (R14)", () => {
  async function watched(): Promise<{ push: Push; got: unknown[]; seen: SeenFrame[] }> {
    const push = await connected({ channels: { a: null } });
    const seen: SeenFrame[] = [];
    push.on("frame", (frame) => seen.push(frame));
    const got = follow(push, "a");
    await subscribed("a");
    return { push, got, seen };
  }

  /** Lets the man in the middle do something to the next publication only. */
  function tamperOnce(change: (text: string) => string[]): void {
    hub.tamper = (text) => {
      if (!text.includes('"t":"msg"')) return [text];
      hub.tamper = (other) => [other];
      return change(text);
    };
  }

  it.each<[string, (text: string) => string[], string]>([
    ["edits", (text) => [text.replace('"data":1', '"data":9')], "signature"],
    ["adds a member", (text) => [text.replace('{"kid"', '{"alg":"none","kid"')], "grammar"],
    ["adds white space", (text) => [text.replace('"ts":', '"ts": ')], "grammar"],
    ["changes the key id", (text) => [underAnotherKid(text)], "key"],
    ["drops", () => [], ""],
  ])("%s: the frame is refused and its publication recovered", async (_, change, reason) => {
    const { push, got, seen } = await watched();
    tamperOnce(change);
    hub.publish("a", 1);
    hub.publish("a", 2);
    await runtime.advanceUntil(() => got.length === 2, "both are recovered");
    expect(got).toEqual([1, 2]);
    const refused = seen.filter((frame) => frame.verdict === "refused");
    expect(refused.map((frame) => frame.reason)).toEqual(reason === "" ? [] : [reason]);
    expect(push.stats).toMatchObject({ gaps: 1, reconnects: 1 });
    await runtime.until(() => hub.reports.some((report) => report.kind === "gap"), "the gap is reported");
  });

  it("repeats: refused as replay, nothing is delivered twice, the stream goes on (R33)", async () => {
    const { push, got, seen } = await watched();
    tamperOnce((text) => [text, text, text]);
    hub.publish("a", 1);
    hub.publish("a", 2);
    await runtime.until(() => got.length === 2, "both are here");
    expect(got).toEqual([1, 2]);
    expect(push.stats).toMatchObject({ reconnects: 0, refused: { replay: 2 } });
    const steps = seen.find((frame) => frame.reason === "replay")?.steps;
    expect(steps?.map((step) => step.ok)).toEqual([true, true, true, true, true, false, null]);
    await runtime.advance(0);
    await runtime.until(() => hub.reports.length === 1, "it is reported");
    expect(hub.reports[0]).toMatchObject({ kind: "replay" });
  });

  it("swaps: an authentic frame after a hole is not delivered, order is kept", async () => {
    const { push, got, seen } = await watched();
    let kept = "";
    hub.tamper = (text) => {
      if (!text.includes('"t":"msg"')) return [text];
      if (kept === "") {
        kept = text;
        return [];
      }
      hub.tamper = (other) => [other];
      return [text, kept];
    };
    hub.publish("a", 1);
    hub.publish("a", 2);
    await runtime.advanceUntil(() => got.length === 2, "both are recovered");
    expect(got).toEqual([1, 2]);
    expect(
      seen.filter((frame) => frame.verdict === "verified" && frame.steps.at(-1)?.ok === false),
    ).not.toHaveLength(0);
    expect(push.stats.gaps).toBe(1);
  });

  it("does not say it is open before the first subscribed has come: nothing published then is missed", async () => {
    let lost = 0;
    const pending = connected({
      channels: { a: null },
      intercept: (text, handOn) => {
        if (text.includes('"t":"subscribed"') && lost++ === 0) return;
        handOn(text);
      },
    });
    let isOpen = false;
    void pending.then(() => {
      isOpen = true;
    });
    await runtime.until(() => lost === 1, "the first is lost");
    expect(isOpen).toBe(false);
    hub.publish("a", "before");
    await runtime.advanceUntil(() => isOpen, "another stream tells");
    const push = await pending;
    const got = follow(push, "a");
    hub.publish("a", 1);
    await runtime.until(() => got.length === 1, "it is delivered");
    expect(got).toEqual([1]);
  });

  it("delays: a stale frame is refused", async () => {
    const handedOn: (() => void)[] = [];
    const push = await connected({
      channels: { a: null },
      intercept: (text, handOn) =>
        text.includes('"t":"msg"') && handedOn.length === 0
          ? handedOn.push(() => handOn(text))
          : handOn(text),
    });
    const got = follow(push, "a");
    hub.publish("a", 1);
    await runtime.until(() => handedOn.length === 1, "it is held up");
    await runtime.advance(5_001);
    handedOn[0]?.();
    await runtime.until(() => push.stats.refused.stale === 1, "it is refused");
    hub.publish("a", 2);
    await runtime.advanceUntil(() => got.length === 2, "both are recovered");
    expect(got).toEqual([1, 2]);
  });

  it("hands on frames of an old stream: refused as of another connection", async () => {
    let held: (() => void) | null = null;
    const push = await connected({
      channels: { a: null },
      intercept: (text, handOn) => {
        if (held === null && text.includes('"t":"msg"')) held = () => handOn(text);
        else handOn(text);
      },
    });
    const got = follow(push, "a");
    hub.publish("a", 1);
    hub.publish("a", 2);
    await runtime.advanceUntil(() => got.length === 2, "both are recovered");
    (held as (() => void) | null)?.();
    await runtime.until(() => push.stats.refused.order === 1, "it is refused");
    expect(got).toEqual([1, 2]);
  });

  it("reflects what the client sent: refused by type", async () => {
    const { push } = await watched();
    await push.publish("b", 1);
    const frame = hub.requests.at(-1)?.body ?? "";
    hub.wire?.res.write(`data: ${frame}\n\n`);
    await runtime.until(() => push.stats.refused.type === 1, "it is refused");
  });

  it("injects unknown kids: no key is fetched for them (O20)", async () => {
    const { push } = await watched();
    const before = hub.count("/keys");
    tamperOnce((text) => [...Array(20).fill(underAnotherKid(text)), text]);
    hub.publish("a", 1);
    await runtime.until(() => push.stats.refused.key === 20, "all are refused");
    expect(hub.count("/keys")).toBe(before);
    expect(push.stats.reconnects).toBe(0);
  });

  it("sends what is no frame, no text, or no end: the stream is given up, and resumed", async () => {
    for (const rubbish of [Buffer.of(0xff, 0xfe), Buffer.from(`data: ${"x".repeat(70_000)}`)]) {
      const { push, got } = await watched();
      const streams = hub.wires.length;
      hub.wire?.res.write(rubbish);
      hub.publish("a", "after");
      await runtime.advanceUntil(() => hub.wires.length > streams, "the client is back");
      await runtime.until(() => got.length > 0, "it is recovered");
      push.close();
    }
  });
});

describe("a stream that ends", () => {
  it("is resumed from the last good position after a cut", async () => {
    const push = await connected({ channels: { a: null } });
    const got = follow(push, "a");
    const states: Status[] = [];
    push.on("status", (status) => states.push(status));
    hub.publish("a", 1);
    await runtime.until(() => got.length === 1, "the first is here");
    hub.wire?.res.destroy();
    await runtime.until(() => push.status.state === "reconnecting", "the cut is noticed");
    hub.publish("a", 2);
    await runtime.advanceUntil(() => got.length === 2, "the second is recovered");
    expect(states).toEqual([
      { state: "reconnecting", code: "JB_CUT", remedy: REMEDIES.JB_CUT, retryAtMs: expect.any(Number) },
      { state: "live" },
    ]);
  });

  it("is dead after two heartbeats of silence", async () => {
    const push = await connected();
    await runtime.advance(29_999);
    expect(push.status.state).toBe("live");
    await runtime.advance(1);
    await runtime.until(() => push.status.state === "reconnecting", "silence is noticed");
    expect(push.status.code).toBe("JB_SILENT");
  });

  it("stays while heartbeats come", async () => {
    const push = await connected();
    await heartbeatsFor(push, 75_000);
    expect(push.stats.reconnects).toBe(0);
  });

  it("with bye shutdown comes back after the hub's wait", async () => {
    const push = await connected();
    hub.bye("shutdown", 1_234);
    await runtime.until(() => push.status.state === "reconnecting", "bye is read");
    expect(push.status).toMatchObject({ code: "JB_SHUTDOWN", retryAtMs: runtime.deviceMs() + 1_234 });
    await runtime.advance(1_233);
    expect(hub.wires).toHaveLength(1);
    await runtime.advanceUntil(() => push.status.state === "live", "it is back", 1);
  });

  it("with bye revoked, or 204, never comes back (R17)", async () => {
    const push = await connected();
    hub.bye("revoked", 100);
    await runtime.until(() => push.status.state === "refused", "it stops");
    expect(push.status).toMatchObject({ code: "JB_REVOKED", remedy: "Log in again." });
    expect(push.key).toBeNull();
    await runtime.advance(600_000);
    expect(hub.wires).toHaveLength(1);
    expect(hub.count("/keys")).toBe(2);
    await expect(push.publish("a", 1)).rejects.toMatchObject({ code: "JB_NOT_LIVE" });
  });

  it("survives a hub that forgot everything: new session, new key, and the loss is told (R12)", async () => {
    const push = await connected({ channels: { a: null } });
    const gaps: GapInfo[] = [];
    push.on("gap", (gap) => gaps.push(gap));
    const got = follow(push, "a");
    hub.publish("a", 1);
    await runtime.until(() => got.length === 1, "the first is here");
    hub.forgetAll();
    hub.history.clear();
    hub.epoch = "epoch-02";
    hub.wire?.res.destroy();
    await runtime.advanceUntil(() => push.status.state === "live" && gaps.length === 1, "it is back");
    expect(gaps).toMatchObject([{ channel: "a", reason: "epoch", position: ["epoch-02", 0] }]);
    hub.publish("a", 2);
    await runtime.until(() => got.length === 2, "the next is here");
    expect(push.stats.gaps).toBe(1);
  });
});

describe("what happened before connect resolved", () => {
  it("is told to whoever listens first: a loss, so that no hole is silent", async () => {
    const push = await connected({ channels: { a: ["an-epoch", 7] } });
    await runtime.until(() => push.stats.gaps === 1, "the loss is told");
    const gaps: GapInfo[] = [];
    push.on("gap", (gap) => gaps.push(gap));
    expect(gaps).toMatchObject([{ channel: "a", reason: "epoch" }]);
    push.on("gap", (gap) => gaps.push(gap));
    expect(gaps).toHaveLength(1);
  });

  it("and a channel that was refused", async () => {
    hub.refuses.add("secret");
    const push = await connected({ channels: { secret: null } });
    const errors: unknown[] = [];
    push.on("error", ({ code, channel }) => errors.push([code, channel]));
    expect(errors).toEqual([["JB_CHANNEL_ENDED", "secret"]]);
  });
});

describe("rotation (R2, R50)", () => {
  it("renews at 80 % of the life, confirms, and loses nothing over several keys", async () => {
    hub.keyLifeMs = 5_000;
    const push = await connected({ channels: { a: null } });
    const got = follow(push, "a");
    const keys: KeyInfo[] = [];
    push.on("key", (key) => keys.push(key));
    for (let n = 1; n <= 100; n += 1) {
      hub.publish("a", n);
      await runtime.until(() => got.length === n, `publication ${n} is here`);
      await runtime.advance(200);
    }
    await runtime.until(() => hub.wire?.key.kid === push.key?.kid, "the last switch is through");
    expect(got).toEqual(Array.from({ length: 100 }, (_, index) => index + 1));
    expect(push.stats.rotations).toBeGreaterThanOrEqual(4);
    expect(push.stats.reconnects).toBe(0);
    expect(keys.every((key) => key.reason === "rotated")).toBe(true);
    expect(
      new Set(hub.received.filter((payload) => payload.t === "confirm").map((payload) => payload.conn)).size,
    ).toBe(1);
  });

  it("resumes under the new key when the hub never switched", async () => {
    hub.answersConfirm = false;
    const push = await connected({ channels: { a: null } });
    const got = follow(push, "a");
    const first = push.key?.kid;
    await heartbeatsFor(push, 480_000);
    await runtime.until(() => push.key?.kid !== first, "there is a next key");
    hub.bye("key_expired", 2_000);
    await runtime.until(() => hub.wires.length === 2, "it is back at once");
    expect(hub.wire?.key.kid).toBe(push.key?.kid);
    hub.publish("a", 1);
    await runtime.until(() => got.length === 1, "it goes on");
    expect(hub.count("/keys")).toBe(3);
  });

  it("keeps good keys when the next cannot be had, and tries again (O19, O20)", async () => {
    const push = await connected({ channels: { a: null } });
    const got = follow(push, "a");
    const errors: string[] = [];
    push.on("error", (error) => errors.push(error.code));
    hub.canned.push({ path: "/keys", status: 503 }, { path: "/keys", status: 500 });
    await heartbeatsFor(push, 480_000);
    await runtime.until(() => errors.length === 1, "the first try failed");
    hub.publish("a", 1);
    await runtime.until(() => got.length === 1, "the old key still verifies");
    await runtime.advanceUntil(() => push.stats.rotations === 1, "the next key is here", 500);
    expect(errors).toEqual(["JB_UNAVAILABLE", "JB_INTERNAL"]);
  });

  it("fetches early when the hub asks, and confirms again when it had the key already", async () => {
    const push = await connected();
    hub.send(hub.wire, { t: "rekey", by: runtime.deviceMs() + 1_000 });
    await runtime.until(
      () => hub.wire?.key.kid === hub.keys.at(-1)?.kid && hub.keys.length === 2,
      "it has switched",
    );
    expect(push.stats.rotations).toBe(1);
  });

  it("starts over when the hub switches to a key it does not hold", async () => {
    const push = await connected();
    hub.send(hub.wire, { t: "rekey", kid: "x".repeat(52) });
    await runtime.advanceUntil(() => hub.wires.length === 2, "it is back");
    expect(push.stats.rotations).toBe(1);
  });

  it("asks for the time again after the device slept", async () => {
    const push = await connected();
    runtime.deviceOffsetMs += 3_600_000; // the monotonic clock stood still meanwhile
    hub.wire?.res.destroy();
    await runtime.advanceUntil(() => hub.wires.length === 2 && push.status.state === "live", "it is back");
    expect(hub.count("/keys")).toBe(3);
    expect(push.stats.refused.stale).toBe(0);
  });
});

describe("listeners", () => {
  it("that throw are told, and stop nothing", async () => {
    const push = await connected({ channels: { a: null } });
    const errors: unknown[] = [];
    push.on("error", (error) => errors.push([error.code, error.cause]));
    push.subscribe("a", () => {
      throw "mine";
    });
    const got = follow(push, "a");
    hub.publish("a", 1);
    hub.publish("a", 2);
    await runtime.until(() => got.length === 2, "both are here");
    expect(errors).toEqual([
      ["JB_LISTENER", "mine"],
      ["JB_LISTENER", "mine"],
    ]);
  });

  it("throw where uncaught errors go when nobody listens for errors", async () => {
    const thrown: unknown[] = [];
    vi.stubGlobal("queueMicrotask", (call: () => void) =>
      Promise.resolve()
        .then(call)
        .catch((fault) => thrown.push(fault)),
    );
    const push = await connected({ channels: { a: null } });
    push.subscribe("a", () => {
      throw "mine";
    });
    hub.publish("a", 1);
    await runtime.until(() => thrown.length === 1, "it is thrown");
    expect(thrown).toEqual(["mine"]);
  });

  it("an intercept that throws loses the frame, as the network would", async () => {
    let faults = 1;
    const push = await connected({
      channels: { a: null },
      intercept: (text, handOn) => {
        if (text.includes('"t":"msg"') && faults-- > 0) throw "mine";
        handOn(text);
      },
    });
    push.on("error", () => undefined);
    const got = follow(push, "a");
    hub.publish("a", 1);
    hub.publish("a", 2);
    await runtime.advanceUntil(() => got.length === 2, "both are recovered");
    expect(got).toEqual([1, 2]);
  });
});

describe("close", () => {
  it("ends the stream, stops every timer, and says nothing more", async () => {
    const push = await connected({ channels: { a: null } });
    const wire = hub.wire;
    const got = follow(push, "a");
    const states: string[] = [];
    push.on("status", ({ state }) => states.push(state));
    push.close();
    push.close();
    hub.publish("a", 1);
    await runtime.until(() => wire?.res.destroyed ?? false, "the hub sees the end");
    await runtime.advance(3_600_000);
    expect(states).toEqual(["closed"]);
    expect(got).toEqual([]);
    expect(push.key).toBeNull();
    expect(runtime.pendingMs).toEqual([]);
    await expect(push.publish("a", 1)).rejects.toMatchObject({ code: "JB_NOT_LIVE" });
    expect(push.subscribe("b", () => undefined)()).toBeUndefined();
    expect(hub.wires).toHaveLength(1);
  });
});

it("uses no storage of the browser (R3)", async () => {
  const touched: string[] = [];
  for (const name of ["localStorage", "sessionStorage", "indexedDB", "caches", "document"]) {
    vi.stubGlobal(name, new Proxy({}, { get: (_, member) => touched.push(`${name}.${String(member)}`) }));
  }
  const push = await connected({ channels: { a: null } });
  const got = follow(push, "a");
  hub.publish("a", 1);
  await runtime.until(() => got.length === 1, "it is here");
  expect(touched).toEqual([]);
});
