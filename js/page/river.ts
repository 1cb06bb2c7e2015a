/** The river: frames as they reach the verifier, newest on top, at most `MAX_ROWS` of them, one tab stop. */

import type { SeenFrame } from "../src/index.ts";
import { byId, say } from "./dom.ts";
import { count } from "./format.ts";
import { frameRow, noteRow } from "./row.ts";

/** Rows kept. What falls off the end is forgotten: the page is a window, not a log. */
const MAX_ROWS = 200;

/** Rows that wait while paused; the oldest go first. */
const MAX_WAITING = MAX_ROWS;

/** What the page does with the river. */
export interface River {
  frame(seen: SeenFrame): void;
  note(text: string, kind: "resumed" | "rotated" | "lost"): void;
  /** The frame shown just above (-1, newer) or below (1, older) this one, or null at the ends. */
  neighbour(seen: SeenFrame, step: -1 | 1): SeenFrame | null;
  /** Puts the focus on this frame's row, or on the list where the row is gone. */
  focus(seen: SeenFrame): void;
}

/** `open` shows a frame's envelope; `tampered` says what this page did to a frame's text, if anything. */
export function makeRiver(open: (seen: SeenFrame) => void, tampered: (text: string) => string | null): River {
  const list = byId<HTMLOListElement>("river");
  const empty = byId("river-empty");
  const seenByRow = new WeakMap<Element, SeenFrame>();
  const rowBySeen = new WeakMap<SeenFrame, HTMLElement>();
  const pause = pausing(add);

  function add(row: HTMLLIElement): void {
    empty.hidden = true;
    list.prepend(row);
    while (list.childElementCount > MAX_ROWS) list.lastElementChild?.remove();
    if (tabStop(list) === null) setTabStop(list, faces(list)[0]);
  }

  list.addEventListener("click", (click) => {
    const row = (click.target as Element).closest("li");
    const seen = row === null ? undefined : seenByRow.get(row);
    if (seen !== undefined) open(seen);
  });
  list.addEventListener("keydown", (press) => travel(list, press));
  list.addEventListener("focusin", (focus) => setTabStop(list, focus.target as HTMLElement));

  return {
    frame(seen) {
      const row = frameRow(seen, seen.verdict === "refused" ? tampered(seen.text) : null);
      seenByRow.set(row, seen);
      rowBySeen.set(seen, row);
      pause.pass(row);
    },
    note: (text, kind) => pause.pass(noteRow(text, kind)),
    neighbour(seen, step) {
      const rows = [...list.querySelectorAll(".row")];
      const at = rows.indexOf(rowBySeen.get(seen) ?? list);
      const next = at < 0 ? undefined : rows[at + step];
      return (next && seenByRow.get(next)) ?? null;
    },
    focus(seen) {
      const face = rowBySeen.get(seen)?.querySelector<HTMLElement>(".row-face");
      if (face?.isConnected) face.focus();
      else list.focus();
    },
  };
}

/** The pause button: rows wait while it is pressed, and all come at once when it is let go (WCAG 2.2.2). */
function pausing(add: (row: HTMLLIElement) => void): { pass(row: HTMLLIElement): void } {
  const button = byId("pause");
  const waiting: HTMLLIElement[] = [];
  let paused = false;
  const label = () => say(button, paused ? `Go on (${count(waiting.length, "row")} waiting)` : "Pause");
  button.addEventListener("click", () => {
    paused = !paused;
    button.setAttribute("aria-pressed", String(paused));
    for (const row of waiting.splice(0)) add(row);
    label();
  });
  return {
    pass(row) {
      if (!paused) return add(row);
      waiting.push(row);
      if (waiting.length > MAX_WAITING) waiting.shift();
      label();
    },
  };
}

function travel(list: HTMLElement, press: KeyboardEvent): void {
  const all = faces(list);
  const at = all.indexOf(document.activeElement as HTMLElement);
  const to = { ArrowDown: at + 1, ArrowUp: at - 1, Home: 0, End: all.length - 1 }[press.key];
  const face = to === undefined ? undefined : all[Math.min(Math.max(to, 0), all.length - 1)];
  if (face === undefined) return;
  press.preventDefault();
  face.focus();
}

function faces(list: HTMLElement): HTMLElement[] {
  return [...list.querySelectorAll<HTMLElement>(".row-face")];
}

function tabStop(list: HTMLElement): HTMLElement | null {
  return list.querySelector<HTMLElement>('.row-face[tabindex="0"]');
}

function setTabStop(list: HTMLElement, face: HTMLElement | undefined): void {
  if (!face?.classList.contains("row-face")) return;
  tabStop(list)?.setAttribute("tabindex", "-1");
  face.setAttribute("tabindex", "0");
}
