/**
 * The addresses in a registry's answers to writes, in the client's words and back. What lies at the
 * usual place of the upstream becomes the same place here, its query byte for byte; anything else is
 * sealed. Source: distribution-spec "Pushing blobs", which leaves an upload's address to the registry.
 */
import { RegistryError } from "../errors.ts";
import { withNamespace } from "../pull/listing.ts";
import type { Target } from "../routing/route.ts";
import { upstreamUrl } from "../upstream/client.ts";
import type { Sealer } from "./seal.ts";

/** How an address is written for a client. */
export interface ClientView {
  readonly target: Target;
  /** Scheme, host and port as the client sees them. */
  readonly base: string;
}

/** Maps addresses of uploads. */
export interface UploadLocations {
  /**
   * A `Location` for the client; `from` is the URL that answered with it.
   *
   * @throws {RegistryError} UNAVAILABLE (502) where it is no URL, or one that may not be asked.
   */
  toClient(location: string, from: URL, view: ClientView): string;
  /**
   * Where the session of a client's request leads, with the client's query behind its own.
   *
   * @throws {RegistryError} BLOB_UPLOAD_UNKNOWN for what is neither a session nor a seal.
   */
  toUpstream(session: string, query: string, target: Target): URL;
}

/**
 * Sessions of registries, which are mostly UUIDs. Anything else in their place can only be a seal:
 * what a registry names otherwise is sealed too.
 */
const PLAIN_SESSION = /^[A-Za-z0-9._=-]{1,64}$/;
const UPLOAD = "blobs/uploads/";

/** Makes the mapping. */
export function createUploadLocations(sealer: Sealer): UploadLocations {
  function toClient(location: string, from: URL, view: ClientView): string {
    const { target } = view;
    const url = parseLocation(location, from, target);
    const rest = restUnder(url, target);
    if (rest !== undefined && isUsual(rest)) return clientUrl(view, rest, url.search);
    return clientUrl(view, UPLOAD + sealer.seal(url, target), "");
  }

  function toUpstream(session: string, query: string, target: Target): URL {
    const { upstream, repository } = target;
    if (PLAIN_SESSION.test(session)) {
      return upstreamUrl(upstream, `/v2/${repository}/${UPLOAD}${session}${query}`);
    }
    const sealed = sealer.open(decode(session), target);
    if (sealed === undefined) {
      throw new RegistryError("BLOB_UPLOAD_UNKNOWN", "the upload is unknown or has expired");
    }
    if (query === "") return sealed;
    return new URL(`${sealed.href}${sealed.search === "" ? "?" : "&"}${query.slice(1)}`);
  }

  return { toClient, toUpstream };
}

/** The address of something of the repository as this client reaches it; `query` begins with `?`. */
export function clientUrl({ target, base }: ClientView, rest: string, query: string): string {
  return `${base}/v2/${target.clientName}/${rest}${withNamespace(query, target.addressing)}`;
}

function parseLocation(location: string, from: URL, { upstream }: Target): URL {
  const url = URL.parse(location, from);
  if (url === null || !/^https?:$/.test(url.protocol) || url.username + url.password !== "") {
    throw broken(upstream.registry, "names an upload's address that is none");
  }
  url.hash = "";
  return url;
}

/** What follows `/v2/<repository>/`, where the address is the upstream's own by one of its names. */
function restUnder(url: URL, { upstream, repository }: Target): string | undefined {
  // Behind a TLS terminator registries write http, or the name by which others know them.
  if (url.host !== upstream.url.host && !upstream.names.includes(url.host)) return undefined;
  const prefix = upstream.url.pathname.replace(/\/$/, "");
  const path = url.pathname.startsWith(`${prefix}/v2/`)
    ? url.pathname.slice(prefix.length)
    : url.pathname;
  const root = `/v2/${repository}/`;
  return path.startsWith(root) ? path.slice(root.length) : undefined;
}

/** Whether it is an upload's session, or content under its digest or tag. */
function isUsual(rest: string): boolean {
  return rest.startsWith(UPLOAD)
    ? PLAIN_SESSION.test(rest.slice(UPLOAD.length))
    : /^(?:blobs|manifests)\/[A-Za-z0-9._:+-]+$/.test(rest);
}

function decode(session: string): string {
  return session.replaceAll(/%7e/gi, "~");
}

function broken(registry: string, what: string): RegistryError {
  return new RegistryError("UNAVAILABLE", `${registry} ${what}`, {
    status: 502,
    detail: { upstream: registry },
  });
}
