/** One polite live region. It sums up: a screen reader hears what was refused in the last seconds, not each frame. */

import type { SeenFrame } from "../src/index.ts";
import { byId, say } from "./dom.ts";
import { count } from "./format.ts";
import { REASONS } from "./words.ts";

/** Time over which refusals are gathered, ms. */
const GATHER_MS = 5_000;

/** Time over which alerts are gathered, ms: a crowd of them is one sentence. */
const ALERT_GATHER_MS = 1_000;

/** A state of the stream that passes sooner than this, ms, is not worth saying. */
const SETTLE_MS = 3_000;

/** What the page says aloud. */
export interface Announcer {
  refused(seen: SeenFrame): void;
  /** Said within a second; of several in that second the last, with their number. */
  alert(sentence: string): void;
  /** Said when nothing newer takes its place within three seconds, and not twice in a row. */
  state(sentence: string): void;
}

/** Binds `#announcer`. */
export function makeAnnouncer(): Announcer {
  const region = byId("announcer");
  const refusals = new Map<string, number>();
  const alerts: string[] = [];
  let settling: ReturnType<typeof setTimeout> | undefined;
  let saidState = "";

  function sumUp(): void {
    const total = [...refusals.values()].reduce((sum, times) => sum + times, 0);
    const parts = [...refusals].map(([reason, times]) => `${times} ${reason}`);
    refusals.clear();
    say(region, `${count(total, "frame")} refused: ${parts.join(", ")}.`);
  }

  function sumUpAlerts(): void {
    const [newest = "", ...others] = alerts.splice(0).reverse();
    say(
      region,
      others.length === 0 ? `${newest}.` : `${count(others.length + 1, "alert")}. The newest: ${newest}.`,
    );
  }

  return {
    alert(sentence) {
      if (alerts.length === 0) setTimeout(sumUpAlerts, ALERT_GATHER_MS);
      alerts.push(sentence);
    },
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
