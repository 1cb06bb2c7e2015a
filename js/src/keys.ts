/** Ephemeral keys (PROTOCOL §2): reading the hub's answer, the ring that holds them, and when the next one is due. */
import { decodeBase64 } from "./base64.ts";
import { isObject } from "./canonical.ts";
import type { HubClock } from "./clock.ts";
import { isKid, isTimeMs } from "./frames.ts";
import { ask, type Http, unreadable } from "./http.ts";
import { importSecret, type KeyPair, type Signer } from "./signing.ts";
import type { Json } from "./types.ts";
import type { KeySource } from "./verifier.ts";

/** A key of this session. In memory only, and its secret not even there as bytes (R3, R48). */
export interface EphemeralKey extends KeyPair, Signer {
  /** Hub's clock, Unix ms. */
  readonly issuedAtMs: number;
  /** Hub's clock, Unix ms. Last `ts` it may sign. */
  readonly expiresAtMs: number;
}

/** Share of its life after which a key is to be renewed (PROTOCOL §2). */
const RENEW_AT_SHARE = 0.8;
/** Spread of the renewal, as a share of life to either side, so that tabs do not ask together. */
const JITTER_SHARE = 0.05;
const SECRET_BYTES = 32;
/** Catches times in seconds or microseconds; the hub's default life is ten minutes. */
const MAX_LIFE_MS = 24 * 60 * 60 * 1_000;
/** All that one session may have alive (PROTOCOL §2); more would be a fault, and the oldest go first. */
const MAX_KEYS = 100;

/** Issue and end of a key, Unix ms on the hub's clock. */
export type KeyLife = Pick<EphemeralKey, "issuedAtMs" | "expiresAtMs">;

/** What a key is good for. After the last phase nothing it signed may be accepted: "forget". */
export type KeyPhase = "use" | "renew" | "verifyOnly" | "forget";

/**
 * The life of a key: each phase with its last moment. Verifying goes on for the skew after the end, because frames
 * signed before it may still be under way.
 */
const PHASES: readonly { phase: KeyPhase; lastMs: (key: KeyLife, skewMs: number) => number }[] = [
  { phase: "use", lastMs: (key) => key.issuedAtMs + RENEW_AT_SHARE * (key.expiresAtMs - key.issuedAtMs) },
  { phase: "renew", lastMs: (key) => key.expiresAtMs },
  { phase: "verifyOnly", lastMs: (key, skewMs) => key.expiresAtMs + skewMs },
];

/** Phase at `nowMs` on the hub's clock. */
export function phaseOf(key: KeyLife, nowMs: number, skewMs: number): KeyPhase {
  return PHASES.find(({ lastMs }) => nowMs <= lastMs(key, skewMs))?.phase ?? "forget";
}

/** Milliseconds from the issue of a key to the request for the next: 80 % of its life, 5 % to either side. */
export function renewAfterMs(lifeMs: number, random: number): number {
  return lifeMs * (RENEW_AT_SHARE + JITTER_SHARE * (2 * random - 1));
}

/**
 * Asks for a key and imports it; sets the hub's clock by the answer.
 *
 * @throws JitterbugError: the hub's refusal, JB_NETWORK, or JB_UNREADABLE for an answer of another form (another
 * algorithm among them: there is no negotiation, R20)
 */
export async function fetchKey(http: Http, clock: HubClock, signal: AbortSignal): Promise<EphemeralKey> {
  const sentMs = http.runtime.monotonicMs();
  const answer = readKeyAnswer(await ask(http, "/keys", "{}", signal));
  clock.sync(answer.serverTime, sentMs);
  const pair = await importSecret(answer.secret);
  return { ...pair, kid: answer.kid, issuedAtMs: answer.serverTime, expiresAtMs: answer.expiresAt };
}

interface KeyAnswer {
  readonly kid: string;
  readonly secret: Uint8Array<ArrayBuffer>;
  readonly expiresAt: number;
  readonly serverTime: number;
}

function readKeyAnswer(answer: Json): KeyAnswer {
  if (!isObject(answer) || answer.algorithm !== "sha256") throw unreadable();
  const { kid, expiresAt, serverTime } = answer;
  if (!isKid(kid) || !isTimeMs(expiresAt) || !isTimeMs(serverTime)) throw unreadable();
  // Times in seconds, or an end in the past, would make a key that never or always holds (O21).
  const lifeMs = expiresAt - serverTime;
  if (lifeMs <= 0 || lifeMs > MAX_LIFE_MS) throw unreadable();
  return { kid, expiresAt, serverTime, secret: readSecret(answer.secret) };
}

function readSecret(value: Json | undefined): Uint8Array<ArrayBuffer> {
  const secret = typeof value === "string" ? decodeOrNull(value) : null;
  if (secret === null || secret.length !== SECRET_BYTES) throw unreadable();
  return secret;
}

function decodeOrNull(text: string): Uint8Array<ArrayBuffer> | null {
  try {
    return decodeBase64(text);
  } catch {
    return null;
  }
}

/** The keys of this client, newest last. A failed fetch never takes one out (O20); only its end does. */
export class KeyRing implements KeySource {
  readonly #skewMs: number;
  readonly #keys = new Map<string, EphemeralKey>();
  /** Until when none is to be forgotten: keys are looked up for every frame, and end every ten minutes. */
  #allHoldUntilMs = Number.NEGATIVE_INFINITY;

  constructor(skewMs: number) {
    this.#skewMs = skewMs;
  }

  add(key: EphemeralKey, nowMs: number): void {
    this.#forget(nowMs);
    this.#keys.set(key.kid, key);
    this.#allHoldUntilMs = Math.min(this.#allHoldUntilMs, key.expiresAtMs);
    for (const kid of this.#keys.keys()) {
      if (this.#keys.size <= MAX_KEYS) return;
      this.#keys.delete(kid);
    }
  }

  find(kid: string, nowMs: number): EphemeralKey | undefined {
    this.#forget(nowMs);
    return this.#keys.get(kid);
  }

  /** The key to sign with: the newest whose life has not ended, or undefined. */
  newest(nowMs: number): EphemeralKey | undefined {
    return [...this.#keys.values()].filter((key) => key.expiresAtMs > nowMs).at(-1);
  }

  clear(): void {
    this.#keys.clear();
  }

  #forget(nowMs: number): void {
    if (nowMs <= this.#allHoldUntilMs) return;
    this.#allHoldUntilMs = Number.POSITIVE_INFINITY;
    for (const [kid, key] of this.#keys) {
      if (phaseOf(key, nowMs, this.#skewMs) === "forget") this.#keys.delete(kid);
      else this.#allHoldUntilMs = Math.min(this.#allHoldUntilMs, key.expiresAtMs);
    }
  }
}
