/** Answers to frames sent up a WebSocket: `ack` and `err` (PROTOCOL §4), one to each frame, in the order sent. */
import type { Runtime } from "./clock.ts";
import { JitterbugError } from "./errors.ts";
import { ANSWER_WITHIN_MS, networkError, refusal } from "./http.ts";
import type { Answer } from "./session.ts";
import type { Json } from "./types.ts";

/** Frames without an answer at most; more is a hub that has stopped reading. */
export const MAX_UNANSWERED = 100;
/** The hub doubles its back-off from 1 s to 30 s while a peer goes on, and starts over when it has behaved. */
const LIMITED_FIRST_MS = 1_000;
const LIMITED_LONGEST_MS = 30_000;
const FORGIVEN_MS = 60_000;

/** HTTP statuses that say the same as the hub's four words, so that both ways up end in the same errors. */
const STATUS: ReadonlyMap<string, number> = new Map([
  ["unauthorized", 401],
  ["rate limited", 429],
  ["internal error", 500],
]);

interface Unanswered {
  readonly id: string | null;
  readonly settle: (answer: Json | JitterbugError) => void;
}

/** Matches answers with frames, for one wire. */
export class Answers {
  readonly #runtime: Runtime;
  #unanswered: Unanswered[] = [];
  #limited = 0;
  #limitedAtMs = 0;

  constructor(runtime: Runtime) {
    this.#runtime = runtime;
  }

  /** @throws JitterbugError JB_RATE_LIMITED when no further frame may be sent before one is answered */
  assertRoom(): void {
    if (this.#unanswered.length >= MAX_UNANSWERED) throw refusal(429, LIMITED_FIRST_MS);
  }

  /**
   * A frame with this id was just sent. Resolves with its answer, at once when it has no id: nobody waits then, but
   * the hub answers all the same. Rejects with the hub's refusal, or with JB_NETWORK after 10 s and when the wire ends.
   */
  expect(id: string | null): Promise<Json> {
    return new Promise((resolve, reject) => {
      if (id === null) resolve(null);
      const giveUp = () => reject(networkError());
      const cancel = id === null ? () => undefined : this.#runtime.after(ANSWER_WITHIN_MS, giveUp);
      const settle = (answer: Json | JitterbugError) => {
        cancel();
        if (answer instanceof JitterbugError) reject(answer);
        else resolve(answer);
      };
      // One that was given up stays in line: the hub's answers without an id are told apart by their turn alone.
      this.#unanswered.push({ id, settle });
    });
  }

  /** Takes an answer; one without an id is to the frame that waits longest. Returns whether one waited. */
  take({ id, code, position }: Answer): boolean {
    const at = id === null ? 0 : this.#unanswered.findIndex((each) => each.id === id);
    const [found] = at < 0 ? [] : this.#unanswered.splice(at, 1);
    const good = { ...(id === null ? {} : { id }), ...(position === null ? {} : { pos: position }) };
    found?.settle(code === null ? good : this.#refusal(code));
    return found !== undefined;
  }

  /** The wire is over: nothing will be answered any more. */
  end(): void {
    for (const { settle } of this.#unanswered) settle(networkError());
    this.#unanswered = [];
  }

  #refusal(code: string): JitterbugError {
    const status = STATUS.get(code) ?? 400;
    return refusal(status, status === 429 ? this.#limitedForMs() : null);
  }

  /** An `err` names no wait: this counts along with the hub, because asking too early makes the wait longer. */
  #limitedForMs(): number {
    const nowMs = this.#runtime.monotonicMs();
    if (nowMs - this.#limitedAtMs > FORGIVEN_MS) this.#limited = 0;
    this.#limitedAtMs = nowMs;
    const waitMs = LIMITED_FIRST_MS * 2 ** this.#limited;
    this.#limited = Math.min(this.#limited + 1, 5);
    return Math.min(waitMs, LIMITED_LONGEST_MS);
  }
}
