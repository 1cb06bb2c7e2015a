/** From a frame's text to its outcome: verifier, then receiver, then the counters and observers. Never before (O1). */
import type { HubClock, Runtime } from "./clock.ts";
import type { Counters } from "./counters.ts";
import { channelOf } from "./frames.ts";
import { SerialQueue } from "./serial.ts";
import type { Outcome, Receiver } from "./session.ts";
import type { Frame, RefusalReason, SeenFrame, StepName } from "./types.ts";
import { stepsWith, type Verdict, type Verifier } from "./verifier.ts";

/** What an Intake needs. */
export interface IntakeOptions {
  readonly runtime: Runtime;
  readonly clock: HubClock;
  readonly verifier: Verifier;
  readonly receiver: Receiver;
  readonly counters: Counters;
  /** Gets each frame with its verdict, or null when nobody watches, which spares describing it. */
  readonly watcher: () => ((seen: SeenFrame) => void) | null;
}

/** What became of a frame, with "refused" for anything that must not be acted on. */
export type Judgement = Outcome | { readonly verdict: "refused"; readonly reason: RefusalReason };

interface Arrival {
  readonly text: string;
  /** Hub's clock, Unix ms: freshness is judged by when it came, not by when its turn came. */
  readonly hubMs: number;
  readonly isCurrent: () => boolean;
}

/** Judges one frame at a time, in the order in which they came. */
export class Intake {
  readonly #options: IntakeOptions;
  readonly #queue = new SerialQueue();

  constructor(options: IntakeOptions) {
    this.#options = options;
  }

  /**
   * Takes a frame's text, now. When its turn comes: whether its stream `isCurrent`, the judgement, then `act` before
   * the next frame's turn. Rejects only when WebCrypto fails, or `act` throws.
   */
  take(text: string, isCurrent: () => boolean, act: (judgement: Judgement) => void): Promise<void> {
    const arrival = { text, isCurrent, hubMs: this.#options.clock.nowMs() };
    return this.#queue.run(async () => act(await this.#judge(arrival)));
  }

  /** Resolves when all frames taken so far are judged. */
  idle(): Promise<void> {
    return this.#queue.idle();
  }

  async #judge(arrival: Arrival): Promise<Judgement> {
    const { verifier, counters } = this.#options;
    const verdict = await verifier.verify(arrival.text, arrival.hubMs);
    counters.add("bytes", verdict.bytes);
    if (!verdict.verified) {
      this.#refuse(arrival, verdict, verdict.reason, verdict.failed);
      return { verdict: "refused", reason: verdict.reason };
    }
    const outcome = this.#accept(arrival, verdict.frame);
    if (outcome.verdict === "refused") this.#refuse(arrival, verdict, outcome.reason, "order");
    else this.#count(arrival, verdict, outcome);
    return outcome;
  }

  #accept(arrival: Arrival, frame: Frame): Outcome {
    const { receiver, runtime } = this.#options;
    // A frame of a stream given up meanwhile is of another conn, even if it is a `hello`.
    if (!arrival.isCurrent()) return { verdict: "refused", reason: "order" };
    return receiver.accept(frame, runtime.monotonicMs());
  }

  #count(arrival: Arrival, verdict: Verdict, outcome: Outcome): void {
    const { counters } = this.#options;
    counters.add("verified");
    if (outcome.verdict === "duplicate") counters.add("duplicates");
    if (outcome.verdict === "taken" && outcome.effect?.kind === "gap") counters.add("gaps");
    this.#show(arrival, verdict, null, outcome.verdict === "hole" ? "order" : null);
  }

  #refuse(arrival: Arrival, verdict: Verdict, reason: RefusalReason, failed: StepName): void {
    this.#options.counters.refused(reason);
    this.#show(arrival, verdict, reason, failed);
  }

  #show(arrival: Arrival, verdict: Verdict, reason: RefusalReason | null, failed: StepName | null): void {
    const { runtime, watcher } = this.#options;
    watcher()?.({
      atMs: runtime.deviceMs(),
      text: arrival.text,
      bytes: verdict.bytes,
      verdict: reason === null ? "verified" : "refused",
      reason,
      frame: verdict.frame,
      steps: stepsWith(failed),
      channel: verdict.frame === null ? null : channelOf(verdict.frame.payload),
    });
  }
}
