import fc from "fast-check";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { openWith } from "../src/client.ts";
import { JitterbugError } from "../src/errors.ts";
import { Leader } from "../src/tabs/leader.ts";
import { type DownNote, errorOf, type LeaderSettings, tellError, type Untermed } from "../src/tabs/notes.ts";
import { Reader } from "../src/tabs/reader.ts";
import type { Position } from "../src/types.ts";
import { ManualRuntime } from "./support/clock.ts";
import { fetchWithCookie, TestHub } from "./support/hub.ts";

describe("Reader", () => {
  const EPOCH = "epoch-01";
  const at = (offset: number): Position => [EPOCH, offset];

  /** A leader reads again from anywhere at any time; what is before `kept` the hub has no more. */
  const turns = fc.array(
    fc.record({
      from: fc.nat(40),
      reads: fc.integer({ min: 1, max: 30 }),
      publishes: fc.nat(10),
      kept: fc.nat(60),
    }),
    { minLength: 1, maxLength: 12 },
  );

  it("delivers each number once and in order, or tells its loss, whatever leaders read again", () => {
    fc.assert(
      fc.property(fc.nat(40), turns, (start, script) => {
        const reader = new Reader(at(start));
        const told: (number | [gap: number])[] = [];
        let newest = 40;
        let kept = 0;
        const read = (from: number, count: number) => {
          let position = from;
          if (position < kept) {
            if (reader.gap(at(position), at(newest)) === "deliver") told.push([newest]);
            position = newest;
          }
          for (let number = 0; number < count && position < newest; number += 1) {
            position += 1;
            if (reader.publication(at(position)) === "deliver") told.push(position);
          }
        };
        for (const turn of script) {
          newest += turn.publishes;
          kept = Math.max(kept, Math.min(turn.kept, newest));
          read(turn.from, turn.reads);
        }
        let position = start;
        for (const each of told) {
          if (typeof each === "number") expect(each).toBe(position + 1);
          position = typeof each === "number" ? each : each[0];
        }
        // Asked to go on from where this reader stands, any leader ends at the newest.
        read(reader.position?.[1] ?? 0, Number.POSITIVE_INFINITY);
        expect(reader.position).toEqual(at(newest));
      }),
      { numRuns: 2_000 },
    );
  });

  it("asks once for what is missing, and again when it is told of a new leader", () => {
    const reader = new Reader(at(1));
    expect([reader.publication(at(3)), reader.publication(at(4))]).toEqual(["ask", "drop"]);
    reader.joining();
    expect(reader.publication(at(5))).toBe("ask");
    expect([2, 3, 4].map((offset) => reader.publication(at(offset)))).toEqual([
      "deliver",
      "deliver",
      "deliver",
    ]);
    expect(reader.publication(at(9))).toBe("ask");
  });

  it("from now on takes nothing before it is told where that is", () => {
    const reader = new Reader(null);
    expect([reader.publication(at(1)), reader.gap(at(0), at(2))]).toEqual(["drop", "drop"]);
    reader.now(at(5));
    reader.now(at(7));
    expect([5, 6].map((offset) => reader.publication(at(offset)))).toEqual(["drop", "deliver"]);
  });

  it("takes another tab's loss for its own only from where it stands", () => {
    const reader = new Reader(at(50));
    expect(reader.gap(at(10), at(40))).toBe("drop");
    expect(reader.gap(at(10), at(60))).toBe("ask");
    expect(reader.gap(null, at(60))).toBe("drop");
    expect(reader.gap(at(50), at(61))).toBe("deliver");
    expect(reader.gap(["another-01", 61], ["another-02", 0])).toBe("ask");
    expect(reader.gap(at(61), ["another-02", 0])).toBe("deliver");
    expect(reader.publication(["another-02", 1])).toBe("deliver");
  });
});

it("an error is the same on the other side", () => {
  const error = new JitterbugError("JB_X", "Text", { remedy: "Do.", retryAfterMs: 5, channel: "a" });
  expect(errorOf(tellError(error))).toEqual(error);
  expect(errorOf(tellError(new TypeError("secret")))).toMatchObject({ code: "JB_INTERNAL", channel: null });
});

describe("Leader", () => {
  let runtime: ManualRuntime;
  let hub: TestHub;
  let leader: Leader;
  let told: Untermed[];
  let gone: Map<string, () => void>;
  let settings: LeaderSettings;

  beforeEach(async () => {
    runtime = new ManualRuntime();
    hub = new TestHub(() => runtime.deviceMs());
    settings = { base: await hub.start() };
    told = [];
    gone = new Map();
    leader = new Leader({
      open: ({ base }) => openWith(runtime, base, { fetch: fetchWithCookie() }),
      tell: (note) => told.push(note),
      gone: (tab) => new Promise((resolve) => gone.set(tab, resolve)),
    });
  });

  afterEach(async () => {
    leader.stop();
    await hub.stop();
  });

  const join = (from: string, wants: Record<string, Position | null>) =>
    leader.take({ k: "join", from, settings, wants });
  const notes = <K extends DownNote["k"]>(k: K) =>
    told.filter((note) => note.k === k) as (Untermed & { k: K })[];
  const offsets = () => notes("publication").map(({ publication }) => publication.position[1]);
  const flows = (count: number) => runtime.until(() => offsets().length === count, `${count} have flowed`);

  it("opens one stream for all tabs, with the channels of those who joined before it", async () => {
    join("one", { a: null });
    join("two", { a: null, b: null });
    await runtime.until(() => notes("now").length === 3, "all know where now is");
    expect(JSON.parse(hub.requests.at(-1)?.body ?? "").channels).toEqual({ a: null, b: null });
    expect(
      notes("now")
        .map(({ to, channel }) => `${to} ${channel}`)
        .sort(),
    ).toEqual(["one a", "two a", "two b"]);
    hub.publish("a", 1);
    await flows(1);
    expect([hub.wires.length, hub.received]).toEqual([1, []]);
  });

  it("tells who joins later where now is, and reads again for who has not read so far", async () => {
    join("one", { a: null });
    await runtime.until(() => notes("now").length === 1, "it is subscribed");
    for (let n = 1; n <= 5; n += 1) hub.publish("a", n);
    await flows(5);
    join("two", { a: null });
    expect(notes("now").at(-1)).toMatchObject({ to: "two", position: [hub.epoch, 5] });
    join("three", { a: [hub.epoch, 5] });
    expect(hub.received).toEqual([]);
    join("four", { a: [hub.epoch, 2] });
    await flows(8);
    expect(offsets()).toEqual([1, 2, 3, 4, 5, 3, 4, 5]);
    join("five", { a: null });
    expect(notes("now").at(-1)).toMatchObject({ to: "five", position: [hub.epoch, 5] });
    expect(hub.wires).toHaveLength(1);
  });

  it("tells from where a loss is", async () => {
    for (let n = 1; n <= 5; n += 1) hub.publish("a", n);
    hub.forgottenTo = 4;
    join("one", { a: [hub.epoch, 1] });
    await runtime.until(() => notes("gap").length === 1, "the gap is told");
    expect(notes("gap")[0]).toMatchObject({ after: [hub.epoch, 1], gap: { position: [hub.epoch, 5] } });
  });

  it("leaves no tab behind where each stood at another place out of the history", async () => {
    for (let n = 1; n <= 40; n += 1) hub.publish("a", n);
    hub.forgottenTo = 35;
    const places = [5, 10, 15, 20].map((offset): Position => [hub.epoch, offset]);
    const readers = new Map(places.map((place) => [`tab ${place[1]}`, new Reader(place)]));
    const losses: string[] = [];
    let dealtWith = 0;
    /** As the tabs themselves do with what they are told. */
    const deal = () => {
      for (const note of told.slice(dealtWith)) {
        dealtWith += 1;
        for (const [from, reader] of readers) {
          const before = reader.position?.[1];
          const step =
            note.k === "gap"
              ? reader.gap(note.after, note.gap.position)
              : note.k === "publication"
                ? reader.publication(note.publication.position)
                : "drop";
          if (step === "deliver" && note.k === "gap")
            losses.push(`${from}: ${before} to ${reader.position?.[1]}`);
          if (step === "ask") leader.take({ k: "want", from, channel: "a", since: reader.position });
        }
      }
    };
    const stand = (offset: number) => () => {
      deal();
      return [...readers.values()].every(({ position }) => position?.[1] === offset);
    };
    for (const [tab, { position }] of readers) join(tab, { a: position });
    await runtime.until(stand(40), "all know what they lost");
    expect(losses.sort()).toEqual([
      "tab 10: 10 to 40",
      "tab 15: 15 to 40",
      "tab 20: 20 to 40",
      "tab 5: 5 to 40",
    ]);
    hub.publish("a", 41);
    await runtime.until(stand(41), "all go on");
    expect(hub.wires).toHaveLength(1);
  });

  it("tells all who comes and goes, and who joins later who is there", async () => {
    join("one", { a: null });
    await runtime.until(() => notes("now").length === 1, "it is subscribed");
    const say = (t: string, subject: string) => hub.send(hub.wire, { t, ch: "a", subject });
    for (const subject of ["ada", "bob"]) say("join", subject);
    say("leave", "ada");
    await runtime.until(() => notes("presence").length === 3, "all are told");
    expect(notes("presence").map(({ to, change }) => [to, change.kind, change.subject])).toEqual([
      [null, "join", "ada"],
      [null, "join", "bob"],
      [null, "leave", "ada"],
    ]);
    for (const tab of ["two", "one"]) {
      join(tab, { a: null });
      expect(notes("presence").at(-1)).toMatchObject({ to: tab, change: { kind: "join", subject: "bob" } });
    }
    leader.take({ k: "want", from: "two", channel: "a", since: null });
    expect(notes("presence")).toHaveLength(5);
  });

  it("lets a channel go with its last tab, and the client with the last of all", async () => {
    join("one", { a: null });
    join("two", { a: null, b: null });
    await runtime.until(() => notes("now").length === 3, "all are subscribed");
    leader.take({ k: "leave", from: "one" });
    expect(hub.wire?.channels).toEqual(new Set(["a", "b"]));
    leader.take({ k: "drop", from: "two", channel: "b" });
    await runtime.until(() => hub.wire?.channels.has("b") === false, "b is given up");
    gone.get("two")?.();
    await runtime.until(() => hub.wire === undefined, "the stream is closed");
    join("three", { a: null });
    await runtime.until(() => hub.wires.length === 2, "the next one begins anew");
  });

  it("tells nobody a secret (R3, R48)", async () => {
    join("one", { a: null });
    await runtime.until(() => notes("now").length === 1, "it is subscribed");
    const secret = hub.keys[0]?.secret.toString("base64") ?? "";
    expect(JSON.stringify(notes("state"))).toContain(hub.keys[0]?.kid);
    expect(JSON.stringify(told)).not.toContain(secret);
    expect(told.filter((note) => structuredClone(note) === undefined)).toEqual([]);
  });

  it("answers who publishes, and says what went wrong", async () => {
    join("one", {});
    await runtime.until(
      () => notes("state").some(({ state }) => state.status.state === "live"),
      "it is live",
    );
    leader.take({ k: "publish", from: "one", id: "x", channel: "a", data: 1 });
    leader.take({ k: "publish", from: "one", id: "y", channel: "a", data: "x".repeat(2_000) });
    await runtime.until(() => notes("answer").length === 2, "both are answered");
    expect(notes("answer").sort((a, b) => a.id.localeCompare(b.id))).toMatchObject([
      { to: "one", id: "x", answer: [hub.epoch, 1] },
      { to: "one", id: "y", answer: { code: "JB_TOO_LARGE" } },
    ]);
    leader.take({ k: "want", from: "one", channel: "no way", since: null });
    expect(notes("error")).toMatchObject([
      { to: "one", error: { code: "JB_CHANNEL_NAME", channel: "no way" } },
    ]);
  });

  it("publishes for a tab behind what the tab wants: its own is not missed, however late that arrives", async () => {
    join("one", {});
    await runtime.until(
      () => notes("state").some(({ state }) => state.status.state === "live"),
      "it is live",
    );
    hub.underWay = ({ t }) => new Promise((resolve) => setTimeout(resolve, t === "sub" ? 50 : 0));
    leader.take({ k: "want", from: "one", channel: "a", since: null });
    leader.take({ k: "publish", from: "one", id: "x", channel: "a", data: 1 });
    await flows(1);
    expect(notes("answer")).toMatchObject([{ id: "x", answer: [hub.epoch, 1] }]);
  });

  it("tells a refusal to all, and tries anew for who joins after it", async () => {
    hub.anonymous = false;
    join("one", { a: null });
    await runtime.until(
      () => notes("state").some(({ state }) => state.status.state === "refused"),
      "it is told",
    );
    hub.anonymous = true;
    join("two", { a: null });
    await runtime.until(() => hub.wires.length === 1, "the next try works");
  });

  it("knows nobody who has not joined", () => {
    for (const k of ["ping", "leave"] as const) leader.take({ k, from: "stranger" });
    leader.take({ k: "want", from: "stranger", channel: "a", since: null });
    leader.take({ k: "publish", from: "stranger", id: "x", channel: "a", data: 1 });
    expect([told, hub.requests]).toEqual([[], []]);
  });
});
