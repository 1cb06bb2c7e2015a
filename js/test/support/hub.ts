import { randomBytes } from "node:crypto";
import { createServer, type IncomingMessage, type Server, type ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";
import { signAs } from "./frames.ts";

type Payload = Record<string, unknown>;
type Position = readonly [string, number];

interface Key {
  readonly kid: string;
  readonly secret: Buffer;
  readonly session: string;
  readonly expiresAt: number;
}

/** What the tests do to a stream's response, or to the hub's end of a WebSocket. */
export interface WireEnd {
  readonly writableEnded: boolean;
  readonly destroyed: boolean;
  write(data: string | Buffer): unknown;
  /** `closeCode` of a WebSocket. */
  end(closeCode?: number): unknown;
  destroy(): unknown;
}

/** One open stream or WebSocket, seen from the hub. */
export interface Wire {
  readonly conn: string;
  readonly res: WireEnd;
  /** Puts a frame's text on it. */
  readonly put: (text: string) => void;
  readonly channels: Set<string>;
  key: Key;
  seq: number;
}

/** An answer the test hub gives instead of its own, once. */
export interface Canned {
  readonly path: string;
  readonly status: number;
  readonly headers?: Record<string, string>;
  readonly body?: string;
}

const BASE = "/api/jitterbug";

/**
 * A small hub over real HTTP: sessions, keys, streams with history, upstream frames. What a man in the middle would
 * do is done in `tamper`, between signing and sending.
 */
export class TestHub {
  readonly wires: Wire[] = [];
  readonly keys: Key[] = [];
  readonly reports: Payload[] = [];
  readonly received: Payload[] = [];
  readonly requests: { method: string; path: string; body: string; headers: IncomingMessage["headers"] }[] =
    [];
  readonly canned: Canned[] = [];
  readonly history = new Map<string, unknown[]>();
  readonly #sessions = new Set<string>();
  readonly #server: Server;
  readonly #nowMs: () => number;
  keyLifeMs = 600_000;
  epoch = "epoch-01";
  anonymous = true;
  answersConfirm = true;
  /** A proxy before the hub lets no byte of a stream's body through. */
  holdsStreams = false;
  /** A proxy before the hub lets no WebSocket through. */
  refusesSockets = false;
  /** Channels that nobody may read. */
  readonly refuses = new Set<string>();
  limits = { burst: 10, frame: 1024, rate: 1 };
  /** First offset the history still has, minus one; positions before it cannot be recovered. */
  forgottenTo = 0;
  tamper: (text: string) => string[] = (text) => [text];
  /** How long a frame sent by POST is on its way. */
  underWay: (payload: Payload) => Promise<unknown> = async () => undefined;

  readonly #nonces = new Set<string>();

  constructor(nowMs: () => number) {
    this.#nowMs = nowMs;
    this.#server = createServer((req, res) => void this.#serve(req, res));
  }

  async start(): Promise<string> {
    await new Promise<void>((resolve) => this.#server.listen(0, "127.0.0.1", resolve));
    return `http://127.0.0.1:${(this.#server.address() as AddressInfo).port}${BASE}`;
  }

  async stop(): Promise<void> {
    this.#server.closeAllConnections();
    await new Promise((resolve) => this.#server.close(resolve));
  }

  /** The newest stream still open. */
  get wire(): Wire | undefined {
    return this.wires.findLast((wire) => !wire.res.writableEnded && !wire.res.destroyed);
  }

  /** Requests for a path so far. */
  count(path: string): number {
    return this.requests.filter((request) => request.path === path).length;
  }

  /** Makes every session and key unknown, as a restart of a development hub does. */
  forgetAll(): void {
    this.#sessions.clear();
    this.keys.length = 0;
  }

  publish(channel: string, data: unknown): Position {
    const log = this.history.get(channel) ?? [];
    this.history.set(channel, log);
    log.push(data);
    const pos: Position = [this.epoch, log.length];
    for (const wire of this.wires) {
      if (wire.channels.has(channel)) this.send(wire, { t: "msg", ch: channel, data, pos });
    }
    return pos;
  }

  send(wire: Wire | undefined, payload: Payload): void {
    if (wire === undefined || wire.res.writableEnded || wire.res.destroyed) return;
    wire.seq += 1;
    const full = { ...payload, conn: wire.conn, seq: wire.seq };
    const text = signAs(wire.key.kid, wire.key.secret, full, this.#nowMs());
    for (const sent of this.tamper(text)) wire.put(sent);
  }

  bye(reason: string, retry = 0): void {
    const { wire } = this;
    this.send(wire, { t: "bye", reason, retry });
    wire?.res.end();
  }

  async #serve(req: IncomingMessage, res: ServerResponse): Promise<void> {
    const chunks: Buffer[] = [];
    for await (const chunk of req) chunks.push(chunk as Buffer);
    const body = Buffer.concat(chunks).toString("utf8");
    const path = (req.url ?? "").slice(BASE.length);
    this.requests.push({ method: req.method ?? "", path, body, headers: req.headers });
    const at = this.canned.findIndex((answer) => answer.path === path);
    if (at >= 0) return this.#answerCanned(res, this.canned.splice(at, 1)[0] as Canned);
    if (path === "/session") return this.#session(res);
    if (path === "/keys") return this.#issueKey(req, res);
    if (path === "/stream") return this.#stream(res, JSON.parse(body));
    if (path === "/frames") {
      await this.underWay(JSON.parse(body).payload);
      const [status, words] = this.#frame(body);
      return answer(res, status, words);
    }
    answer(res, 404, { error: "invalid request" });
  }

  #answerCanned(res: ServerResponse, canned: Canned): void {
    res.writeHead(canned.status, canned.headers).end(canned.body);
  }

  #session(res: ServerResponse): void {
    if (!this.anonymous) return answer(res, 401, { error: "unauthorized" });
    const id = randomBytes(16).toString("hex");
    this.#sessions.add(id);
    res.writeHead(204, { "Set-Cookie": `jitterbug=${id}; HttpOnly; SameSite=Strict; Path=/` }).end();
  }

  #issueKey(req: IncomingMessage, res: ServerResponse): void {
    const session = /jitterbug=([0-9a-f]+)/.exec(req.headers.cookie ?? "")?.[1];
    if (session === undefined || !this.#sessions.has(session)) {
      return answer(res, 401, { error: "unauthorized" });
    }
    const secret = randomBytes(32);
    const kid = randomBytes(39).toString("base64url");
    const serverTime = this.#nowMs();
    const key = { kid, secret, session, expiresAt: serverTime + this.keyLifeMs };
    this.keys.push(key);
    answer(res, 200, {
      algorithm: "sha256",
      expiresAt: key.expiresAt,
      kid,
      secret: secret.toString("base64"),
      serverTime,
    });
  }

  #stream(res: ServerResponse, body: { kid: string; channels: Record<string, Position | null> }): void {
    const key = this.#key(body.kid);
    if (key === undefined) return answer(res, 401, { error: "unauthorized" });
    res.writeHead(200, { "Content-Type": "text/event-stream; charset=utf-8" });
    if (this.holdsStreams) return;
    res.write(": hi\n\nretry: 2000\n\n");
    const wire = this.#open(key, res, (text) => void res.write(`data: ${text}\n\n`));
    for (const [channel, since] of Object.entries(body.channels)) this.#subscribe(wire, channel, since);
  }

  #open(key: Key, res: WireEnd, put: (text: string) => void): Wire {
    const conn = randomBytes(12).toString("base64url");
    const wire: Wire = { conn, res, put, key, seq: 0, channels: new Set() };
    this.wires.push(wire);
    this.send(wire, { t: "hello", v: 1, limits: this.limits, serverTime: this.#nowMs() });
    return wire;
  }

  /** A WebSocket asks to be opened; null: the handshake is refused. */
  accept(url: string, end: WireEnd, put: (text: string) => void): Wire | null {
    const { pathname, searchParams } = new URL(url);
    this.requests.push({ method: "GET", path: pathname.slice(BASE.length), body: "", headers: {} });
    const key = this.#key(searchParams.get("kid") ?? "");
    return key === undefined || this.refusesSockets ? null : this.#open(key, end, put);
  }

  /** A frame came up a WebSocket: as by POST, with the answer as a frame. */
  take(wire: Wire, text: string): void {
    const at = this.canned.findIndex((each) => each.path === "/frames");
    const canned = at < 0 ? null : (this.canned.splice(at, 1)[0] as Canned);
    if (canned?.status === 0) return; // an answer that never comes
    const [status, words] = canned === null ? this.#frame(text) : [canned.status, {}];
    const code = { 200: null, 401: "unauthorized", 429: "rate limited", 500: "internal error" }[status];
    if (code === null) this.send(wire, { t: "ack", ...words });
    else this.send(wire, { t: "err", code: code ?? "invalid request" });
  }

  #subscribe(wire: Wire, channel: string, since: Position | null): void {
    if (this.refuses.has(channel)) {
      return this.send(wire, { t: "unsubscribed", ch: channel, reason: "unauthorized" });
    }
    wire.channels.add(channel);
    const log = this.history.get(channel) ?? [];
    const pos: Position = [this.epoch, log.length];
    if (since === null) return this.send(wire, { t: "subscribed", ch: channel, pos });
    const recovered = since[0] === this.epoch && since[1] >= this.forgottenTo;
    this.send(wire, { t: "subscribed", ch: channel, pos, recovered });
    if (!recovered) {
      const reason = since[0] === this.epoch ? "expired" : "epoch";
      return this.send(wire, { t: "gap", ch: channel, pos, reason });
    }
    for (let offset = since[1] + 1; offset <= log.length; offset += 1) {
      const data = log[offset - 1];
      this.send(wire, { t: "msg", ch: channel, data, pos: [this.epoch, offset], re: true });
    }
  }

  #frame(text: string): [status: number, words: object] {
    const frame = JSON.parse(text) as { kid: string; ts: number; nonce: string; payload: Payload };
    const key = this.#key(frame.kid);
    const honest =
      key !== undefined &&
      signAs(key.kid, key.secret, frame.payload, frame.ts, frame.nonce) === JSON.stringify(frame) &&
      Math.abs(frame.ts - this.#nowMs()) <= 5_000 &&
      !this.#nonces.has(frame.nonce);
    this.#nonces.add(frame.nonce);
    if (!honest) return [401, { error: "unauthorized" }];
    if (frame.payload.t === "sub" && this.refuses.has(String(frame.payload.ch))) {
      return [401, { error: "unauthorized" }];
    }
    this.received.push(frame.payload);
    const { t, id, ch } = frame.payload as { t: string; id: string; ch: string };
    const wire = this.wires.find((each) => each.conn === frame.payload.conn);
    if (wire === undefined) return [400, { error: "invalid request" }];
    if (t === "sub") this.#subscribe(wire, ch, (frame.payload.since as Position | undefined) ?? null);
    if (t === "unsub") {
      wire.channels.delete(ch);
      this.send(wire, { t: "unsubscribed", ch, reason: "asked" });
    }
    if (t === "pub") return [200, { id, pos: this.publish(ch, frame.payload.data) }];
    if (t === "report") this.reports.push(frame.payload);
    if (t === "confirm" && this.answersConfirm) {
      this.send(wire, { t: "rekey", kid: key.kid });
      wire.key = key;
    }
    return [200, id === undefined ? {} : { id }];
  }

  #key(kid: string): Key | undefined {
    return this.keys.find((key) => key.kid === kid && key.expiresAt > this.#nowMs());
  }
}

function answer(res: ServerResponse, status: number, body: object): void {
  res.writeHead(status, { "Content-Type": "application/json" }).end(JSON.stringify(body));
}

/** `fetch` with a cookie jar of one cookie, as a browser would keep it. */
export function fetchWithCookie(): typeof fetch {
  let cookie = "";
  return async (input, init) => {
    const headers = new Headers(init?.headers);
    if (cookie !== "") headers.set("Cookie", cookie);
    const response = await fetch(input, { ...init, headers });
    cookie = response.headers.get("Set-Cookie")?.split(";")[0] ?? cookie;
    return response;
  };
}
