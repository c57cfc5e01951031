/**
 * A way out with a bound on the connections to each upstream, its realm and its storage together:
 * the runtime opens as many as there are requests. A connection is held until its body has ended.
 */
import type { Outbound, OutboundRequest } from "../outbound.ts";
import { type Permit, Permits } from "./permits.ts";
import { watchBody } from "./watched_body.ts";

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
  options: {
    outbound: Outbound;
    max: ReadonlyMap<string, number>;
    /** The longest silence inside a small answer. */
    idleSeconds: number;
  },
): ConnectionLimit {
  const limits = new Map([...options.max].map(([peer, max]) => [peer, new Permits(max)]));

  async function send(request: OutboundRequest): Promise<Response> {
    const permits = limits.get(request.peer);
    if (permits === undefined) return await options.outbound(request);
    const load = request.transfer === undefined ? "small" : "transfer";
    const permit = await permits.acquire(load, request.signal);
    try {
      return holdUntilEnd(await options.outbound(request), permit, request, options.idleSeconds);
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
function holdUntilEnd(
  response: Response,
  permit: Permit,
  request: OutboundRequest,
  idleSeconds: number,
): Response {
  const { body } = response;
  const { signal, transfer, peer } = request;
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
    // Who moves a blob's bytes watches for silence itself, and goes on where it broke.
    const idle = transfer === undefined || !response.ok ? idleSeconds : null;
    return new Response(watchBody(body, { onEnd: end, idleSeconds: idle, peer }), response);
  }
  transfer.done.then(end, end);
  return response;
}
