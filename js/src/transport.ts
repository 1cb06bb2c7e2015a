/** What carries frames: one shape for the stream and the WebSocket, so that nobody else has to know which it is. */
import type { StreamEnd } from "./resume.ts";
import type { Answer } from "./session.ts";
import type { Json, Position, TransportName } from "./types.ts";

/** What a wire is opened for: also the body of `POST BASE/stream`. */
export interface WireRequest {
  readonly kid: string;
  readonly channels: Readonly<Record<string, Position | null>>;
}

/** Who reads a wire. */
export interface WireReader {
  /** Gets the text of each frame, in the order in which they came. */
  readonly onData: (data: string) => void;
  /** Resolves when all data given so far is dealt with. */
  readonly dealtWith: () => Promise<void>;
  /** Aborted to close the wire. */
  readonly signal: AbortSignal;
}

/** One wire, opening or open. */
export interface Wire {
  /** How it ended, once everything it brought is dealt with. Never rejects. */
  readonly over: Promise<StreamEnd>;
  /**
   * Sends a signed frame up; resolves with the hub's answer to it. `id` is the frame's own: a frame without one may
   * count as sent as soon as it is on its way. Rejects with a JitterbugError: the hub's refusal, or JB_NETWORK.
   */
  send(text: string, id: string | null): Promise<Json>;
  /** An answer came down, verified. Returns whether somebody waited for it. */
  answered(answer: Answer): boolean;
}

/** One way to the hub. */
export interface Transport {
  readonly name: TransportName;
  /** Whether the request itself subscribes its channels; otherwise each takes a `sub` after the `hello`. */
  readonly subscribes: boolean;
  /** Opens a wire now. What it throws, as a browser may for a WebSocket, counts as a wire cut at once. */
  open(request: WireRequest, reader: WireReader): Wire;
}
