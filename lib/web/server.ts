/**
 * The edge: every request gets an id, a handler, and one line in the log when its response has
 * ended. What no handler foresaw becomes a 500 here.
 */
import { getLogger } from "@logtape/logtape";
import { RegistryError } from "../errors.ts";
import { clientOrigin } from "../http.ts";
import type { RegistryHandler, RequestFacts } from "./registry.ts";

const log = getLogger(["entrepot", "request"]);

/** What the edge hands requests to. */
export interface ServerDeps {
  readonly registry: RegistryHandler;
  /** Everything outside `/v2`. */
  readonly web: (request: Request, host: string) => Response | Promise<Response>;
  readonly publicUrl: URL | null;
  readonly trustedProxies: readonly string[];
}

/** Makes the handler for `Deno.serve`. */
export function createServer(
  deps: ServerDeps,
): (request: Request, info: Deno.ServeHandlerInfo) => Promise<Response> {
  return async function handle(request, info) {
    const startedAt = performance.now();
    const url = new URL(request.url);
    const seen = {
      url,
      host: request.headers.get("host"),
      peer: "hostname" in info.remoteAddr ? info.remoteAddr.hostname : "",
      headers: request.headers,
      trustedProxies: deps.trustedProxies,
    };
    const origin = clientOrigin({ ...seen, publicUrl: deps.publicUrl });
    // PUBLIC_URL says how realms are written; which upstream is meant, the host that was asked says.
    const { host } = deps.publicUrl === null ? origin : clientOrigin({ ...seen, publicUrl: null });
    const finished = info.completed.catch(() => undefined);
    const id = crypto.randomUUID();
    const facts: RequestFacts = { route: "web" };
    const signal = request.signal;
    let response: Response;
    try {
      const isRegistry = url.pathname === "/v2" || url.pathname.startsWith("/v2/");
      response = isRegistry
        ? await deps.registry({ request, url, origin, host, facts, finished })
        : await deps.web(request, host);
    } catch (error) {
      response = failure(error, id, signal.aborted).toResponse(request.method);
    }
    response.headers.set("x-request-id", id);

    const note = (outcome: "completed" | "aborted") =>
      log.info("{method} {path} {status}", () => ({
        method: request.method,
        path: url.pathname,
        status: response.status,
        id,
        client: origin.clientAddress,
        host,
        ...facts,
        bytes: Number(response.headers.get("content-length") ?? 0),
        durationMs: Math.round(performance.now() - startedAt),
        outcome,
        userAgent: request.headers.get("user-agent"),
      }));
    info.completed.then(() => note("completed"), () => note("aborted"));
    return response;
  };
}

/** A response for what was thrown; the client learns no more than the id to ask about. */
function failure(error: unknown, id: string, isAborted: boolean): RegistryError {
  if (error instanceof RegistryError) return error;
  // 499 is nginx's, for the log: the client that would read it has gone.
  if (isAborted) return new RegistryError("UNKNOWN", "the client has gone", { status: 499 });
  log.error("request {id} failed: {error}", { id, error });
  return new RegistryError("UNKNOWN", "an internal error; the log has it under this id", {
    detail: { id },
  });
}
