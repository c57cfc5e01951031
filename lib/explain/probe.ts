/** Asks an upstream about an image once, as the proxy itself would: what it says, and where it sends. */
import { ANONYMOUS } from "../auth/credential.ts";
import type { Config } from "../config/config.ts";
import { RegistryError } from "../errors.ts";
import { describeCause } from "../log.ts";
import { FULL_ACCEPT } from "../media_type.ts";
import { type Digest, parseDigest, referenceText } from "../reference.ts";
import { decideRedirect, isRedirect } from "../redirect/decide.ts";
import { pullScope, type UpstreamClient, upstreamUrl } from "../upstream/client.ts";
import type { ExplainedTarget } from "./explain.ts";

/** What an upstream answered. */
export interface Probe {
  /** The status of a HEAD for the manifest, or null where nothing answered. */
  readonly status: number | null;
  readonly digest: Digest | null;
  readonly latencyMs: number;
  /** Why there is no status. */
  readonly error: string | null;
  /** Where a blob of it lies; null where none is known or the registry sends it itself. */
  readonly redirect: { readonly host: string; readonly decision: "stream" | "pass" } | null;
}

/** What is asked with. */
export interface ProbeDeps {
  readonly client: UpstreamClient;
  readonly policy: Config["redirect"];
  /** In milliseconds. */
  readonly now: () => number;
}

/** Asks. Never throws; `blob` is a blob of the image, where one is known. */
export async function probeImage(
  { target, reference }: ExplainedTarget,
  blob: Digest | null,
  deps: ProbeDeps,
  signal: AbortSignal,
): Promise<Probe> {
  const startedAt = deps.now();
  try {
    const response = await ask(`manifests/${referenceText(reference)}`);
    await response.body?.cancel();
    return {
      status: response.status,
      digest: parseDigest(response.headers.get("docker-content-digest") ?? "") ?? null,
      latencyMs: deps.now() - startedAt,
      error: null,
      redirect: response.ok && blob !== null ? await askRedirect(blob) : null,
    };
  } catch (error) {
    const words = error instanceof RegistryError ? error.message : describeCause(error);
    const latencyMs = deps.now() - startedAt;
    return { status: null, digest: null, latencyMs, error: words, redirect: null };
  }

  function ask(path: string): Promise<Response> {
    return deps.client.send({
      upstream: target.upstream,
      method: "HEAD",
      url: upstreamUrl(target.upstream, `/v2/${target.repository}/${path}`),
      scope: pullScope(target.repository),
      credential: ANONYMOUS,
      headers: { accept: FULL_ACCEPT },
      signal,
    });
  }

  /** Only the host is told: the rest of a signed URL is a secret. */
  async function askRedirect(digest: Digest): Promise<Probe["redirect"]> {
    const response = await ask(`blobs/${digest}`);
    await response.body?.cancel();
    if (!isRedirect(response)) return null;
    const location = URL.parse(response.headers.get("location") ?? "", target.upstream.url.href);
    if (location === null) return null;
    const decision = decideRedirect(location, target.upstream.redirect, deps.policy);
    return { host: location.host, decision };
  }
}
