/**
 * The edge: every request gets an id, a handler, and one line in the log when its response has
 * ended. What no handler foresaw becomes a 500 here.
 */
import { getLogger } from "@logtape/logtape";
import { RegistryError } from "../errors.ts";
import { clientOrigin } from "../http.ts";
import type { TrafficLog, TrafficSample } from "../cache/traffic.ts";
import type { TransferFacts, Transfers } from "../transfers.ts";
import type { Metrics } from "../metrics/metrics.ts";
import type { Tracing } from "../tracing.ts";
import type { RegistryHandler, RequestFacts } from "./registry.ts";
import type { Visit } from "./visit.ts";

const log = getLogger(["entrepot", "request"]);

/** What the edge hands requests to. */
export interface ServerDeps {
  readonly registry: RegistryHandler;
  /** Everything outside `/v2`. */
  readonly web: (visit: Visit) => Response | Promise<Response>;
  readonly transfers: Transfers;
  readonly traffic: Pick<TrafficLog, "add">;
  readonly metrics: Pick<Metrics, "observe">;
  readonly tracing: Pick<Tracing, "nameRequest">;
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
    // Read now: a request may be closed when it has been answered.
    const { method, signal } = request;
    const userAgent = request.headers.get("user-agent");
    let sent: number | null = null;
    const onSent = (bytes: number): void => {
      sent = (sent ?? 0) + bytes;
    };
    let response: Response;
    try {
      const isRegistry = url.pathname === "/v2" || url.pathname.startsWith("/v2/");
      response = isRegistry
        ? await deps.registry({ request, url, origin, host, facts, finished, onSent })
        : await deps.web({ request, url, origin, host, peer: seen.peer });
    } catch (error) {
      response = failure(error, id, signal.aborted).toResponse(method);
    }
    response.headers.set("x-request-id", id);
    deps.tracing.nameRequest({ ...facts, method });
    if (facts.route === "blob" && hasBody(method, response.status)) {
      const transfer = deps.transfers.begin(
        describeTransfer(response, facts, origin.clientAddress, () => sent),
      );
      finished.finally(() => transfer[Symbol.dispose]());
    }

    const note = (outcome: "completed" | "aborted") =>
      log.info("{method} {path} {status}", () => ({
        method,
        path: url.pathname,
        status: response.status,
        id,
        client: origin.clientAddress,
        host,
        ...facts,
        bytes: Number(response.headers.get("content-length") ?? 0),
        durationMs: Math.round(performance.now() - startedAt),
        outcome,
        userAgent,
      }));
    info.completed.then(() => note("completed"), () => note("aborted"));
    const { status } = response;
    const length = Number(response.headers.get("content-length") ?? 0);
    const end = (servedBytes: number): void => {
      const durationMs = performance.now() - startedAt;
      deps.metrics.observe({
        route: facts.route,
        upstream: facts.upstream ?? "",
        method,
        status,
        cache: facts.cache ?? "",
        seconds: durationMs / 1000,
        bytes: servedBytes,
      });
      if (!isPull(facts, method)) return;
      deps.traffic.add(sampleOf(facts, status, servedBytes, durationMs));
    };
    // Looking at the body would make a stream of it, which costs more than all else.
    const whole = hasBody(method, status) ? length : 0;
    // What is broken off counts as completed too. Of what the runtime sends by itself nobody knows
    // how much went before, and it tells most times, not always, that the client has gone.
    const all = (): number => signal.aborted ? 0 : whole;
    info.completed.then(() => end(sent ?? all()), () => end(sent ?? 0));
    return response;
  };
}

/** Whether a response has the body whose length it says (RFC 9110 section 6.4.1). */
function hasBody(method: string, status: number): boolean {
  return method !== "HEAD" && status !== 204 && status !== 304;
}

function isPull({ route }: RequestFacts, method: string): boolean {
  return (route === "manifest" || route === "blob") && (method === "GET" || method === "HEAD");
}

function sampleOf(
  { cache, route }: RequestFacts,
  status: number,
  servedBytes: number,
  durationMs: number,
): Partial<TrafficSample> {
  return {
    requests: 1,
    hits: cache === "HIT" || cache === "STALE" ? 1 : 0,
    errors: status >= 500 ? 1 : 0,
    servedBytes,
    // A blob that goes past the cache is fetched for this client alone.
    fetchedBytes: route === "blob" && cache === "BYPASS" ? servedBytes : 0,
    durationMs,
  };
}

function describeTransfer(
  { headers }: Response,
  facts: RequestFacts,
  client: string,
  bytes: () => number | null,
): TransferFacts {
  const length = headers.get("content-length");
  return {
    kind: "serve",
    client,
    upstream: facts.upstream ?? "",
    repository: facts.repository ?? "",
    digest: headers.get("docker-content-digest") ?? "",
    cache: facts.cache ?? null,
    bytes,
    total: () => length === null ? null : Number(length),
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
