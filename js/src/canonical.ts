/**
 * JSON as signed text: strict reading and RFC 8785 (JCS) writing.
 *
 * `JSON.parse` keeps the last of two equal names, takes lone surrogates and rounds numbers without a word, so two
 * readers of one text could see two meanings. The reader here takes exactly RFC 8259 and refuses all of that
 * (PROTOCOL §1, O6): what it accepts has one meaning, and one canonical text.
 */
import canonicalize from "canonicalize";
import { MalformedError } from "./errors.ts";
import { isLossless } from "./numbers.ts";
import type { Json, JsonObject } from "./types.ts";

/** Nesting allowed in one text; an array or object in the outermost place has depth 1 (PROTOCOL §1). */
export const MAX_DEPTH = 32;

const WHITESPACE = /[ \t\n\r]*/y;
const NUMBER = /-?(?:0|[1-9][0-9]*)(?:\.[0-9]+)?(?:[eE][+-]?[0-9]+)?/y;
// biome-ignore lint/suspicious/noControlCharactersInRegex: RFC 8259 §7 names exactly these
const PLAIN_CHARACTERS = /[^"\\\u0000-\u001f]*/y;
const HEX4 = /[0-9a-fA-F]{4}/y;
const LONE_SURROGATE = /\p{Surrogate}/u;
const SIMPLE_ESCAPES: ReadonlyMap<string, string> = new Map([
  ['"', '"'],
  ["\\", "\\"],
  ["/", "/"],
  ["b", "\b"],
  ["f", "\f"],
  ["n", "\n"],
  ["r", "\r"],
  ["t", "\t"],
]);

/** A decoded text, with what `Json` cannot hold but the frame grammar asks about. */
export interface Decoded {
  readonly value: Json;
  /** The source text of every number that is a member of the outermost object, by name. */
  readonly numberTexts: ReadonlyMap<string, string>;
}

/**
 * Reads one JSON text. Objects are made without a prototype.
 *
 * @throws MalformedError for anything but strict JSON: a BOM, trailing text, duplicate names (compared after
 * unescaping), lone surrogates, depth over 32, numbers that a double would change.
 */
export function decode(text: string): Json {
  return decodeNoting(text).value;
}

/** As `decode`, and notes the source text of the outermost object's numbers. @throws MalformedError */
export function decodeNoting(text: string): Decoded {
  const reader = new Reader(text);
  return { value: reader.readAll(), numberTexts: reader.numberTexts };
}

/**
 * Reads a text that is its own canonical form, by the browser's own parser and so in a fraction of the time; undefined
 * where that cannot be told this way, and `decode` has to tell. What this accepts `decode` accepts, as the same value.
 *
 * What `JSON.parse` changes or loses without a word does not come back when it is written again: the first of two
 * equal names, digits that a double does not hold, -0, every space. Only a lone surrogate would come back, as the
 * escape it was, and names may come in any order: both are looked for.
 */
export function decodeCanonical(text: string): Json | undefined {
  try {
    const value: Json = JSON.parse(text);
    const isCanonical = JSON.stringify(value) === text && !text.includes("\\ud") && finish(value, 1);
    return isCanonical ? value : undefined;
  } catch {
    return undefined; // no JSON, or nested deeper than the stack
  }
}

/** Takes the prototypes off; false for names out of order, and for a depth over the limit. */
function finish(value: Json, depth: number): boolean {
  if (typeof value !== "object" || value === null) return true;
  if (depth > MAX_DEPTH) return false;
  if (!isObject(value)) return value.every((item) => finish(item, depth + 1));
  Object.setPrototypeOf(value, null);
  let last: string | undefined;
  for (const name in value) {
    if ((last !== undefined && name < last) || !finish(value[name] as Json, depth + 1)) return false;
    last = name;
  }
  return true;
}

/** UTF-8 bytes as text; a BOM stays in it, for `decode` to refuse. @throws MalformedError when not UTF-8 */
export function decodeUtf8(bytes: Uint8Array): string {
  try {
    return new TextDecoder("utf-8", { fatal: true, ignoreBOM: true }).decode(bytes);
  } catch {
    throw new MalformedError();
  }
}

/**
 * The RFC 8785 text of a value. Members that are undefined are left out, as `JSON.stringify` does.
 *
 * @throws MalformedError for what JSON cannot carry: NaN, infinities, lone surrogates, bigint, functions, symbols,
 * instances of classes (a Date too: say how it is to be written), holes in arrays, depth over 32, circles.
 */
export function encode(value: unknown): string {
  const text = isJson(value, 1) ? canonicalize(value) : undefined;
  if (text === undefined) throw new MalformedError();
  return text;
}

/** Whether a decoded value is an object. */
export function isObject(value: Json | undefined): value is JsonObject {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}

/** One pass over one text. Position `at` only ever grows, and no rule looks back, so the time is linear. */
class Reader {
  readonly numberTexts = new Map<string, string>();
  readonly #text: string;
  #at = 0;

  constructor(text: string) {
    this.#text = text;
  }

  readAll(): Json {
    this.#take(WHITESPACE);
    const value = this.#value(1);
    this.#take(WHITESPACE);
    if (this.#at !== this.#text.length) throw new MalformedError();
    return value;
  }

  /** `depth` is that of an array or object which would start here. */
  #value(depth: number): Json {
    switch (this.#text[this.#at]) {
      case "{":
        return this.#object(depth);
      case "[":
        return this.#array(depth);
      case '"':
        return this.#string();
      case "t":
        return this.#word("true", true);
      case "f":
        return this.#word("false", false);
      case "n":
        return this.#word("null", null);
      default:
        return this.#number();
    }
  }

  #object(depth: number): JsonObject {
    this.#open(depth);
    // Without a prototype `__proto__` is a name like any other, and `in` sees own members only.
    const members: Record<string, Json> = Object.create(null);
    if (this.#skip("}")) return members;
    do {
      this.#take(WHITESPACE);
      const name = this.#string();
      if (name in members) throw new MalformedError();
      this.#take(WHITESPACE);
      this.#expect(":");
      this.#take(WHITESPACE);
      const start = this.#at;
      const value = this.#value(depth + 1);
      if (depth === 1 && typeof value === "number") {
        this.numberTexts.set(name, this.#text.slice(start, this.#at));
      }
      members[name] = value;
      this.#take(WHITESPACE);
    } while (this.#skip(","));
    this.#expect("}");
    return members;
  }

  #array(depth: number): Json[] {
    this.#open(depth);
    const items: Json[] = [];
    if (this.#skip("]")) return items;
    do {
      this.#take(WHITESPACE);
      items.push(this.#value(depth + 1));
      this.#take(WHITESPACE);
    } while (this.#skip(","));
    this.#expect("]");
    return items;
  }

  #open(depth: number): void {
    if (depth > MAX_DEPTH) throw new MalformedError();
    this.#at += 1;
    this.#take(WHITESPACE);
  }

  #string(): string {
    this.#expect('"');
    let value = this.#take(PLAIN_CHARACTERS);
    while (this.#skip("\\")) value += this.#escape() + this.#take(PLAIN_CHARACTERS);
    this.#expect('"');
    if (LONE_SURROGATE.test(value)) throw new MalformedError();
    return value;
  }

  #escape(): string {
    const letter = this.#text[this.#at] ?? "";
    this.#at += 1;
    if (letter === "u") return String.fromCharCode(Number.parseInt(this.#take(HEX4) || fail(), 16));
    return SIMPLE_ESCAPES.get(letter) ?? fail();
  }

  #number(): number {
    const text = this.#take(NUMBER);
    if (text === "" || !isLossless(text)) throw new MalformedError();
    return Number(text);
  }

  #word<T>(word: string, value: T): T {
    if (!this.#text.startsWith(word, this.#at)) throw new MalformedError();
    this.#at += word.length;
    return value;
  }

  /** Takes what the sticky pattern matches here, "" when it does not. */
  #take(pattern: RegExp): string {
    pattern.lastIndex = this.#at;
    const found = pattern.exec(this.#text)?.[0] ?? "";
    this.#at += found.length;
    return found;
  }

  #skip(character: string): boolean {
    if (this.#text[this.#at] !== character) return false;
    this.#at += 1;
    return true;
  }

  #expect(character: string): void {
    if (!this.#skip(character)) throw new MalformedError();
  }
}

function fail(): never {
  throw new MalformedError();
}

/** Whether `canonicalize` would write exactly this value: it turns some others into null, or into no JSON at all. */
function isJson(value: unknown, depth: number): boolean {
  if (value === null || typeof value === "boolean") return true;
  if (typeof value === "string") return !LONE_SURROGATE.test(value);
  if (typeof value === "number") return Number.isFinite(value);
  if (typeof value !== "object" || depth > MAX_DEPTH) return false;
  // `Array.from` turns holes into undefined, which is not JSON; `every` alone would step over them.
  if (Array.isArray(value)) return Array.from(value).every((item) => isJson(item, depth + 1));
  const prototype: unknown = Object.getPrototypeOf(value);
  if (prototype !== Object.prototype && prototype !== null) return false;
  return Object.entries(value).every(
    ([name, member]) => !LONE_SURROGATE.test(name) && (member === undefined || isJson(member, depth + 1)),
  );
}
