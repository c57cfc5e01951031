/** Transfers as Server-Sent Events. Source: WHATWG HTML "Server-sent events". */
import { RegistryError } from "../../errors.ts";

const TICK_MS = 1000;
/** A comment keeps proxies from closing what is silent. */
const SILENCE_TICKS = 15;
const MAX_STREAMS = 64;

/** Makes responses that follow values. */
export interface EventStreams {
  /** @throws {RegistryError} where too many follow already. */
  open(signal: AbortSignal, value: () => unknown): Response;
}

/**
 * Makes the streams: each sends its value once a second where it differs from the one before, under
 * the event's name. They end with the client, and when `isOver` says so.
 */
export function createEventStreams(
  options: { event: string; isOver: () => boolean },
): EventStreams {
  const encoder = new TextEncoder();
  let open = 0;

  function follow(
    signal: AbortSignal,
    value: () => unknown,
  ): ReadableStream<Uint8Array<ArrayBuffer>> {
    let timer: ReturnType<typeof setInterval> | undefined;
    const end = (): void => {
      if (timer === undefined) return;
      clearInterval(timer);
      timer = undefined;
      open--;
    };
    return new ReadableStream({
      start(controller) {
        let last = "";
        let silent = 0;
        const tick = (): void => {
          if (options.isOver() || signal.aborted) {
            end();
            controller.close();
            return;
          }
          // Who does not read gets the newest value later, not all of them.
          if ((controller.desiredSize ?? 0) <= 0) return;
          const text = JSON.stringify(value());
          if (text !== last) {
            controller.enqueue(encoder.encode(`event: ${options.event}\ndata: ${text}\n\n`));
            last = text;
            silent = 0;
          } else if (++silent % SILENCE_TICKS === 0) controller.enqueue(encoder.encode(":\n\n"));
        };
        open++;
        timer = setInterval(tick, TICK_MS);
        tick();
      },
      cancel: end,
    }, { highWaterMark: 4 });
  }

  return {
    open(signal, value) {
      if (open >= MAX_STREAMS) {
        throw new RegistryError("TOOMANYREQUESTS", `${MAX_STREAMS} follow the events already`);
      }
      return new Response(follow(signal, value), {
        headers: { "content-type": "text/event-stream", "x-accel-buffering": "no" },
      });
    },
  };
}
