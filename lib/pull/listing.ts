/**
 * Lists of a repository (tags, referrers) and of a registry (catalog): always the upstream's own,
 * for they change at any time. Only the links to the next page are rewritten.
 */
import type { Upstream } from "../config/config.ts";
import { RegistryError } from "../errors.ts";
import { copyHeaders } from "../http.ts";
import { isJson } from "../media_type.ts";
import type { Addressing, Target } from "../routing/route.ts";
import { type UpstreamClient, upstreamUrl } from "../upstream/client.ts";
import { QUOTA_HEADERS, upstreamError } from "../upstream/failure.ts";
import type { Origin } from "../upstream/origin.ts";
import type { PullRequest } from "./request.ts";

/** Headers of a list that concern the client. */
const LIST_HEADERS = [
  "content-type",
  "content-length",
  "oci-filters-applied",
  "warning",
  ...QUOTA_HEADERS,
];

/** A list of a repository, by the rest of its path: `tags/list` or `referrers/<digest>`. */
export type ListingHandler = (
  request: PullRequest,
  target: Target,
  path: string,
  search: string,
) => Promise<Response>;

/** The repositories of a registry. */
export type CatalogHandler = (
  request: PullRequest,
  place: { readonly upstream: Upstream; readonly addressing: Addressing },
  search: string,
) => Promise<Response>;

/** Makes the handler. Source: distribution-spec "Listing Tags", "Listing Referrers". */
export function createListingHandler(origin: Origin): ListingHandler {
  return async function handleListing(request, target, path, search) {
    const response = await origin.fetch({
      target,
      method: request.method,
      path: path + upstreamQuery(search),
      headers: { accept: request.headers.get("accept") ?? "*/*" },
      credential: request.credential,
      signal: request.signal,
    });
    if (response.ok && !isList(response, path)) {
      await response.body?.cancel();
      // Google's registries lead an API that they lack to a login page. On 404 clients go on.
      throw new RegistryError(
        "UNSUPPORTED",
        `${target.upstream.registry} has no such list`,
        { status: 404 },
      );
    }
    if (!response.ok) throw await upstreamError(response, target.upstream, "repository");
    return await listResponse(request, response, `${target.clientName}/${path}`, target.addressing);
  };
}

/** Makes the handler. Source: distribution "Listing Repositories". */
export function createCatalogHandler(client: UpstreamClient): CatalogHandler {
  return async function handleCatalog(request, { upstream, addressing }, search) {
    const response = await client.send({
      upstream,
      method: request.method,
      url: upstreamUrl(upstream, `/v2/_catalog${upstreamQuery(search)}`),
      scope: "registry:catalog:*",
      credential: request.credential,
      signal: request.signal,
    });
    if (!response.ok) throw await upstreamError(response, upstream, "repository");
    return await listResponse(request, response, "_catalog", addressing);
  };
}

/**
 * Whether an answer may be the list: that of referrers has its type (distribution-spec "Listing
 * Referrers"), that of tags is called anything, but is no page for people.
 */
function isList({ headers }: Response, path: string): boolean {
  const type = headers.get("content-type");
  return path.startsWith("referrers/") ? isJson(type) : !/^text\/html\b/i.test(type ?? "");
}

async function listResponse(
  request: PullRequest,
  response: Response,
  path: string,
  addressing: Addressing,
): Promise<Response> {
  request.note({ cache: "BYPASS" });
  // A redirected HEAD has become a GET.
  if (request.method === "HEAD") await response.body?.cancel();
  const headers = copyHeaders(response.headers, LIST_HEADERS);
  headers.set("x-cache", "BYPASS");
  const link = response.headers.get("link");
  if (link !== null) headers.set("link", rewriteLink(link, path, addressing));
  return new Response(request.method === "HEAD" ? null : response.body, {
    status: response.status,
    headers,
  });
}

/**
 * The next page in the client's words; the query stays as it is, for it is the upstream's. Clients
 * take the first link of the header (RFC 8288 section 3).
 */
export function rewriteLink(link: string, path: string, addressing: Addressing): string {
  return link.replace(/<([^>]*)>/, (_, url: string) => {
    const mark = url.indexOf("?");
    const query = mark === -1 ? "" : url.slice(mark);
    return `</v2/${path}${withNamespace(query, addressing)}>`;
  });
}

/** A query with the `ns` by which the client named the upstream. */
export function withNamespace(query: string, addressing: Addressing): string {
  if (addressing.kind !== "ns") return query;
  return `${query === "" ? "?" : `${query}&`}ns=${encodeURIComponent(addressing.ns)}`;
}

/** The client's query without `ns`, which is for this proxy; the rest byte for byte. */
export function upstreamQuery(search: string): string {
  const rest = search.slice(1).split("&").filter((part) =>
    part !== "" && part !== "ns" && !part.startsWith("ns=")
  );
  return rest.length === 0 ? "" : `?${rest.join("&")}`;
}
