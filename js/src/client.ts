/** `connect`, and the object it gives to the application. */
import { isObject } from "./canonical.ts";
import { type Runtime, systemRuntime } from "./clock.ts";
import { Counters } from "./counters.ts";
import { Emitter, UNMISSED } from "./emitter.ts";
import { JitterbugError } from "./errors.ts";
import { Handlers } from "./handlers.ts";
import { unreadable } from "./http.ts";
import { Link } from "./link.ts";
import { assertChannel, assertPosition, assertRoom, readOptions, type Settings } from "./options.ts";
import { isPosition } from "./payloads.ts";
import { Presence } from "./presence.ts";
import { assertWebCrypto } from "./signing.ts";
import type {
  ConnectOptions,
  Intercept,
  KeyInfo,
  Limits,
  Position,
  Publication,
  PublicationHandler,
  Push,
  PushEvents,
  Stats,
  Status,
  TransportName,
} from "./types.ts";

/**
 * Opens a connection to a hub; resolves when its `hello` is verified and each channel of `options.channels` stands at
 * a position or was refused: nothing published from then on is missed in silence. Tries on through whatever may pass. Handlers for `options.channels` may be added later: what comes before is kept for them.
 *
 * @param base path or URL of the hub's API, such as "/api/jitterbug"
 * @throws JitterbugError, with a code and a remedy, for what can never work: JB_INSECURE_CONTEXT, JB_UNAUTHORIZED,
 * JB_FORBIDDEN, JB_REVOKED, JB_INVALID_REQUEST, JB_UNREADABLE, and wrong options; RangeError for a replay window
 * below twice the skew
 */
export async function connect(base: string, options: ConnectOptions = {}): Promise<Push> {
  return connectWith(systemRuntime, base, options);
}

/** As `connect`, with time and chance given. For tests. */
export async function connectWith(runtime: Runtime, base: string, options: ConnectOptions): Promise<Push> {
  const { push, opened } = openWith(runtime, base, options);
  await opened;
  return push;
}

/** A client still on its way: `opened` settles as `connect` does; what `push` is asked for before goes with the stream. */
export function openWith(runtime: Runtime, base: string, options: ConnectOptions): Opening {
  assertWebCrypto();
  const push = new Client(runtime, readOptions(base, options));
  return { push, opened: push.start() };
}

/** See `openWith`. */
export interface Opening {
  readonly push: Push;
  readonly opened: Promise<void>;
}

class Client implements Push {
  readonly #counters = new Counters();
  readonly #emitter: Emitter<PushEvents> = new Emitter(
    (fault, name) => this.#fault(fault, name === "error"),
    UNMISSED,
  );
  readonly #handlers = new Handlers((fault) => this.#fault(fault, false));
  readonly #presence = new Presence((info) => this.#emitter.emit("presence", info));
  readonly #link: Link;
  #status: Status = { state: "connecting" };
  #limits: Limits | null = null;
  #key: KeyInfo | null = null;
  #onOpened: () => void = () => undefined;

  constructor(runtime: Runtime, settings: Settings) {
    for (const channel of settings.channels.keys()) this.#handlers.hold(channel);
    this.#link = new Link({
      runtime,
      settings: { ...settings, intercept: this.#guarded(settings.intercept) },
      counters: this.#counters,
      sink: {
        status: (status) => this.#setStatus(status),
        key: (key) => this.#setKey(key),
        limits: (limits) => this.#setLimits(limits),
        subscribed: (subscribed) => {
          this.#presence.anew(subscribed.channel);
          this.#emitter.emit("subscribed", subscribed);
          this.#settle();
        },
        publication: (publication) => this.#deliver(publication),
        gap: (gap) => {
          this.#emitter.emit("gap", gap);
          this.#settle();
        },
        presence: (change) => this.#presence.take(change),
        error: (error) => {
          if (error.channel !== null) this.#presence.anew(error.channel);
          this.#emitter.emit("error", error);
          this.#settle();
        },
        watcher: () => (this.#emitter.has("frame") ? (seen) => this.#emitter.emit("frame", seen) : null),
      },
    });
  }

  /** Resolves as `connect` does; rejects with the hub's refusal. */
  start(): Promise<void> {
    return new Promise((resolve, reject) => {
      this.#onOpened = resolve;
      this.#link.run().then((refusal) => {
        if (refusal === null) return;
        this.#key = null;
        const { code, remedy } = refusal;
        this.#setStatus({ state: "refused", code, ...(remedy === null ? {} : { remedy }) });
        reject(refusal);
      }, reject);
    });
  }

  get status(): Status {
    return this.#status;
  }

  get stats(): Stats {
    return this.#counters.snapshot();
  }

  get limits(): Limits | null {
    return this.#limits;
  }

  get key(): KeyInfo | null {
    return this.#key;
  }

  get transport(): TransportName | null {
    return this.#link.transport;
  }

  subscribe(channel: string, handler: PublicationHandler, since: Position | null = null): () => void {
    assertChannel(channel);
    assertPosition(since);
    if (this.#status.state === "closed") return () => undefined;
    if (!this.#link.wants(channel)) assertRoom(this.#link.channelCount + 1);
    const remove = this.#handlers.add(channel, handler);
    this.#link.subscribe(channel, since);
    return () => {
      if (!remove()) return;
      this.#link.unsubscribe(channel);
      this.#presence.anew(channel);
    };
  }

  async publish(channel: string, data: unknown): Promise<Position> {
    assertChannel(channel);
    if (data === undefined) throw new JitterbugError("JB_NOT_JSON", "The data is not JSON");
    const answer = await this.#link.publish(channel, data);
    const position = isObject(answer) ? answer.pos : undefined;
    if (!isPosition(position)) throw unreadable();
    return position;
  }

  on<Name extends keyof PushEvents>(name: Name, listener: (value: PushEvents[Name]) => void): () => void {
    return this.#emitter.on(name, listener, name === "presence" ? (this.#presence.here() as never[]) : []);
  }

  close(): void {
    if (this.#status.state === "closed") return;
    this.#link.stop();
    this.#key = null;
    this.#setStatus({ state: "closed" });
    this.#emitter.clear();
    this.#handlers.clear();
  }

  #setStatus(status: Status): void {
    if (this.#status.state === "closed") return;
    this.#status = status;
    this.#emitter.emit("status", status);
    this.#settle();
  }

  #settle(): void {
    if (this.#status.state === "live" && this.#link.isPlaced) this.#onOpened();
  }

  #setKey(key: KeyInfo): void {
    this.#key = key;
    this.#emitter.emit("key", key);
  }

  #setLimits(limits: Limits): void {
    this.#limits = limits;
    this.#emitter.emit("limits", limits);
  }

  #deliver(publication: Publication): void {
    const lost = this.#handlers.deliver(publication);
    if (lost !== null) this.#emitter.emit("gap", lost);
  }

  /** An intercept is the application's code: when it throws, the frame is lost as if the network had lost it. */
  #guarded(intercept: Intercept): Intercept {
    return (text, handOn) => {
      try {
        intercept(text, handOn);
      } catch (fault) {
        this.#fault(fault, false);
      }
    };
  }

  /** What application code threw goes to the "error" listeners, or where uncaught errors go: it never vanishes. */
  #fault(cause: unknown, inErrorListener: boolean): void {
    if (!inErrorListener && this.#emitter.has("error")) {
      this.#emitter.emit("error", new JitterbugError("JB_LISTENER", "A listener threw", { cause }));
      return;
    }
    queueMicrotask(() => {
      throw cause;
    });
  }
}
