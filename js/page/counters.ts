/** The counters, read from the client's own statistics. */

import type { RefusalReason, Stats } from "../src/index.ts";
import { byId, html, say } from "./dom.ts";
import { bytes } from "./format.ts";
import { REASONS } from "./words.ts";

/** Writes plain integers into `#count-…`, and one line for each reason that occurred. */
export function showCounters(stats: Stats): void {
  const reasons = Object.entries(stats.refused) as [RefusalReason, number][];
  const refused = reasons.reduce((sum, [, times]) => sum + times, 0);
  say(byId("count-verified"), String(stats.verified));
  say(byId("count-refused"), String(refused));
  say(byId("count-rotations"), String(stats.rotations));
  say(byId("count-gaps"), String(stats.gaps));
  say(byId("count-bytes"), `${bytes(stats.bytes)} checked`);
  byId("count-refused").classList.toggle("some", refused > 0);
  byId("reasons-none").hidden = refused > 0;
  byId("reasons").hidden = refused === 0;
  for (const [reason, times] of reasons) if (times > 0) showReason(reason, times, times / refused);
}

function showReason(reason: RefusalReason, times: number, share: number): void {
  const id = `reason-${reason}`;
  const line = document.getElementById(id) ?? newReason(id, reason);
  const [number, , bar] = line.children;
  if (number !== undefined) say(number, String(times));
  if (bar instanceof HTMLElement) bar.style.setProperty("--share", String(share));
}

function newReason(id: string, reason: RefusalReason): HTMLLIElement {
  const line = html(
    "li",
    { id },
    html("span", { class: "reason-count mono" }),
    html("span", {}, ` ${REASONS[reason]}`),
    html("span", { class: "reason-bar", "aria-hidden": "true" }),
  );
  byId("reasons").append(line);
  return line;
}
