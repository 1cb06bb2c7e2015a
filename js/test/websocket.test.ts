import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { connectWith } from "../src/client.ts";
import { MAX_WAITING_FRAMES } from "../src/transport-websocket.ts";
import type { ConnectOptions, GapInfo, Push, SeenFrame, Status } from "../src/types.ts";
import { ManualRuntime } from "./support/clock.ts";
import { fetchWithCookie, TestHub } from "./support/hub.ts";
import { socketFor } from "./support/socket.ts";

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
  await hub.stop();
});

async function connected(options: ConnectOptions = {}): Promise<Push> {
  const given = { fetch: fetchWithCookie(), WebSocket: socketFor(hub), ...options };
  const push = await connectWith(runtime, base, given);
  open.push(push);
  return push;
}

const overSocket = (options: ConnectOptions = {}) => connected({ transport: "websocket", ...options });

/** Connects in auto where nobody answers on the stream, letting time pass until it has happened. */
async function fallenBack(options: ConnectOptions = {}): Promise<Push> {
  hub.holdsStreams = true;
  let push: Push | null = null;
  void connected(options).then((made) => {
    push = made;
  });
  await runtime.advanceUntil(() => push !== null, "it has fallen back");
  return push as unknown as Push;
}

/** Everything a channel brings, growing. */
function follow(push: Push, channel: string): unknown[] {
  const got: unknown[] = [];
  push.subscribe(channel, (data) => got.push(data));
  return got;
}

async function subscribed(...channels: string[]): Promise<void> {
  const all = () => channels.every((channel) => hub.wire?.channels.has(channel));
  await runtime.until(all, `${channels} are subscribed`);
}

const opened = () => hub.requests.filter(({ path }) => path === "/stream" || path === "/ws");

describe("a WebSocket", () => {
  it("is opened for a key, and its channels are asked for by signed frames with their positions", async () => {
    for (const data of ["one", "two", "three"]) hub.publish("a", data);
    const push = await overSocket({ channels: { a: [hub.epoch, 1], b: null } });
    const got = follow(push, "a");
    await subscribed("a", "b");
    await runtime.until(() => got.length === 2, "history is here");
    expect(got).toEqual(["two", "three"]);
    expect(push.transport).toBe("websocket");
    expect(opened().map(({ path }) => path)).toEqual(["/ws"]);
    expect(hub.received).toMatchObject([
      { t: "sub", ch: "a", since: [hub.epoch, 1], conn: hub.wire?.conn, id: expect.any(String) },
      { t: "sub", ch: "b", conn: hub.wire?.conn, id: expect.any(String) },
    ]);
    expect(hub.received[1]).not.toHaveProperty("since");
  });

  it("carries everything that goes up, nothing of it by POST", async () => {
    const push = await overSocket();
    const got = follow(push, "a");
    await subscribed("a");
    expect(await push.publish("a", { x: 1 })).toEqual([hub.epoch, 1]);
    push.subscribe("b", () => undefined)();
    await runtime.until(() => hub.received.length === 4, "b came and went");
    await runtime.until(() => got.length === 1, "the publication is here");
    expect(hub.count("/frames")).toBe(0);
    expect(hub.received.map(({ t }) => t)).toEqual(["sub", "pub", "sub", "unsub"]);
  });

  it("takes a publication behind the subscriptions before it, which go up one by one", async () => {
    const push = await overSocket();
    for (const channel of ["x", "y"]) follow(push, channel);
    const got = follow(push, "a");
    await push.publish("a", 1);
    await runtime.until(() => got.length === 1, "one's own is here");
    expect(hub.received.map(({ t }) => t)).toEqual(["sub", "sub", "sub", "pub"]);
  });

  it.each([
    [401, "JB_UNAUTHORIZED"],
    [429, "JB_RATE_LIMITED"],
    [500, "JB_INTERNAL"],
    [400, "JB_INVALID_REQUEST"],
  ])("rejects a publication with the hub's refusal, as POST does (%i)", async (status, code) => {
    const push = await overSocket();
    const errors: unknown[] = [];
    push.on("error", (error) => errors.push(error));
    hub.canned.push({ path: "/frames", status });
    await expect(push.publish("a", 1)).rejects.toMatchObject({ code });
    expect(errors).toEqual([]);
  });

  it("gives up an answer after 10 s, and those under way when it ends", async () => {
    const push = await overSocket();
    hub.canned.push({ path: "/frames", status: 0 }, { path: "/frames", status: 0 });
    const late = expect(push.publish("a", 1)).rejects.toMatchObject({ code: "JB_NETWORK" });
    await runtime.advanceUntil(() => hub.canned.length === 1, "it was sent");
    await runtime.advance(10_000);
    await late;
    const cut = expect(push.publish("a", 1)).rejects.toMatchObject({ code: "JB_NETWORK" });
    await runtime.until(() => hub.canned.length === 0, "the next was sent");
    hub.wire?.res.destroy();
    await cut;
  });

  it("waits as long as the hub's back-off before it asks again for a channel", async () => {
    const push = await overSocket();
    hub.canned.push({ path: "/frames", status: 429 }, { path: "/frames", status: 429 });
    follow(push, "a");
    await runtime.until(() => hub.canned.length === 1, "the first was refused");
    await runtime.until(() => runtime.pendingMs.some((ms) => ms === 1_125), "it waits");
    await runtime.advance(1_125);
    await runtime.until(() => runtime.pendingMs.some((ms) => ms === 2_250), "it waits longer");
    await runtime.advance(2_249);
    expect(hub.received).toEqual([]);
    await runtime.advance(1);
    await subscribed("a");
  });

  it("renews its key while open, and loses nothing over several keys (R2, R50)", async () => {
    hub.keyLifeMs = 5_000;
    const push = await overSocket({ channels: { a: null } });
    const got = follow(push, "a");
    await subscribed("a");
    for (let n = 1; n <= 60; n += 1) {
      hub.publish("a", n);
      await runtime.until(() => got.length === n, `publication ${n} is here`);
      await runtime.advance(200);
    }
    await runtime.until(() => hub.wire?.key.kid === push.key?.kid, "the last switch is through");
    expect(got).toEqual(Array.from({ length: 60 }, (_, index) => index + 1));
    expect(push.stats.rotations).toBeGreaterThanOrEqual(2);
    expect(push.stats).toMatchObject({ reconnects: 0, gaps: 0 });
  });

  it("is dead after two heartbeats of silence, also while it opens", async () => {
    const push = await overSocket();
    await runtime.advance(30_000);
    await runtime.until(() => push.status.code === "JB_SILENT", "silence is noticed");
    expect(push.transport).toBeNull();
  });

  it("is resumed by position after a cut, with nothing lost or twice", async () => {
    const push = await overSocket({ channels: { a: null } });
    const got = follow(push, "a");
    await subscribed("a");
    for (let n = 1; n <= 30; n += 1) {
      hub.publish("a", n);
      if (n % 10 !== 0) continue;
      const cut = hub.wires.length;
      hub.wire?.res.destroy();
      hub.publish("a", `during ${n}`);
      await runtime.advanceUntil(() => hub.wires.length > cut && push.status.state === "live", "it is back");
    }
    await runtime.until(() => got.length === 33, "all is here");
    expect(got).toEqual(hub.history.get("a"));
    expect(push.stats.refused.replay).toBe(0);
  });

  it("tells the loss where the history was made anew (R12)", async () => {
    const push = await overSocket({ channels: { a: null } });
    const gaps: GapInfo[] = [];
    push.on("gap", (gap) => gaps.push(gap));
    follow(push, "a");
    await subscribed("a");
    hub.forgetAll();
    hub.history.clear();
    hub.epoch = "epoch-02";
    hub.wire?.res.destroy();
    await runtime.advanceUntil(() => gaps.length === 1, "the loss is told");
    expect(gaps).toMatchObject([{ channel: "a", reason: "epoch", position: ["epoch-02", 0] }]);
    expect(push.stats.rotations).toBe(1); // nobody said that the old key is unknown: it was found out
  });

  it("that never opens is tried again, under another key every second time", async () => {
    hub.refusesSockets = true;
    const pending = overSocket();
    await runtime.advanceUntil(() => hub.count("/ws") >= 4, "it is tried often");
    expect(hub.keys.length).toBeLessThanOrEqual(3);
    hub.refusesSockets = false;
    let push: Push | null = null;
    void pending.then((made) => {
      push = made;
    });
    await runtime.advanceUntil(() => push !== null, "it is open");
  });

  it("refused to a login that ended stops the client, by the refusal of the next key (R17)", async () => {
    const push = await overSocket();
    hub.anonymous = false;
    hub.forgetAll();
    hub.wire?.res.destroy();
    await runtime.advanceUntil(() => push.status.state === "refused", "it stops");
    expect(push.status.code).toBe("JB_UNAUTHORIZED");
  });

  it("that says something binary is cut", async () => {
    const push = await overSocket();
    hub.wire?.res.write(Buffer.from("{}"));
    await runtime.advanceUntil(() => push.stats.reconnects === 1, "it is back");
  });

  it("that floods is cut before what waits grows without bound", async () => {
    const push = await overSocket();
    for (let n = 0; n < MAX_WAITING_FRAMES + 1_000; n += 1) hub.wire?.put("{}");
    await runtime.advanceUntil(() => push.stats.reconnects === 1, "it is back");
    expect(push.stats.refused.grammar).toBeLessThanOrEqual(MAX_WAITING_FRAMES + 1_000);
  });

  it("says its last word about a hole and is back at once, without waiting for an answer", async () => {
    const push = await overSocket({ channels: { a: null } });
    const got = follow(push, "a");
    await subscribed("a");
    hub.tamper = (text) => (text.includes('"t":"msg"') ? [] : [text]);
    hub.publish("a", 1);
    hub.tamper = (text) => [text];
    hub.publish("a", 2);
    await runtime.until(() => hub.reports.some(({ kind }) => kind === "gap"), "the gap is reported");
    await runtime.until(() => push.status.state === "reconnecting", "no time has passed");
    expect(hub.count("/frames")).toBe(0);
    await runtime.advanceUntil(() => got.length === 2, "both are recovered");
    expect(got).toEqual([1, 2]);
  });

  it("with close() ends at once, stops every timer, and says nothing more", async () => {
    const push = await overSocket({ channels: { a: null } });
    const end = hub.wire?.res;
    push.close();
    expect(push.transport).toBeNull();
    await runtime.until(() => end?.destroyed ?? false, "the hub sees the end");
    await runtime.advance(3_600_000);
    expect(runtime.pendingMs).toEqual([]);
    expect(opened()).toHaveLength(1);
  });
});

describe("close codes (PROTOCOL §5)", () => {
  const closeWith = (code: number) => hub.wire?.res.end(code);

  it.each([
    [1001, "JB_CUT", 0],
    [1003, "JB_CUT", 0],
    [1006, "JB_CUT", 0],
    [1007, "JB_CUT", 0],
    [1008, "JB_RATE_LIMITED", 1_000],
    [1009, "JB_CUT", 0],
    [1013, "JB_UNAVAILABLE", 1_000],
    [4_000, "JB_CUT", 0],
  ])("%i without a word: %s, comes back not before %i ms", async (code, status, leastMs) => {
    const push = await overSocket();
    closeWith(code);
    await runtime.until(() => push.status.state === "reconnecting", "the end is noticed");
    expect(push.status.code).toBe(status);
    expect((push.status.retryAtMs ?? 0) - runtime.deviceMs()).toBeGreaterThanOrEqual(leastMs);
    await runtime.advanceUntil(() => push.status.state === "live", "it is back");
  });

  it.each([
    ["revoked", "refused", "JB_REVOKED", 1008],
    ["rate", "reconnecting", "JB_RATE_LIMITED", 1008],
    ["shutdown", "reconnecting", "JB_SHUTDOWN", 1001],
  ])("after bye %s say nothing new", async (reason, state, code, close) => {
    const push = await overSocket();
    const states: Status[] = [];
    push.on("status", (status) => states.push(status));
    hub.send(hub.wire, { t: "bye", reason, retry: 1_234 });
    closeWith(close);
    await runtime.until(() => states.length === 1, "the end is noticed");
    expect(states[0]).toMatchObject({ state, code });
    if (state === "reconnecting") expect(states[0]?.retryAtMs).toBe(runtime.deviceMs() + 1_234);
  });
});

describe("a network that tampers with a WebSocket (R14)", () => {
  it.each<[string, (text: string) => string[], string | null]>([
    ["edits", (text) => [text.replace('"data":1', '"data":9')], "signature"],
    ["adds a member", (text) => [text.replace('{"kid"', '{"alg":"none","kid"')], "grammar"],
    ["repeats", (text) => [text, text], "replay"],
    ["drops", () => [], null],
  ])("%s: refused, reported, and all arrives in order", async (_, change, reason) => {
    const push = await overSocket({ channels: { a: null } });
    const seen: SeenFrame[] = [];
    push.on("frame", (frame) => seen.push(frame));
    const got = follow(push, "a");
    await subscribed("a");
    hub.tamper = (text) => {
      if (!text.includes('"t":"msg"')) return [text];
      hub.tamper = (other) => [other];
      return change(text);
    };
    for (const n of [1, 2, 3]) hub.publish("a", n);
    await runtime.advanceUntil(() => got.length === 3, "all are here");
    expect(got).toEqual([1, 2, 3]);
    const refused = seen.filter((frame) => frame.verdict === "refused");
    expect(refused.map((frame) => frame.reason)).toEqual(reason === null ? [] : [reason]);
    await runtime.advanceUntil(() => hub.reports.length > 0, "it is reported");
  });

  it("reflects what the client sent: refused by type", async () => {
    const push = await overSocket();
    const sent: string[] = [];
    const { take } = hub;
    hub.take = (wire, text) => {
      sent.push(text);
      take.call(hub, wire, text);
    };
    await push.publish("b", 1);
    hub.wire?.put(sent[0] as string);
    await runtime.until(() => push.stats.refused.type === 1, "it is refused");
  });
});

describe("transport: auto", () => {
  it("uses the stream where it gets through, and opens no WebSocket", async () => {
    const push = await connected();
    expect(push.transport).toBe("sse");
    await runtime.advance(10_000);
    expect(opened().map(({ path }) => path)).toEqual(["/stream"]);
  });

  it("takes the WebSocket when no hello has come within 3 s, and says why", async () => {
    hub.holdsStreams = true;
    let push: Push | null = null;
    void connected({ channels: { a: null } }).then((made) => {
      push = made;
    });
    await runtime.until(() => hub.count("/stream") === 1, "the stream is asked for");
    await runtime.advance(2_999);
    expect(hub.count("/ws")).toBe(0);
    await runtime.advanceUntil(() => push !== null, "it has fallen back", 50);
    expect(runtime.monotonicMs()).toBeLessThan(5_000);
    expect((push as unknown as Push).transport).toBe("websocket");
  });

  it("takes it when what comes is no stream, before it would refuse for good", async () => {
    hub.canned.push({ path: "/stream", status: 200, headers: { "Content-Type": "text/html" }, body: "<p>" });
    let push: Push | null = null;
    void connected().then((made) => {
      push = made;
    });
    await runtime.advanceUntil(() => push !== null, "it has fallen back");
    expect((push as unknown as Push).transport).toBe("websocket");
  });

  it("refuses for good when neither is a hub's", async () => {
    hub.refusesSockets = true;
    const page = { path: "/stream", status: 200, headers: { "Content-Type": "text/html" }, body: "<p>" };
    hub.canned.push(page, page);
    let code = "";
    void connected().catch((error) => {
      code = error.code;
    });
    await runtime.advanceUntil(() => code !== "", "it gives up");
    expect(code).toBe("JB_UNREADABLE");
    expect(opened().map(({ path }) => path)).toEqual(["/stream", "/ws", "/stream"]);
  });

  it("carries positions from one transport to the other and back: never a silent hole", async () => {
    const push = await connected({ channels: { a: null } });
    const got = follow(push, "a");
    await subscribed("a");
    const used: (string | null)[] = [push.transport];
    const turn = async () => {
      hub.publish("a", hub.history.get("a")?.length ?? 0);
      hub.wire?.res.destroy();
      hub.publish("a", hub.history.get("a")?.length ?? 0);
      await runtime.until(() => push.status.state !== "live", "the cut is noticed");
      await runtime.advanceUntil(() => push.status.state === "live", "it is back");
      await runtime.until(() => got.length === hub.history.get("a")?.length, "all is recovered");
      used.push(push.transport);
    };
    hub.holdsStreams = true;
    await turn();
    await turn();
    hub.holdsStreams = false;
    hub.refusesSockets = true;
    await turn();
    expect(used).toEqual(["sse", "websocket", "websocket", "sse"]);
    expect(got).toEqual([0, 1, 2, 3, 4, 5]);
    expect(push.stats).toMatchObject({ duplicates: 0, gaps: 0 });
  });

  it("stays with the WebSocket for an hour, then tries the stream again at the next occasion", async () => {
    hub.keyLifeMs = 10_000_000;
    const push = await fallenBack();
    const streams = hub.count("/stream");
    hub.wire?.res.destroy();
    await runtime.advanceUntil(() => push.stats.reconnects === 1, "it is back");
    expect([push.transport, hub.count("/stream")]).toEqual(["websocket", streams]);
    hub.holdsStreams = false;
    while (runtime.monotonicMs() < 3_605_000) {
      const before = push.stats.verified;
      hub.send(hub.wire, { t: "hb", serverTime: runtime.deviceMs() });
      await runtime.until(() => push.stats.verified > before, "the heartbeat is here");
      await runtime.advance(14_000);
    }
    expect(hub.count("/stream")).toBe(streams);
    hub.wire?.res.destroy();
    await runtime.advanceUntil(() => push.stats.reconnects === 2, "it is back");
    expect(push.transport).toBe("sse");
  });

  it("is the stream alone where there is no WebSocket, however long it takes", async () => {
    hub.holdsStreams = true;
    const push = connectWith(runtime, base, { fetch: fetchWithCookie() });
    push.catch(() => undefined);
    await runtime.until(() => hub.count("/stream") === 1, "the stream is asked for");
    await runtime.advance(29_000);
    expect(opened()).toHaveLength(1);
    hub.holdsStreams = false;
    await runtime.advanceUntil(() => hub.wires.length === 1, "it is open");
    (await push).close();
  });
});

describe("options", () => {
  it("force one transport", async () => {
    hub.holdsStreams = true;
    void connected({ transport: "sse" }).catch(() => undefined);
    await runtime.advanceUntil(() => hub.count("/stream") === 2, "the stream is asked for again", 5_000);
    expect(hub.count("/ws")).toBe(0);
    hub.holdsStreams = false;
    await runtime.advanceUntil(() => open.length === 1, "it is open", 1_000);
  });

  it("that ask for what is not there are refused at once", async () => {
    const wish = (transport: string, Socket?: typeof WebSocket) =>
      connectWith(runtime, base, {
        transport: transport as "auto",
        ...(Socket === undefined ? {} : { WebSocket: Socket }),
      });
    await expect(wish("websocket")).rejects.toMatchObject({ code: "JB_TRANSPORT" });
    await expect(wish("carrier pigeon", socketFor(hub))).rejects.toMatchObject({ code: "JB_TRANSPORT" });
    expect(hub.requests).toEqual([]);
  });
});
