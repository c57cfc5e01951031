/**
 * Writes on their way to the upstream: with the token that they need before the first byte of a body,
 * to the address that the registry named and to no other, and never sent twice where that cannot be.
 */
import type { Credential } from "../auth/credential.ts";
import { parseChallenges } from "../auth/challenge.ts";
import { parseScope } from "../auth/scope.ts";
import { RegistryError } from "../errors.ts";
import type { Outbound } from "../outbound.ts";
import { isRedirect } from "../redirect/decide.ts";
import { locationOf } from "../redirect/follow.ts";
import type { Target } from "../routing/route.ts";
import type { TargetGuard } from "../target_guard.ts";
import { pushScope, type UpstreamClient, type UpstreamRequest } from "../upstream/client.ts";
import type { PushMethod } from "./request.ts";

/** Go's HTTP client, and with it every container engine, gives up after as many. */
const MAX_HOPS = 10;

/** A write. */
export interface Write {
  readonly target: Target;
  readonly method: PushMethod;
  readonly url: URL;
  readonly headers?: Headers;
  readonly body?: UpstreamRequest["body"];
  /** The length of a stream, where it is known. */
  readonly bodyLength?: number;
  /** Beside that of the repository. */
  readonly furtherScopes?: readonly string[];
  readonly credential: Credential;
  readonly signal: AbortSignal;
}

/** The upstream's answer, whatever it is, and the URL that gave it. The caller owns the body. */
export interface WriteAnswer {
  readonly response: Response;
  readonly from: URL;
}

/**
 * Sends a write. A redirect is followed with the same method, unless its body was a stream: then it
 * is the answer.
 *
 * @throws {RegistryError} where the address may not be asked or cannot be reached.
 */
export type Writer = (write: Write) => Promise<WriteAnswer>;

/** Makes the writer. */
export function createWriter(
  options: { client: UpstreamClient; outbound: Outbound; guard: TargetGuard },
): Writer {
  const { client, outbound, guard } = options;

  return async function send(write) {
    let from = write.url;
    let response = await sendTo(write, from);
    for (let hops = 0; isRedirect(response) && !(write.body instanceof ReadableStream); hops++) {
      const next = locationOf(response, from);
      if (next === undefined || hops === MAX_HOPS || response.status === 303) {
        await response.body?.cancel();
        throw refused(write.target, "redirects a push to nowhere");
      }
      await response.body?.cancel();
      response = await sendTo(write, next);
      from = next;
    }
    return { response, from };
  };

  function sendTo(write: Write, url: URL): Promise<Response> {
    return url.origin === write.target.upstream.url.origin
      ? sendUpstream(write, url)
      : sendAway(write, url);
  }

  /** To the registry, with the caller's own right. */
  async function sendUpstream(write: Write, url: URL): Promise<Response> {
    const { target, headers, body, bodyLength, furtherScopes } = write;
    const request: UpstreamRequest = {
      upstream: target.upstream,
      method: write.method,
      url,
      scope: pushScope(target.repository),
      credential: write.credential,
      purpose: "write",
      signal: write.signal,
      ...(isSlow(write) ? { patience: "caller", transfer: {} } : {}),
      ...(headers === undefined ? {} : { headers }),
      ...(body === undefined ? {} : { body }),
      ...(bodyLength === undefined ? {} : { bodyLength }),
      ...(furtherScopes === undefined ? {} : { furtherScopes }),
    };
    const response = await client.send(request);
    if (response.status !== 401 || write.credential.kind === "bearer") return response;
    // Deletions want a scope of their own, which registries name differently.
    const wanted = wantedScope(response, target);
    if (wanted === undefined || body instanceof ReadableStream) return response;
    await response.body?.cancel();
    return await client.send({ ...request, scope: wanted, furtherScopes: [] });
  }

  /** To where the registry keeps its uploads: the address is the right, and credentials stay here. */
  async function sendAway(write: Write, url: URL): Promise<Response> {
    const { upstream } = write.target;
    if (upstream.url.protocol === "https:" && url.protocol === "http:") {
      throw refused(write.target, `sends a push from https to http (${url.host})`);
    }
    const address = await guard.check(url, upstream);
    return await outbound({
      url,
      method: write.method,
      signal: write.signal,
      peer: upstream.registry,
      address,
      ...(isSlow(write) ? { patience: "caller", transfer: {} } : {}),
      ...(write.headers === undefined ? {} : { headers: write.headers }),
      ...(write.body === undefined ? {} : { body: write.body }),
      ...(write.bodyLength === undefined ? {} : { bodyLength: write.bodyLength }),
    });
  }
}

/** Whether the answer comes when all is received, verified and stored, which may take minutes. */
function isSlow({ method, body }: Write): boolean {
  return method === "PUT" || method === "PATCH" || body !== undefined;
}

/** The scope that a challenge names for this repository, if it is not that of a push. */
function wantedScope(response: Response, { repository }: Target): string | undefined {
  const challenges = parseChallenges(response.headers.get("www-authenticate") ?? "");
  const text = challenges.find(({ scheme }) => scheme === "bearer")?.params.get("scope") ?? "";
  const scope = parseScope(text);
  const isMore = scope?.actions.some((action) => action !== "pull" && action !== "push") ?? false;
  return isMore && scope?.name === repository ? text : undefined;
}

function refused({ upstream }: Target, what: string): RegistryError {
  return new RegistryError("UNAVAILABLE", `${upstream.registry} ${what}, which is refused`, {
    status: 502,
    detail: { upstream: upstream.registry },
  });
}
