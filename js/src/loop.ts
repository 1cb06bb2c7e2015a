/** One stream after the other: a key, a connection, its end, what follows, the wait, again. */
import { Backoff } from "./backoff.ts";
import type { TransportChoice, Try } from "./choice.ts";
import { type Runtime, sleep } from "./clock.ts";
import { REMEDIES } from "./codes.ts";
import type { Connection } from "./connection.ts";
import { JitterbugError } from "./errors.ts";
import type { EphemeralKey } from "./keys.ts";
import type { Life } from "./life.ts";
import { type EndFacts, type NextStep, nextStep, type StreamEnd } from "./resume.ts";
import type { KeyKeeper, StreamKey } from "./rotation.ts";
import type { Status } from "./types.ts";

/** A stream live for this long sets the back-off to its start again, ms. */
const GOOD_BEHAVIOUR_MS = 10_000;

/** What a StreamLoop needs. */
export interface StreamLoopOptions {
  readonly runtime: Runtime;
  readonly keeper: KeyKeeper;
  readonly choice: TransportChoice;
  readonly life: Life;
  /** Ends everything. */
  readonly signal: AbortSignal;
  /** Makes the next connection, under this key. */
  readonly connectionFor: (key: EphemeralKey, way: Try) => Connection;
  readonly onStatus: (status: Status) => void;
}

/** Runs until the hub refuses for good or the signal aborts. */
export class StreamLoop {
  readonly #options: StreamLoopOptions;
  readonly #backoff: Backoff;
  #everLive = false;
  #liveSinceMs: number | null = null;
  #endWait: () => void = () => undefined;

  constructor(options: StreamLoopOptions) {
    this.#options = options;
    this.#backoff = new Backoff(options.runtime.random);
  }

  /** The `hello` of the present stream is verified. Returns whether a stream has been live before. */
  live(): boolean {
    const again = this.#everLive;
    this.#everLive = true;
    this.#liveSinceMs = this.#options.runtime.monotonicMs();
    this.#options.onStatus({ state: "live" });
    return again;
  }

  /** A good moment to try again: ends a wait of this side's own making, not one that the hub asked for. */
  hurry(): void {
    this.#backoff.reset();
    this.#endWait();
  }

  /** Resolves with the hub's refusal, or with null when the signal has aborted. */
  async run(): Promise<JitterbugError | null> {
    const { life, signal } = this.#options;
    let avoidKid: string | null = null;
    while (!signal.aborted) {
      await life.shown();
      const { end, used } = await this.#oneStream(avoidKid);
      if (signal.aborted) break;
      const step = nextStep(end, this.#facts(end, used));
      if (step.stop) return refusalOf(end, step);
      if (used !== null) avoidKid = step.anotherKey ? used.key.kid : null;
      const waitMs = this.#waitMs(step);
      this.#tellWait(step, waitMs);
      if (waitMs > 0) await this.#wait(waitMs, step.askedMs === null);
    }
    return null;
  }

  async #wait(waitMs: number, mayEndEarly: boolean): Promise<void> {
    const { runtime, signal } = this.#options;
    const over = new AbortController();
    const end = () => over.abort();
    signal.addEventListener("abort", end, { signal: over.signal });
    if (mayEndEarly) this.#endWait = end;
    await sleep(runtime, waitMs, over.signal);
    this.#endWait = () => undefined;
    end();
  }

  async #oneStream(avoidKid: string | null): Promise<{ end: StreamEnd; used: StreamKey | null }> {
    const { runtime, keeper, choice, life, signal, connectionFor } = this.#options;
    this.#liveSinceMs = null;
    try {
      const used = await keeper.forStream(avoidKid);
      if (signal.aborted) return { end: { kind: "cut" }, used };
      if (life.paused) return { end: { kind: "paused" }, used };
      const way = choice.next(runtime.monotonicMs());
      return { end: await connectionFor(used.key, way).run(), used };
    } catch (error) {
      if (error instanceof JitterbugError) return { end: { kind: "keyless", error }, used: null };
      return { end: { kind: "cut" }, used: null };
    }
  }

  #facts(end: StreamEnd, used: StreamKey | null): EndFacts {
    const { runtime, choice } = this.#options;
    const nowMs = runtime.monotonicMs();
    const since = this.#liveSinceMs;
    const liveMs = since === null ? 0 : nowMs - since;
    if (liveMs >= GOOD_BEHAVIOUR_MS) this.#backoff.reset();
    const freshKey = used?.fresh ?? false;
    const anotherWay = choice.ended(end, since !== null, freshKey, nowMs);
    return { everLive: this.#everLive, freshKey, liveMs, anotherWay };
  }

  #waitMs(step: NextStep): number {
    if (step.wait === "none") return 0;
    return step.wait === "exact" ? (step.askedMs ?? 0) : this.#backoff.afterMs(step.askedMs);
  }

  #tellWait(step: NextStep, waitMs: number): void {
    this.#options.onStatus({
      state: this.#everLive ? "reconnecting" : "connecting",
      code: step.code,
      remedy: REMEDIES[step.code] ?? "",
      retryAtMs: Math.round(this.#options.runtime.deviceMs() + waitMs),
    });
  }
}

function refusalOf(end: StreamEnd, step: NextStep): JitterbugError {
  if (end.kind === "failed" || end.kind === "keyless") return end.error;
  return new JitterbugError(step.code, "The hub ended this session");
}
