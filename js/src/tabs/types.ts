/** The public shapes of the shared client. */
import type { ConnectOptions, Push, PushEvents } from "../types.ts";

/**
 * As `ConnectOptions`, less what cannot be handed to another tab. Where tabs differ in `skewMs`, `replayWindowMs`,
 * `anonymous` or `transport`, those of the tab count that came first or leads.
 */
export interface SharedOptions
  extends Pick<ConnectOptions, "channels" | "skewMs" | "replayWindowMs" | "anonymous" | "transport"> {
  /**
   * URL of `worker.js`, served by the page's own origin: then a shared worker leads, where the browser has them. Left out,
   * one of the tabs does.
   */
  readonly worker?: string | URL;
}

/** What a tab can listen to. Frames and their verdicts stay with the leader: tabs are given what is verified. */
export type SharedEvents = Omit<PushEvents, "frame" | "subscribed">;

/** As `Push`, less the counters and frames of the one client behind it. */
export interface SharedPush extends Omit<Push, "on" | "stats"> {
  on<Name extends keyof SharedEvents>(name: Name, listener: (value: SharedEvents[Name]) => void): () => void;
  /** Whether this tab holds the stream for all of them now; left out where each tab has its own. */
  readonly leads?: boolean;
}
