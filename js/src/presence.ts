/** Who reads a channel, as far as this side has been told (PROTOCOL §5, Presence). */
import type { PresenceInfo } from "./types.ts";

/** What a `join` or `leave` says. */
export type PresenceChange = Omit<PresenceInfo, "members">;

/** Lists by channel. A list that starts anew empties first, so each subject comes and goes in turn. */
export class Presence {
  readonly #here = new Map<string, Set<string>>();
  readonly #tell: (info: PresenceInfo) => void;

  /** `tell` is given each change that is one. */
  constructor(tell: (info: PresenceInfo) => void) {
    this.#tell = tell;
  }

  take({ channel, kind, subject }: PresenceChange): void {
    const here = this.#here.get(channel) ?? new Set();
    if (here.has(subject) === (kind === "join")) return;
    if (kind === "join") this.#here.set(channel, here.add(subject));
    else here.delete(subject);
    this.#tell({ channel, kind, subject, members: [...here].sort() });
  }

  /** Who is there now, as joins: for a listener that came after they were told. */
  here(): PresenceInfo[] {
    return [...this.#here].flatMap(([channel, here]) => {
      const members = [...here].sort();
      return members.map((subject) => ({ channel, kind: "join", subject, members }));
    });
  }

  /** The channel's list starts anew, or the channel is not read any more. */
  anew(channel: string): void {
    for (const subject of [...(this.#here.get(channel) ?? [])])
      this.take({ channel, kind: "leave", subject });
    this.#here.delete(channel);
  }

  /** All of them do. */
  clear(): void {
    for (const channel of [...this.#here.keys()]) this.anew(channel);
  }
}
