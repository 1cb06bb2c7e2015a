/**
 * The hand between transport and verifier. It acts inside this page only: the hub and everyone else see nothing of
 * it. Off, it hands every frame on as it came. On, it spoils about one data frame or heartbeat in three.
 */

import type { Intercept } from "../src/index.ts";
import { flipBit } from "./flip.ts";

/** What is done to a frame. */
export type Tampering = "off" | "flip" | "replay" | "delay" | "reorder" | "drop";

/** How long the line stalls, ms: past the 5 s that a frame's time may be off. */
const STALL_MS = 6_500;

/**
 * How long later frames may overtake one, ms: within the 5 s, so that its time still holds and only its order is
 * wrong. The first of them shows the hole already; a `hello` means that the client has opened its next stream.
 */
const OVERTAKE_MS = 4_400;

/** Notes kept on texts that were tampered with. */
const MAX_NOTES = 100;

type HandOn = (frameText: string) => void;

/** The switch and its memory. */
export interface Tamper {
  mode: Tampering;
  readonly intercept: Intercept;
  /** What was done to this text, or null. */
  noteFor(text: string): string | null;
  /** Index of the character that was changed in this text, or null. */
  markFor(text: string): number | null;
}

/** A tamper switch, off. `random` gives numbers from 0 up to 1. */
export function makeTamper(random: () => number = Math.random): Tamper {
  const notes = new Map<string, { note: string; mark: number | null }>();
  const stalled: (() => void)[] = [];
  let overtaken: (() => void) | null = null;
  let stalling = false;
  let untilNext = 0;

  function remember(text: string, note: string, mark: number | null = null): void {
    notes.set(text, { note, mark });
    for (const oldest of notes.keys()) {
      if (notes.size <= MAX_NOTES) break;
      notes.delete(oldest);
    }
  }

  /**
   * True for the first fitting frame after the switch, then for each second to fourth. What comes from history is
   * spared: it repairs a hole, and spoiling it too would leave the client waiting most of the time.
   */
  function isNext(text: string): boolean {
    if (!/"t":"(msg|hb)"/.test(text) || text.includes('"re":true') || untilNext-- > 0) return false;
    untilNext = 1 + Math.floor(random() * 3);
    return true;
  }

  function holdBack(text: string, handOn: HandOn): void {
    remember(text, "held back here while the line stalled");
    stalled.push(() => handOn(text));
  }

  function stall(text: string, handOn: HandOn): void {
    holdBack(text, handOn);
    stalling = true;
    setTimeout(() => {
      stalling = false;
      for (const release of stalled.splice(0)) release();
    }, STALL_MS);
  }

  function holdForOvertaking(text: string, handOn: HandOn): void {
    remember(text, "held back here until others had passed");
    const release = () => {
      if (overtaken !== release) return;
      overtaken = null;
      handOn(text);
    };
    overtaken = release;
    setTimeout(release, OVERTAKE_MS);
  }

  const spoil: Record<Exclude<Tampering, "off">, (text: string, handOn: HandOn) => void> = {
    flip(text, handOn) {
      const flipped = flipBit(text, random);
      remember(flipped.text, flipped.note, flipped.at);
      handOn(flipped.text);
    },
    replay(text, handOn) {
      remember(text, "handed on twice here");
      handOn(text);
      handOn(text);
    },
    delay: stall,
    reorder: holdForOvertaking,
    drop() {},
  };

  const tamper: Tamper = {
    mode: "off",
    intercept(text, handOn) {
      const behind = overtaken;
      if (stalling) holdBack(text, handOn);
      else if (tamper.mode !== "off" && behind === null && isNext(text)) spoil[tamper.mode](text, handOn);
      else handOn(text);
      if (text.includes('"t":"hello"')) behind?.();
    },
    noteFor: (text) => notes.get(text)?.note ?? null,
    markFor: (text) => notes.get(text)?.mark ?? null,
  };
  return tamper;
}
