/** The working parts between application and hub, joined: what a frame leads to, and what goes up because of it. */
import { TransportChoice, type Try } from "./choice.ts";
import { HubClock, type Runtime } from "./clock.ts";
import { confirmKey } from "./confirm.ts";
import { Connection } from "./connection.ts";
import type { Counters } from "./counters.ts";
import { JitterbugError } from "./errors.ts";
import { Intake, type Judgement, type Source } from "./intake.ts";
import type { EphemeralKey } from "./keys.ts";
import { Life } from "./life.ts";
import { StreamLoop } from "./loop.ts";
import type { Settings } from "./options.ts";
import { NonceStore } from "./replay.ts";
import { Reports } from "./reports.ts";
import { KeyKeeper } from "./rotation.ts";
import { type Answer, type Effect, Receiver } from "./session.ts";
import { freshId, type Signer } from "./signing.ts";
import { Subscriptions } from "./subscriptions.ts";
import { transportsOf } from "./transports.ts";
import type {
  GapInfo,
  Json,
  KeyInfo,
  Limits,
  Position,
  Publication,
  SeenFrame,
  Status,
  SubscribedInfo,
  TransportName,
} from "./types.ts";
import { Upstream } from "./upstream.ts";
import { Verifier } from "./verifier.ts";

/** Frame limit until a verified `hello` names the hub's own: the largest of any profile, bytes. */
const LARGEST_FRAME_BYTES = 16_384;
/** Nonces remembered at most: what the fastest reader can verify within the window. Some 100 bytes each, as they come. */
const MAX_NONCES = 250_000;

/** Where a Link tells what happens. */
export interface Sink {
  status(status: Status): void;
  key(key: KeyInfo): void;
  limits(limits: Limits): void;
  subscribed(subscribed: SubscribedInfo): void;
  publication(publication: Publication): void;
  gap(gap: GapInfo): void;
  error(error: JitterbugError): void;
  /** null when nobody watches frames, which spares describing them. */
  watcher(): ((seen: SeenFrame) => void) | null;
}

/** What goes up. With an `id` where the answer is waited for whatever carries it. */
export interface Payload {
  readonly t: string;
  readonly id?: string;
  readonly [member: string]: unknown;
}

/** What a Link needs. */
export interface LinkOptions {
  readonly runtime: Runtime;
  readonly settings: Settings;
  readonly counters: Counters;
  readonly sink: Sink;
}

/** From the first key to `stop`. */
export class Link {
  readonly #options: LinkOptions;
  readonly #clock: HubClock;
  readonly #lifetime = new AbortController();
  readonly #receiver = new Receiver();
  readonly #keeper: KeyKeeper;
  readonly #verifier: Verifier;
  readonly #intake: Intake;
  readonly #upstream: Upstream;
  readonly #reports: Reports;
  readonly #subscriptions: Subscriptions;
  readonly #loop: StreamLoop;
  #connection: Connection | null = null;
  /** Open when the network went away. */
  #doubtful: Connection | null = null;

  /** @throws RangeError for a replay window below twice the skew */
  constructor(options: LinkOptions) {
    const { runtime, settings, counters, sink } = options;
    const { skewMs, replayWindowMs: windowMs, anonymous } = settings;
    const { signal } = this.#lifetime;
    const receiver = this.#receiver;
    const clock = new HubClock(runtime);
    const http = { fetch: settings.fetch, runtime, base: settings.base };
    const onKey = (key: EphemeralKey) => this.#keyArrived(key);
    const keeper = new KeyKeeper({ http, clock, skewMs, anonymous, signal, onKey, onError: sink.error });
    const verifier = new Verifier({
      keys: keeper.ring,
      nonces: new NonceStore({ skewMs, windowMs, maxEntries: MAX_NONCES }),
      skewMs,
      maxFrameBytes: LARGEST_FRAME_BYTES,
      requireCanonical: true,
    });
    this.#options = options;
    this.#clock = clock;
    this.#keeper = keeper;
    this.#verifier = verifier;
    this.#intake = new Intake({ runtime, clock, verifier, receiver, counters, watcher: sink.watcher });
    this.#upstream = new Upstream({ clock, maxFrameBytes: () => verifier.maxFrameBytes });
    this.#reports = new Reports(runtime, (kind, count) =>
      receiver.conn === null ? null : this.send({ t: "report", kind, count }),
    );
    this.#subscriptions = new Subscriptions({
      runtime,
      receiver,
      send: (change) => this.send({ ...change, id: freshId() }),
      onRefused: (channel) => this.#channelEnded(channel),
      restart: () => this.#connection?.finish({ kind: "cut" }),
    });
    const choice = new TransportChoice(transportsOf(settings, http, signal));
    const connectionFor = (key: EphemeralKey, way: Try) => this.#connectionFor(key, way);
    const life = this.#life(runtime.events);
    this.#loop = new StreamLoop({
      runtime,
      keeper,
      choice,
      life,
      signal,
      connectionFor,
      onStatus: sink.status,
    });
    for (const [channel, position] of settings.channels) receiver.want(channel, position);
  }

  /** Runs until the hub refuses for good (resolves with its refusal) or `stop` is called (null). */
  async run(): Promise<JitterbugError | null> {
    const refusal = await this.#loop.run();
    this.stop();
    return refusal;
  }

  /** Ends all, and forgets the keys. */
  stop(): void {
    this.#lifetime.abort();
    this.#reports.stop();
    this.#keeper.ring.clear();
  }

  /** Whether every wanted channel stands somewhere. */
  get isPlaced(): boolean {
    return this.#receiver.isPlaced;
  }

  /** Channels wanted now. */
  get channelCount(): number {
    return Object.keys(this.#receiver.positions()).length;
  }

  /** What carries the frames of the open stream, null before its `hello` and after its end. */
  get transport(): TransportName | null {
    const isOpen = this.#receiver.conn !== null && this.#connection?.signal.aborted === false;
    return isOpen ? (this.#connection?.transport ?? null) : null;
  }

  wants(channel: string): boolean {
    return this.#receiver.wants(channel);
  }

  /** `since`: where to go on from; null: from now on. A channel wanted already stays as it is. */
  subscribe(channel: string, since: Position | null): void {
    this.#subscriptions.add(channel, since);
  }

  unsubscribe(channel: string): void {
    this.#subscriptions.remove(channel);
  }

  /** Signs a payload for the open connection and sends it. @throws JitterbugError, JB_NOT_LIVE among others */
  async send(payload: Payload, signer: Signer | null = this.#signer()): Promise<Json> {
    const { conn } = this.#receiver;
    const connection = this.#connection;
    if (conn === null || signer === null || connection?.signal.aborted !== false) {
      throw new JitterbugError("JB_NOT_LIVE", "No stream is open", { remedy: "Wait for the status live." });
    }
    const text = await this.#upstream.sign(signer, { ...payload, conn });
    return connection.send(text, payload.id ?? null);
  }

  /** The key the connection uses as long as it lasts: the next one counts only after the hub has switched. */
  #signer(): Signer | null {
    const nowMs = this.#clock.nowMs();
    const own = this.#keeper.ring.find(this.#receiver.kid ?? "", nowMs);
    return own !== undefined && own.expiresAtMs > nowMs ? own : (this.#keeper.newest() ?? null);
  }

  /** A page put away closes its stream; one shown again, or a network that is back, is no time to wait. */
  #life(events: EventTarget | null): Life {
    return new Life({
      events,
      signal: this.#lifetime.signal,
      onPause: () => this.#connection?.finish({ kind: "paused" }),
      onWake: () => {
        this.#doubtful?.finish({ kind: "woken" });
        this.#doubtful = null;
        this.#loop.hurry();
      },
      onOffline: () => {
        this.#doubtful = this.#connection;
      },
    });
  }

  #connectionFor(key: EphemeralKey, { transport, patienceMs }: Try): Connection {
    const receiver = this.#receiver;
    const { runtime } = this.#options;
    receiver.begin(runtime.monotonicMs());
    const channels = receiver.positions();
    const source: Source = {
      isCurrent: () => this.#connection === connection,
      act: (judgement) => this.#act(judgement, connection),
      failed: () => connection.finish({ kind: "cut" }),
    };
    const take = (text: string) => this.#intake.take(text, source);
    const connection: Connection = new Connection({
      runtime,
      transport,
      patienceMs,
      request: { kid: key.kid, channels },
      lifetime: this.#lifetime.signal,
      deadAtMs: () => receiver.deadAtMs,
      slept: () => this.#clock.jumped(),
      isLive: () => receiver.conn !== null,
      onFrameText: (text) => this.#options.settings.intercept(text, take),
      dealtWith: () => this.#intake.idle(),
    });
    this.#connection = connection;
    this.#subscriptions.opening(connection.signal, transport.subscribes ? {} : channels);
    return connection;
  }

  #act(judgement: Judgement, connection: Connection): void {
    if (this.#lifetime.signal.aborted) return;
    if (judgement.verdict === "refused") {
      this.#reports.refused(judgement.reason);
      if (judgement.reason === "stale" && this.#clock.jumped()) this.#keeper.renewNow();
    } else if (judgement.verdict === "hole" && !connection.ended) {
      this.#options.counters.add("gaps");
      connection.finish({ kind: "hole" }, this.#reports.gap());
    } else if (judgement.verdict === "taken" && judgement.effect !== null) {
      this.#apply(judgement.effect, connection);
    }
  }

  #apply(effect: Effect, connection: Connection): void {
    const { sink } = this.#options;
    switch (effect.kind) {
      case "hello":
        return this.#opened(effect.limits, connection);
      case "subscribed":
        return sink.subscribed(effect.subscribed);
      case "deliver":
        return sink.publication(effect.publication);
      case "gap":
        return sink.gap(effect.gap);
      case "ended":
        return this.#channelEnded(effect.channel);
      case "answer":
        return this.#answered(effect.answer, connection);
      case "rekey":
        return this.#rekey(effect.kid, connection);
      case "bye":
        return connection.finish({ kind: "bye", reason: effect.reason, retryMs: effect.retryMs });
    }
  }

  #opened(limits: Limits, connection: Connection): void {
    const { sink, counters } = this.#options;
    this.#verifier.maxFrameBytes = limits.frame;
    if (this.#loop.live()) counters.add("reconnects");
    sink.limits(limits);
    this.#subscriptions.opened();
    void this.#reports.flush();
    this.#confirmNewest(connection);
  }

  #answered(answer: Answer, connection: Connection): void {
    if (connection.answered(answer) || answer.code === null) return;
    this.#options.sink.error(new JitterbugError("JB_HUB_ERROR", "The hub refused a frame"));
  }

  /** Without a kid the hub asks for the next key to be fetched; with one it has switched. */
  #rekey(kid: string | null, connection: Connection): void {
    const nowMs = this.#clock.nowMs();
    if (kid !== null) {
      if (this.#keeper.ring.find(kid, nowMs) === undefined) connection.finish({ kind: "keyMissing" });
    } else if (this.#keeper.newest()?.kid === this.#receiver.kid) this.#keeper.renewNow();
    else this.#confirmNewest(connection);
  }

  #keyArrived(key: EphemeralKey): void {
    const { sink, runtime, counters } = this.#options;
    const offsetMs = this.#clock.offsetMs();
    const first = this.#keeper.added === 1;
    if (!first) counters.add("rotations");
    sink.key({
      kid: key.kid,
      issuedAtMs: runtime.deviceMs(),
      expiresAtMs: key.expiresAtMs - offsetMs,
      offsetMs,
      reason: first ? "first" : "rotated",
    });
    if (this.#connection !== null) this.#confirmNewest(this.#connection);
  }

  /** Asks the hub to switch an open connection to the newest key, where it is not on it already. */
  #confirmNewest(connection: Connection): void {
    const key = this.#keeper.newest();
    const { conn } = this.#receiver;
    if (key === undefined || conn === null) return;
    const isDue = () =>
      this.#receiver.conn === conn && this.#receiver.kid !== key.kid && this.#keeper.newest() === key;
    const send = () => this.send({ t: "confirm", id: freshId() }, key);
    void confirmKey({ runtime: this.#options.runtime, stream: connection.signal, isDue, send });
  }

  #channelEnded(channel: string): void {
    this.#options.sink.error(
      new JitterbugError("JB_CHANNEL_ENDED", "The hub ended a subscription, or refused it", {
        remedy: "Ask for the right to the channel, then subscribe again.",
        channel,
      }),
    );
  }
}
