/** One open wire, from the request to its end, with the watch over its silence. */
import { type Runtime, sleep } from "./clock.ts";
import { JitterbugError } from "./errors.ts";
import type { Http } from "./http.ts";
import type { StreamEnd } from "./resume.ts";
import { openStream, readStream, type StreamRequest } from "./transport-fetch.ts";

/** Longest time for last words (a report) before a stream is cut from this side, ms. */
const LAST_WORDS_MS = 500;

/** What a Connection needs. */
export interface ConnectionOptions {
  readonly http: Http;
  readonly request: StreamRequest;
  /** Ends everything. */
  readonly lifetime: AbortSignal;
  /** When silence will mean a dead stream, monotonic ms; grows with each good frame. */
  readonly deadAtMs: () => number;
  readonly onFrameText: (text: string) => void;
  /** Resolves when all frame texts given so far are dealt with. */
  readonly dealtWith: () => Promise<void>;
}

/** Made once per stream; `run` is called once. */
export class Connection {
  readonly #options: ConnectionOptions;
  readonly #abort = new AbortController();
  #end: StreamEnd | null = null;

  constructor(options: ConnectionOptions) {
    this.#options = options;
    const { lifetime } = options;
    lifetime.addEventListener("abort", () => this.#abort.abort(), { signal: this.#abort.signal });
    if (lifetime.aborted) this.#abort.abort();
  }

  /** Aborted when the wire is, or must be, closed. */
  get signal(): AbortSignal {
    return this.#abort.signal;
  }

  /** Whether the end is settled, though the wire may still be open for a moment. */
  get ended(): boolean {
    return this.#end !== null;
  }

  /** Ends the stream: at once, or after `lastWords`, which get half a second. The first end given holds. */
  finish(end: StreamEnd, lastWords?: Promise<unknown>): void {
    if (this.#end !== null) return;
    this.#end = end;
    if (lastWords === undefined) return this.#abort.abort();
    const patience = sleep(this.#options.http.runtime, LAST_WORDS_MS, this.signal);
    void Promise.race([lastWords, patience]).finally(() => this.#abort.abort());
  }

  /** Opens and reads the stream; resolves with how it ended. Never rejects. */
  async run(): Promise<StreamEnd> {
    const { http, request, onFrameText, dealtWith } = this.#options;
    this.#watch(http.runtime);
    let opened = false;
    try {
      const body = await openStream(http, request, this.signal);
      opened = true;
      await readStream(body, { onData: onFrameText, dealtWith, signal: this.signal });
      return this.#end ?? { kind: "cut" };
    } catch (error) {
      if (this.#end !== null) return this.#end;
      if (!opened && error instanceof JitterbugError) return { kind: "failed", error };
      return { kind: "cut" };
    } finally {
      this.#abort.abort();
    }
  }

  /** Sleeps until the latest moment known at which silence is death, and looks again. */
  async #watch(runtime: Runtime): Promise<void> {
    while (!this.signal.aborted) {
      const leftMs = this.#options.deadAtMs() - runtime.monotonicMs();
      if (leftMs <= 0) return this.finish({ kind: "silent" });
      await sleep(runtime, leftMs, this.signal);
    }
  }
}
