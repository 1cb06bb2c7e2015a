/** Which transport to open next: the preferred one, until a proxy that holds it back gives reason to try another. */
import type { StreamEnd } from "./resume.ts";
import type { Transport } from "./transport.ts";

/** How long the first try may take to its `hello`; each one in vain doubles it, for slow networks are no proxies. ms. */
export const FIRST_PATIENCE_MS = 3_000;
const LONGEST_PATIENCE_MS = 30_000;
/** After this long away from the preferred transport it is tried again, at the next stream. */
export const AWAY_MS = 3_600_000;

/** How much says that it is the transport that does not get through. */
const ENOUGH = 2;
const SOME = 1;

/** One try. */
export interface Try {
  readonly transport: Transport;
  /** How long to wait for the `hello`, ms; null: as long as the watch over silence does. */
  readonly patienceMs: number | null;
}

/** Remembers, for one client, what worked. Times are monotonic ms. */
export class TransportChoice {
  readonly #transports: readonly Transport[];
  #at = 0;
  #patienceMs = FIRST_PATIENCE_MS;
  #awaySinceMs = 0;
  /** Transports given up since the last `hello`. */
  #givenUp = 0;
  /** Against the transport in use, since it was taken or worked. */
  #evidence = 0;

  /** At least one, the preferred first. */
  constructor(transports: readonly Transport[]) {
    this.#transports = transports;
  }

  /** The next try. */
  next(nowMs: number): Try {
    if (this.#at !== 0 && nowMs - this.#awaySinceMs >= AWAY_MS) {
      this.#take(0);
      this.#patienceMs = FIRST_PATIENCE_MS;
    }
    const transport = this.#transports[this.#at] as Transport;
    return { transport, patienceMs: this.#transports.length > 1 ? this.#patienceMs : null };
  }

  /**
   * How the try ended, and whether it was `live`. `freshKey`: the key came over the same network just before. Returns
   * whether a transport comes next that was not yet given up since the last `hello`.
   */
  ended(end: StreamEnd, live: boolean, freshKey: boolean, nowMs: number): boolean {
    if (live) {
      this.#givenUp = 0;
      this.#evidence = 0;
      return false;
    }
    this.#evidence += evidence(end, freshKey);
    if (this.#transports.length === 1 || this.#evidence < ENOUGH) return false;
    if (this.#at === 0) this.#awaySinceMs = nowMs;
    this.#take((this.#at + 1) % this.#transports.length);
    this.#patienceMs = Math.min(this.#patienceMs * 2, LONGEST_PATIENCE_MS);
    this.#givenUp += 1;
    return this.#givenUp < this.#transports.length;
  }

  #take(at: number): void {
    this.#at = at;
    this.#evidence = 0;
  }
}

/** What an end before `hello` says against the transport. What the hub itself says is nothing against it. */
function evidence(end: StreamEnd, freshKey: boolean): number {
  switch (end.kind) {
    case "held":
    case "silent":
    case "unopened":
      return ENOUGH;
    case "cut":
      return SOME; // any network may cut once
    case "failed":
      if (end.error.code === "JB_UNREADABLE") return ENOUGH;
      if (end.error.code === "JB_NETWORK") return freshKey ? ENOUGH : 0; // the key came through, so a hub is there
      return end.error.code === "JB_INTERNAL" ? SOME : 0; // also how a proxy says that it lost patience
    default:
      return 0;
  }
}
