/** One channel as one tab reads it from whatever leaders there are: each publication once, in order, or its loss told. */
import type { Position } from "../types.ts";

/** "deliver": it is next. "drop": this tab has it, or waits for something else. "ask": something before it is missing. */
export type Step = "deliver" | "drop" | "ask";

/**
 * Decides by position alone, so it does not matter which leader a note comes from, or how often. After "ask" the leader is
 * to be asked to go on from `position`: once, and again when it is seen to have read for another tab from elsewhere.
 */
export class Reader {
  #position: Position | null;
  #asked = false;

  /** `position`: last one seen; null: from now on, which the leader says when it is. */
  constructor(position: Position | null) {
    this.#position = position;
  }

  /** Last good position, null before the leader has said where "now" is. */
  get position(): Position | null {
    return this.#position;
  }

  /** A leader is about to be told everything: what was asked of another one does not count. */
  joining(): void {
    this.#asked = false;
  }

  /** Where "now" is. Counts where nothing is known yet. */
  now(position: Position): void {
    this.#position ??= position;
  }

  /** A publication is at `position`. */
  publication(position: Position): Step {
    const last = this.#position;
    if (last === null) return "drop";
    if (position[0] !== last[0] || position[1] > last[1] + 1) return this.#ask();
    return position[1] <= last[1] ? "drop" : this.#take(position);
  }

  /**
   * All between `after` and `position` is lost. Another tab may have asked from further back than this one has read: what
   * is lost to it need not be lost here.
   */
  gap(after: Position | null, position: Position): Step {
    const last = this.#position;
    if (last === null || isAtOrAfter(last, position)) return "drop";
    if (after !== null && after[0] === last[0] && after[1] === last[1]) return this.#take(position);
    // It answers another tab, whose wish may have taken the place of this one's: what was asked may never be answered.
    if (after !== null) this.#asked = false;
    return this.#ask();
  }

  #take(position: Position): Step {
    this.#position = position;
    this.#asked = false;
    return "deliver";
  }

  #ask(): Step {
    if (this.#asked) return "drop";
    this.#asked = true;
    return "ask";
  }
}

/** Same epoch, and `position` not before `other`. */
export function isAtOrAfter(position: Position, other: Position): boolean {
  return position[0] === other[0] && position[1] >= other[1];
}
