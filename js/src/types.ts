/**
 * The public shapes of the client. No code, so that a page or an application can compile against it alone.
 *
 * Times end in `Ms` and are milliseconds; sizes are UTF-8 bytes. `frame.ts` and `publication.ts` are on the
 * hub's clock, everything else on the device's.
 */

import type { JitterbugError } from "./errors.ts";

/** Any JSON value. Objects made by this client have no prototype, so `__proto__` and `toJSON` are plain members. */
export type Json = null | boolean | number | string | readonly Json[] | JsonObject;

/** A JSON object. */
export interface JsonObject {
  readonly [name: string]: Json;
}

/**
 * Where a channel stands: `[epoch, offset]` (PROTOCOL §4). Offsets grow by one within an epoch; positions of two
 * epochs cannot be compared. `null` in place of a Position means "from now on".
 */
export type Position = readonly [epoch: string, offset: number];

/** The five members of a signed frame (PROTOCOL §1), as parsed. Parsed is not verified: look at the verdict. */
export interface Frame {
  readonly kid: string;
  /** Signing time, integer Unix milliseconds on the hub's clock. */
  readonly ts: number;
  readonly nonce: string;
  readonly sig: string;
  readonly payload: JsonObject;
}

/** Why a frame was refused. Told to the local observer only, never on an error (R59, R60). */
export type RefusalReason = "size" | "grammar" | "key" | "stale" | "signature" | "replay" | "type" | "order";

/** The checks, in the order in which they run (PROTOCOL §1). `order` covers direction, type, conn and seq. */
export type StepName = "size" | "grammar" | "key" | "time" | "signature" | "replay" | "order";

/** One check of one frame. `ok` is null when an earlier check had failed already. */
export interface Step {
  readonly name: StepName;
  readonly ok: boolean | null;
}

/** A frame that reached the verifier, with its verdict. For displays and diagnosis, never for application data. */
export interface SeenFrame {
  /** Device clock when the verdict fell, Unix ms. */
  readonly atMs: number;
  readonly text: string;
  readonly bytes: number;
  readonly verdict: "verified" | "refused";
  /** null exactly when the verdict is "verified". */
  readonly reason: RefusalReason | null;
  /** null when not even the grammar held. UNVERIFIED, and possibly forged, when the verdict is "refused". */
  readonly frame: Frame | null;
  /**
   * All seven, in order. A "verified" frame whose `order` is false is authentic but came after a hole in `seq` or
   * in a channel's offsets: it is not delivered, the client resumes before the hole instead.
   */
  readonly steps: readonly Step[];
  /** `payload.ch` where there is one; as unverified as `frame`. */
  readonly channel: string | null;
}

/** What an application published, taken from the very bytes that were verified (R35). */
export interface Publication {
  readonly channel: string;
  /** JSON. Objects have no prototype. */
  readonly data: unknown;
  readonly position: Position;
  /** true when it came from the hub's history after a resume. */
  readonly recovered: boolean;
  /** Signing time of the frame that carried it, Unix ms on the hub's clock: not the time of publishing. */
  readonly ts: number;
  readonly kid: string;
}

/** Called once for each Publication of a channel, in order of offset. What it throws reaches the "error" listeners. */
export type PublicationHandler = (data: unknown, publication: Publication) => void;

/**
 * - `connecting`: before the first verified `hello`
 * - `live`: frames arrive and verify
 * - `reconnecting`: waiting until `retryAtMs`, or opening the next stream, or, with the code JB_PAUSED, waiting for the
 *   page to be shown again
 * - `refused`: the hub said no for good; `code` and `remedy` say what to do
 * - `closed`: `close()` was called
 */
export type State = "connecting" | "live" | "reconnecting" | "refused" | "closed";

/** State of the stream. `code` and `remedy` where there is something to know; `retryAtMs` on the device clock. */
export interface Status {
  readonly state: State;
  readonly code?: string;
  readonly remedy?: string;
  readonly retryAtMs?: number;
}

/** What may be known about a key. Never the secret. */
export interface KeyInfo {
  readonly kid: string;
  /** Device clock, Unix ms. */
  readonly issuedAtMs: number;
  /** Device clock, Unix ms. */
  readonly expiresAtMs: number;
  /** Server time minus device time when the key was fetched, ms. */
  readonly offsetMs: number;
  readonly reason: "first" | "rotated";
}

/** Publications are lost for good up to `position`: refetch what the channel stands for (PROTOCOL §4 `gap`). */
export interface GapInfo {
  readonly channel: string;
  /** "overflow" (this reader was too slow), "expired" (out of the history), "epoch" (the history was made anew). */
  readonly reason: "overflow" | "expired" | "epoch";
  /** Where the channel stands after the loss; what follows is the next offset. */
  readonly position: Position;
  /** Stable: JB_GAP_OVERFLOW, JB_GAP_EXPIRED or JB_GAP_EPOCH. */
  readonly code: string;
  readonly remedy: string;
}

/**
 * A subject came to a channel, or went; for channels that have presence on (the hub's setting `PRESENCE`). After a break
 * the list starts anew: all that were there go, and those who are there come. A listener is first told who is there already.
 */
export interface PresenceInfo {
  readonly channel: string;
  readonly kind: "join" | "leave";
  /** Who: the subject of a session that reads the channel, this one's among them. */
  readonly subject: string;
  /** Who is there now, as far as the hub has told. */
  readonly members: readonly string[];
}

/** The hub has subscribed a channel, for the first time or on a new stream (PROTOCOL §4 `subscribed`). */
export interface SubscribedInfo {
  readonly channel: string;
  /** Where the channel stands at the hub. */
  readonly position: Position;
  /** Whether all since the position asked for follows; false: a gap does. null: from now on. */
  readonly recovered: boolean | null;
}

/** The hub's limits for this connection (PROTOCOL §4 `hello`). */
export interface Limits {
  /** Frames that may leave at once. */
  readonly burst: number;
  /** Largest frame, UTF-8 bytes. */
  readonly frame: number;
  /** Frames per second, sustained. */
  readonly rate: number;
}

/** Counters since `connect`. A snapshot: read again for newer numbers. */
export interface Stats {
  readonly verified: number;
  readonly refused: Readonly<Record<RefusalReason, number>>;
  /** Keys taken into use after the first. */
  readonly rotations: number;
  /** Holes found in `seq` or offsets, and `gap` frames. */
  readonly gaps: number;
  /** Publications seen before and dropped. */
  readonly duplicates: number;
  /** Streams opened after the first. */
  readonly reconnects: number;
  /** UTF-8 bytes of all frame texts that reached the verifier. */
  readonly bytes: number;
}

/**
 * Sits between transport and verifier: gets the text of each frame and hands on none, one or more texts, now or
 * later. Nothing it hands on is trusted any more than the network is.
 */
export type Intercept = (frameText: string, handOn: (frameText: string) => void) => void;

/** What carries the frames: a server-sent event stream read by fetch, or a WebSocket. Both carry the same. */
export type TransportName = "sse" | "websocket";

/** Options of `connect`. All may be left out. */
export interface ConnectOptions {
  /**
   * Channels of the first stream, each with the Position to recover from or null for "from now on". Up to 1,000
   * Publications of each wait for its first handler.
   */
  readonly channels?: Readonly<Record<string, Position | null>>;
  /** Largest difference between a frame's `ts` and the hub's time, ms. Default 5000. */
  readonly skewMs?: number;
  /** How long a nonce is remembered at the least, ms. Default 10000; below twice `skewMs` is a RangeError. */
  readonly replayWindowMs?: number;
  /** On 401 ask once for an anonymous session (a development hub gives one). Default true. */
  readonly anonymous?: boolean;
  /** Instead of the global `fetch`; for tests and for wrapping. */
  readonly fetch?: typeof fetch;
  /**
   * Default "auto": the stream and, where none comes through within 3 s or what comes is no stream, as behind a proxy
   * that holds answers back, the WebSocket. What works is kept for an hour, then the stream is tried again.
   */
  readonly transport?: "auto" | TransportName;
  /** Instead of the global `WebSocket`; for tests and for wrapping. */
  readonly WebSocket?: typeof WebSocket;
  readonly intercept?: Intercept;
}

/** What can be listened to, and what each listener is given. */
export interface PushEvents {
  status: Status;
  /** Every frame that reached the verifier, good or bad. */
  frame: SeenFrame;
  key: KeyInfo;
  gap: GapInfo;
  subscribed: SubscribedInfo;
  presence: PresenceInfo;
  /** What went wrong beside a promise that could have rejected: a handler that threw, a key fetch that failed. */
  error: JitterbugError;
  limits: Limits;
}

/** One live connection to a hub, kept alive across streams and keys until `close`. */
export interface Push {
  /**
   * Adds a handler; the first one of a channel subscribes it, from `since` on or, with null, from now on. Returns a
   * function that takes the handler off again.
   */
  subscribe(channel: string, handler: PublicationHandler, since?: Position | null): () => void;
  /**
   * Publishes JSON data; resolves with its Position. Rejects with a JitterbugError: the hub's refusal, or
   * JB_NOT_LIVE when no stream is open. Never repeated by itself, as that could publish twice.
   */
  publish(channel: string, data: unknown): Promise<Position>;
  /** Adds a listener; returns a function that takes it off. */
  on<Name extends keyof PushEvents>(name: Name, listener: (value: PushEvents[Name]) => void): () => void;
  readonly status: Status;
  readonly stats: Stats;
  /** Newest limits, null before the first verified `hello`. */
  readonly limits: Limits | null;
  /** The key in use, null only after `close`. */
  readonly key: KeyInfo | null;
  /** What carries the frames now, null while nothing does. */
  readonly transport: TransportName | null;
  /** Ends the stream and forgets the keys. For good; further calls do nothing. */
  close(): void;
}
