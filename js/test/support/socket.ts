import type { TestHub, Wire, WireEnd } from "./hub.ts";

/** What the client under test touches of a WebSocket. */
type Client = Pick<
  WebSocket,
  "onopen" | "onmessage" | "onclose" | "readyState" | "send" | "close" | "bufferedAmount"
>;

/**
 * A `WebSocket` whose other end is the test hub itself: Node 20 has none, and the real one runs in tests/browser. As
 * in a browser each event is a task of its own, in order, and a refused handshake shows as code 1006 alone.
 */
export function socketFor(hub: TestHub): typeof WebSocket {
  class TestSocket implements Client, WireEnd {
    onopen: Client["onopen"] = null;
    onmessage: Client["onmessage"] = null;
    onclose: Client["onclose"] = null;
    readyState: 0 | 1 | 2 | 3 = 0;
    bufferedAmount = 0;
    writableEnded = false;
    destroyed = false;
    #wire: Wire | null = null;

    constructor(url: string) {
      if (!url.startsWith("ws://")) throw new SyntaxError(`no WebSocket URL: ${url}`);
      this.#task(() => {
        if (this.readyState !== 0) return;
        const puts: string[] = [];
        this.#wire = hub.accept(url, this, (text) => puts.push(text));
        if (this.#wire === null) return this.#closeWith(1006);
        this.readyState = 1;
        this.onopen?.call(this as never, {} as Event);
        const wire = this.#wire as { put: (text: string) => void };
        wire.put = (text) => this.write(text);
        for (const text of puts) this.write(text);
      });
    }

    send(text: string): void {
      this.#task(() => {
        if (this.#wire !== null) hub.take(this.#wire, text);
      });
    }

    close(): void {
      this.readyState = 2;
      this.#task(() => {
        this.destroyed = true;
        this.#closeWith(1000);
      });
    }

    write(data: string | Buffer): void {
      this.#task(() => {
        if (this.readyState < 3) this.onmessage?.call(this as never, { data } as MessageEvent);
      });
    }

    end(code = 1001): void {
      this.writableEnded = true;
      this.#task(() => this.#closeWith(code));
    }

    destroy(): void {
      this.destroyed = true;
      this.#task(() => this.#closeWith(1006));
    }

    #closeWith(code: number): void {
      if (this.readyState === 3) return;
      this.readyState = 3;
      this.onclose?.call(this as never, { code } as CloseEvent);
    }

    #task(run: () => void): void {
      setImmediate(run);
    }
  }
  return TestSocket as unknown as typeof WebSocket;
}
