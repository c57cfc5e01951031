/** What leaves this process, as metrics count it. */
import type { Outbound } from "../outbound.ts";

/** A request to a registry, its realm or its storage, up to the headers of its answer. */
export interface UpstreamSample {
  /** The registry's name. */
  readonly upstream: string;
  /** The class of the status, or `failed` where no answer came. */
  readonly result: "1xx" | "2xx" | "3xx" | "4xx" | "5xx" | "failed";
  readonly seconds: number;
}

/** The same way out, which tells how each request ended; what its caller ended is not told. */
export function measureOutbound(
  outbound: Outbound,
  observe: (sample: UpstreamSample) => void,
): Outbound {
  return async function send(request) {
    const startedAt = performance.now();
    const tell = (result: UpstreamSample["result"]): void => {
      const seconds = (performance.now() - startedAt) / 1000;
      observe({ upstream: request.peer, result, seconds });
    };
    try {
      const response = await outbound(request);
      tell(classOf(response.status));
      return response;
    } catch (error) {
      if (!request.signal.aborted) tell("failed");
      throw error;
    }
  };
}

const CLASSES = ["1xx", "2xx", "3xx", "4xx", "5xx"] as const;

function classOf(status: number): UpstreamSample["result"] {
  return CLASSES[Math.floor(status / 100) - 1] ?? "5xx";
}
