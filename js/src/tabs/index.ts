/** Public names of the client that tabs share; with those of the plain client, so that one import is enough. */
import { connect, openWith } from "../client.ts";
import { systemRuntime } from "../clock.ts";
import { readOptions } from "../options.ts";
import { Member } from "./member.ts";
import type { SharedOptions, SharedPush } from "./types.ts";

export * from "../index.ts";
export type * from "./types.ts";

/**
 * As `connect`, with one stream and one key for all tabs of the origin that name the same base: a shared worker's or, where
 * there is none, that of a tab which leads the others until it is closed or put away. Then the next one takes over where
 * each tab stands. A browser without Web Locks gets a stream for each tab, as `connect` gives it.
 *
 * @throws as `connect` does
 */
export async function connectShared(base: string, options: SharedOptions = {}): Promise<SharedPush> {
  const { worker = null, ...own } = options;
  if (!("locks" in (globalThis.navigator ?? {})) || !("BroadcastChannel" in globalThis))
    return connect(base, own);
  const { channels } = readOptions(base, own);
  const { channels: _channels, ...handedOn } = own;
  const settings = { ...handedOn, base: new Request(base).url };
  const member = new Member({
    runtime: systemRuntime,
    group: `jitterbug 1 ${settings.base}`,
    worker,
    open: ({ base: at, ...rest }) => openWith(systemRuntime, at, rest),
    settings,
    channels,
  });
  await member.start();
  return member;
}
