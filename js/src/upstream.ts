/** Frames from here to the hub: signed and sized, for whatever carries them (PROTOCOL §5). */
import type { HubClock } from "./clock.ts";
import { JitterbugError } from "./errors.ts";
import { utf8Length } from "./frames.ts";
import { type Signer, signFrame } from "./signing.ts";

/** What an Upstream needs. */
export interface UpstreamOptions {
  readonly clock: HubClock;
  /** Largest frame now, UTF-8 bytes. */
  readonly maxFrameBytes: () => number;
}

/** Makes the texts of frames. */
export class Upstream {
  readonly #options: UpstreamOptions;

  constructor(options: UpstreamOptions) {
    this.#options = options;
  }

  /**
   * Signs a payload now. A retry has to call again, so that it is signed anew: the hub would take the same frame for a
   * replay.
   *
   * @throws JitterbugError: JB_TOO_LARGE, JB_NOT_JSON
   */
  async sign(signer: Signer, payload: object): Promise<string> {
    const { clock, maxFrameBytes } = this.#options;
    const text = await this.#text(signer, payload, clock.nowMs());
    if (utf8Length(text) > maxFrameBytes()) {
      throw new JitterbugError("JB_TOO_LARGE", "The signed frame is over the hub's limit");
    }
    return text;
  }

  async #text(signer: Signer, payload: object, nowMs: number): Promise<string> {
    try {
      return await signFrame(signer, payload, nowMs);
    } catch (cause) {
      throw new JitterbugError("JB_NOT_JSON", "The data is not JSON", {
        cause,
      });
    }
  }
}
