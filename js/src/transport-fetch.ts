/** The stream as a POST answer read by fetch (PROTOCOL §5): no key or channel in a URL, and errors keep their status. */
import { JitterbugError } from "./errors.ts";
import { ask, type Http, post, refusalOf, unreadable } from "./http.ts";
import type { StreamEnd } from "./resume.ts";
import { SseDecoder } from "./sse.ts";
import type { Transport, Wire, WireReader, WireRequest } from "./transport.ts";

/** Bytes decoded in one go: a browser may hand over a megabyte, and what it brings has to wait somewhere. */
const MOST_BYTES = 65_536;

/** Frames come down a stream and go up by `POST BASE/frames`, whose answers are HTTP's. */
export class FetchTransport implements Transport {
  readonly name = "sse";
  readonly subscribes = true;
  readonly #http: Http;
  readonly #lifetime: AbortSignal;

  /** `lifetime` ends what is being sent: a frame under way outlives its stream. */
  constructor(http: Http, lifetime: AbortSignal) {
    this.#http = http;
    this.#lifetime = lifetime;
  }

  open(request: WireRequest, reader: WireReader): Wire {
    return {
      over: stream(this.#http, request, reader),
      send: (text) => ask(this.#http, "/frames", text, this.#lifetime),
      answered: () => false,
    };
  }
}

async function stream(http: Http, request: WireRequest, reader: WireReader): Promise<StreamEnd> {
  let opened = false;
  try {
    const body = await openStream(http, request, reader.signal);
    opened = true;
    await readStream(body, reader);
  } catch (error) {
    if (!opened && error instanceof JitterbugError) return { kind: "failed", error };
  }
  return { kind: "cut" };
}

/**
 * Opens a stream; resolves once the hub has said 200.
 *
 * @throws JitterbugError: the hub's refusal (JB_REVOKED for 204), JB_NETWORK, or JB_UNREADABLE when the answer is no
 * event stream
 */
export async function openStream(
  http: Http,
  request: WireRequest,
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

/**
 * Reads a stream to its end, or until the signal aborts. After each chunk, cut where it is large, it waits until
 * what it brought is dealt with, so a slow reader slows the network down instead of piling up frames.
 *
 * @throws BrokenStreamError, or what the network threw
 */
export async function readStream(body: ReadableStream<Uint8Array>, by: WireReader): Promise<void> {
  const decoder = new SseDecoder(by.onData);
  const reader = body.getReader();
  // Aborting the fetch is not enough: a body that the hub has ended just then may never settle its last read.
  const stop = () => void reader.cancel().catch(() => undefined);
  by.signal.addEventListener("abort", stop, { once: true });
  try {
    while (!by.signal.aborted) {
      const { done, value } = await reader.read();
      if (done) return;
      for (let at = 0; at < value.length && !by.signal.aborted; at += MOST_BYTES) {
        decoder.push(value.subarray(at, at + MOST_BYTES));
        await by.dealtWith();
      }
    }
  } finally {
    by.signal.removeEventListener("abort", stop);
    stop();
  }
}
