/**
 * Permits for connections to one upstream: so many in all, and fewer for transfers, so that the small
 * questions on which pulls depend never wait for long ones to end. Who asked first is served first.
 */

/** What a connection is for: a question with a small answer, or a blob's bytes. */
export type Load = "small" | "transfer";

/** A right to one connection; disposing it twice is as good as once. */
export type Permit = Disposable;

interface Waiter {
  readonly number: number;
  readonly load: Load;
  readonly grant: () => void;
}

/** The permits of one upstream. */
export class Permits {
  readonly max: number;
  /** Permits that transfers may not use. */
  readonly #reserve: number;
  readonly #active: Record<Load, number> = { small: 0, transfer: 0 };
  readonly #waiting: Record<Load, Set<Waiter>> = { small: new Set(), transfer: new Set() };
  #asked = 0;

  /** `max` is at least 2, so that there is something to reserve. */
  constructor(max: number) {
    this.max = max;
    this.#reserve = Math.min(8, Math.max(1, Math.floor(max / 4)));
  }

  /** Permits given out. */
  get active(): number {
    return this.#active.small + this.#active.transfer;
  }

  /** Requests that wait for one. */
  get waiting(): number {
    return this.#waiting.small.size + this.#waiting.transfer.size;
  }

  /** Resolves with a permit when it is this one's turn. @throws the signal's reason when it ends. */
  acquire(load: Load, signal: AbortSignal): Promise<Permit> {
    signal.throwIfAborted();
    const { promise, resolve, reject } = Promise.withResolvers<Permit>();
    const leave = (): void => {
      this.#waiting[load].delete(waiter);
      reject(signal.reason);
    };
    const waiter: Waiter = {
      number: this.#asked++,
      load,
      grant: () => {
        signal.removeEventListener("abort", leave);
        resolve(this.#permit(load));
      },
    };
    signal.addEventListener("abort", leave, { once: true });
    this.#waiting[load].add(waiter);
    this.#serve();
    return promise;
  }

  #permit(load: Load): Permit {
    let isHeld = true;
    return {
      [Symbol.dispose]: () => {
        if (!isHeld) return;
        isHeld = false;
        this.#active[load]--;
        this.#serve();
      },
    };
  }

  /** Gives out what is free. */
  #serve(): void {
    for (let next = this.#next(); next !== undefined; next = this.#next()) {
      this.#waiting[next.load].delete(next);
      this.#active[next.load]++;
      next.grant();
    }
  }

  /** Whose turn it is: small questions go first within their reserve, else whoever asked first. */
  #next(): Waiter | undefined {
    if (this.active >= this.max) return undefined;
    const [small] = this.#waiting.small;
    const canTransfer = this.#active.transfer < this.max - this.#reserve;
    const [transfer] = canTransfer ? this.#waiting.transfer : [];
    if (small === undefined || transfer === undefined) return small ?? transfer;
    const isFirst = this.#active.small < this.#reserve || small.number < transfer.number;
    return isFirst ? small : transfer;
  }
}
