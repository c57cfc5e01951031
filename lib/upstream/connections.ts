/**
 * A way out with a bound on the connections to each upstream, its realm and its storage together:
 * the runtime opens as many as there are requests. A connection is held until its body has ended.
 */
import type { Outbound, OutboundRequest } from "../outbound.ts";
import { type Permit, Permits } from "./permits.ts";

/** Connections of one upstream. */
export interface ConnectionCount {
  /** The upstream's registry name. */
  readonly upstream: string;
  readonly active: number;
  readonly waiting: number;
  readonly max: number;
}

/** A way out with a bound. */
export interface ConnectionLimit {
  readonly outbound: Outbound;
  snapshot(): readonly ConnectionCount[];
}

/** Makes the limit; `max` has the bounds by registry name, and who is not in it has none. */
export function createConnectionLimit(
  options: { outbound: Outbound; max: ReadonlyMap<string, number> },
): ConnectionLimit {
  const limits = new Map([...options.max].map(([peer, max]) => [peer, new Permits(max)]));

  async function send(request: OutboundRequest): Promise<Response> {
    const permits = limits.get(request.peer);
    if (permits === undefined) return await options.outbound(request);
    const load = request.transfer === undefined ? "small" : "transfer";
    const permit = await permits.acquire(load, request.signal);
    try {
      return holdUntilEnd(await options.outbound(request), permit, request);
    } catch (error) {
      permit[Symbol.dispose]();
      throw error;
    }
  }

  return {
    outbound: send,
    snapshot: () =>
      [...limits].map(([upstream, { active, waiting, max }]) => ({
        upstream,
        active,
        waiting,
        max,
      })),
  };
}

/** The response, whose end gives the permit back: of its body, of its reader, or of the request. */
function holdUntilEnd(response: Response, permit: Permit, request: OutboundRequest): Response {
  const { body } = response;
  const { signal, transfer } = request;
  const end = (): void => {
    signal.removeEventListener("abort", end);
    permit[Symbol.dispose]();
  };
  if (body === null || signal.aborted) {
    end();
    return response;
  }
  signal.addEventListener("abort", end, { once: true });
  // What is not handed on, such as a redirect, ends before the request does.
  if (transfer?.done === undefined || !response.ok) {
    return new Response(watchEnd(body, end), response);
  }
  transfer.done.then(end, end);
  return response;
}

/** The same bytes; reads go through into the reader's own buffer, so that nothing is copied. */
function watchEnd(
  body: ReadableStream<Uint8Array<ArrayBuffer>>,
  onEnd: () => void,
): ReadableStream<Uint8Array<ArrayBuffer>> {
  let reader: ReadableStreamBYOBReader | undefined;
  return new ReadableStream({
    type: "bytes",
    autoAllocateChunkSize: 64 * 1024,
    async pull(controller) {
      const request = controller.byobRequest;
      if (!(request?.view instanceof Uint8Array)) throw new TypeError("no buffer to read into");
      reader ??= body.getReader({ mode: "byob" });
      try {
        const { done, value } = await reader.read(request.view);
        if (done) {
          onEnd();
          controller.close();
        }
        request.respondWithNewView(value ?? new Uint8Array());
      } catch (error) {
        onEnd();
        throw error;
      }
    },
    async cancel(reason) {
      onEnd();
      await (reader === undefined ? body.cancel(reason) : reader.cancel(reason));
    },
  });
}
