/** One open wire, from the request to its end, with the watch over its silence. */
import { type Runtime, sleep } from "./clock.ts";
import type { StreamEnd } from "./resume.ts";
import type { Answer } from "./session.ts";
import type { Transport, Wire, WireRequest } from "./transport.ts";
import type { Json, TransportName } from "./types.ts";

/** Longest time for last words (a report) before a stream is cut from this side, ms. */
const LAST_WORDS_MS = 500;
/** How long a sleep of the device may go unnoticed after it, ms. */
const LOOK_MS = 5_000;

/** What a Connection needs. */
export interface ConnectionOptions {
  readonly runtime: Runtime;
  readonly transport: Transport;
  /** How long it may take to `isLive`, ms; null: as long as silence may. */
  readonly patienceMs: number | null;
  readonly request: WireRequest;
  /** Ends everything. */
  readonly lifetime: AbortSignal;
  /** When silence will mean a dead stream, monotonic ms; grows with each good frame. */
  readonly deadAtMs: () => number;
  /** Whether the device has slept, so that even the time of the silence cannot be told. */
  readonly slept: () => boolean;
  /** Whether the `hello` has come. */
  readonly isLive: () => boolean;
  readonly onFrameText: (text: string) => void;
  /** Resolves when all frame texts given so far are dealt with. */
  readonly dealtWith: () => Promise<void>;
}

/** Opens its wire when it is made; `run` is called once. */
export class Connection {
  readonly #options: ConnectionOptions;
  readonly #abort = new AbortController();
  readonly #wire: Wire;
  #end: StreamEnd | null = null;

  constructor(options: ConnectionOptions) {
    this.#options = options;
    const { lifetime, transport, request, onFrameText, dealtWith } = options;
    lifetime.addEventListener("abort", () => this.#abort.abort(), { signal: this.#abort.signal });
    if (lifetime.aborted) this.#abort.abort();
    this.#wire = transport.open(request, { onData: onFrameText, dealtWith, signal: this.signal });
  }

  /** Aborted when the wire is, or must be, closed. */
  get signal(): AbortSignal {
    return this.#abort.signal;
  }

  /** What carries the frames. */
  get transport(): TransportName {
    return this.#options.transport.name;
  }

  /** Whether the end is settled, though the wire may still be open for a moment. */
  get ended(): boolean {
    return this.#end !== null;
  }

  /** Sends a signed frame up; see `Wire`. */
  send(text: string, id: string | null): Promise<Json> {
    return this.#wire.send(text, id);
  }

  /** An answer came down, verified. Returns whether somebody waited for it. */
  answered(answer: Answer): boolean {
    return this.#wire.answered(answer);
  }

  /** Ends the stream: at once, or after `lastWords`, which get half a second. The first end given holds. */
  finish(end: StreamEnd, lastWords?: Promise<unknown>): void {
    if (this.#end !== null) return;
    this.#end = end;
    if (lastWords === undefined) return this.#abort.abort();
    const patience = sleep(this.#options.runtime, LAST_WORDS_MS, this.signal);
    void Promise.race([lastWords, patience]).finally(() => this.#abort.abort());
  }

  /** Resolves with how the stream ended. Never rejects. */
  async run(): Promise<StreamEnd> {
    const { patienceMs } = this.#options;
    void this.#watch();
    if (patienceMs !== null) void this.#awaitHello(patienceMs);
    const end = await this.#wire.over;
    this.#abort.abort();
    return this.#end ?? end;
  }

  /** Waits until the latest moment known at which silence is death; looks now and then whether the device slept. */
  async #watch(): Promise<void> {
    const { runtime, deadAtMs, slept } = this.#options;
    while (!this.signal.aborted) {
      const leftMs = deadAtMs() - runtime.monotonicMs();
      if (leftMs <= 0) return this.finish({ kind: "silent" });
      if (slept()) return this.finish({ kind: "woken" });
      await sleep(runtime, Math.min(leftMs, LOOK_MS), this.signal);
    }
  }

  async #awaitHello(patienceMs: number): Promise<void> {
    await sleep(this.#options.runtime, patienceMs, this.signal);
    if (!this.signal.aborted && !this.#options.isLive()) this.finish({ kind: "held" });
  }
}
