/** One polite live region. It sums up: a screen reader hears what was refused in the last seconds, not each frame. */

import type { SeenFrame } from "../src/index.ts";
import { byId, say } from "./dom.ts";
import { count } from "./format.ts";
import { REASONS } from "./words.ts";

/** Time over which refusals are gathered, ms. */
const GATHER_MS = 5_000;

/** A state of the stream that passes sooner than this, ms, is not worth saying. */
const SETTLE_MS = 3_000;

/** What the page says aloud. */
export interface Announcer {
  refused(seen: SeenFrame): void;
  /** Said when nothing newer takes its place within three seconds, and not twice in a row. */
  state(sentence: string): void;
}

/** Binds `#announcer`. */
export function makeAnnouncer(): Announcer {
  const region = byId("announcer");
  const refusals = new Map<string, number>();
  let settling: ReturnType<typeof setTimeout> | undefined;
  let saidState = "";

  function sumUp(): void {
    const total = [...refusals.values()].reduce((sum, times) => sum + times, 0);
    const parts = [...refusals].map(([reason, times]) => `${times} ${reason}`);
    refusals.clear();
    say(region, `${count(total, "frame")} refused: ${parts.join(", ")}.`);
  }

  return {
    refused(seen) {
      if (refusals.size === 0) setTimeout(sumUp, GATHER_MS);
      const words = REASONS[seen.reason ?? "grammar"];
      refusals.set(words, (refusals.get(words) ?? 0) + 1);
    },
    state(sentence) {
      clearTimeout(settling);
      settling = setTimeout(() => {
        if (sentence !== saidState) say(region, sentence);
        saidState = sentence;
      }, SETTLE_MS);
    },
  };
}
