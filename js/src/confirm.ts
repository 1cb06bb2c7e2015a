/** Showing the hub that this side holds the next key, so that it may switch the connection (PROTOCOL §2, R50). */
import { Backoff } from "./backoff.ts";
import { type Runtime, sleep } from "./clock.ts";
import { isPassing } from "./http.ts";

/** What `confirmKey` needs. */
export interface ConfirmOptions {
  readonly runtime: Runtime;
  /** Aborted with the connection that is to switch. */
  readonly stream: AbortSignal;
  /** Whether the connection still waits for this key. */
  readonly isDue: () => boolean;
  /** Sends `confirm`, signed by the new key. */
  readonly send: () => Promise<unknown>;
}

/**
 * Sends `confirm` until the hub has answered, refused, or switched. Never rejects: without it the hub ends the stream
 * before the old key's end, and the client resumes under the new key.
 */
export async function confirmKey(options: ConfirmOptions): Promise<void> {
  const { runtime, stream, isDue, send } = options;
  const backoff = new Backoff(runtime.random);
  while (!stream.aborted && isDue()) {
    try {
      await send();
      return;
    } catch (error) {
      if (!isPassing(error)) return;
      await sleep(runtime, backoff.afterMs(error.retryAfterMs), stream);
    }
  }
}
