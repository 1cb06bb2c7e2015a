/** The members of a frame, each with its value and what it is for. Values are shown as text, never as markup. */

import type { Json, SeenFrame } from "../src/index.ts";
import { html } from "./dom.ts";
import { exactClock, oneLine } from "./format.ts";
import { MEMBERS, PAYLOAD_MEMBERS } from "./words.ts";

/** Entries for a description list, in the order of the canonical form. */
export function members(seen: SeenFrame): HTMLElement[] {
  const frame = seen.frame;
  if (frame === null) return entry("none", "", "The text is not a frame: there is nothing to take apart.");
  return [
    ...entry("kid", frame.kid, MEMBERS.kid),
    ...entry("nonce", frame.nonce, MEMBERS.nonce),
    ...entry("payload", payload(frame.payload), MEMBERS.payload),
    ...entry("sig", frame.sig, MEMBERS.sig),
    ...entry("ts", String(frame.ts), `${MEMBERS.ts} Here: ${exactClock(frame.ts)}.`),
  ];
}

function entry(name: string, value: string | HTMLElement, meaning: string): HTMLElement[] {
  const body = typeof value === "string" ? html("span", { class: "member-value mono" }, value) : value;
  return [
    html("dt", { class: "mono" }, name),
    html("dd", {}, body, html("p", { class: "quiet member-meaning" }, meaning)),
  ];
}

function payload(members: Readonly<Record<string, Json>>): HTMLElement {
  const table = html("table", { class: "payload", "aria-label": "Members of the payload" });
  for (const [name, value] of Object.entries(members)) {
    table.append(
      html(
        "tr",
        {},
        html("th", { scope: "row", class: "mono" }, name),
        html("td", {}, html("span", { class: "mono" }, oneLine(value, 2_000)), meaning(name)),
      ),
    );
  }
  return table;
}

function meaning(name: string): HTMLElement {
  return html("span", { class: "quiet" }, PAYLOAD_MEMBERS[name] ?? "");
}
