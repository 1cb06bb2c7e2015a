/** Who gets a channel's Publications. */
import { gapInfo } from "./codes.ts";
import type { GapInfo, Publication, PublicationHandler } from "./types.ts";

/** Publications held per channel until its first handler comes. */
const MAX_HELD = 1_000;

interface Entry {
  readonly handlers: Set<PublicationHandler>;
  /** null once a handler has been there: from then on nothing is held. */
  held: Publication[] | null;
}

/**
 * Handlers by channel. Channels named in `connect` may bring Publications before the application could add a handler;
 * they wait here, so that recovering from a position loses nothing.
 */
export class Handlers {
  readonly #entries = new Map<string, Entry>();
  readonly #onFault: (fault: unknown) => void;

  /** `onFault` is given whatever a handler throws. */
  constructor(onFault: (fault: unknown) => void) {
    this.#onFault = onFault;
  }

  /** Holds what comes for a channel until the first handler is added. */
  hold(channel: string): void {
    this.#entries.set(channel, { handlers: new Set(), held: [] });
  }

  /** Adds a handler, which first gets what was held. Returns a function that takes it off: true when it was the last. */
  add(channel: string, handler: PublicationHandler): () => boolean {
    const entry = this.#entries.get(channel) ?? { handlers: new Set(), held: null };
    this.#entries.set(channel, entry);
    // A wrapper, so that the same function added twice is called twice and taken off once.
    const own: PublicationHandler = (data, publication) => handler(data, publication);
    entry.handlers.add(own);
    const held = entry.held ?? [];
    entry.held = null;
    for (const publication of held) this.#call(own, publication);
    return () => {
      if (!entry.handlers.delete(own) || entry.handlers.size > 0) return false;
      this.#entries.delete(channel);
      return true;
    };
  }

  /** Hands a Publication on, or holds it. Returns the loss when the oldest held one had to go. */
  deliver(publication: Publication): GapInfo | null {
    const entry = this.#entries.get(publication.channel);
    if (entry === undefined) return null;
    for (const handler of [...entry.handlers]) this.#call(handler, publication);
    if (entry.held === null) return null;
    entry.held.push(publication);
    const lost = entry.held.length > MAX_HELD ? entry.held.shift() : undefined;
    return lost === undefined ? null : gapInfo(lost.channel, "overflow", lost.position);
  }

  clear(): void {
    this.#entries.clear();
  }

  #call(handler: PublicationHandler, publication: Publication): void {
    try {
      handler(publication.data, publication);
    } catch (fault) {
      this.#onFault(fault);
    }
  }
}
