import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { connectWith } from "../src/client.ts";
import { Life } from "../src/life.ts";
import type { ConnectOptions, Push, Status } from "../src/types.ts";
import { ManualRuntime } from "./support/clock.ts";
import { fetchWithCookie, TestHub } from "./support/hub.ts";
import { socketFor } from "./support/socket.ts";

describe("Life", () => {
  function watched(): { events: EventTarget; told: string[]; life: Life; stop: () => void } {
    const events = new EventTarget();
    const told: string[] = [];
    const lifetime = new AbortController();
    const life = new Life({
      events,
      signal: lifetime.signal,
      onPause: () => told.push("pause"),
      onWake: () => told.push("wake"),
      onOffline: () => told.push("offline"),
    });
    return { events, told, life, stop: () => lifetime.abort() };
  }

  it("tells each change once, in whichever words the browser tells it", async () => {
    const { events, told, life } = watched();
    for (const name of ["pageshow", "pagehide", "freeze", "resume", "pageshow", "freeze", "resume"]) {
      events.dispatchEvent(new Event(name));
    }
    expect(told).toEqual(["pause", "wake", "pause", "wake"]);
    expect(life.paused).toBe(false);
    await life.shown();
  });

  it("keeps those who wait until the page is shown, and lets them go at the end of the watch", async () => {
    const { events, life, stop } = watched();
    events.dispatchEvent(new Event("pagehide"));
    const order: string[] = [];
    const waiting = life.shown().then(() => order.push("shown"));
    await Promise.resolve();
    order.push("still hidden");
    events.dispatchEvent(new Event("pageshow"));
    await waiting;
    expect(order).toEqual(["still hidden", "shown"]);
    events.dispatchEvent(new Event("freeze"));
    const left = life.shown();
    stop();
    await left;
  });

  it("does not take an element's own `freeze` for the page's", () => {
    const { events, told } = watched();
    const [element, page] = [{ nodeType: 1 }, { nodeType: 9 }].map((target) =>
      Object.defineProperty(new Event("freeze"), "target", { value: target }),
    );
    events.dispatchEvent(element as Event);
    expect(told).toEqual([]);
    events.dispatchEvent(page as Event);
    expect(told).toEqual(["pause"]);
  });

  it("hears nothing after the end, and works where there is no browser", () => {
    const { events, told, stop } = watched();
    stop();
    events.dispatchEvent(new Event("pagehide"));
    expect(told).toEqual([]);
    const { signal } = new AbortController();
    const nothing = () => undefined;
    expect(
      new Life({ events: null, signal, onPause: nothing, onWake: nothing, onOffline: nothing }).paused,
    ).toBe(false);
  });
});

let runtime: ManualRuntime;
let hub: TestHub;
let push: Push;
let got: unknown[];
let states: Status[];

beforeEach(() => {
  runtime = new ManualRuntime();
  hub = new TestHub(() => runtime.deviceMs());
});

afterEach(async () => {
  push?.close();
  await hub.stop();
});

async function begin(options: ConnectOptions = {}): Promise<void> {
  const base = await hub.start();
  push = await connectWith(runtime, base, { fetch: fetchWithCookie(), channels: { a: null }, ...options });
  got = [];
  states = [];
  push.subscribe("a", (data) => got.push(data));
  push.on("status", (status) => states.push(status));
  await runtime.until(() => hub.wire?.channels.has("a") ?? false, "a is subscribed");
  hub.publish("a", 1);
  await runtime.until(() => got.length === 1, "the first is here");
}

const tell = (name: string) => runtime.events.dispatchEvent(new Event(name));
const closed = () => runtime.until(() => hub.wire === undefined, "the hub sees the wire closed");
const back = (count: number) => runtime.until(() => got.length === count, `${count} are here`);

describe.each(["sse", "websocket"] as const)("a page put away, by %s", (transport) => {
  beforeEach(() => begin({ transport, WebSocket: socketFor(hub) }));

  it("closes its wire, opens none while it is away, and gets all of it without a wait when shown", async () => {
    tell("pagehide");
    await closed();
    expect(push.status).toMatchObject({ state: "reconnecting", code: "JB_PAUSED" });
    for (const data of [2, 3]) hub.publish("a", data);
    await runtime.advance(600_000);
    expect([hub.wires.length, got]).toEqual([1, [1]]);
    tell("pageshow");
    await back(3);
    expect([got, hub.wires.length]).toEqual([[1, 2, 3], 2]);
    expect(push.stats).toMatchObject({ gaps: 0, duplicates: 0, reconnects: 1 });
    hub.publish("a", 4);
    await back(4);
  });

  it("comes back from `freeze` by `resume`, again and again", async () => {
    for (let round = 2; round < 6; round += 1) {
      tell("freeze");
      await closed();
      hub.publish("a", round);
      tell("resume");
      await back(round);
    }
    expect(got).toEqual([1, 2, 3, 4, 5]);
  });

  it("can be closed while it is away", async () => {
    tell("pagehide");
    await closed();
    push.close();
    tell("pageshow");
    await runtime.advance(60_000);
    expect([hub.wires.length, runtime.pendingMs]).toEqual([1, []]);
  });
});

describe("a network that goes and comes", () => {
  beforeEach(() => begin());

  it("is tried at once when it is back, not after the back-off", async () => {
    for (let failed = 0; failed < 8; failed += 1) hub.canned.push({ path: "/stream", status: 500 });
    hub.wire?.res.destroy();
    hub.publish("a", 2);
    await runtime.advanceUntil(() => hub.canned.length === 0, "the back-off has grown", 1_000);
    await runtime.until(() => (runtime.pendingMs[0] ?? 0) >= 5_000, "it waits for long");
    tell("online");
    await back(2);
  });

  it("is not tried before the hub's own wait is over", async () => {
    hub.bye("shutdown", 5_000);
    await runtime.until(() => push.status.state === "reconnecting", "bye is read");
    tell("online");
    await runtime.advance(4_999);
    expect(hub.wires).toHaveLength(1);
    await runtime.advanceUntil(() => hub.wires.length === 2, "it is back", 1);
  });

  it("is not trusted to have kept a stream over its absence: it is opened anew, and nothing is missing", async () => {
    tell("offline");
    hub.tamper = () => []; // what the network swallows
    hub.publish("a", 2);
    hub.tamper = (text) => [text];
    expect(push.status.state).toBe("live");
    tell("online");
    await back(2);
    expect(states).toMatchObject([{ state: "reconnecting", code: "JB_WOKEN" }, { state: "live" }]);
    expect(push.stats).toMatchObject({ gaps: 0, reconnects: 1 });
  });

  it("leaves a stream alone that was opened after it went", async () => {
    tell("offline");
    hub.wire?.res.destroy();
    await runtime.advanceUntil(() => hub.wires.length === 2 && push.status.state === "live", "it is back");
    tell("online");
    tell("online");
    hub.publish("a", 2);
    await back(2);
    expect(hub.wires).toHaveLength(2);
  });
});

describe("a device that slept", () => {
  beforeEach(() => begin());

  it("notices by its clocks, opens a new stream under the hub's time, and gets what it missed", async () => {
    hub.tamper = () => []; // the connection died meanwhile, and nobody was told
    hub.publish("a", 2);
    hub.tamper = (text) => [text];
    runtime.deviceOffsetMs += 3_600_000; // the monotonic clock stood still
    await runtime.advance(5_000);
    await back(2);
    expect(states).toMatchObject([{ state: "reconnecting", code: "JB_WOKEN" }, { state: "live" }]);
    expect(push.stats).toMatchObject({ reconnects: 1, refused: { stale: 0 } });
    await runtime.advance(20_000);
    expect(hub.wires).toHaveLength(2);
  });

  it("refuses what went stale meanwhile, and gets it again", async () => {
    const held: string[] = [];
    hub.tamper = (text) => {
      held.push(text);
      return [];
    };
    hub.publish("a", 2);
    hub.tamper = (text) => [text];
    runtime.deviceOffsetMs += 60_000;
    await runtime.advance(6_000);
    for (const text of held) hub.wires[0]?.put(text); // the old wire is closed: it goes nowhere
    await back(2);
    expect(got).toEqual([1, 2]);
  });
});
