/** The listening socket, which outlives what ends the runtime's own: running out of file handles. */
import { getLogger } from "@logtape/logtape";
import { describeCause } from "../log.ts";

const log = getLogger(["entrepot"]);
/** Until requests under way have given some handles back. */
const AGAIN_MS = 100;
/** For so long after a failure no connection is kept for a further request: it would keep a handle. */
const CROWDED_MS = 30_000;

/** A server that goes on listening until it is shut down. */
export interface Listener {
  /** Takes no more requests; resolves when those under way have ended. */
  shutdown(): Promise<void>;
}

/**
 * Listens, and listens again whenever a connection cannot be accepted. Requests under way go on
 * meanwhile.
 *
 * @throws where it cannot listen at first.
 */
export function listen(
  options: Deno.ServeTcpOptions,
  handler: Deno.ServeHandler<Deno.NetAddr>,
): Listener {
  /** The one that listens, and earlier ones whose requests may be under way. */
  const servers = new Set<Deno.HttpServer<Deno.NetAddr>>();
  let timer: ReturnType<typeof setTimeout> | undefined;
  let isEnding = false;
  let crowdedUntil = 0;

  async function handle(
    request: Request,
    info: Deno.ServeHandlerInfo<Deno.NetAddr>,
  ): Promise<Response> {
    const response = await handler(request, info);
    // What fails may fail for want of a handle, of which this connection has one.
    if (response.status >= 500 || Date.now() < crowdedUntil) {
      response.headers.set("connection", "close");
    }
    return response;
  }

  function open(serveOptions: Deno.ServeTcpOptions): void {
    const server = Deno.serve(serveOptions, handle);
    servers.add(server);
    server.finished.then(() => servers.delete(server), openLater);
  }

  function openLater(error: unknown): void {
    if (isEnding) return;
    crowdedUntil = Date.now() + CROWDED_MS;
    log.warn("connections cannot be accepted, listening again: {cause}; raise `ulimit -n`", {
      cause: describeCause(error),
    });
    timer = setTimeout(() => {
      try {
        open({ ...options, onListen: () => undefined });
      } catch (again) {
        openLater(again);
      }
    }, AGAIN_MS);
  }

  open(options);
  return {
    async shutdown() {
      isEnding = true;
      clearTimeout(timer);
      await Promise.allSettled([...servers].map((server) => server.shutdown()));
    },
  };
}
