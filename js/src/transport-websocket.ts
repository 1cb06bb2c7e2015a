/** The WebSocket (PROTOCOL §5): every text is one signed frame, both ways. */
import { Answers } from "./answers.ts";
import { type Http, networkError, refusal } from "./http.ts";
import type { StreamEnd } from "./resume.ts";
import type { Answer } from "./session.ts";
import type { Transport, Wire, WireReader, WireRequest } from "./transport.ts";
import type { Json } from "./types.ts";

/**
 * Frames that may wait to be verified. A browser's WebSocket cannot be read more slowly, so a flood is cut, and what
 * was published is recovered by position.
 */
export const MAX_WAITING_FRAMES = 5_000;
/** `readyState` of an open WebSocket (WHATWG WebSockets §3.1). */
const OPEN = 1;
const LATER_MS = 1_000;

/** Close codes after which the hub wants a wait; any other end is a cut. What else there is to say, `bye` has said. */
const POLICY = 1008;
const TRY_LATER = 1013;

/** Frames come and go by one WebSocket. The kid stands in its URL, the channels do not: they are asked for by `sub`. */
export class SocketTransport implements Transport {
  readonly name = "websocket";
  readonly subscribes = false;
  readonly #http: Http;
  readonly #Socket: typeof WebSocket;

  constructor(http: Http, Socket: typeof WebSocket) {
    this.#http = http;
    this.#Socket = Socket;
  }

  open(request: WireRequest, reader: WireReader): Wire {
    const { runtime, base } = this.#http;
    // A Request resolves a path as fetch does; what a WebSocket takes itself differs from browser to browser.
    const { url } = new Request(`${base}/ws?kid=${request.kid}`);
    return new SocketWire(new this.#Socket(url.replace(/^http/, "ws")), reader, new Answers(runtime));
  }
}

class SocketWire implements Wire {
  readonly over: Promise<StreamEnd>;
  readonly #socket: WebSocket;
  readonly #reader: WireReader;
  readonly #answers: Answers;
  #end: (end: StreamEnd) => void = () => undefined;
  #waiting = 0;

  constructor(socket: WebSocket, reader: WireReader, answers: Answers) {
    this.#socket = socket;
    this.#reader = reader;
    this.#answers = answers;
    this.over = new Promise((resolve) => {
      this.#end = resolve;
    });
    let opened = false;
    socket.onopen = () => {
      opened = true;
    };
    socket.onmessage = ({ data }) => this.#take(data);
    socket.onclose = ({ code }) => this.#closed(opened ? endOf(code) : { kind: "unopened" });
    // A close from this side waits for the hub's, which a dead network never brings: it is over now.
    reader.signal.addEventListener("abort", () => this.#cut(), { once: true });
    if (reader.signal.aborted) this.#cut();
  }

  async send(text: string, id: string | null): Promise<Json> {
    if (this.#socket.readyState !== OPEN) throw networkError();
    this.#answers.assertRoom();
    this.#socket.send(text);
    return this.#answers.expect(id);
  }

  answered(answer: Answer): boolean {
    return this.#answers.take(answer);
  }

  #take(data: unknown): void {
    if (typeof data !== "string" || this.#waiting >= MAX_WAITING_FRAMES) return this.#cut();
    this.#waiting += 1;
    this.#reader.onData(data);
    void this.#reader.dealtWith().then(() => {
      this.#waiting -= 1;
    });
  }

  #cut(): void {
    const socket = this.#socket;
    socket.onmessage = null;
    socket.onclose = null;
    socket.close();
    this.#closed({ kind: "cut" });
  }

  #closed(end: StreamEnd): void {
    this.#answers.end();
    // The `bye` that came before says more than the code.
    void this.#reader.dealtWith().then(() => this.#end(end));
  }
}

function endOf(code: number): StreamEnd {
  if (code === TRY_LATER) return { kind: "failed", error: refusal(503, LATER_MS) };
  if (code === POLICY) return { kind: "failed", error: refusal(429, LATER_MS) };
  return { kind: "cut" };
}
