/** The state of the stream in the header: `#stream-state[data-state]`, a seal, a word, and what happens next. */

import type { State, Status } from "../src/index.ts";
import { byId, inside, say } from "./dom.ts";
import { type SealKind, seal } from "./seal.ts";

const STATES: Readonly<Record<State, readonly [word: string, kind: SealKind]>> = {
  connecting: ["Connecting", "open"],
  live: ["Live", "verified"],
  reconnecting: ["Reconnecting", "open"],
  refused: ["Refused", "refused"],
  closed: ["Closed", "open"],
};

/** What the page does with the header's state. */
export interface StreamState {
  show(status: Status): void;
  /** Counts down; device clock, Unix ms. */
  tick(nowMs: number): void;
}

/** Binds `#stream-state`. */
export function makeStreamState(): StreamState {
  const root = byId("stream-state");
  let status: Status = { state: "connecting" };

  const tick = (nowMs: number) => say(inside(root, ".state-detail"), detail(status, nowMs));

  function show(next: Status): void {
    status = next;
    const [word, kind] = STATES[status.state];
    root.dataset.state = status.state;
    byId("path").dataset.state = status.state;
    inside(root, ".state-seal").replaceChildren(seal(kind));
    say(inside(root, ".state-word"), word);
    tick(Date.now());
  }

  show(status);
  return { show, tick };
}

function detail(status: Status, nowMs: number): string {
  switch (status.state) {
    case "connecting":
      return "fetching a key";
    case "live":
      return "frames arrive";
    case "reconnecting":
      return countdown(status.retryAtMs, nowMs);
    case "refused":
      return status.code === "JB_INSECURE_CONTEXT" ? "needs HTTPS" : "for good";
    case "closed":
      return "by this page";
  }
}

function countdown(retryAtMs: number | undefined, nowMs: number): string {
  const seconds = Math.ceil(((retryAtMs ?? 0) - nowMs) / 1000);
  return seconds > 0 ? `next try in ${seconds} s` : "trying now";
}
