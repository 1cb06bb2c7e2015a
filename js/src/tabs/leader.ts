/** The one client of all tabs: subscribes what any of them wants, and tells all of them what it has verified. */
import type { Opening } from "../client.ts";
import type { GapInfo, Position, PresenceInfo, Publication, Push, SubscribedInfo } from "../types.ts";
import { type LeaderSettings, tellError, type Untermed, type UpNote } from "./notes.ts";
import { isAtOrAfter } from "./reader.ts";

/** What a Leader needs. */
export interface LeaderOptions {
  /** Opens the client. */
  readonly open: (settings: LeaderSettings) => Opening;
  /** Tells all tabs. */
  readonly tell: (note: Untermed) => void;
  /** Resolves when a tab is gone, however it went; never, when the signal aborts before. */
  readonly gone: (tab: string, signal: AbortSignal) => Promise<void>;
}

/** A channel that flows. */
interface Flow {
  off: () => void;
  /** Last position told to the tabs; null before the hub has said where the channel stands. */
  position: Position | null;
  /** The furthest known position: where "now" is. */
  newest: Position | null;
  /** Who is there, for tabs that come later. */
  members: readonly string[];
  readonly tabs: Set<string>;
  /** Tabs to be told where "now" is, once that is known. */
  readonly waiting: Set<string>;
}

/** A tab that leads makes one and stops it when it does so no more; a worker has one for good. */
export class Leader {
  readonly #options: LeaderOptions;
  readonly #tabs = new Map<string, AbortController>();
  readonly #flows = new Map<string, Flow>();
  #push: Push | null = null;

  constructor(options: LeaderOptions) {
    this.#options = options;
  }

  /** Deals with what a tab says. */
  take(note: UpNote): void {
    const { from } = note;
    if (note.k === "join") return this.#joined(note);
    if (note.k === "leave") return this.#left(from);
    // A tab that this leader does not know has not heard of it yet, and joins when it does.
    if (!this.#tabs.has(from)) return;
    if (note.k === "ping") this.#options.tell({ k: "pong", to: from });
    else if (note.k === "want") this.#want(from, note.channel, note.since);
    else if (note.k === "drop") this.#drop(from, note.channel);
    else void this.#publish(note);
  }

  /** Closes the client and leads no more. */
  stop(): void {
    for (const tab of [...this.#tabs.keys()]) this.#left(tab);
  }

  #joined({ from, settings, wants }: UpNote & { k: "join" }): void {
    if (!this.#tabs.has(from)) {
      const stay = new AbortController();
      this.#tabs.set(from, stay);
      void this.#options.gone(from, stay.signal).then(() => this.#left(from));
    }
    this.#options.tell({ k: "pong", to: from });
    this.#push ??= this.#open(settings);
    for (const channel of this.#flows.keys()) {
      if (!Object.hasOwn(wants, channel)) this.#drop(from, channel);
    }
    this.#tellState(); // first: the tab's application listens from when both this and its places are known
    for (const [channel, since] of Object.entries(wants)) {
      // Who joins knows of nobody, also where it has been here before.
      this.#flows.get(channel)?.tabs.delete(from);
      this.#want(from, channel, since);
    }
  }

  #left(tab: string): void {
    this.#tabs.get(tab)?.abort();
    if (!this.#tabs.delete(tab)) return;
    for (const channel of [...this.#flows.keys()]) this.#drop(tab, channel);
    if (this.#tabs.size > 0) return;
    const push = this.#push;
    this.#push = null;
    push?.close();
  }

  #open(settings: LeaderSettings): Push {
    const { push, opened } = this.#options.open(settings);
    for (const name of ["status", "key", "limits"] as const) push.on(name, () => this.#changed(push));
    push.on("subscribed", (subscribed) => this.#subscribed(subscribed));
    push.on("gap", (gap) => this.#gap(gap));
    push.on("presence", (info) => this.#presence(info));
    push.on("error", (error) => {
      if (error.code === "JB_CHANNEL_ENDED") this.#end(error.channel ?? "");
      this.#options.tell({ k: "error", to: null, error: tellError(error) });
    });
    opened.catch(() => undefined); // its status says the same to all tabs
    return push;
  }

  #changed(push: Push): void {
    if (this.#push !== push) return;
    this.#tellState();
    if (push.status.state !== "refused") return;
    // Whoever joins later, perhaps after a login, gets a new try.
    this.#push = null;
    this.#flows.clear();
    push.close();
  }

  #tellState(): void {
    if (this.#push === null) return;
    const { status, key, limits, transport } = this.#push;
    this.#options.tell({ k: "state", state: { status, key, limits, transport } });
  }

  #want(tab: string, channel: string, since: Position | null): void {
    const flow = this.#flows.get(channel) ?? this.#begin(tab, channel, since);
    if (flow === null) return;
    const isNew = !flow.tabs.has(tab);
    flow.tabs.add(tab);
    if (since === null) {
      flow.waiting.add(tab);
      this.#tellNow(channel, flow);
    } else if (flow.position === null || !isAtOrAfter(since, flow.position)) {
      // What this tab has not read has flowed by: the channel is read again from there, and the others drop what they have.
      flow.off();
      flow.position = since;
      flow.off = this.#read(channel, since);
    }
    if (isNew) this.#tellMembers(tab, channel, flow);
  }

  #begin(tab: string, channel: string, since: Position | null): Flow | null {
    try {
      const off = this.#read(channel, since);
      const flow = {
        off,
        position: since,
        newest: null,
        members: [],
        tabs: new Set<string>(),
        waiting: new Set<string>(),
      };
      this.#flows.set(channel, flow);
      return flow;
    } catch (error) {
      this.#options.tell({ k: "error", to: tab, error: { ...tellError(error), channel } });
      return null;
    }
  }

  #read(channel: string, since: Position | null): () => void {
    const handler = (_data: unknown, publication: Publication) => this.#publication(publication);
    return this.#push?.subscribe(channel, handler, since) ?? (() => undefined);
  }

  #drop(tab: string, channel: string): void {
    const flow = this.#flows.get(channel);
    flow?.waiting.delete(tab);
    if (flow === undefined || !flow.tabs.delete(tab) || flow.tabs.size > 0) return;
    this.#end(channel);
  }

  #end(channel: string): void {
    this.#flows.get(channel)?.off();
    this.#flows.delete(channel);
  }

  async #publish({ from: to, id, channel, data }: UpNote & { k: "publish" }): Promise<void> {
    const answer = await this.#push?.publish(channel, data).catch(tellError);
    if (answer !== undefined) this.#options.tell({ k: "answer", to, id, answer });
  }

  #subscribed({ channel, position }: SubscribedInfo): void {
    const flow = this.#flows.get(channel);
    if (flow === undefined) return;
    flow.position ??= position;
    this.#advance(flow, position);
    this.#tellNow(channel, flow);
  }

  #publication(publication: Publication): void {
    const flow = this.#flows.get(publication.channel);
    if (flow === undefined) return;
    flow.position = publication.position;
    this.#advance(flow, publication.position);
    this.#options.tell({ k: "publication", publication });
  }

  #gap(gap: GapInfo): void {
    const flow = this.#flows.get(gap.channel);
    if (flow === undefined) return;
    const after = flow.position;
    flow.position = gap.position;
    this.#advance(flow, gap.position);
    this.#options.tell({ k: "gap", gap, after });
  }

  #presence({ channel, kind, subject, members }: PresenceInfo): void {
    const flow = this.#flows.get(channel);
    if (flow === undefined) return;
    flow.members = members;
    this.#options.tell({ k: "presence", to: null, change: { channel, kind, subject } });
  }

  #tellMembers(to: string, channel: string, { members }: Flow): void {
    for (const subject of members) {
      this.#options.tell({ k: "presence", to, change: { channel, kind: "join", subject } });
    }
  }

  #advance(flow: Flow, position: Position): void {
    if (flow.newest === null || !isAtOrAfter(flow.newest, position)) flow.newest = position;
  }

  #tellNow(channel: string, flow: Flow): void {
    if (flow.newest === null) return;
    for (const to of flow.waiting) this.#options.tell({ k: "now", to, channel, position: flow.newest });
    flow.waiting.clear();
  }
}
