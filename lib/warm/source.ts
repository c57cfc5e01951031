/** A repository as it is read through the proxy, by `ns`, which every upstream is served by. */
import { ERROR_STATUS, type ErrorCode, RegistryError } from "../errors.ts";
import { readBounded } from "../http_body.ts";
import type { SplitName } from "../image_name.ts";

const MAX_ERROR_BYTES = 64 * 1024;
const MAX_LIST_BYTES = 4 << 20;
const MAX_PAGES = 100;

/** How the proxy is asked; the part of `fetch` that is used. */
export type AskProxy = (url: URL, init: RequestInit) => Promise<Response>;

/** A repository behind the proxy. */
export interface WarmSource {
  /**
   * GETs what follows `/v2/<repository>/`; the caller owns the body.
   *
   * @throws {RegistryError} for any answer but 200.
   */
  ask(path: string, headers: Record<string, string>, signal: AbortSignal): Promise<Response>;
  /** All tags. @throws {RegistryError} */
  tags(signal: AbortSignal): Promise<string[]>;
}

/** The proxy to warm, and as whom. */
export interface ProxyAccess {
  readonly base: URL;
  readonly ask: AskProxy;
  /** The value of the Authorization header, or null. */
  readonly authorization: string | null;
}

/** Makes the source of one repository. */
export function createWarmSource(proxy: ProxyAccess, name: SplitName): WarmSource {
  function urlOf(path: string): URL {
    const url = new URL(`/v2/${name.repository}/${path}`, proxy.base);
    if (name.registry !== null) url.searchParams.set("ns", name.registry);
    return url;
  }

  async function get(
    url: URL,
    headers: Record<string, string>,
    signal: AbortSignal,
  ): Promise<Response> {
    const credential = proxy.authorization === null ? {} : { authorization: proxy.authorization };
    const response = await proxy.ask(url, { headers: { ...headers, ...credential }, signal });
    if (response.status === 200) return response;
    throw await refusal(response);
  }

  async function tags(signal: AbortSignal): Promise<string[]> {
    const found: string[] = [];
    let url: URL | undefined = urlOf("tags/list?n=1000");
    for (let page = 0; url !== undefined && page < MAX_PAGES; page++) {
      const response: Response = await get(url, { accept: "application/json" }, signal);
      const text = new TextDecoder().decode(await readBounded(response, MAX_LIST_BYTES));
      found.push(...tagsIn(JSON.parse(text)));
      url = nextPage(response.headers.get("link"), url);
      if (url !== undefined && name.registry !== null) url.searchParams.set("ns", name.registry);
    }
    return found;
  }

  return { ask: (path, headers, signal) => get(urlOf(path), headers, signal), tags };
}

function tagsIn(json: unknown): string[] {
  const tags = typeof json === "object" && json !== null && "tags" in json ? json.tags : [];
  return Array.isArray(tags) ? tags.filter((tag) => typeof tag === "string") : [];
}

/** Source: RFC 8288, as distribution-spec "Listing Tags" uses it. */
function nextPage(link: string | null, from: URL): URL | undefined {
  const [, target] = /<([^>]+)>\s*;\s*rel="?next"?/.exec(link ?? "") ?? [];
  return target === undefined ? undefined : URL.parse(target, from) ?? undefined;
}

async function refusal(response: Response): Promise<RegistryError> {
  const text = new TextDecoder().decode(await readBounded(response, MAX_ERROR_BYTES));
  const [, code = "UNKNOWN"] = /"code"\s*:\s*"(\w+)"/.exec(text) ?? [];
  const [, message] = /"message"\s*:\s*("(?:[^"\\]|\\.)*")/.exec(text) ?? [];
  const words: unknown = message === undefined ? undefined : JSON.parse(message);
  return new RegistryError(
    isErrorCode(code) ? code : "UNKNOWN",
    typeof words === "string" ? words : `the proxy answered ${response.status}`,
    { status: response.status },
  );
}

function isErrorCode(code: string): code is ErrorCode {
  return Object.hasOwn(ERROR_STATUS, code);
}
