/**
 * The receiver: what a verified frame means on this connection. Pure: frames and times in, outcomes out.
 *
 * Rules, in order, for a frame that passed steps 1 to 6 of verifier.ts:
 *
 * 1. type      one of the hub's payloads by grammar, otherwise refused "type"
 * 2. conn      `hello` comes first with seq 1 and fixes conn and kid; after it a second `hello`, another conn or
 *              another kid (until a `rekey` names it) is refused "order"
 * 3. seq       exactly last + 1. At or below last: refused "order". Above: a hole, frames were lost or cut
 * 4. position  a `msg` is taken only at last + 1 of its channel and epoch. At or below: a duplicate, dropped.
 *              Elsewhere: a hole. `subscribed` and `gap` say where a channel stands
 *
 * After a hole nothing of the connection is taken any more: the client resumes from the last good positions, and the
 * hub sends again what is missing. So a Publication is delivered in order, once, or its loss is told by a gap.
 */
import { gapInfo } from "./codes.ts";
import { type ByeReason, type HubPayload, readPayload } from "./payloads.ts";
import type { PresenceChange } from "./presence.ts";
import type { Frame, GapInfo, Limits, Position, Publication, SubscribedInfo } from "./types.ts";

/** The hub's answer to a frame sent up a WebSocket: `ack` when `code` is null, otherwise `err`. */
export interface Answer {
  /** The frame's own, null where it had none or the hub refused it unread. */
  readonly id: string | null;
  readonly code: string | null;
  /** Where a publication stands; null for everything else. */
  readonly position: Position | null;
}

/** What the client has to do about a frame. */
export type Effect =
  | { readonly kind: "hello"; readonly conn: string; readonly limits: Limits }
  | { readonly kind: "subscribed"; readonly subscribed: SubscribedInfo }
  | { readonly kind: "deliver"; readonly publication: Publication }
  | { readonly kind: "gap"; readonly gap: GapInfo }
  | { readonly kind: "presence"; readonly change: PresenceChange }
  | { readonly kind: "ended"; readonly channel: string }
  | { readonly kind: "answer"; readonly answer: Answer }
  | { readonly kind: "rekey"; readonly kid: string | null; readonly byMs: number | null }
  | { readonly kind: "bye"; readonly reason: ByeReason; readonly retryMs: number };

/** Verdict of the rules. "taken" without an effect is a frame that only counts, as a heartbeat does. */
export type Outcome =
  | { readonly verdict: "refused"; readonly reason: "type" | "order" }
  | { readonly verdict: "hole" }
  | { readonly verdict: "duplicate" }
  | { readonly verdict: "taken"; readonly effect: Effect | null };

/** Heartbeat interval where `hello` names none, ms (PROTOCOL §4, `hb`). */
const DEFAULT_HEARTBEAT_MS = 15_000;
const SILENT_HEARTBEATS = 2;

const HOLE: Outcome = { verdict: "hole" };
const OUT_OF_ORDER: Outcome = { verdict: "refused", reason: "order" };
const NOTHING: Outcome = { verdict: "taken", effect: null };

interface Channel {
  /** Last good position; null until the hub has said where the channel stands. */
  position: Position | null;
  /** Whether `subscribed` came on this connection. */
  attached: boolean;
  /** Recovering from `position` failed: a `gap` has to say where the channel stands before anything is taken. */
  awaitsGap: boolean;
  /** `unsubscribed` answers still to come for subscriptions given up earlier under this name. */
  leaving: number;
  wanted: boolean;
}

interface Wire {
  readonly conn: string;
  kid: string;
  seq: number;
}

/** One reader over all its connections. Positions outlive a connection; conn, kid and seq do not. */
export class Receiver {
  readonly #channels = new Map<string, Channel>();
  #wire: Wire | null = null;
  #broken = false;
  #heardAtMs = 0;
  #heartbeatMs = DEFAULT_HEARTBEAT_MS;

  /** The open connection's id, null before its `hello`. */
  get conn(): string | null {
    return this.#wire?.conn ?? null;
  }

  /** The key the open connection signs with, null before its `hello`. */
  get kid(): string | null {
    return this.#wire?.kid ?? null;
  }

  /** Whether every wanted channel stands somewhere: from there on nothing of it is missed in silence. */
  get isPlaced(): boolean {
    return [...this.#channels.values()].every((channel) => !channel.wanted || channel.position !== null);
  }

  /** When silence means a dead stream: two heartbeat intervals after the last good frame (monotonic ms). */
  get deadAtMs(): number {
    return this.#heardAtMs + SILENT_HEARTBEATS * this.#heartbeatMs;
  }

  /** A new connection is being opened: forget the old one. `nowMs` is monotonic. */
  begin(nowMs: number): void {
    this.#wire = null;
    this.#broken = false;
    this.#heardAtMs = nowMs;
    for (const [name, channel] of this.#channels) {
      channel.attached = false;
      channel.awaitsGap = false;
      channel.leaving = 0;
      if (!channel.wanted) this.#channels.delete(name);
    }
  }

  /** Wants a channel, from a position on or, with null, from now on. A channel wanted already stays as it is. */
  want(name: string, position: Position | null): void {
    const known = this.#channels.get(name);
    if (known?.wanted) return;
    const leaving = known?.leaving ?? 0;
    this.#channels.set(name, { position, attached: false, awaitsGap: false, leaving, wanted: true });
  }

  /** Wants a channel no more. `asked`: an `unsub` is being sent on this connection, so one answer will come. */
  drop(name: string, asked: boolean): void {
    const channel = this.#channels.get(name);
    if (channel === undefined) return;
    channel.wanted = false;
    if (asked) channel.leaving += 1;
    else this.#channels.delete(name);
  }

  /** Whether a channel is wanted. */
  wants(name: string): boolean {
    return this.#channels.get(name)?.wanted ?? false;
  }

  /** Wanted channels with their last good positions: the body of the next `POST BASE/stream`. */
  positions(): Record<string, Position | null> {
    const wanted = [...this.#channels].filter(([, channel]) => channel.wanted);
    return Object.fromEntries(wanted.map(([name, channel]) => [name, channel.position]));
  }

  /** Applies the rules to one verified frame. `nowMs` is monotonic. */
  accept(frame: Frame, nowMs: number): Outcome {
    const payload = readPayload(frame.payload);
    if (payload === null) return { verdict: "refused", reason: "type" };
    const order = this.#order(payload, frame.kid);
    if (order !== null) return order;
    this.#heardAtMs = nowMs;
    const outcome = this.#apply(payload, frame);
    if (outcome.verdict === "hole") this.#broken = true;
    return outcome;
  }

  /** Rules 2 and 3: null when the frame is next. */
  #order(payload: HubPayload, kid: string): Outcome | null {
    const wire = this.#wire;
    if (wire === null) return payload.t === "hello" && payload.seq === 1 ? null : OUT_OF_ORDER;
    if (payload.t === "hello" || payload.conn !== wire.conn || kid !== wire.kid) return OUT_OF_ORDER;
    if (payload.seq <= wire.seq) return OUT_OF_ORDER;
    if (this.#broken) return HOLE;
    if (payload.seq > wire.seq + 1) {
      this.#broken = true;
      return HOLE;
    }
    wire.seq = payload.seq;
    return null;
  }

  #apply(payload: HubPayload, frame: Frame): Outcome {
    switch (payload.t) {
      case "hello":
        this.#wire = { conn: payload.conn, kid: frame.kid, seq: payload.seq };
        this.#heartbeatMs = payload.hb ?? DEFAULT_HEARTBEAT_MS;
        return taken({ kind: "hello", conn: payload.conn, limits: payload.limits });
      case "subscribed":
        return this.#subscribed(payload.ch, payload.pos, payload.recovered);
      case "unsubscribed":
        return this.#unsubscribed(payload.ch);
      case "msg":
        return this.#publication(payload, frame);
      case "gap":
        return this.#gap(gapInfo(payload.ch, payload.reason, payload.pos));
      case "join":
      case "leave":
        return this.#presence({ channel: payload.ch, kind: payload.t, subject: payload.subject });
      case "ack":
        return taken({ kind: "answer", answer: { id: payload.id, code: null, position: payload.pos } });
      case "err":
        return taken({ kind: "answer", answer: { id: payload.id, code: payload.code, position: null } });
      case "rekey":
        if (payload.kid !== null && this.#wire !== null) this.#wire.kid = payload.kid;
        return taken({ kind: "rekey", kid: payload.kid, byMs: payload.by });
      case "bye":
        return taken({ kind: "bye", reason: payload.reason, retryMs: payload.retry });
      default:
        return NOTHING;
    }
  }

  #subscribed(name: string, position: Position, recovered: boolean | null): Outcome {
    const channel = this.#taking(name);
    if (channel === null || channel.attached) return NOTHING;
    channel.attached = true;
    const subscribed = taken({ kind: "subscribed", subscribed: { channel: name, position, recovered } });
    if (channel.position === null) {
      channel.position = position;
      return subscribed;
    }
    // Recovering means that everything since follows, so the hub must stand at or after us. A stream that says so and
    // stands elsewhere is not the answer to what we asked: it is not believed, and asked for again.
    if (recovered === true && !isAtOrAfter(position, channel.position)) return HOLE;
    channel.awaitsGap = recovered !== true;
    return subscribed;
  }

  #unsubscribed(name: string): Outcome {
    const channel = this.#channels.get(name);
    if (channel === undefined) return NOTHING;
    if (channel.leaving > 0) {
      channel.leaving -= 1;
      if (!channel.wanted && channel.leaving === 0) this.#channels.delete(name);
      return NOTHING;
    }
    this.#channels.delete(name);
    return channel.wanted ? taken({ kind: "ended", channel: name }) : NOTHING;
  }

  #publication(payload: HubPayload & { t: "msg" }, frame: Frame): Outcome {
    const channel = this.#taking(payload.ch);
    if (channel === null) return NOTHING;
    const last = channel.position;
    if (last === null || !channel.attached || channel.awaitsGap || payload.pos[0] !== last[0]) return HOLE;
    if (payload.pos[1] <= last[1]) return { verdict: "duplicate" };
    if (payload.pos[1] !== last[1] + 1) return HOLE;
    channel.position = payload.pos;
    return taken({ kind: "deliver", publication: publicationOf(payload, frame) });
  }

  #gap(gap: GapInfo): Outcome {
    const channel = this.#taking(gap.channel);
    if (channel === null) return NOTHING;
    const last = channel.position;
    if (!channel.awaitsGap && last !== null && isAtOrAfter(last, gap.position)) return NOTHING;
    channel.awaitsGap = false;
    channel.position = gap.position;
    return taken({ kind: "gap", gap });
  }

  #presence(change: PresenceChange): Outcome {
    return this.#taking(change.channel) === null ? NOTHING : taken({ kind: "presence", change });
  }

  /** The channel, unless it is not wanted or what comes still belongs to a subscription given up earlier. */
  #taking(name: string): Channel | null {
    const channel = this.#channels.get(name);
    return channel?.wanted === true && channel.leaving === 0 ? channel : null;
  }
}

function taken(effect: Effect): Outcome {
  return { verdict: "taken", effect };
}

/** Same epoch, and `position` not before `other`. */
function isAtOrAfter(position: Position, other: Position): boolean {
  return position[0] === other[0] && position[1] >= other[1];
}

function publicationOf(payload: HubPayload & { t: "msg" }, frame: Frame): Publication {
  return {
    channel: payload.ch,
    data: payload.data,
    position: payload.pos,
    recovered: payload.re,
    ts: frame.ts,
    kid: frame.kid,
  };
}
