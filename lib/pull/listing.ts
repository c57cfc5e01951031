/**
 * Lists of a repository (tags, referrers) and of a registry (catalog): always the upstream's own,
 * for they change at any time. Only the links to the next page are rewritten.
 */
import type { Target } from "../routing/route.ts";
import { copyHeaders } from "../http.ts";
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

/** A list, by the rest of its path: `tags/list` or `referrers/<digest>`. */
export type ListingHandler = (
  request: PullRequest,
  target: Target,
  path: string,
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
    if (!response.ok) throw await upstreamError(response, target.upstream, "repository");
    request.note({ cache: "BYPASS" });
    const headers = copyHeaders(response.headers, LIST_HEADERS);
    headers.set("x-cache", "BYPASS");
    const link = response.headers.get("link");
    if (link !== null) headers.set("link", rewriteLink(link, target, path));
    return new Response(request.method === "HEAD" ? null : response.body, {
      status: response.status,
      headers,
    });
  };
}

/**
 * The next page in the client's words; the query stays as it is, for it is the upstream's. Clients
 * take the first link of the header (RFC 8288 section 3).
 */
export function rewriteLink(link: string, target: Target, path: string): string {
  return link.replace(/<([^>]*)>/, (_, url: string) => {
    const mark = url.indexOf("?");
    const query = mark === -1 ? "" : url.slice(mark);
    const ns = target.addressing.kind === "ns"
      ? `${query === "" ? "?" : "&"}ns=${encodeURIComponent(target.addressing.ns)}`
      : "";
    return `</v2/${target.clientName}/${path}${query}${ns}>`;
  });
}

/** The client's query without `ns`, which is for this proxy; the rest byte for byte. */
export function upstreamQuery(search: string): string {
  const rest = search.slice(1).split("&").filter((part) =>
    part !== "" && part !== "ns" && !part.startsWith("ns=")
  );
  return rest.length === 0 ? "" : `?${rest.join("&")}`;
}
