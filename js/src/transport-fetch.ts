/** The stream as a POST answer read by fetch (PROTOCOL §5): no key or channel in a URL, and errors keep their status. */
import { type Http, post, refusalOf, unreadable } from "./http.ts";
import { SseDecoder } from "./sse.ts";
import type { Position } from "./types.ts";

/** Body of `POST BASE/stream`. */
export interface StreamRequest {
  readonly kid: string;
  readonly channels: Readonly<Record<string, Position | null>>;
}

/**
 * Opens a stream; resolves once the hub has said 200.
 *
 * @throws JitterbugError: the hub's refusal (JB_REVOKED for 204), JB_NETWORK, or JB_UNREADABLE when the answer is no
 * event stream
 */
export async function openStream(
  http: Http,
  request: StreamRequest,
  signal: AbortSignal,
): Promise<ReadableStream<Uint8Array>> {
  const response = await post(http, "/stream", JSON.stringify(request), signal);
  if (response.status !== 200) throw await refusalOf(response);
  const type = response.headers.get("Content-Type") ?? "";
  if (response.body === null || !/^text\/event-stream\s*(;|$)/i.test(type)) {
    await response.body?.cancel().catch(() => undefined);
    throw unreadable();
  }
  return response.body;
}

/** Who reads a stream. */
export interface StreamReader {
  readonly onData: (data: string) => void;
  /** Resolves when all data given so far is dealt with. */
  readonly dealtWith: () => Promise<void>;
  /** Aborted to stop reading. */
  readonly signal: AbortSignal;
}

/**
 * Reads a stream to its end, or until the signal aborts. After each chunk it waits until what the chunk brought is
 * dealt with, so a slow reader slows the network down instead of piling up frames.
 *
 * @throws BrokenStreamError, or what the network threw
 */
export async function readStream(body: ReadableStream<Uint8Array>, by: StreamReader): Promise<void> {
  const decoder = new SseDecoder(by.onData);
  const reader = body.getReader();
  // Aborting the fetch is not enough: a body that the hub has ended just then may never settle its last read.
  const stop = () => void reader.cancel().catch(() => undefined);
  by.signal.addEventListener("abort", stop, { once: true });
  try {
    while (!by.signal.aborted) {
      const { done, value } = await reader.read();
      if (done) return;
      decoder.push(value);
      await by.dealtWith();
    }
  } finally {
    by.signal.removeEventListener("abort", stop);
    stop();
  }
}
