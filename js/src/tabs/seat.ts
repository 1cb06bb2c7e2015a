/** A tab's place among the tabs, from when its page is shown until it is put away: its line, its lock, and its candidacy. */
import type { Runtime } from "../clock.ts";
import { Leader, type LeaderOptions } from "./leader.ts";
import { broadcastToLeader, broadcastToTabs, hasWorkers, type Line, workerLine } from "./line.ts";
import { Candidacy, hold, released } from "./locks.ts";
import type { DownNote, UpNote } from "./notes.ts";

/** A leader that has said nothing for two of these is gone, though its lock is not. */
const PING_MS = 5_000;
const PATIENCE_PINGS = 2;
/** A worker that has ended this often is not started again. */
const MAX_WORKERS = 3;
/** A worker on its way out may still be given to a tab that asks for one at once; it would answer nothing. */
const WORKER_REST_MS = 300;

/** What a Seat needs. */
export interface SeatOptions {
  readonly runtime: Runtime;
  /** Names the tabs that share: for their locks, channels and worker. */
  readonly group: string;
  /** The worker's script, or null: the tabs lead themselves. */
  readonly worker: string | URL | null;
  readonly open: LeaderOptions["open"];
  /** The newest term known, to begin the next one after it. */
  readonly term: () => number;
  /** The line stands: join. */
  readonly onReady: () => void;
  readonly onNote: (note: DownNote) => void;
  /** Whether this tab leads. */
  readonly onLead: (leads: boolean) => void;
}

/** Takes its place when it is made; `leave` gives it up. */
export class Seat {
  readonly tab: string = crypto.randomUUID();
  readonly #options: SeatOptions;
  readonly #stay = new AbortController();
  #line: Line | null = null;
  #candidacy: Candidacy | null = null;
  #byWorker: boolean;
  #workers = 0;
  #watchesWorker = false;
  #silentPings = 0;
  #cancelPing: () => void = () => undefined;

  constructor(options: SeatOptions) {
    this.#options = options;
    this.#byWorker = options.worker !== null && hasWorkers();
    // The leader takes a tab whose lock is free for gone, so the lock comes first.
    hold(lockOf(options.group, this.tab), this.#stay.signal).then(
      () => this.#sit(),
      () => undefined,
    );
  }

  /** Says something to the leader, if the line stands. @throws DataCloneError for what cannot be copied */
  send(note: UpNote): void {
    this.#line?.send(note);
  }

  /** The leader was heard. */
  heard(): void {
    this.#silentPings = 0;
    if (this.#byWorker && !this.#watchesWorker) this.#watchWorker();
  }

  leave(): void {
    this.#line?.send({ k: "leave", from: this.tab } satisfies UpNote);
    this.#cancelPing();
    this.#stay.abort();
    this.#line?.close();
    this.#line = null;
  }

  #sit(): void {
    const { worker, group, onNote, onReady } = this.#options;
    if (this.#stay.signal.aborted) return;
    this.#line?.close();
    const take = (note: unknown) => onNote(note as DownNote);
    if (this.#byWorker && worker !== null) {
      try {
        this.#line = workerLine(worker, group, take, () => this.#withoutWorker());
      } catch {
        return this.#withoutWorker(); // of another origin, for one
      }
    } else {
      this.#line = broadcastToLeader(group, take);
      this.#candidacy = new Candidacy(`${group} lead`, this.#stay.signal, (over) => this.#lead(over));
    }
    this.#silentPings = 0;
    onReady();
    this.#ping();
  }

  #watchWorker(): void {
    this.#watchesWorker = true;
    const { group, runtime } = this.#options;
    void released(workerLockOf(group), this.#stay.signal).then(() => {
      this.#watchesWorker = false;
      this.#workers += 1;
      if (this.#workers >= MAX_WORKERS) return this.#withoutWorker();
      this.#cancelPing();
      this.#cancelPing = runtime.after(WORKER_REST_MS, () => this.#sit());
    });
  }

  #withoutWorker(): void {
    if (!this.#byWorker || this.#stay.signal.aborted) return;
    this.#byWorker = false;
    this.#sit();
  }

  #ping(): void {
    this.#cancelPing();
    this.#cancelPing = this.#options.runtime.after(PING_MS, () => {
      this.#silentPings += 1;
      if (this.#silentPings <= PATIENCE_PINGS) this.send({ k: "ping", from: this.tab });
      else if (this.#byWorker) return this.#withoutWorker();
      else this.#candidacy?.takeOver();
      this.#ping();
    });
  }

  #lead(over: AbortSignal): void {
    const { group, open, term: known, onLead, runtime } = this.#options;
    const term = Math.max(runtime.deviceMs(), known() + 1);
    const line = broadcastToTabs(group, (note) => leader.take(note as UpNote));
    const leader = new Leader({
      open,
      tell: (note) => line.send({ ...note, term }),
      gone: (tab, signal) => released(lockOf(group, tab), signal),
    });
    over.addEventListener("abort", () => {
      onLead(false);
      line.close();
      leader.stop();
    });
    onLead(true);
    line.send({ k: "lead", term } satisfies DownNote);
  }
}

/** The lock that the worker of a group holds for as long as it runs. */
export function workerLockOf(group: string): string {
  return `${group} worker`;
}

/** The lock that a tab holds for as long as it is there. */
export function lockOf(group: string, tab: string): string {
  return `${group} tab ${tab}`;
}
