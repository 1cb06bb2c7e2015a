import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { BrokenStreamError, MAX_EVENT_CHARACTERS, SseDecoder } from "../src/sse.ts";

function dataOf(bytes: Uint8Array, cuts: number[] = []): string[] {
  const found: string[] = [];
  const decoder = new SseDecoder((data) => found.push(data));
  const places = [0, ...cuts.map((cut) => cut % (bytes.length + 1)).sort((a, b) => a - b), bytes.length];
  for (const [index, end] of places.slice(1).entries()) decoder.push(bytes.subarray(places[index], end));
  return found;
}

/** WHATWG HTML §9.2.6, word for word, over the whole text at once. */
function byTheStandard(text: string): string[] {
  const found: string[] = [];
  let data: string[] = [];
  for (const line of text
    .replace(/^\ufeff/, "")
    .split(/\r\n|\r|\n/)
    .slice(0, -1)) {
    const [name, value = ""] = line.split(/:(.*)/s, 2);
    if (line === "") {
      if (data.length > 0) found.push(data.join("\n"));
      data = [];
    } else if (name === "data") data.push(value.replace(/^ /, ""));
  }
  return found;
}

describe("SseDecoder", () => {
  const line = fc.oneof(
    fc.constantFrom(
      "data: x",
      "data:é😀",
      "data",
      "data:  two",
      ": comment",
      "id: 1",
      "event: e",
      "retry: 9",
      "",
      "Data: no",
      ":",
    ),
    fc.string({ maxLength: 6 }).map((text) => `data: ${text.replace(/[\r\n]/g, "")}`),
  );
  const stream = fc
    .array(fc.tuple(line, fc.constantFrom("\n", "\n", "\r\n", "\r", "\n\n")), { maxLength: 20 })
    .map((lines) => lines.flat().join(""));

  it("finds what the standard finds, however the bytes are cut", () => {
    fc.assert(
      fc.property(stream, fc.boolean(), fc.array(fc.nat(), { maxLength: 12 }), (text, mark, cuts) => {
        const bytes = new TextEncoder().encode((mark ? "\ufeff" : "") + text);
        expect(dataOf(bytes, cuts)).toEqual(byTheStandard(text));
      }),
      { numRuns: 2_000 },
    );
  });

  it("drops no line end at the start of a stream", () => {
    expect(dataOf(new TextEncoder().encode("\ndata: x\n\n"))).toEqual(["x"]);
    expect(dataOf(new TextEncoder().encode("data\n\n\n"), [6, 7])).toEqual([""]);
  });

  it("waits for no byte after the end of an event", () => {
    expect(dataOf(new TextEncoder().encode("data: x\r\r"))).toEqual(["x"]);
  });

  it("gives up on an event that does not end, and on bytes that are not UTF-8", () => {
    const decoder = new SseDecoder(() => undefined);
    decoder.push(new TextEncoder().encode(`data: ${"x".repeat(MAX_EVENT_CHARACTERS / 2)}`));
    const rest = new TextEncoder().encode("x".repeat(MAX_EVENT_CHARACTERS / 2));
    expect(() => decoder.push(rest)).toThrow(BrokenStreamError);
    expect(() => dataOf(Uint8Array.of(0x64, 0xff))).toThrow(BrokenStreamError);
  });

  it("gives up on many lines of one event, too", () => {
    const decoder = new SseDecoder(() => undefined);
    const lines = new TextEncoder().encode("data: xxxxxxxxxxxxxxxx\n".repeat(10_000));
    expect(() => [1, 2, 3, 4, 5, 6, 7].map(() => decoder.push(lines))).toThrow(BrokenStreamError);
  });

  it("lets the largest frame pass that a hub may be set to", () => {
    const frame = "x".repeat(1_048_576);
    const event = `id: ${"c".repeat(128)}\ndata: ${frame}\n\n`;
    expect(dataOf(new TextEncoder().encode(event), [10, 70_000, 500_000])[0]).toHaveLength(frame.length);
  });

  it("hands over a frame that is merely too long, for the verifier to refuse", () => {
    expect(dataOf(new TextEncoder().encode(`data: ${"x".repeat(20_000)}\n\n`))[0]).toHaveLength(20_000);
  });
});
