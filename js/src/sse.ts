/** Server-sent events from bytes (WHATWG HTML §9.2), by eventsource-parser, with a cap on what may pile up. */
import { createParser } from "eventsource-parser";

/**
 * Characters that may wait for the end of an event: the largest frame that any hub may be set to (`MAX_FRAME_BYTES`), and
 * its field names. A frame over the limit of its own hub still reaches the verifier, to be refused and counted there.
 */
export const MAX_EVENT_CHARACTERS: number = 1_048_576 + 4_096;

/** The bytes are not UTF-8, or an event did not end within the cap. Whoever reads must give up the stream. */
export class BrokenStreamError extends Error {
  constructor() {
    super("The stream cannot be read");
    this.name = "BrokenStreamError";
  }
}

/** Decodes one stream. Event names, ids and comments carry nothing here: only signed data counts (R1). */
export class SseDecoder {
  readonly #onData: (data: string) => void;
  readonly #utf8 = new TextDecoder("utf-8", { fatal: true });
  readonly #parser = createParser({
    maxBufferSize: MAX_EVENT_CHARACTERS,
    onEvent: (event) => this.#onData(event.data),
    onError: (error) => {
      this.#tooLong ||= error.type === "max-buffer-size-exceeded";
    },
  });
  #tooLong = false;
  #endedInCr = false;

  /** `onData` gets the data of each event, in order, while `push` runs. */
  constructor(onData: (data: string) => void) {
    this.#onData = onData;
  }

  /** Takes the next bytes, cut anywhere. @throws BrokenStreamError */
  push(bytes: Uint8Array): void {
    const text = this.#withLfOnly(this.#decode(bytes));
    if (text !== "") this.#parser.feed(text);
    if (this.#tooLong) throw new BrokenStreamError();
  }

  /**
   * CR and CRLF as LF. The parser would hold a CR at the end of a chunk back, to see whether LF follows, and with it
   * a whole event; the standard ends the line at once and forgets an LF that comes after.
   */
  #withLfOnly(text: string): string {
    const continued = this.#endedInCr && text.startsWith("\n") ? text.slice(1) : text;
    if (text !== "") this.#endedInCr = text.endsWith("\r");
    return continued.replace(/\r\n?/g, "\n");
  }

  #decode(bytes: Uint8Array): string {
    try {
      return this.#utf8.decode(bytes, { stream: true });
    } catch {
      throw new BrokenStreamError();
    }
  }
}
