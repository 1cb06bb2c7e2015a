import { isDeepStrictEqual } from "node:util";
import canonicalize from "canonicalize";
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { decode, decodeCanonical, decodeNoting, decodeUtf8, encode, MAX_DEPTH } from "../src/canonical.ts";
import { MalformedError } from "../src/errors.ts";
import { json, plain } from "./support/json.ts";

describe("encode", () => {
  it("agrees with canonicalize on every JSON value (R27)", () => {
    fc.assert(
      fc.property(json, (value) => {
        expect(encode(value)).toBe(canonicalize(value));
        expect(encode(value)).toBe(sortedJson(value));
      }),
    );
  });

  it("leaves out undefined members, as JSON.stringify does", () => {
    expect(encode({ b: undefined, a: 1 })).toBe('{"a":1}');
  });

  it.each([
    ["undefined", undefined],
    ["NaN", Number.NaN],
    ["an infinity", [Number.POSITIVE_INFINITY]],
    ["a lone surrogate", "\ud800"],
    ["a lone surrogate in a name", { "\udc00": 1 }],
    ["a bigint", 1n],
    ["a function member", { f: () => 1 }],
    ["a symbol", [Symbol("s")]],
    ["a Date", new Date(0)],
    ["a Map", new Map()],
    ["a hole in an array", new Array(1)],
    ["an object with toJSON", { toJSON: () => 1 }],
  ])("refuses %s", (_, value) => {
    expect(() => encode(value)).toThrow(MalformedError);
  });

  it("refuses circles and depth without exhausting the stack", () => {
    const circle: unknown[] = [];
    circle.push(circle);
    expect(() => encode(circle)).toThrow(MalformedError);
    expect(() => encode(nested(MAX_DEPTH + 1))).toThrow(MalformedError);
    expect(encode(nested(MAX_DEPTH))).toHaveLength(2 * MAX_DEPTH);
    expect(() => encode(nestedObjects(MAX_DEPTH + 1))).toThrow(MalformedError);
    expect(encode(nestedObjects(MAX_DEPTH))).toHaveLength(6 * MAX_DEPTH - 4);
  });
});

describe("decode", () => {
  it("gives back what was encoded, canonical or with white space", () => {
    fc.assert(
      fc.property(json, fc.constantFrom(undefined, 1, "\t"), (value, space) => {
        expect(decode(encode(value))).toEqual(plain(value));
        expect(encode(decode(JSON.stringify(value, null, space)))).toBe(encode(value));
      }),
    );
  });

  it("accepts nothing that JSON.parse refuses, and reads the same where both accept", () => {
    const fragments = fc.constantFrom(
      ...'{}[]:,"\\ue0 1-+.tfn\n\u00a0é'.split(""),
      "null",
      "true",
      '"a"',
      "1e5",
    );
    fc.assert(
      fc.property(fc.array(fragments, { maxLength: 12 }), (parts) => {
        const text = parts.join("");
        const ours = attempt(() => decode(text));
        const theirs = attempt(() => JSON.parse(text));
        if (ours === MalformedError) return;
        expect(theirs).not.toBe(SyntaxError);
        expect(encode(ours)).toBe(encode(plain(theirs)));
      }),
      { numRuns: 5_000 },
    );
  });

  it("makes __proto__, toJSON and constructor plain members (O26)", () => {
    const value = decode('{"__proto__":{"x":1},"constructor":2,"toJSON":3}') as Record<string, unknown>;
    expect(Object.getPrototypeOf(value)).toBeNull();
    expect(Object.keys(value)).toEqual(["__proto__", "constructor", "toJSON"]);
    expect(({} as { x?: number }).x).toBeUndefined();
  });

  it("stops at the depth limit, however long the text", () => {
    expect(() => decode("[".repeat(100_000))).toThrow(MalformedError);
  });

  it("notes the source text of the outermost object's numbers only", () => {
    const { numberTexts } = decodeNoting('{"ts":1e3,"a":{"ts":2},"b":[3],"c":-0}');
    expect(Object.fromEntries(numberTexts)).toEqual({ ts: "1e3", c: "-0" });
  });
});

describe("decodeUtf8", () => {
  it("keeps a byte order mark for the grammar to refuse, and refuses other encodings", () => {
    expect(decodeUtf8(Uint8Array.of(0xef, 0xbb, 0xbf, 0x31))).toBe("\ufeff1");
    expect(() => decodeUtf8(Uint8Array.of(0xff))).toThrow(MalformedError);
  });
});

function nestedObjects(depth: number): object {
  return depth === 1 ? {} : { a: nestedObjects(depth - 1) };
}

function nested(depth: number): unknown {
  return depth === 0 ? undefined : depth === 1 ? [] : [nested(depth - 1)];
}

/** RFC 8785 once more, told differently: names in order of UTF-16 code units, the rest as ECMAScript writes it. */
function sortedJson(value: unknown): string {
  if (Array.isArray(value)) return `[${value.map(sortedJson)}]`;
  if (typeof value !== "object" || value === null) return JSON.stringify(value);
  const members = Object.entries(value).sort(([a], [b]) => (a < b ? -1 : 1));
  return `{${members.map(([name, member]) => `${JSON.stringify(name)}:${sortedJson(member)}`)}}`;
}

/** The value, or the class of what was thrown. */
function attempt(read: () => unknown): unknown {
  try {
    return read();
  } catch (error) {
    return (error as Error).constructor;
  }
}

describe("decodeCanonical", () => {
  /** What `decode` makes of a text that is its own canonical form; undefined for any other. */
  const slowly = (text: string) => {
    const value = attempt(() => decode(text));
    return value === MalformedError || encode(value) !== text ? undefined : value;
  };

  it("reads every canonical text as decode does, or leaves it to decode", () => {
    fc.assert(
      fc.property(json, (value) => {
        const text = encode(value);
        const found = decodeCanonical(text);
        if (found !== undefined) expect(isDeepStrictEqual(found, decode(text))).toBe(true);
        else expect(text).toMatch(/\\ud|[{,]"[0-9]/);
      }),
      { numRuns: 2_000 },
    );
  });

  it("takes nothing that is not canonical, whatever has been put in, left out or written twice", () => {
    const fragment = fc.constantFrom(
      ...'{}[]:,"\\ud80-1+.e\n aé\ud800'.split(""),
      '"a":1,',
      "\\ud800",
      "1.0",
      "-0",
    );
    const edit = fc.record({ at: fc.nat(), cut: fc.nat(2), put: fragment });
    fc.assert(
      fc.property(json, fc.array(edit, { minLength: 1, maxLength: 3 }), (value, edits) => {
        const text = edits.reduce((all, { at, cut, put }) => {
          const place = at % (all.length + 1);
          return all.slice(0, place) + put + all.slice(place + cut);
        }, encode(value));
        const found = decodeCanonical(text);
        if (found !== undefined) expect(isDeepStrictEqual(found, slowly(text))).toBe(true);
      }),
      { numRuns: 5_000 },
    );
  });

  it.each([
    ["names out of order", '{"b":1,"a":2}'],
    ["names out of order further in", '{"a":[{"b":1,"a":2}]}'],
    ["a name twice", '{"a":1,"a":1}'],
    ["a name twice, __proto__", '{"__proto__":1,"__proto__":1}'],
    ["a lone surrogate as an escape", '"\\ud800"'],
    ["a lone surrogate as a name", '{"\\udc00":1}'],
    ["a lone surrogate as it is", '"\ud800"'],
    ["an escape that need not be", '"\\u0041"'],
    ["a number a double changes", "9007199254740993"],
    ["a number past all doubles", "[1e400]"],
    ["minus zero", "[-0]"],
    ["another text of a number", "[1.0]"],
    ["a space", "[1, 2]"],
    ["a line end", "[]\n"],
    ["a BOM", "\ufeff[]"],
    ["too deep a nesting", "[".repeat(33) + "]".repeat(33)],
    ["a nesting deeper than any stack", "[".repeat(100_000) + "]".repeat(100_000)],
    ["no JSON", "{"],
  ])("leaves %s to decode", (_, text) => expect(decodeCanonical(text)).toBeUndefined());

  it("takes what is canonical, prototypes off", () => {
    const text = '{"":0,"__proto__":{"x":[{}]},"a":1e+21,"toJSON":"\\u001fé\u2028"}';
    expect(isDeepStrictEqual(decodeCanonical(text), decode(text))).toBe(true);
    expect(Object.getPrototypeOf(decodeCanonical(text))).toBeNull();
    expect(decodeCanonical("[".repeat(32) + "]".repeat(32))).toBeDefined();
  });
});
