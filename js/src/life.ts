/** The life of the page around the client: put away and shown again, cut off from the network and back on it. */

/** What a Life needs. */
export interface LifeOptions {
  /** Where the browser tells of it: the page's or the worker's global object. null: nowhere, as in Node. */
  readonly events: EventTarget | null;
  /** Ends the watch. */
  readonly signal: AbortSignal;
  /** The page is put away. What is open now keeps it out of the back/forward cache, and goes stale in there. */
  readonly onPause: () => void;
  /** The page is shown again, or the network is back: a good moment to try. */
  readonly onWake: () => void;
  /** The network is gone. What is open now may be dead, and nobody will say so. */
  readonly onOffline: () => void;
}

const DOCUMENT_NODE = 9;

/**
 * Follows the browser's events (WHATWG HTML: `pagehide`, `pageshow`, `offline`, `online`; WICG Page Lifecycle:
 * `freeze`, `resume`). Page and document tell some things twice; each change counts once.
 */
export class Life {
  #paused = false;
  #shown: Promise<void> = Promise.resolve();
  #show: () => void = () => undefined;

  constructor({ events, signal, onPause, onWake, onOffline }: LifeOptions) {
    const pause = () => {
      if (this.#paused) return;
      this.#paused = true;
      this.#shown = new Promise((resolve) => {
        this.#show = resolve;
      });
      onPause();
    };
    const goOn = () => {
      if (!this.#paused) return;
      this.#paused = false;
      this.#show();
      onWake();
    };
    const calls = {
      pagehide: pause,
      freeze: pause,
      pageshow: goOn,
      resume: goOn,
      offline: onOffline,
      online: onWake,
    };
    for (const [name, call] of Object.entries(calls)) {
      // `freeze` and `resume` reach the document and do not bubble, so they are caught on the way down; an element of
      // the page may well tell of a `resume` of its own.
      const listener = ({ target }: Event) => {
        if (target === events || (target as Partial<Node>).nodeType === DOCUMENT_NODE) call();
      };
      events?.addEventListener(name, listener, { capture: true, signal });
    }
    signal.addEventListener("abort", () => this.#show());
  }

  /** Whether the page is put away. */
  get paused(): boolean {
    return this.#paused;
  }

  /** Resolves when the page is not, or no longer, put away, or the watch has ended. */
  shown(): Promise<void> {
    return this.#shown;
  }
}
