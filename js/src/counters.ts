/** The numbers behind `push.stats`. */
import type { RefusalReason, Stats } from "./types.ts";

type Count = "verified" | "rotations" | "gaps" | "duplicates" | "reconnects" | "bytes";

/** Counts up; hands out snapshots. */
export class Counters {
  readonly #counts: Record<Count, number> = {
    verified: 0,
    rotations: 0,
    gaps: 0,
    duplicates: 0,
    reconnects: 0,
    bytes: 0,
  };
  readonly #refused: Record<RefusalReason, number> = {
    size: 0,
    grammar: 0,
    key: 0,
    stale: 0,
    signature: 0,
    replay: 0,
    type: 0,
    order: 0,
  };

  add(count: Count, by = 1): void {
    this.#counts[count] += by;
  }

  refused(reason: RefusalReason): void {
    this.#refused[reason] += 1;
  }

  snapshot(): Stats {
    return { ...this.#counts, refused: { ...this.#refused } };
  }
}
