/** What an application has of the shared client: in each tab the same as `connect` gives, fed by the leader. */
import type { Runtime } from "../clock.ts";
import { REMEDIES } from "../codes.ts";
import { Emitter, UNMISSED } from "../emitter.ts";
import { JitterbugError } from "../errors.ts";
import { Handlers } from "../handlers.ts";
import { networkError } from "../http.ts";
import { Life } from "../life.ts";
import { assertChannel, assertPosition, assertRoom } from "../options.ts";
import { Presence } from "../presence.ts";
import { freshId } from "../signing.ts";
import type {
  GapInfo,
  KeyInfo,
  Limits,
  Position,
  Publication,
  PublicationHandler,
  Status,
  TransportName,
} from "../types.ts";
import { type DownNote, errorOf, type LeaderSettings, type State } from "./notes.ts";
import { Reader } from "./reader.ts";
import { Seat, type SeatOptions } from "./seat.ts";
import type { SharedEvents, SharedPush } from "./types.ts";

/** What a Member needs. */
export interface MemberOptions extends Pick<SeatOptions, "group" | "worker" | "open"> {
  readonly runtime: Runtime;
  readonly settings: LeaderSettings;
  readonly channels: ReadonlyMap<string, Position | null>;
}

interface Asked {
  readonly resolve: (position: Position) => void;
  readonly reject: (error: JitterbugError) => void;
}

function pausedStatus(): Status {
  return { state: "reconnecting", code: "JB_PAUSED", remedy: REMEDIES.JB_PAUSED ?? "" };
}

const NOTHING_KNOWN: State = { status: { state: "connecting" }, key: null, limits: null, transport: null };

/** One tab's client. */
export class Member implements SharedPush {
  readonly #options: MemberOptions;
  readonly #lifetime = new AbortController();
  readonly #emitter: Emitter<SharedEvents> = new Emitter(
    (fault, name) => this.#fault(fault, name === "error"),
    UNMISSED,
  );
  readonly #handlers = new Handlers((fault) => this.#fault(fault, false));
  readonly #presence = new Presence((info) => this.#emitter.emit("presence", info));
  readonly #readers = new Map<string, Reader>();
  readonly #asked = new Map<string, Asked>();
  #seat: Seat | null = null;
  #state: State = NOTHING_KNOWN;
  #term = 0;
  #leads = false;
  #everLive = false;
  #settle: Asked = { resolve: () => undefined, reject: () => undefined };

  constructor(options: MemberOptions) {
    this.#options = options;
    for (const [channel, position] of options.channels) {
      this.#handlers.hold(channel);
      this.#readers.set(channel, new Reader(position));
    }
  }

  /**
   * Takes its place among the tabs; resolves when the leader's stream is live and each channel stands at a position here
   * or was refused, whichever leader said so; rejects when the hub refuses the stream.
   */
  start(): Promise<unknown> {
    new Life({
      events: this.#options.runtime.events,
      signal: this.#lifetime.signal,
      onPause: () => this.#putAway(),
      onWake: () => this.#sit(),
      onOffline: () => undefined,
    });
    this.#sit();
    return new Promise((resolve, reject) => {
      this.#settle = { resolve, reject };
    });
  }

  get status(): Status {
    return this.#state.status;
  }

  get limits(): Limits | null {
    return this.#state.limits;
  }

  get key(): KeyInfo | null {
    return this.#state.key;
  }

  get transport(): TransportName | null {
    return this.#state.transport;
  }

  get leads(): boolean {
    return this.#leads;
  }

  subscribe(channel: string, handler: PublicationHandler, since: Position | null = null): () => void {
    assertChannel(channel);
    assertPosition(since);
    if (this.#isOver) return () => undefined;
    if (!this.#readers.has(channel)) {
      assertRoom(this.#readers.size + 1);
      this.#readers.set(channel, new Reader(since));
      this.#want(channel, since);
    }
    const remove = this.#handlers.add(channel, handler);
    return () => {
      if (!remove() || !this.#readers.delete(channel)) return;
      this.#send({ k: "drop", channel });
      this.#presence.anew(channel);
    };
  }

  publish(channel: string, data: unknown): Promise<Position> {
    return new Promise((resolve, reject) => {
      assertChannel(channel);
      if (this.#term === 0 || this.#seat === null) {
        throw new JitterbugError("JB_NOT_LIVE", "No stream is open");
      }
      const id = freshId();
      try {
        this.#seat.send({ k: "publish", from: this.#seat.tab, id, channel, data });
      } catch (cause) {
        throw new JitterbugError("JB_NOT_JSON", "The data is not JSON", { cause });
      }
      this.#asked.set(id, { resolve, reject });
    });
  }

  on<Name extends keyof SharedEvents>(name: Name, listener: (value: SharedEvents[Name]) => void): () => void {
    return this.#emitter.on(name, listener, name === "presence" ? (this.#presence.here() as never[]) : []);
  }

  close(): void {
    if (this.#state.status.state === "closed") return;
    this.#end({ state: "closed" });
    this.#emitter.clear();
    this.#handlers.clear();
    this.#readers.clear();
  }

  get #isOver(): boolean {
    return this.#lifetime.signal.aborted;
  }

  #sit(): void {
    if (this.#seat !== null || this.#isOver) return;
    const { runtime, group, worker, open } = this.#options;
    this.#seat = new Seat({
      runtime,
      group,
      worker,
      open,
      term: () => this.#term,
      onReady: () => this.#join(),
      onNote: (note) => this.#take(note),
      onLead: (leads) => {
        this.#leads = leads;
      },
    });
  }

  #putAway(): void {
    this.#stand();
    this.#show({ ...this.#state, status: pausedStatus(), transport: null });
  }

  #stand(): void {
    this.#seat?.leave();
    this.#seat = null;
    this.#forsake();
  }

  /** Nobody will answer any more what was asked of the leader so far. */
  #forsake(): void {
    for (const { reject } of this.#asked.values()) reject(networkError());
    this.#asked.clear();
  }

  #end(status: Status): void {
    this.#lifetime.abort();
    this.#stand();
    this.#show({ ...this.#state, status, key: null, transport: null });
  }

  #join(): void {
    for (const reader of this.#readers.values()) reader.joining();
    this.#presence.clear(); // the leader tells who is there now
    const wants = Object.fromEntries([...this.#readers].map(([name, { position }]) => [name, position]));
    this.#send({ k: "join", settings: this.#options.settings, wants });
  }

  #want(channel: string, since: Position | null): void {
    this.#send({ k: "want", channel, since });
  }

  #send(
    note: Parameters<Seat["send"]>[0] extends infer Note
      ? Note extends unknown
        ? Omit<Note, "from">
        : never
      : never,
  ): void {
    const seat = this.#seat;
    seat?.send({ ...note, from: seat.tab } as Parameters<Seat["send"]>[0]);
  }

  #take(note: DownNote): void {
    if (this.#seat === null || ("to" in note && note.to !== null && note.to !== this.#seat.tab)) return;
    if (note.term > this.#term) {
      if (this.#term > 0) this.#forsake();
      this.#term = note.term;
      if (note.k !== "pong") this.#join();
    }
    if (note.term === this.#term) this.#seat.heard();
    this.#apply(note);
  }

  #apply(note: DownNote): void {
    switch (note.k) {
      case "state":
        return note.term === this.#term ? this.#stateCame(note.state) : undefined;
      case "now":
        this.#readers.get(note.channel)?.now(note.position);
        return this.#settleOnceOpen();
      case "publication":
        return this.#publication(note.publication);
      case "gap":
        return this.#gap(note.gap, note.after);
      case "presence":
        if (note.term === this.#term && this.#readers.has(note.change.channel))
          this.#presence.take(note.change);
        return;
      case "error":
        return this.#error(errorOf(note.error));
      case "answer":
        return this.#answered(note);
    }
  }

  #stateCame(state: State): void {
    const { status } = state;
    if (status.state === "refused") {
      this.#end(status);
      return this.#settle.reject(
        errorOf({
          code: status.code ?? "",
          text: "The hub refused",
          remedy: status.remedy ?? null,
          retryAfterMs: null,
          channel: null,
        }),
      );
    }
    // A leader that has just begun is "connecting"; this tab may have been live before.
    const isAgain = this.#everLive && status.state === "connecting";
    this.#show(isAgain ? { ...state, status: { ...status, state: "reconnecting" } } : state);
    if (status.state === "live") this.#everLive = true;
    this.#settleOnceOpen();
  }

  /** Before a channel stands somewhere, what is published on it is neither delivered nor told as lost. */
  #settleOnceOpen(): void {
    const isPlaced = [...this.#readers.values()].every(({ position }) => position !== null);
    if (this.#state.status.state === "live" && isPlaced) this.#settle.resolve(["", 0]);
  }

  #show(state: State): void {
    const before = this.#state;
    this.#state = state;
    if (JSON.stringify(before.status) !== JSON.stringify(state.status))
      this.#emitter.emit("status", state.status);
    if (state.key !== null && state.key.kid !== before.key?.kid) this.#emitter.emit("key", state.key);
    if (state.limits !== null && JSON.stringify(state.limits) !== JSON.stringify(before.limits)) {
      this.#emitter.emit("limits", state.limits);
    }
  }

  #publication(publication: Publication): void {
    const reader = this.#readers.get(publication.channel);
    const step = reader?.publication(publication.position);
    if (step === "ask") this.#want(publication.channel, reader?.position ?? null);
    if (step !== "deliver") return;
    const lost = this.#handlers.deliver(publication);
    if (lost !== null) this.#emitter.emit("gap", lost);
  }

  #gap(gap: GapInfo, after: Position | null): void {
    const reader = this.#readers.get(gap.channel);
    const step = reader?.gap(after, gap.position);
    if (step === "ask") this.#want(gap.channel, reader?.position ?? null);
    if (step === "deliver") this.#emitter.emit("gap", gap);
  }

  /** One that is about a channel concerns the tabs that read it, which do so no more. */
  #error(error: JitterbugError): void {
    if (error.channel !== null) {
      if (!this.#readers.delete(error.channel)) return;
      this.#presence.anew(error.channel);
    }
    this.#emitter.emit("error", error);
    this.#settleOnceOpen();
  }

  #answered({ id, answer }: DownNote & { k: "answer" }): void {
    const asked = this.#asked.get(id);
    this.#asked.delete(id);
    if ("code" in answer) asked?.reject(errorOf(answer));
    else asked?.resolve(answer);
  }

  /** What application code threw goes to the "error" listeners, or where uncaught errors go. */
  #fault(cause: unknown, inErrorListener: boolean): void {
    if (inErrorListener || !this.#emitter.has("error")) {
      queueMicrotask(() => {
        throw cause;
      });
    } else this.#emitter.emit("error", new JitterbugError("JB_LISTENER", "A listener threw", { cause }));
  }
}
