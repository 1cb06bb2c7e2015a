/** Asynchronous work, one at a time, in the order in which it came. */

/** A queue of jobs. What a job throws goes to its own promise and does not hold up the next. */
export class SerialQueue {
  #tail: Promise<unknown> = Promise.resolve();

  /** Runs the job after all earlier ones. */
  run<T>(job: () => Promise<T>): Promise<T> {
    const result = this.#tail.then(job);
    this.#tail = result.catch(() => undefined);
    return result;
  }

  /** Resolves when every job given until now is done. Never rejects. */
  async idle(): Promise<void> {
    await this.#tail;
  }
}
