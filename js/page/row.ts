/** One line of the river: a frame and its verdict, or a note on what happened to the stream between two frames. */

import type { SeenFrame } from "../src/index.ts";
import { hidden, html } from "./dom.ts";
import { bytes, exactClock, oneLine } from "./format.ts";
import { seal } from "./seal.ts";
import { KINDS, REASONS } from "./words.ts";

/** A frame's row: `li[data-verdict][data-reason][data-channel]` around one button that opens the envelope. */
export function frameRow(seen: SeenFrame, tampered: string | null): HTMLLIElement {
  const face = html(
    "button",
    { type: "button", class: "row-face", tabindex: -1 },
    seal(seen.verdict),
    hidden(seen.verdict === "verified" ? "Verified" : ""),
    html(
      "time",
      { class: "row-time mono", datetime: new Date(seen.atMs).toISOString() },
      exactClock(seen.atMs),
    ),
    html("span", { class: "row-channel mono" }, seen.channel ?? "hub"),
    html("span", { class: "row-size mono" }, bytes(seen.bytes)),
    seen.verdict === "verified" ? preview(seen) : refusal(seen, tampered),
  );
  return html(
    "li",
    {
      class: `row${isPublication(seen) ? "" : " own"}${afterHole(seen) ? " holed" : ""}`,
      "data-verdict": seen.verdict,
      "data-reason": seen.reason ?? "",
      "data-channel": seen.channel ?? "",
    },
    face,
  );
}

/** A note in the river, such as a resume or a rotation. */
export function noteRow(text: string, kind: "resumed" | "rotated" | "lost"): HTMLLIElement {
  return html("li", { class: `note ${kind}` }, html("span", { class: "note-mark" }), html("span", {}, text));
}

/** True for a frame that is authentic but came after a hole: the client asks again from before the hole. */
export function afterHole(seen: SeenFrame): boolean {
  return seen.verdict === "verified" && seen.steps.some((step) => step.name === "order" && step.ok === false);
}

function preview(seen: SeenFrame): HTMLSpanElement {
  const line = html("span", { class: "row-data mono" });
  if (afterHole(seen)) line.append(html("em", {}, "After a hole, asked again"));
  if (seen.frame?.payload.re === true) line.append(html("em", { class: "quiet" }, "from history"));
  line.append(words(seen));
  return line;
}

function isPublication(seen: SeenFrame): boolean {
  return seen.verdict === "verified" && seen.frame?.payload.t === "msg";
}

function words(seen: SeenFrame): string {
  const payload = seen.frame?.payload ?? {};
  const kind = String(payload.t ?? "");
  if (kind === "msg") return oneLine(payload.data);
  const offset = Array.isArray(payload.pos) ? `stands at ${String(payload.pos[1])}` : null;
  const detail = payload.subject ?? payload.reason ?? payload.code ?? offset;
  const told = KINDS[kind] ?? kind;
  return typeof detail === "string" ? `${told}, ${detail}` : told;
}

function refusal(seen: SeenFrame, tampered: string | null): HTMLSpanElement {
  const why = html("strong", {}, `Refused: ${REASONS[seen.reason ?? "grammar"]}`);
  const line = html("span", { class: "row-data" }, why);
  if (tampered !== null) line.append(html("span", { class: "row-note" }, tampered));
  return line;
}
