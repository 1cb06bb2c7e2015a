/** React hooks (18 or later). React is the application's own: nothing of it is in here. */
import { useMemo, useSyncExternalStore } from "react";
import type { Publication, Push, Status } from "./types.ts";

/** What the hooks need of a client: `connect` and `connectShared` both give one. null: not there yet. */
export type Source = Pick<Push, "subscribe" | "status"> & {
  on(name: "status", listener: (status: Status) => void): () => void;
};

/**
 * The latest Publication of a channel, null before the first. Subscribes with the first component that shows the channel
 * and unsubscribes with the last. Where every Publication counts, and not only the latest, use `push.subscribe`.
 */
export function usePush(push: Source | null, channel: string): Publication | null {
  const latest = useMemo(() => latestOf(push, channel), [push, channel]);
  return useSyncExternalStore(latest.subscribe, latest.get, nothing);
}

/** The state of the stream; `connecting` while there is no client. */
export function useStatus(push: Source | null): Status {
  const status = useMemo(() => statusOf(push), [push]);
  return useSyncExternalStore(status.subscribe, status.get, () => CONNECTING);
}

const CONNECTING: Status = { state: "connecting" };
const nothing = () => null;

function latestOf(push: Source | null, channel: string) {
  let latest: Publication | null = null;
  return {
    get: () => latest,
    // React takes a subscription away and adds it again as it likes: it goes on from where it was.
    subscribe: (changed: () => void) =>
      push?.subscribe(
        channel,
        (_data, publication) => {
          latest = publication;
          changed();
        },
        latest?.position ?? null,
      ) ?? nothing,
  };
}

function statusOf(push: Source | null) {
  return {
    get: () => push?.status ?? CONNECTING,
    subscribe: (changed: () => void) => push?.on("status", changed) ?? nothing,
  };
}
