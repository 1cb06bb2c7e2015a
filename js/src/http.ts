/** HTTP to the hub: one way to ask, one way to read a refusal (PROTOCOL §7). */
import { decode } from "./canonical.ts";
import { type Runtime, sleep } from "./clock.ts";
import { JitterbugError } from "./errors.ts";
import type { Json } from "./types.ts";

/** Longest wait for the answer to a short request, ms. */
export const ANSWER_WITHIN_MS = 10_000;
const DEFAULT_RETRY_AFTER_S = 1;

/** What a request needs. */
export interface Http {
  readonly fetch: typeof fetch;
  readonly runtime: Runtime;
  /** Without a trailing slash. */
  readonly base: string;
}

/** Codes for HTTP statuses that end a request; the texts name no cause, as the hub's answers do not. */
const REFUSALS: ReadonlyMap<number, readonly [code: string, text: string]> = new Map([
  [204, ["JB_REVOKED", "The hub ended this session"]],
  [401, ["JB_UNAUTHORIZED", "Unauthorized"]],
  [403, ["JB_FORBIDDEN", "Unauthorized"]],
  [429, ["JB_RATE_LIMITED", "Rate limited"]],
  [503, ["JB_UNAVAILABLE", "The hub is not available now"]],
]);
const INVALID = ["JB_INVALID_REQUEST", "Invalid request"] as const;
const INTERNAL = ["JB_INTERNAL", "Internal error"] as const;

/**
 * Sends a POST of JSON text; resolves with whatever the hub answers. Only the cookie identifies the session, no
 * redirect is followed, nothing is cached.
 *
 * @throws JitterbugError JB_NETWORK when no answer comes, or the signal aborts
 */
export async function post(http: Http, path: string, body: string, signal: AbortSignal): Promise<Response> {
  try {
    return await http.fetch(`${http.base}${path}`, {
      method: "POST",
      body,
      headers: { "Content-Type": "application/json" },
      credentials: "same-origin",
      redirect: "error",
      cache: "no-store",
      signal,
    });
  } catch (cause) {
    throw networkError(cause);
  }
}

/** As `post`, for short answers: gives up after 10 s, reads the body, and throws for any status but 200 and 204. */
export async function ask(http: Http, path: string, body: string, signal: AbortSignal): Promise<Json> {
  const limit = new AbortController();
  const answered = new AbortController();
  const abort = () => limit.abort();
  signal.addEventListener("abort", abort);
  void sleep(http.runtime, ANSWER_WITHIN_MS, answered.signal).then(abort);
  try {
    if (signal.aborted) abort();
    const response = await post(http, path, body, limit.signal);
    if (response.status === 204) return null;
    if (response.status !== 200) throw await refusalOf(response);
    return readJson(await textOf(response));
  } finally {
    signal.removeEventListener("abort", abort);
    answered.abort();
  }
}

/** The error for an answer that is a refusal. Lets go of its body. */
export async function refusalOf(response: Response): Promise<JitterbugError> {
  await response.body?.cancel().catch(() => undefined);
  const { status, headers } = response;
  const waits = status === 429 || status === 503;
  return refusal(status, waits ? readRetryAfterMs(headers.get("Retry-After")) : null);
}

/** The error for a refusal by its status. */
export function refusal(status: number, retryAfterMs: number | null): JitterbugError {
  const [code, text] = REFUSALS.get(status) ?? (status >= 500 ? INTERNAL : INVALID);
  return new JitterbugError(code, text, { retryAfterMs });
}

/** No answer came. */
export function networkError(cause?: unknown): JitterbugError {
  return new JitterbugError("JB_NETWORK", "The hub cannot be reached", cause === undefined ? {} : { cause });
}

/** The hub sends whole seconds (RFC 9110 §10.2.3); anything else counts as one second. */
export function readRetryAfterMs(value: string | null): number {
  const seconds = value !== null && /^[0-9]{1,6}$/.test(value) ? Number(value) : DEFAULT_RETRY_AFTER_S;
  return seconds * 1_000;
}

async function textOf(response: Response): Promise<string> {
  try {
    return await response.text();
  } catch (cause) {
    throw networkError(cause);
  }
}

function readJson(text: string): Json {
  try {
    return decode(text);
  } catch {
    throw unreadable();
  }
}

/** The hub answered something this client cannot read: not a hub, or a newer one. */
export function unreadable(): JitterbugError {
  return new JitterbugError("JB_UNREADABLE", "The hub's answer cannot be read");
}

const PASSING: ReadonlySet<string> = new Set([
  "JB_NETWORK",
  "JB_RATE_LIMITED",
  "JB_UNAVAILABLE",
  "JB_INTERNAL",
]);

/** Whether the same request may succeed later. */
export function isPassing(error: unknown): error is JitterbugError {
  return error instanceof JitterbugError && PASSING.has(error.code);
}
