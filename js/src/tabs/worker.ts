/** The script of the shared worker: one leader for good, for all tabs of one origin that share a base. */
import { openWith } from "../client.ts";
import { systemRuntime } from "../clock.ts";
import { Leader } from "./leader.ts";
import { hold, released } from "./locks.ts";
import type { Untermed, UpNote } from "./notes.ts";
import { lockOf, workerLockOf } from "./seat.ts";

const scope = globalThis as unknown as { readonly name: string; onconnect: (event: MessageEvent) => void };
const term = Date.now();
/** By this lock the tabs see that the worker is gone, so it stands before they hear the first word. */
const ready = hold(workerLockOf(scope.name), new AbortController().signal);
const ports = new Map<string, MessagePort>();
const leader = new Leader({
  open: ({ base, ...options }) => openWith(systemRuntime, base, options),
  tell,
  gone: async (tab, signal) => {
    await released(lockOf(scope.name, tab), signal);
    ports.delete(tab);
  },
});

function tell(note: Untermed): void {
  for (const [tab, port] of ports) {
    if (!("to" in note) || note.to === null || note.to === tab) port.postMessage({ ...note, term });
  }
}

scope.onconnect = ({ ports: [port] }) => {
  if (port === undefined) return;
  port.onmessage = async ({ data }: MessageEvent<UpNote>) => {
    await ready;
    if (data.k === "join") ports.set(data.from, port);
    leader.take(data);
    if (data.k === "leave") ports.delete(data.from);
  };
};
