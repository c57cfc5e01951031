/** Lets callers that ask the same at the same time share one answer. */
export class SingleFlight<Value> {
  readonly #pending = new Map<string, Promise<Value>>();

  /** Runs the work, or joins the same work that is under way. Failures are shared too. */
  run(key: string, work: () => Promise<Value>): Promise<Value> {
    const pending = this.#pending.get(key);
    if (pending !== undefined) return pending;
    const started = work().finally(() => this.#pending.delete(key));
    this.#pending.set(key, started);
    return started;
  }
}
