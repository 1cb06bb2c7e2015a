/**
 * The cases that other event-source clients are held to (their contract tests and WHATWG HTML §9.2), for the decoder of
 * this one: each is read whole, byte by byte, and cut at every single place.
 */
import { afterEach, describe, expect, it } from "vitest";
import { connectWith } from "../src/client.ts";
import { BrokenStreamError, MAX_EVENT_CHARACTERS, SseDecoder } from "../src/sse.ts";
import { ManualRuntime } from "./support/clock.ts";
import { fetchWithCookie, TestHub } from "./support/hub.ts";

const encoder = new TextEncoder();

function read(chunks: Uint8Array[]): string[] {
  const found: string[] = [];
  const decoder = new SseDecoder((data) => found.push(data));
  for (const chunk of chunks) decoder.push(chunk);
  return found;
}

const CASES: [name: string, text: string, expected: string[]][] = [
  ["one event", "data: Hello\n\n", ["Hello"]],
  ["several", "data: 1\n\ndata: 2\n\ndata: 3\n\n", ["1", "2", "3"]],
  ["CR", "data: 1\r\rdata: 2\r\r", ["1", "2"]],
  ["CRLF", "data: 1\r\n\r\ndata: 2\r\n\r\n", ["1", "2"]],
  ["line ends mixed within an event", "data: a\rdata: b\ndata: c\r\n\r", ["a\nb\nc"]],
  ["LF CR is two line ends", "data: a\n\rdata: b\n\n", ["a", "b"]],
  ["several lines of data", "data: a\ndata: b\ndata:\ndata: d\n\n", ["a\nb\n\nd"]],
  ["only the first space goes", "data:  a \ndata:\tb\n\n", [" a \n\tb"]],
  ["a colon in the data", "data: a: b:c\ndata::\n\n", ["a: b:c\n:"]],
  ["a field without a colon", "data\n\ndata\ndata\n\n", ["", "\n"]],
  ["data that is empty", "data:\n\ndata: \n\n", ["", ""]],
  ["comments before, between and after", ":\n:a\ndata: x\n: data: no\ndata: y\n:\n\n:z\n\n", ["x\ny"]],
  ["a comment alone makes no event", ": ping\n\n: ping\n\n", []],
  ["an event of a type", "event: greeting\ndata: Hello\n\n", ["Hello"]],
  ["a type without data makes no event", "event: greeting\n\ndata: x\n\n", ["x"]],
  ["an id", "id: abc\ndata: x\n\n", ["x"]],
  ["an id without data makes no event", "id: abc\n\n", []],
  ["an id with NUL", "id: a\0b\ndata: x\n\n", ["x"]],
  ["an empty id", "id\ndata: x\n\nid:\ndata: y\n\n", ["x", "y"]],
  ["retry", "retry: 500\ndata: x\n\n", ["x"]],
  ["a retry that is not all digits", "retry: 5s\nretry: -1\nretry: 1.5\nretry:\ndata: x\n\n", ["x"]],
  ["fields in any order", "data: a\nid: 1\nevent: e\ndata: b\nretry: 1\n\n", ["a\nb"]],
  ["unknown fields", "color: blue\ndata: x\nDATA: y\n data: z\ndata : w\n\n", ["x"]],
  ["a field name that only begins alike", "dat: 1\ndatas: 2\ndata: x\n\n", ["x"]],
  ["empty lines alone", "\n\n\r\r\r\n\r\n", []],
  ["a BOM at the start", "\ufeffdata: x\n\n", ["x"]],
  ["only one BOM goes", "\ufeff\ufeffdata: x\n\n", []],
  ["a BOM later is text", "data: \ufeffx\n\n\ufeffdata: y\n\n", ["\ufeffx"]],
  ["an event that does not end", "data: x\n\ndata: y\n", ["x"]],
  ["a line that does not end", "data: x\n\ndata: y", ["x"]],
  ["two, three and four bytes a character", "data: é€😀\ndata: 한글\n\n", ["é€😀\n한글"]],
  ["line separators of Unicode are text", "data: a\u2028b\u2029c\u0085d\n\n", ["a\u2028b\u2029c\u0085d"]],
  ["control characters are text", "data: a\0b\u000bc\u001f\n\n", ["a\0b\u000bc\u001f"]],
  ["a long event", `data: ${"x".repeat(500)}\n\n`, ["x".repeat(500)]],
];

describe("the decoder", () => {
  it.each(CASES)("reads %s, whole, byte by byte, and cut at every place", (_, text, expected) => {
    const bytes = encoder.encode(text);
    expect(read([bytes])).toEqual(expected);
    expect(read([...bytes].map((byte) => Uint8Array.of(byte)))).toEqual(expected);
    for (let cut = 0; cut <= bytes.length; cut += 1) {
      expect(read([bytes.subarray(0, cut), new Uint8Array(), bytes.subarray(cut)])).toEqual(expected);
    }
  });

  it("hands an event on with the byte that ends it, not with the next", () => {
    for (const end of ["\n\n", "\r\r", "\r\n\r"])
      expect(read([encoder.encode(`data: x${end}`)])).toEqual(["x"]);
  });

  it.each([
    ["a line", "data: ", "x"],
    ["a comment", ": ", "x"],
    ["an unknown field", "what: ", "x"],
    ["the name of a field", "", "x"],
    ["an event of many lines", "", `data: ${"x".repeat(93)}\n`],
  ])("gives up on %s without an end, however it is cut, and before it fills the memory", (_, start, more) => {
    for (const bytes of [1_000, 60_000]) {
      const decoder = new SseDecoder(() => undefined);
      const chunk = encoder.encode(more.repeat(bytes / more.length));
      decoder.push(encoder.encode(start));
      let taken = 0;
      expect(() => {
        for (; taken < 4 * MAX_EVENT_CHARACTERS; taken += chunk.length) decoder.push(chunk);
      }).toThrow(BrokenStreamError);
      expect(taken).toBeLessThan(3 * MAX_EVENT_CHARACTERS);
    }
  });

  it("reads on and on: what was read is forgotten", () => {
    const found: string[] = [];
    const decoder = new SseDecoder((data) => found.push(data));
    const events = encoder.encode(`: ${"c".repeat(900)}\nid: ${"i".repeat(900)}\ndata: x\n\n`.repeat(20));
    for (let turn = 0; turn < 50; turn += 1) decoder.push(events);
    expect(found).toHaveLength(1_000);
  });
});

describe("the client", () => {
  const runtime = new ManualRuntime();
  const hub = new TestHub(() => runtime.deviceMs());

  afterEach(() => hub.stop());

  it("reconnects by position: neither an id nor a retry of the stream, which nobody signed, moves it (R1)", async () => {
    const push = await connectWith(runtime, await hub.start(), {
      fetch: fetchWithCookie(),
      channels: { a: null },
    });
    const got: unknown[] = [];
    push.subscribe("a", (data) => got.push(data));
    hub.publish("a", 1);
    await runtime.until(() => got.length === 1, "the first is here");
    hub.wire?.res.write("id: e-5\nretry: 86400000\nevent: other\ndata:\n\n");
    await runtime.until(() => push.stats.refused.grammar === 1, "the event is refused");
    hub.wire?.res.destroy();
    hub.publish("a", 2);
    await runtime.advanceUntil(() => got.length === 2, "the second is recovered");
    const request = hub.requests.findLast(({ path }) => path === "/stream");
    expect(request?.headers["last-event-id"]).toBeUndefined();
    expect(JSON.parse(request?.body ?? "").channels).toEqual({ a: [hub.epoch, 1] });
    push.close();
  });
});
