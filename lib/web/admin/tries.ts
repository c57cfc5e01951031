/** Bounds guesses at the ADMIN_TOKEN: so many wrong ones a minute by each address. */
import { LruMap } from "../../lru.ts";

const WINDOW_MS = 60_000;
const MAX_WRONG = 5;
const MAX_ADDRESSES = 10_000;

interface Window {
  readonly endsAt: number;
  readonly wrong: number;
}

/** Counts wrong guesses. */
export interface Tries {
  /** Seconds until this address may guess again; 0 where it may now. */
  waitSeconds(address: string): number;
  noteWrong(address: string): void;
}

/** Makes the bound. `now` is in milliseconds. */
export function createTries(now: () => number): Tries {
  const addresses = new LruMap<string, Window>(MAX_ADDRESSES);

  function openWindow(address: string): Window | undefined {
    const window = addresses.get(address);
    return window !== undefined && window.endsAt > now() ? window : undefined;
  }

  return {
    waitSeconds(address) {
      const window = openWindow(address);
      if (window === undefined || window.wrong < MAX_WRONG) return 0;
      return Math.ceil((window.endsAt - now()) / 1000);
    },
    noteWrong(address) {
      const { endsAt, wrong } = openWindow(address) ?? { endsAt: now() + WINDOW_MS, wrong: 0 };
      addresses.set(address, { endsAt, wrong: wrong + 1 });
    },
  };
}
