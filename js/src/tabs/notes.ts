/**
 * What the tabs of an origin and their leader tell each other. Only what the leader's client has verified passes here, and
 * no key: a script of the same origin could read both anyway, so notes are trusted as the page itself is.
 */
import { JitterbugError } from "../errors.ts";
import type { PresenceChange } from "../presence.ts";
import type {
  ConnectOptions,
  GapInfo,
  KeyInfo,
  Limits,
  Position,
  Publication,
  Status,
  TransportName,
} from "../types.ts";

/** The options of `connect` that can be handed to another tab or a worker, with the base as a whole URL. */
export interface LeaderSettings
  extends Pick<ConnectOptions, "skewMs" | "replayWindowMs" | "anonymous" | "transport"> {
  readonly base: string;
}

/** Channels, each with the last position seen; null: from now on. */
export type Wants = Readonly<Record<string, Position | null>>;

/** From a tab to the leader. */
export type UpNote = { readonly from: string } & (
  | { readonly k: "join"; readonly settings: LeaderSettings; readonly wants: Wants }
  | { readonly k: "want"; readonly channel: string; readonly since: Position | null }
  | { readonly k: "drop"; readonly channel: string }
  | { readonly k: "publish"; readonly id: string; readonly channel: string; readonly data: unknown }
  | { readonly k: "ping" }
  | { readonly k: "leave" }
);

/** What a tab is shown of the leader's connection. */
export interface State {
  readonly status: Status;
  readonly key: KeyInfo | null;
  readonly limits: Limits | null;
  readonly transport: TransportName | null;
}

/** From the leader to all tabs, or `to` one. A higher `term` is a newer leader. */
export type DownNote = { readonly term: number } & (
  | { readonly k: "lead" }
  /** The answer to `join` and `ping`: you are known here. */
  | { readonly k: "pong"; readonly to: string }
  | { readonly k: "state"; readonly state: State }
  | { readonly k: "now"; readonly to: string; readonly channel: string; readonly position: Position }
  | { readonly k: "publication"; readonly publication: Publication }
  /** `after`: the loss is from this position on; null: not known. */
  | { readonly k: "gap"; readonly gap: GapInfo; readonly after: Position | null }
  | { readonly k: "presence"; readonly to: string | null; readonly change: PresenceChange }
  | { readonly k: "error"; readonly to: string | null; readonly error: ToldError }
  | {
      readonly k: "answer";
      readonly to: string;
      readonly id: string;
      readonly answer: Position | ToldError;
    }
);

/** What is left to say, the `term` added by the leader. */
export type Untermed<Note = DownNote> = Note extends DownNote ? Omit<Note, "term"> : never;

/** A JitterbugError as plain data. */
export interface ToldError {
  readonly code: string;
  readonly text: string;
  readonly remedy: string | null;
  readonly retryAfterMs: number | null;
  readonly channel: string | null;
}

/** Takes an error apart. What is no JitterbugError is a fault of this client, and says no more than that. */
export function tellError(error: unknown): ToldError {
  if (!(error instanceof JitterbugError)) {
    return tellError(new JitterbugError("JB_INTERNAL", "Internal error"));
  }
  const { code, message: text, remedy, retryAfterMs, channel } = error;
  return { code, text, remedy, retryAfterMs, channel };
}

/** Puts it together again. */
export function errorOf({ code, text, remedy, retryAfterMs, channel }: ToldError): JitterbugError {
  return new JitterbugError(code, text, {
    retryAfterMs,
    ...(remedy === null ? {} : { remedy }),
    ...(channel === null ? {} : { channel }),
  });
}
