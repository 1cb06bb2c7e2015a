/** From a frame's text to its outcome: verifier, then receiver, then the counters and observers. Never before (O1). */
import type { HubClock, Runtime } from "./clock.ts";
import type { Counters } from "./counters.ts";
import { channelOf } from "./frames.ts";
import type { Outcome, Receiver } from "./session.ts";
import { Turns } from "./turns.ts";
import type { Frame, RefusalReason, SeenFrame, StepName } from "./types.ts";
import { type Begun, stepsWith, type Verdict, type Verifier } from "./verifier.ts";

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

/** Where a frame came from. */
export interface Source {
  /** Whether it is still the stream that counts; asked when the frame's turn comes. */
  readonly isCurrent: () => boolean;
  /** Gets the judgement, before the next frame's turn. */
  readonly act: (judgement: Judgement) => void;
  /** WebCrypto failed, or `act` threw: the frame is lost as if the network had lost it. */
  readonly failed: () => void;
}

interface Arrival {
  readonly text: string;
  readonly source: Source;
  /** Hub's clock, Unix ms: freshness is judged by when it came, not by when its turn came. */
  readonly hubMs: number;
}

/** Frames whose signatures are checked at the same time: enough to hide the way to WebCrypto and back. */
const TOGETHER = 64;

/**
 * Judges frames in the order in which they came, one after the other; only their signatures are checked together.
 * The page has its turn in between.
 */
export class Intake {
  readonly #options: IntakeOptions;
  readonly #turns: Turns;
  #waiting: Arrival[] = [];
  #running = false;
  #goMs: number | null = null;
  #taken = 0;
  #judged = 0;
  #idlers: { readonly after: number; readonly resolve: () => void }[] = [];

  constructor(options: IntakeOptions) {
    this.#options = options;
    this.#turns = new Turns(options.runtime);
  }

  /** Takes a frame's text, now; what it says is judged when its turn comes. */
  take(text: string, source: Source): void {
    this.#waiting.push({ text, source, hubMs: this.#arrivalMs() });
    this.#taken += 1;
    if (!this.#running) void this.#run();
  }

  /** One time for all that comes in one go: a clock takes as long to read as a frame to parse. */
  #arrivalMs(): number {
    if (this.#goMs === null) {
      this.#goMs = this.#options.clock.nowMs();
      queueMicrotask(() => {
        this.#goMs = null;
      });
    }
    return this.#goMs;
  }

  /** Resolves when all frames taken so far are judged. */
  async idle(): Promise<void> {
    const after = this.#taken;
    if (after > this.#judged) await new Promise<void>((resolve) => this.#idlers.push({ after, resolve }));
  }

  async #run(): Promise<void> {
    this.#running = true;
    await undefined; // what comes in one go goes on together
    while (this.#waiting.length > 0) {
      // What a `hello` says holds for the frame after it, so nothing is begun before it is judged.
      const count = this.#options.receiver.conn === null ? 1 : TOGETHER;
      await this.#judgeAll(this.#waiting.splice(0, count));
    }
    this.#running = false;
  }

  async #judgeAll(arrivals: readonly Arrival[]): Promise<void> {
    const begun = arrivals.map(({ text, hubMs }) => this.#options.verifier.begin(text, hubMs));
    // One failure of WebCrypto itself loses all of them: the stream goes on from the last position.
    const holds = await Promise.all(begun.map((each) => each.holds)).catch(() => null);
    for (const [index, arrival] of arrivals.entries()) {
      this.#settle(arrival, begun[index] as Begun, holds?.[index]);
      if (this.#turns.isDue()) await this.#turns.pass();
    }
  }

  #settle(arrival: Arrival, begun: Begun, holds: boolean | undefined): void {
    const { act, failed } = arrival.source;
    try {
      if (holds === undefined) failed();
      else act(this.#judge(arrival, this.#options.verifier.conclude(begun, holds)));
    } catch {
      failed();
    }
    this.#judged += 1;
    while ((this.#idlers[0]?.after ?? Number.POSITIVE_INFINITY) <= this.#judged)
      this.#idlers.shift()?.resolve();
  }

  #judge(arrival: Arrival, verdict: Verdict): Judgement {
    this.#options.counters.add("bytes", verdict.bytes);
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
    if (!arrival.source.isCurrent()) return { verdict: "refused", reason: "order" };
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
