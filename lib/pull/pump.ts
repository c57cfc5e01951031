/** Moves one transfer's body into a sink, and ends it when it falls silent. */
import type { Transfer } from "./transfer.ts";

const READ_BYTES = 512 * 1024;

/** Where bytes go. */
export interface PumpOptions {
  /** Takes the bytes before it resolves: the buffer is used again. One call at a time. */
  readonly write: (bytes: Uint8Array<ArrayBuffer>) => Promise<void>;
  /** The longest silence. */
  readonly idleSeconds: number;
  readonly signal: AbortSignal;
}

/** Resolves at the body's end. @throws what broke it, or the sink. The body is always let go. */
export async function pump(transfer: Transfer, options: PumpOptions): Promise<void> {
  // Two recycled buffers, one read into while the other is written; fresh ones would cost more.
  let [buffer, other] = [new ArrayBuffer(READ_BYTES), new ArrayBuffer(READ_BYTES)];
  let written: Promise<void> = Promise.resolve();
  let skip = transfer.skip;
  const reader = transfer.body.getReader({ mode: "byob" });
  using silence = watchSilence(options.idleSeconds, () => {
    // Ends the read that waits; what it ended for is thrown below.
    reader.cancel().catch(() => undefined);
  });
  try {
    for (;;) {
      silence.begin();
      const { done, value } = await reader.read(new Uint8Array(buffer));
      silence.end();
      await written;
      if (done || value === undefined) break;
      const skipped = Math.min(skip, value.length);
      skip -= skipped;
      if (skipped < value.length) written = options.write(value.subarray(skipped));
      // What the sink refuses is thrown when the next bytes are here.
      written.catch(() => undefined);
      [buffer, other] = [other, value.buffer];
    }
  } catch (error) {
    reader.cancel(error).catch(() => undefined);
    // Nobody may write any more once this has ended.
    await written.catch(() => undefined);
    throw error;
  }
  if (silence.isBroken) throw new Error(`no byte came for ${options.idleSeconds} s`);
}

/** A watch over waits: only the time between `begin` and `end` counts, not a slow sink's. */
interface SilenceWatch extends Disposable {
  begin(): void;
  end(): void;
  /** Whether a wait was too long. */
  readonly isBroken: boolean;
}

/** Calls `onBreak` once a wait lasts `seconds`; looks a few times in between. */
function watchSilence(seconds: number, onBreak: () => void): SilenceWatch {
  const looks = 4;
  let waits = 0;
  let isBroken = false;
  let isWaiting = false;
  const timer = setInterval(() => {
    waits = isWaiting ? waits + 1 : 0;
    if (waits <= looks || isBroken) return;
    isBroken = true;
    onBreak();
  }, (seconds * 1000) / looks);
  return {
    begin() {
      isWaiting = true;
    },
    end() {
      isWaiting = false;
      waits = 0;
    },
    get isBroken() {
      return isBroken;
    },
    [Symbol.dispose]: () => clearInterval(timer),
  };
}
