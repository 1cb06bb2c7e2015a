/** Listeners by name. One listener's fault neither reaches the others nor the one who emits. */

/** Typed set of listeners; `Events` maps each name to the value its listeners get. */
export class Emitter<Events> {
  readonly #listeners = new Map<keyof Events, Set<(value: never) => void>>();
  readonly #onFault: (fault: unknown, name: keyof Events) => void;

  /** `onFault` is given whatever a listener throws, and the name it listened to. */
  constructor(onFault: (fault: unknown, name: keyof Events) => void) {
    this.#onFault = onFault;
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
    for (const value of already) this.#call(name, own, value);
    return () => void listeners.delete(own);
  }

  /** Whether anyone listens: spares the work of describing what nobody reads. */
  has(name: keyof Events): boolean {
    return (this.#listeners.get(name)?.size ?? 0) > 0;
  }

  /** Calls the listeners that stand now, in the order in which they were added. */
  emit<Name extends keyof Events>(name: Name, value: Events[Name]): void {
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
