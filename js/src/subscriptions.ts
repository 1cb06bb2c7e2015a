/** Changes to the subscriptions of an open stream: `sub` and `unsub`, one at a time, in the order they were wished for. */
import { Backoff } from "./backoff.ts";
import { type Runtime, sleep } from "./clock.ts";
import { isPassing } from "./http.ts";
import type { Receiver } from "./session.ts";
import type { Position } from "./types.ts";

/** What Subscriptions needs. */
export interface SubscriptionsOptions {
  readonly runtime: Runtime;
  readonly receiver: Receiver;
  /** Sends a payload on the open connection. */
  readonly send: (payload: Change | { readonly t: "ping" }) => Promise<unknown>;
  /** The hub refused a channel. */
  readonly onRefused: (channel: string) => void;
  /** Hub and client may differ over what is subscribed: start over with a new stream. */
  readonly restart: () => void;
}

/** One change. `since` only in a `sub` that recovers. */
export interface Change {
  readonly t: "sub" | "unsub";
  readonly ch: string;
  readonly since?: Position;
}

/**
 * A new stream's request may name all channels wanted then. The others, and what changes while it opens or is live, wait
 * here until the hub's `hello`, then go up frame by frame.
 */
export class Subscriptions {
  readonly #options: SubscriptionsOptions;
  readonly #backoff: Backoff;
  /** The first one is being asked for while `#busy`. */
  #waiting: Change[] = [];
  #watchers: (() => void)[] = [];
  /** Aborted with the stream; null while none is open or opening. */
  #stream: AbortSignal | null = null;
  #live = false;
  #busy = false;

  constructor(options: SubscriptionsOptions) {
    this.#options = options;
    this.#backoff = new Backoff(options.runtime.random);
  }

  /** A stream is being opened. `unasked`: channels wanted now that its request does not name. */
  opening(stream: AbortSignal, unasked: Readonly<Record<string, Position | null>>): void {
    this.#stream = stream;
    this.#live = false;
    this.#waiting = Object.entries(unasked).map(([ch, since]) => subOf(ch, since));
    stream.addEventListener("abort", () => {
      if (this.#stream !== stream) return;
      this.#stream = null;
      this.#live = false;
      this.#waiting = [];
      this.#moved();
    });
  }

  /** Its `hello` has come. */
  opened(): void {
    this.#live = true;
    void this.#drain();
  }

  add(channel: string, since: Position | null): void {
    if (this.#options.receiver.wants(channel)) return;
    this.#options.receiver.want(channel, since);
    this.#change(subOf(channel, since));
  }

  remove(channel: string): void {
    if (!this.#options.receiver.wants(channel)) return;
    this.#options.receiver.drop(channel, this.#stream !== null);
    this.#change({ t: "unsub", ch: channel });
  }

  /** Whether the open stream is still being asked for a channel: what is published before the answer may be missed. */
  isAsking(channel: string): boolean {
    return this.#live && this.#waiting.some(({ t, ch }) => t === "sub" && ch === channel);
  }

  /** Resolves once it is not: the hub has answered, or the stream is gone. */
  async asked(channel: string): Promise<void> {
    while (this.isAsking(channel)) await new Promise<void>((resolve) => this.#watchers.push(resolve));
  }

  #moved(): void {
    for (const resolve of this.#watchers.splice(0)) resolve();
  }

  #change(change: Change): void {
    if (this.#stream === null) return;
    this.#waiting.push(change);
    if (this.#live) void this.#drain();
  }

  async #drain(): Promise<void> {
    if (this.#busy) return;
    this.#busy = true;
    for (let change = this.#next(); change !== undefined; change = this.#next()) {
      await this.#apply(change);
      if (this.#waiting[0] === change) this.#waiting.shift(); // those of a newer stream stay
      this.#moved();
    }
    this.#busy = false;
  }

  #next(): Change | undefined {
    return this.#live ? this.#waiting[0] : undefined;
  }

  /** Sends one change until the hub has answered or the stream is gone. Never rejects. */
  async #apply(change: Change): Promise<void> {
    const stream = this.#stream;
    let asksAgain = true;
    while (stream !== null && !stream.aborted) {
      try {
        await this.#options.send(change);
        this.#backoff.reset();
        return;
      } catch (error) {
        if (stream.aborted) return;
        if (isPassing(error)) {
          await sleep(this.#options.runtime, this.#backoff.afterMs(error.retryAfterMs), stream);
        } else if (await this.#isFinal(change, stream, asksAgain)) return;
        else asksAgain = false;
      }
    }
  }

  /**
   * A hub answers alike whether it refuses the channel, no longer knows the connection, or has had this very frame: a
   * browser whose network broke sends its request twice. A `ping` shows whether it knows the connection, without which a
   * new stream settles the matter; the change signed anew shows the rest.
   */
  async #isFinal(change: Change, stream: AbortSignal, asksAgain: boolean): Promise<boolean> {
    const { receiver, onRefused, restart } = this.#options;
    const isKnown = change.t === "sub" && (await this.#isKnown());
    if (stream.aborted) return true;
    if (isKnown && asksAgain) return false;
    if (!isKnown) restart();
    else {
      receiver.drop(change.ch, false);
      onRefused(change.ch);
    }
    return true;
  }

  async #isKnown(): Promise<boolean> {
    try {
      await this.#options.send({ t: "ping" });
      return true;
    } catch {
      return false;
    }
  }
}

function subOf(ch: string, since: Position | null): Change {
  return since === null ? { t: "sub", ch } : { t: "sub", ch, since };
}
