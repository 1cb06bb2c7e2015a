/** One alert as the hub publishes it on `$sys/alerts` (PROTOCOL §8), read with care and put into words. No DOM. */

import { clock, count } from "./format.ts";
import { ALERT_RULES } from "./words.ts";

/** Largest distance from 1970 a Date can hold, ms (ECMA-262, Time Values). */
const MAX_DATE_MS = 8.64e15;

/** What the page shows of an alert. */
export interface Alert {
  /** The rule in plain words. */
  readonly title: string;
  /** What the hub saw: the first sentence of its text. */
  readonly seen: string;
  /** What to do, or what it may mean: the rest. "" where there is none. */
  readonly remedy: string;
  /** When, Unix ms, hub's clock. */
  readonly atMs: number;
  /** How many, with their noun. "" where the hub gave no number. */
  readonly count: string;
  /** Whom it is about, such as `from 192.0.2.7`. "" when it is the hub itself. */
  readonly about: string;
}

/** Reads what was published. null = not an alert: nothing is shown rather than something half right. */
export function readAlert(data: unknown): Alert | null {
  if (typeof data !== "object" || data === null) return null;
  const { rule, text, at, count: times, subject } = data as Record<string, unknown>;
  if (typeof rule !== "string" || typeof text !== "string") return null;
  if (typeof at !== "number" || !(Math.abs(at) <= MAX_DATE_MS)) return null;
  const words = ALERT_RULES.get(rule) ?? { title: rule, noun: "time", about: "about" };
  const end = text.indexOf(". ") + 1;
  return {
    title: words.title,
    seen: end > 0 ? text.slice(0, end) : text,
    remedy: end > 0 ? text.slice(end + 1) : "",
    atMs: at,
    count: typeof times === "number" ? count(times, words.noun) : "",
    about: typeof subject === "string" ? `${words.about} ${subject}` : "",
  };
}

/** One sentence for a voice. It holds the time, so that the same alert a minute later is said again. */
export function spokenAlert(alert: Alert): string {
  return [`Alert at ${clock(alert.atMs)}: ${alert.title}`, alert.count, alert.about]
    .filter(Boolean)
    .join(", ");
}
