/**
 * Spans for OpenTelemetry, which the runtime exports by itself (`OTEL_DENO=true`). It makes one for
 * each request that comes and each that leaves; here they are named, and lose what must not be told.
 */
import type { Span, TraceAPI } from "@opentelemetry/api";
import type { Outbound } from "./outbound.ts";
import { redactUrls } from "./redact.ts";

/** A request that has been answered, as its span tells it. */
export interface TracedRequest {
  readonly method: string;
  readonly route: string;
  readonly upstream?: string | undefined;
  readonly repository?: string | undefined;
  readonly cache?: string | undefined;
}

/** What is told of requests to who collects spans. */
export interface Tracing {
  /** Names the span of the request that is being answered here. */
  nameRequest(request: TracedRequest): void;
  /** The same way out, with a span for each request that leaves, named by its upstream. */
  traceOutbound(outbound: Outbound): Outbound;
}

/** Tells nothing. */
export const NO_TRACING: Tracing = {
  nameRequest: () => undefined,
  traceOutbound: (outbound) => outbound,
};

/** Tells it to the runtime's collector. From now on no span of this process has a URL's query. */
export function createTracing(trace: TraceAPI): Tracing {
  const tracer = trace.getTracer("entrepot");
  scrubSpans(tracer.startSpan("scrubbed"));

  return {
    nameRequest({ method, route, upstream, repository, cache }) {
      const span = trace.getActiveSpan();
      if (span === undefined) return;
      span.updateName([method, route, upstream].filter((part) => part !== undefined).join(" "));
      span.setAttribute("entrepot.route", route);
      if (upstream !== undefined) span.setAttribute("entrepot.upstream", upstream);
      if (repository !== undefined) span.setAttribute("entrepot.repository", repository);
      if (cache !== undefined) span.setAttribute("entrepot.cache", cache);
    },
    traceOutbound: (outbound) => (request) =>
      tracer.startActiveSpan(`upstream ${request.peer}`, async (span) => {
        span.setAttribute("entrepot.upstream", request.peer);
        span.setAttribute("server.address", request.url.host);
        try {
          return await outbound(request);
        } finally {
          span.end();
        }
      }),
  };
}

/**
 * The runtime writes whole URLs into its own spans and has no setting against it; a signed URL is a
 * secret. All spans are of one class, whose methods it calls, so those are made to scrub.
 */
function scrubSpans(sample: Span): void {
  const spans: Span = Object.getPrototypeOf(sample);
  const { setAttribute, setStatus } = spans;
  spans.setAttribute = function (key, value) {
    const scrubbed = typeof value === "string" ? redactUrls(value) : value;
    return setAttribute.call(this, key, key === "url.query" ? "" : scrubbed);
  };
  spans.setStatus = function ({ code, message }) {
    const told = message === undefined ? {} : { message: redactUrls(message) };
    return setStatus.call(this, { code, ...told });
  };
}
