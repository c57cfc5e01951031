/** The end of a fill that nobody waits for. */

/** Ends a fill that had readers and has none for a while. */
export class AbandonTimer implements Disposable {
  readonly #seconds: number | null;
  readonly #controller = new AbortController();
  #timer: ReturnType<typeof setTimeout> | undefined;

  /** `seconds` null: never. */
  constructor(seconds: number | null) {
    this.#seconds = seconds;
  }

  /** Aborts when the time is over. */
  get signal(): AbortSignal {
    return this.#controller.signal;
  }

  /** Is told how many follow, whenever that changes. */
  onReaders(count: number): void {
    clearTimeout(this.#timer);
    if (count > 0 || this.#seconds === null) return;
    this.#timer = setTimeout(
      () => this.#controller.abort(new Error("all callers have left")),
      this.#seconds * 1000,
    );
  }

  [Symbol.dispose](): void {
    clearTimeout(this.#timer);
  }
}
