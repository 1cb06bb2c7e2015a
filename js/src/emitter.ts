/** Listeners by name. One listener's fault neither reaches the others nor the one who emits. */

/** What an application may not miss, though it can listen only once `connect` has resolved. */
export const UNMISSED = ["gap", "error"] as const;

/** Of each name; when there are more, the oldest go. A connection has at most a hundred channels to tell of. */
const MOST_KEPT = 100;

/** Typed set of listeners; `Events` maps each name to the value its listeners get. */
export class Emitter<Events> {
  readonly #listeners = new Map<keyof Events, Set<(value: never) => void>>();
  readonly #onFault: (fault: unknown, name: keyof Events) => void;

  /** What was told while nobody had listened yet, by name. */
  readonly #kept: Map<keyof Events, unknown[]>;

  /**
   * `onFault` is given whatever a listener throws, and the name it listened to. What is told of the names in `kept` before
   * anybody listens is told to the first who does.
   */
  constructor(onFault: (fault: unknown, name: keyof Events) => void, kept: readonly (keyof Events)[] = []) {
    this.#onFault = onFault;
    this.#kept = new Map(kept.map((name) => [name, []]));
  }

  /**
   * Adds a listener, which is told `already` at once: what stands since before it came. Returns a function that takes
   * exactly this one off.
   */
  on<Name extends keyof Events>(
    name: Name,
    listener: (value: Events[Name]) => void,
    already: readonly Events[Name][] = [],
  ): () => void {
    // A wrapper, so that the same function added twice is called twice and taken off once.
    const own = (value: Events[Name]) => listener(value);
    const listeners = this.#listeners.get(name) ?? new Set();
    this.#listeners.set(name, listeners.add(own));
    const kept = (this.#kept.get(name) ?? []) as Events[Name][];
    this.#kept.delete(name);
    for (const value of [...already, ...kept]) this.#call(name, own, value);
    return () => void listeners.delete(own);
  }

  /** Whether anyone listens: spares the work of describing what nobody reads. */
  has(name: keyof Events): boolean {
    return (this.#listeners.get(name)?.size ?? 0) > 0;
  }

  /** Calls the listeners that stand now, in the order in which they were added. */
  emit<Name extends keyof Events>(name: Name, value: Events[Name]): void {
    const kept = this.#kept.get(name);
    if (kept !== undefined && kept.push(value) > MOST_KEPT) kept.shift();
    for (const listener of [...(this.#listeners.get(name) ?? [])]) this.#call(name, listener, value);
  }

  #call<Name extends keyof Events>(name: Name, listener: (value: never) => void, value: Events[Name]): void {
    try {
      (listener as (value: Events[Name]) => void)(value);
    } catch (fault) {
      this.#onFault(fault, name);
    }
  }

  clear(): void {
    this.#listeners.clear();
  }
}
