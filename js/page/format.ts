/** Numbers and times as the page writes them. Times in are device clock, Unix ms, unless said otherwise. */

/** Local time, `12:04:31`. */
export function clock(ms: number): string {
  const date = new Date(ms);
  return [date.getHours(), date.getMinutes(), date.getSeconds()].map((n) => pad(n, 2)).join(":");
}

/** Local time to the millisecond, `12:04:31.204`. */
export function exactClock(ms: number): string {
  return `${clock(ms)}.${pad(new Date(ms).getMilliseconds(), 3)}`;
}

/** What is left, `9:42`; nothing below zero. */
export function left(ms: number): string {
  const seconds = Math.max(0, Math.ceil(ms / 1000));
  return `${Math.floor(seconds / 60)}:${pad(seconds % 60, 2)}`;
}

/** The same for a voice: `9 minutes 42 seconds`. */
export function spokenLeft(ms: number): string {
  const seconds = Math.max(0, Math.ceil(ms / 1000));
  const minutes = Math.floor(seconds / 60);
  return minutes > 0
    ? `${count(minutes, "minute")} ${count(seconds % 60, "second")}`
    : count(seconds, "second");
}

/** `1 frame`, `2 frames`. */
export function count(n: number, noun: string): string {
  return `${n} ${noun}${n === 1 ? "" : "s"}`;
}

/** A byte count for the eye: `312 B`, `4.2 kB`, `1.1 MB`. */
export function bytes(n: number): string {
  if (n < 1000) return `${n} B`;
  return n < 1_000_000 ? `${(n / 1000).toFixed(1)} kB` : `${(n / 1_000_000).toFixed(1)} MB`;
}

/** A kid is 52 characters: its ends tell two apart well enough for a label. */
export function shortKid(kid: string): string {
  return kid.length > 14 ? `${kid.slice(0, 6)}…${kid.slice(-4)}` : kid;
}

/** Any JSON on one line, cut at `limit` characters. */
export function oneLine(value: unknown, limit = 240): string {
  const text = JSON.stringify(value) ?? "";
  return text.length > limit ? `${text.slice(0, limit)}…` : text;
}

/** UTF-8 bytes of a text: what limits on the wire count. */
export function utf8Length(text: string): number {
  return new TextEncoder().encode(text).length;
}

function pad(n: number, width: number): string {
  return String(n).padStart(width, "0");
}
