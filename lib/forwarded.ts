/**
 * How a client sees this proxy, and from where it comes, behind the operator's own proxies.
 * Trust boundary: anybody can send these headers, so each value counts only if a trusted peer wrote it.
 */
import { isInCidrs, normalizeAddress } from "./address.ts";
import { readPattern, readQuoted, readToken, skipSpace } from "./header_text.ts";

/** The public base of this proxy for one client. */
export interface ClientOrigin {
  readonly scheme: "http" | "https";
  /** Host and, unless it is the scheme's own, port. */
  readonly host: string;
  /** The client's address in canonical text. */
  readonly clientAddress: string;
}

/** What the origin is taken from. */
export interface OriginInput {
  /** The request's URL as the server sees it. */
  readonly url: URL;
  /** The `Host` header, or null, as on HTTP/2: then it is in the URL. */
  readonly host: string | null;
  /** The address of the connection's other end. */
  readonly peer: string;
  readonly headers: Headers;
  /** CIDRs whose headers count; see `isInCidrs`. */
  readonly trustedProxies: readonly string[];
  /** The configured base, which scheme and host then are. */
  readonly publicUrl: URL | null;
}

/** What one proxy says of the request that it received; undefined where it says nothing usable. */
interface Hop {
  /** Undefined where it is hidden or no address. */
  readonly address: string | undefined;
  readonly scheme: "http" | "https" | undefined;
  readonly host: string | undefined;
  readonly port: string | undefined;
}

const MAX_HOPS = 32;
const DEFAULT_PORTS = ["80", "443"];
/** Proxies leave the quotes of `for=[::1]:80` out, though the RFC wants them. */
const BARE_VALUE = /[^,;\s]*/y;
const HOST = /^(?:[A-Za-z0-9._-]{1,253}|\[[0-9A-Fa-f:.]{2,45}\])(?::\d{1,5})?$/;

/**
 * Computes how the client sees this proxy.
 *
 * Proxies append to the right, so the list is walked from there as long as its writer is trusted. The
 * first address that is not trusted is the client's, and scheme and host are those that the trusted
 * proxy next to it saw. `X-Forwarded-*` goes before `Forwarded` (RFC 7239) where both are there: most
 * proxies set the former and pass a client's forged latter on.
 */
export function clientOrigin(input: OriginInput): ClientOrigin {
  const { publicUrl, url } = input;
  const peer = normalizeAddress(input.peer) ?? input.peer;
  const trusted = isInCidrs(peer, input.trustedProxies);
  const { address, outermost } = trusted
    ? walkHops(peer, readHops(input.headers), input.trustedProxies)
    : { address: peer, outermost: undefined };
  if (publicUrl !== null) {
    return { scheme: schemeOf(publicUrl.protocol), host: publicUrl.host, clientAddress: address };
  }
  const scheme = outermost?.scheme ?? schemeOf(url.protocol);
  const seen = input.host !== null && HOST.test(input.host) ? input.host : url.host;
  const host = withPort(outermost?.host ?? seen, outermost?.port);
  return { scheme, host, clientAddress: address };
}

/** The client's address, and the words of the trusted proxy that is next to it. */
function walkHops(
  peer: string,
  hops: readonly Hop[],
  trustedProxies: readonly string[],
): { address: string; outermost: Hop | undefined } {
  let address = peer;
  let outermost: Hop | undefined;
  for (const hop of hops.toReversed()) {
    // A proxy further in may be the only one that says scheme or host.
    outermost = {
      address: hop.address,
      scheme: hop.scheme ?? outermost?.scheme,
      host: hop.host ?? outermost?.host,
      port: hop.host === undefined ? hop.port ?? outermost?.port : hop.port,
    };
    if (hop.address === undefined) break;
    address = hop.address;
    if (!isInCidrs(address, trustedProxies)) break;
  }
  return { address, outermost };
}

/** What the proxies say, the nearest last. */
function readHops(headers: Headers): readonly Hop[] {
  const addresses = listOf(headers, "x-forwarded-for");
  const schemes = listOf(headers, "x-forwarded-proto");
  const hosts = listOf(headers, "x-forwarded-host");
  const ports = listOf(headers, "x-forwarded-port");
  const length = Math.max(addresses.length, schemes.length, hosts.length, ports.length);
  if (length === 0) return readForwarded(headers.get("forwarded") ?? "");
  // Lists are aligned at their right end, where the nearest proxy wrote; most proxies overwrite
  // scheme and host, so that one value stands for all.
  const at = (list: readonly string[], fromRight: number) => list.at(-1 - fromRight);
  return Array.from({ length }, (_, i) => length - 1 - i).map((fromRight) => ({
    address: parseNode(at(addresses, fromRight)),
    scheme: parseScheme(at(schemes, fromRight)),
    host: parseHost(at(hosts, fromRight)),
    port: parsePort(at(ports, fromRight)),
  }));
}

function listOf(headers: Headers, name: string): readonly string[] {
  const value = headers.get(name);
  return value === null ? [] : value.split(",").slice(-MAX_HOPS).map((item) => item.trim());
}

/** Reads `Forwarded` (RFC 7239 section 4); what is malformed says nothing. */
function readForwarded(header: string): readonly Hop[] {
  const hops: Hop[] = [];
  let pairs = new Map<string, string>();
  const push = () => {
    if (pairs.size === 0) return;
    hops.push({
      address: parseNode(pairs.get("for")),
      scheme: parseScheme(pairs.get("proto")),
      host: parseHost(pairs.get("host")),
      port: undefined,
    });
    pairs = new Map();
  };
  let at = 0;
  while (at < header.length) {
    const name = readToken(header, at);
    if (name.text !== "" && header[name.end] === "=") {
      const opens = name.end + 1;
      const value = header[opens] === '"'
        ? readQuoted(header, opens)
        : readPattern(BARE_VALUE, header, opens);
      pairs.set(name.text.toLowerCase(), value.text);
      at = skipSpace(header, value.end);
      continue;
    }
    if (header[at] === ",") push();
    at = name.text === "" ? at + 1 : name.end;
  }
  push();
  return hops.slice(-MAX_HOPS);
}

/** The address of a node, without port (RFC 7239 section 6); `unknown` and `_names` have none. */
function parseNode(text: string | undefined): string | undefined {
  if (text === undefined) return undefined;
  const [, node] = /^(\[[^\]]*\]|[\d.]+)(?::\w+)?$/.exec(text) ?? [];
  return normalizeAddress(node ?? text);
}

function parseScheme(text: string | undefined): "http" | "https" | undefined {
  const scheme = text?.toLowerCase();
  return scheme === "http" || scheme === "https" ? scheme : undefined;
}

/** A host that can stand in a URL; anything else would end up inside realms and Locations. */
function parseHost(text: string | undefined): string | undefined {
  return text !== undefined && HOST.test(text) ? text : undefined;
}

function parsePort(text: string | undefined): string | undefined {
  return text !== undefined && /^\d{1,5}$/.test(text) ? text : undefined;
}

function schemeOf(protocol: string): "http" | "https" {
  return protocol === "https:" ? "https" : "http";
}

/**
 * Adds the port that a proxy names, unless the host has one. Neither default port is written, whatever
 * the scheme: behind several proxies 80 may stand beside https, and is then an inner hop's.
 */
function withPort(host: string, port: string | undefined): string {
  if (port === undefined || DEFAULT_PORTS.includes(port) || /:\d+$/.test(host)) return host;
  return `${host}:${port}`;
}
