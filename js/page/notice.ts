/** What stands where frames should be when there can be none: no hub, no right, no place to hold a key. */

import type { Status } from "../src/index.ts";
import { byId, inside, say } from "./dom.ts";
import { clock } from "./format.ts";
import { grandSeal, type SealKind } from "./seal.ts";

/** Without a live stream for longer than this, ms, the hub is called gone. */
const GONE_AFTER_MS = 8_000;

/** A state worth a notice. `final`: nothing will change until somebody acts. */
interface Notice {
  readonly seal: SealKind;
  readonly title: string;
  readonly text: string;
  readonly remedy: string;
  readonly final: boolean;
}

/** What the page does with notices. */
export interface NoticeBoard {
  status(status: Status): void;
  /** `connect` can never work here. `error` is what it rejected with. */
  failed(error: unknown): void;
  /** Device clock, Unix ms: a stream that stays away becomes a hub that is gone. */
  tick(nowMs: number): void;
}

/** Binds `#notice`. `announce` says a new title aloud. */
export function makeNoticeBoard(announce: (sentence: string) => void): NoticeBoard {
  let awaySinceMs: number | null = Date.now();
  let final = false;

  function show(notice: Notice | null): void {
    const root = byId("notice");
    root.hidden = notice === null;
    if (notice === null) return;
    final ||= notice.final;
    document.body.classList.toggle("halted", notice.final && byId("river").childElementCount === 0);
    if (byId("notice-title").textContent !== notice.title) announce(notice.title);
    if (root.dataset.seal !== notice.seal)
      inside(root, ".notice-seal").replaceChildren(grandSeal(notice.seal, null));
    root.dataset.seal = notice.seal;
    say(byId("notice-title"), notice.title);
    say(inside(root, ".notice-text"), notice.text);
    say(inside(root, ".notice-remedy"), notice.remedy);
  }

  return {
    status(status) {
      if (status.state === "live") awaySinceMs = null;
      else awaySinceMs ??= Date.now();
      if (status.state === "refused") show(refused(status.code, status.remedy));
      else if (status.state === "live") show(null);
    },
    failed(error) {
      show(impossible(error));
    },
    tick(nowMs) {
      if (!final && awaySinceMs !== null && nowMs - awaySinceMs > GONE_AFTER_MS) show(gone(awaySinceMs));
    },
  };
}

function gone(sinceMs: number): Notice {
  return {
    seal: "open",
    title: "The hub does not answer",
    text: `No stream since ${clock(sinceMs)}. This page keeps trying, and resumes each channel where it stood.`,
    remedy: "If it was stopped: start it again with jitterbug dev.",
    final: false,
  };
}

function refused(code: string | undefined, remedy: string | undefined): Notice {
  return {
    seal: "refused",
    title: "The hub refused this page",
    text: `The session was ended, or may not listen here${code === undefined ? "" : ` (${code})`}. No frame is accepted any more.`,
    remedy: remedy ?? "Log in again, or reload this page for a new session.",
    final: true,
  };
}

function impossible(error: unknown): Notice {
  const { code, remedy } = error as { code?: string; remedy?: string | null };
  if (code !== "JB_INSECURE_CONTEXT") return refused(code, remedy ?? undefined);
  return {
    seal: "open",
    title: "No place to hold a key",
    text: "The browser offers WebCrypto on HTTPS and on localhost only. Without it no seal can be checked, so no frame is shown: there is no unsigned mode.",
    remedy: "Open this page over HTTPS, or at http://127.0.0.1.",
    final: true,
  };
}
