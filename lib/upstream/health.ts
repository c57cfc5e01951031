/**
 * How the hosts of upstreams fare, and a short memory of those that do not answer: without it every
 * request would wait for the same time-out before what is stale can be served.
 *
 * A failure that took its time (a time-out, a resolver that gave up) is an outage unless the host
 * has answered somebody else meanwhile. During one, a single question of this module's own finds out
 * when it is over, and requests fail at once with the error that is known, whether or not they have
 * something stale: an engine goes on to its next mirror or tells its user sooner, and a host that
 * answers again is noticed within the rest, without anybody's pull being the trial. What fails fast
 * by itself, such as a refused connection, is tried by every request: that costs nothing.
 */
import { delay } from "../backoff.ts";
import { RegistryError } from "../errors.ts";
import { LruMap } from "../lru.ts";
import type { Outbound, OutboundRequest } from "../outbound.ts";

/** How one host of an upstream fares: its registry, its token realm, or a storage host. */
export interface HostHealth {
  /** The upstream's registry name. */
  readonly upstream: string;
  readonly host: string;
  /** `down`: it could not be reached the last time; `resting`: nor is it asked for a while. */
  readonly state: "up" | "down" | "resting";
  /** Times in milliseconds since the epoch; null where there was none. */
  readonly lastSuccessAt: number | null;
  readonly lastFailureAt: number | null;
  /** Without secrets. */
  readonly lastError: string | null;
  /** From a request to the headers of its answer: a moving average, or null. */
  readonly latencyMs: number | null;
}

/** A way out that remembers who does not answer. */
export interface HealthWatch {
  readonly outbound: Outbound;
  /** The host that was asked last comes last. */
  snapshot(): readonly HostHealth[];
}

/** Storage hosts are as many as registries name. */
const MAX_HOSTS = 500;
/** A failure that took longer is worth remembering. */
const SLOW_MS = 1_000;
/** How long a request waits to hear whether the host is back. */
const PATIENCE_MS = 1_000;
const FIRST_REST_MS = 10_000;
const LAST_REST_MS = 60_000;
/** The share of the newest latency in the average. */
const LATENCY_WEIGHT = 0.2;

interface Host {
  readonly upstream: string;
  readonly origin: string;
  readonly host: string;
  lastSuccessAt: number | null;
  lastFailureAt: number | null;
  lastError: string | null;
  latencyMs: number | null;
  outage: Outage | undefined;
}

interface Outage {
  readonly error: RegistryError;
  restMs: number;
  nextTrialAt: number;
  trial: { readonly startedAt: number; readonly settled: Promise<void> } | undefined;
}

/** Makes the watch over a way out. `lifetime` ends its own questions. */
export function createHealthWatch(
  options: { outbound: Outbound; now: () => number; lifetime: AbortSignal },
): HealthWatch {
  const { now } = options;
  const hosts = new LruMap<string, Host>(MAX_HOSTS);

  async function send(request: OutboundRequest): Promise<Response> {
    const host = hostOf(request);
    if (host.outage !== undefined) await awaitTrial(host, host.outage, request);
    const startedAt = now();
    try {
      const response = await options.outbound(request);
      noteSuccess(host, request.body === undefined ? now() - startedAt : null);
      return response;
    } catch (error) {
      if (isUnreachable(error)) noteFailure(host, error, startedAt, request);
      throw error;
    }
  }

  function hostOf({ peer, url }: OutboundRequest): Host {
    const key = `${peer} ${url.origin}`;
    const known = hosts.get(key);
    if (known !== undefined) return known;
    const host: Host = {
      upstream: peer,
      origin: url.origin,
      host: url.host,
      lastSuccessAt: null,
      lastFailureAt: null,
      lastError: null,
      latencyMs: null,
      outage: undefined,
    };
    hosts.set(key, host);
    return host;
  }

  function noteSuccess(host: Host, latencyMs: number | null): void {
    host.lastSuccessAt = now();
    host.outage = undefined;
    if (latencyMs === null) return;
    const before = host.latencyMs ?? latencyMs;
    host.latencyMs = before + (latencyMs - before) * LATENCY_WEIGHT;
  }

  function noteFailure(
    host: Host,
    error: RegistryError,
    startedAt: number,
    request: OutboundRequest,
  ): void {
    host.lastFailureAt = now();
    host.lastError = error.message;
    const isSlow = error.status === 504 || now() - startedAt > SLOW_MS;
    const hasAnswered = (host.lastSuccessAt ?? -Infinity) > startedAt;
    if (!isSlow || hasAnswered || host.outage !== undefined) return;
    host.outage = { error, restMs: FIRST_REST_MS, nextTrialAt: 0, trial: undefined };
    startTrial(host, host.outage, request.url);
  }

  /** Resolves when the host has just been seen to answer. @throws {RegistryError} where it has not. */
  async function awaitTrial(
    host: Host,
    outage: Outage,
    { url, signal }: OutboundRequest,
  ): Promise<void> {
    if (outage.trial === undefined && now() >= outage.nextTrialAt) startTrial(host, outage, url);
    const { trial } = outage;
    const patienceMs = trial === undefined ? 0 : trial.startedAt + PATIENCE_MS - now();
    if (trial !== undefined && patienceMs > 0) {
      const settled = new AbortController();
      const wait = delay(patienceMs, AbortSignal.any([signal, settled.signal]));
      await Promise.race([trial.settled, wait.catch(() => undefined)]);
      settled.abort();
    }
    signal.throwIfAborted();
    if (host.outage === outage) throw restError(outage, now());
  }

  function startTrial(host: Host, outage: Outage, url: URL): void {
    const settled = ask(host, url).then(
      () => noteSuccess(host, null),
      (error: unknown) => {
        host.lastFailureAt = now();
        if (error instanceof RegistryError) host.lastError = error.message;
        outage.trial = undefined;
        outage.nextTrialAt = now() + outage.restMs;
        outage.restMs = Math.min(outage.restMs * 2, LAST_REST_MS);
      },
    );
    outage.trial = { startedAt: now(), settled };
  }

  /** Any answer will do: also a refusal is a sign of life. */
  async function ask(host: Host, url: URL): Promise<void> {
    const path = /^.*?\/v2\//.exec(url.pathname)?.[0] ?? "/";
    const response = await options.outbound({
      url: new URL(path, host.origin),
      method: "HEAD",
      signal: options.lifetime,
      peer: host.upstream,
    });
    await response.body?.cancel();
  }

  return { outbound: send, snapshot: () => [...hosts.values()].map(describeHost) };
}

/** Whether nothing was answered at all, which is what the way out calls UNAVAILABLE. */
function isUnreachable(error: unknown): error is RegistryError {
  return error instanceof RegistryError && (error.status === 502 || error.status === 504);
}

function restError({ error, nextTrialAt, trial, restMs }: Outage, now: number): RegistryError {
  const waitMs = trial === undefined ? nextTrialAt - now : restMs;
  const seconds = Math.max(1, Math.ceil(waitMs / 1000));
  return new RegistryError(error.code, `${error.message}; it is asked again in ${seconds} s`, {
    status: error.status,
    detail: error.detail,
    headers: { "retry-after": String(seconds) },
    cause: error,
  });
}

function describeHost({ outage, origin: _, ...host }: Host): HostHealth {
  const { lastSuccessAt, lastFailureAt, latencyMs } = host;
  const isDown = (lastFailureAt ?? -Infinity) > (lastSuccessAt ?? -Infinity);
  return {
    ...host,
    latencyMs: latencyMs === null ? null : Math.round(latencyMs * 10) / 10,
    state: outage !== undefined ? "resting" : isDown ? "down" : "up",
  };
}
