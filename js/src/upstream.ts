/** Frames from here to the hub: signed, sized, and sent by `POST BASE/frames` (PROTOCOL §5). */
import type { HubClock } from "./clock.ts";
import { JitterbugError } from "./errors.ts";
import { utf8Length } from "./frames.ts";
import { ask, type Http } from "./http.ts";
import { type Signer, signFrame } from "./signing.ts";
import type { Json } from "./types.ts";

/** What an Upstream needs. */
export interface UpstreamOptions {
  readonly http: Http;
  readonly clock: HubClock;
  /** Largest frame now, UTF-8 bytes. */
  readonly maxFrameBytes: () => number;
  readonly signal: AbortSignal;
}

/** Sends one frame at a time or many at once; order between them is the caller's matter. */
export class Upstream {
  readonly #options: UpstreamOptions;

  constructor(options: UpstreamOptions) {
    this.#options = options;
  }

  /**
   * Signs a payload now, sends it, and resolves with the hub's answer. A retry has to call again, so that it is signed
   * anew: the hub would take the same frame for a replay.
   *
   * @throws JitterbugError: JB_TOO_LARGE before anything is sent, JB_NOT_JSON, the hub's refusal, or JB_NETWORK
   */
  async send(signer: Signer, payload: object): Promise<Json> {
    const { http, clock, maxFrameBytes, signal } = this.#options;
    const text = await this.#sign(signer, payload, clock.nowMs());
    if (utf8Length(text) > maxFrameBytes()) {
      throw new JitterbugError("JB_TOO_LARGE", "The signed frame is over the hub's limit", {
        remedy: "Publish less at once; push.limits.frame is the limit in bytes, envelope included.",
      });
    }
    return ask(http, "/frames", text, signal);
  }

  async #sign(signer: Signer, payload: object, nowMs: number): Promise<string> {
    try {
      return await signFrame(signer, payload, nowMs);
    } catch (cause) {
      throw new JitterbugError("JB_NOT_JSON", "The data is not JSON", {
        remedy: "Publish null, booleans, finite numbers, text, arrays and plain objects only.",
        cause,
      });
    }
  }
}
