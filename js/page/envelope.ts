/** The envelope: one frame opened, its checks ticked in their order, each member explained. */

import type { SeenFrame, Step } from "../src/index.ts";
import { members } from "./anatomy.ts";
import { byId, hidden, html, say } from "./dom.ts";
import { bytes, exactClock } from "./format.ts";
import type { River } from "./river.ts";
import { afterHole } from "./row.ts";
import { grandSeal } from "./seal.ts";
import { symbol } from "./symbols.ts";
import type { Tamper } from "./tamper.ts";
import { CHECKS, REASONS } from "./words.ts";

/** What the page does with the envelope. */
export interface Envelope {
  open(seen: SeenFrame): void;
}

/** Binds `#envelope`. `river` is asked for neighbours, and gets the focus back on closing. */
export function makeEnvelope(tamper: Tamper, river: () => River): Envelope {
  const dialog = byId<HTMLDialogElement>("envelope");
  const newer = byId<HTMLButtonElement>("envelope-newer");
  const older = byId<HTMLButtonElement>("envelope-older");
  let shown: SeenFrame | null = null;

  function show(seen: SeenFrame): void {
    shown = seen;
    dialog.dataset.verdict = seen.verdict;
    byId("envelope-seal").replaceChildren(grandSeal(seen.verdict, seen.frame?.sig ?? null));
    say(byId("envelope-title"), verdict(seen));
    say(byId("envelope-line"), `${seen.channel ?? "hub"}, ${exactClock(seen.atMs)}, ${bytes(seen.bytes)}`);
    say(byId("envelope-note"), remark(seen, tamper.noteFor(seen.text)));
    byId("envelope-steps").replaceChildren(...seen.steps.map(stepLine));
    byId("envelope-members").replaceChildren(...members(seen));
    byId("envelope-wire").replaceChildren(...wire(seen.text, tamper.markFor(seen.text)));
    newer.disabled = river().neighbour(seen, -1) === null;
    older.disabled = river().neighbour(seen, 1) === null;
  }

  function step(by: -1 | 1): void {
    const next = shown === null ? null : river().neighbour(shown, by);
    if (next !== null) show(next);
  }

  newer.addEventListener("click", () => step(-1));
  older.addEventListener("click", () => step(1));
  byId("envelope-close").addEventListener("click", () => dialog.close());
  dialog.addEventListener("click", (click) => {
    if (click.target === dialog) dialog.close();
  });
  dialog.addEventListener("close", () => {
    if (shown !== null) river().focus(shown);
  });

  return {
    open(seen) {
      show(seen);
      if (!dialog.open) dialog.showModal();
      byId("envelope-title").focus();
    },
  };
}

function verdict(seen: SeenFrame): string {
  if (seen.verdict === "refused") return `Refused: ${REASONS[seen.reason ?? "grammar"]}`;
  return afterHole(seen) ? "Verified, but after a hole" : "Verified";
}

function remark(seen: SeenFrame, tampered: string | null): string {
  if (afterHole(seen)) return "Authentic, not delivered: the client asked again from before the hole.";
  if (seen.verdict === "verified") return "";
  const told = "Nothing below may be trusted, and none of it reached the application.";
  return tampered === null ? told : `${told} Tampered with in this page: ${tampered}.`;
}

function stepLine(step: Step): HTMLLIElement {
  const [title, meaning] = CHECKS[step.name];
  const outcome = step.ok === null ? "not reached" : step.ok ? "passed" : "failed";
  const mark = step.ok === null ? "dash" : step.ok ? "tick" : "cross";
  return html(
    "li",
    { class: "step", "data-outcome": outcome.replace(" ", "-") },
    symbol(mark),
    html("strong", {}, title),
    hidden(` ${outcome}:`),
    html("span", { class: "step-meaning" }, ` ${meaning}`),
    html("span", { class: "step-outcome", "aria-hidden": "true" }, outcome),
  );
}

function wire(text: string, at: number | null): (Node | string)[] {
  if (at === null) return [text];
  return [text.slice(0, at), html("mark", {}, text.slice(at, at + 1)), text.slice(at + 1)];
}
