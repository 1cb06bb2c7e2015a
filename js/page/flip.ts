/** Flips one bit of a frame, and picks it so that the frame stays well-formed: the signature alone must catch it. */

/** The changed text, where it changed (index of a character), and the change in words. */
export interface Flipped {
  readonly text: string;
  readonly at: number;
  readonly note: string;
}

const TRIES = 100;

/** A member's name with its colon. Names are spared: a changed one may break their order, which is grammar. */
const NAME = /"(?:[^"\\]|\\.)*":/g;

/**
 * One bit of one letter or digit: in the data of a publication where it has any, else elsewhere in the payload.
 * `random` gives numbers from 0 up to 1.
 */
export function flipBit(text: string, random: () => number): Flipped {
  const names = [...text.matchAll(NAME)].map((name) => [name.index, name.index + name[0].length] as const);
  const isName = (at: number) => names.some(([start, end]) => at >= start && at < end);
  for (const [from, to] of [dataOf(text), payloadOf(text)]) {
    for (let tries = 0; tries < TRIES && from < to; tries++) {
      const flipped = flipAt(text, from + Math.floor(random() * (to - from)), Math.floor(random() * 3));
      if (!isName(flipped.at) && isSubtle(text, flipped)) return flipped;
    }
  }
  return flipAt(text, text.length >> 1, 0);
}

type Range = readonly [from: number, to: number];

/** In canonical form `data` is followed by `pos`. */
function dataOf(text: string): Range {
  const from = text.indexOf('"data":');
  return from < 0 ? [0, 0] : [from + '"data":'.length, text.lastIndexOf('"pos":')];
}

function payloadOf(text: string): Range {
  return [text.indexOf('"payload":') + '"payload":'.length, text.lastIndexOf('"sig":')];
}

function flipAt(text: string, at: number, bit: number): Flipped {
  const before = text[at] ?? "";
  const after = String.fromCharCode(before.charCodeAt(0) ^ (1 << bit));
  const note = `one bit flipped here: “${before}” became “${after}”`;
  return { text: text.slice(0, at) + after + text.slice(at + 1), at, note };
}

/** A letter or digit became another, and the engine would write the text again just so. */
function isSubtle(before: string, { text, at }: Flipped): boolean {
  const plain = /^[A-Za-z0-9]$/;
  if (!plain.test(before[at] ?? "") || !plain.test(text[at] ?? "")) return false;
  try {
    return JSON.stringify(JSON.parse(text)) === text;
  } catch {
    return false;
  }
}
