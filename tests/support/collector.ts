/** What an OpenTelemetry collector receives, over OTLP in JSON. */
import { type ListenOptions, TestServer } from "./serve.ts";

/** A span as OTLP writes it. */
export interface CollectedSpan {
  readonly name: string;
  readonly traceId: string;
  readonly spanId: string;
  readonly parentSpanId?: string;
  readonly attributes: readonly { key: string; value: { stringValue?: string } }[];
}

interface Traces {
  readonly resourceSpans?: readonly {
    readonly scopeSpans: readonly { readonly spans: readonly CollectedSpan[] }[];
  }[];
}

/** A collector that keeps everything. */
export class Collector extends TestServer {
  /** The bodies of all requests, whatever they tell. */
  readonly texts: string[];

  constructor(options: ListenOptions = {}) {
    const texts: string[] = [];
    super(async (request) => {
      texts.push(await request.text());
      return Response.json({});
    }, options);
    this.texts = texts;
  }

  /** All spans, in the order in which they came. */
  get spans(): CollectedSpan[] {
    return this.texts.flatMap((text) => {
      const traces: Traces = JSON.parse(text);
      return (traces.resourceSpans ?? []).flatMap(({ scopeSpans }) =>
        scopeSpans.flatMap(({ spans }) => spans)
      );
    });
  }

  /** By which a process sends everything here, soon. */
  get env(): Record<string, string> {
    return {
      OTEL_DENO: "true",
      OTEL_EXPORTER_OTLP_ENDPOINT: this.url,
      OTEL_EXPORTER_OTLP_PROTOCOL: "http/json",
      OTEL_BSP_SCHEDULE_DELAY: "100",
      OTEL_METRIC_EXPORT_INTERVAL: "500",
    };
  }
}
