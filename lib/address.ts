/**
 * IP addresses and their ranges: who is trusted, and which addresses are the public Internet's.
 * Only full forms are read: `127.1` or `0x7f.0.0.1` are no addresses here, so nothing hides in them.
 */
import ipaddr from "ipaddr.js";

type Address = ipaddr.IPv4 | ipaddr.IPv6;

/** An address range, parsed. */
export interface CidrRange {
  readonly network: Address;
  readonly prefixLength: number;
}

/**
 * The address in its canonical text, or undefined. IPv4-mapped IPv6 becomes IPv4, brackets are
 * taken off, and a zone is dropped: it names an interface of one machine only.
 */
export function normalizeAddress(text: string): string | undefined {
  return parseAddress(text)?.toString();
}

/** Returns the range of `10.0.0.0/8`, `fd00::/8` or a single address; undefined where it is none. */
export function parseCidr(text: string): CidrRange | undefined {
  const [, address = "", bits] = /^([^/]+?)(?:\/(\d{1,3}))?$/.exec(text.trim()) ?? [];
  const written = parseWritten(address);
  if (written === undefined) return undefined;
  const width = written.kind() === "ipv4" ? 32 : 128;
  const prefixLength = bits === undefined ? width : Number(bits);
  if (prefixLength > width) return undefined;
  // ::ffff:10.0.0.0/104 is 10.0.0.0/8: peers are compared as IPv4.
  const network = unmap(written);
  if (network.kind() === written.kind()) return { network, prefixLength };
  return prefixLength < 96 ? undefined : { network, prefixLength: prefixLength - 96 };
}

/** The parsed form of lists, which are the configuration's and live as long as the process. */
const parsedLists = new WeakMap<readonly string[], readonly CidrRange[]>();

/**
 * Whether the address lies in one of the ranges. An IPv4-mapped IPv6 address is compared as IPv4.
 * What is no address lies in none; what is no range holds none. The list is parsed once and must
 * not change afterwards.
 */
export function isInCidrs(address: string, cidrs: readonly string[]): boolean {
  if (cidrs.length === 0) return false;
  const parsed = parseAddress(address);
  return parsed !== undefined && parseList(cidrs).some((range) => isInRange(parsed, range));
}

function parseList(cidrs: readonly string[]): readonly CidrRange[] {
  const known = parsedLists.get(cidrs);
  if (known !== undefined) return known;
  const ranges = cidrs.map(parseCidr).filter((range) => range !== undefined);
  parsedLists.set(cidrs, ranges);
  return ranges;
}

function isInRange(address: Address, { network, prefixLength }: CidrRange): boolean {
  return address.kind() === network.kind() && address.match(network, prefixLength);
}

/**
 * Whether the address is a host of the public Internet: not loopback, private, link-local, shared
 * (100.64.0.0/10), multicast, reserved or for documentation, and no IPv6 form that carries such an
 * IPv4 address (mapped, 6to4, NAT64). False for what is no address.
 * Source: IANA special-purpose address registries (RFC 6890).
 */
export function isPublicAddress(ip: string): boolean {
  const address = parseAddress(ip);
  return address !== undefined && isPublic(address);
}

function isPublic(address: Address): boolean {
  if (address instanceof ipaddr.IPv4) return address.range() === "unicast";
  const bytes = address.toByteArray();
  switch (address.range()) {
    case "6to4":
      return isPublic(ipaddr.fromByteArray(bytes.slice(2, 6)));
    case "rfc6052":
      // 64:ff9b:1::/48 is for local use (RFC 8215); only 64:ff9b::/96 carries global addresses.
      return bytes.slice(4, 12).every((byte) => byte === 0) &&
        isPublic(ipaddr.fromByteArray(bytes.slice(12)));
    case "unicast":
      // IANA gives out 2000::/3 only; the rest is unassigned or an old form such as ::127.0.0.1.
      return ((bytes[0] ?? 0) & 0xe0) === 0x20;
    default:
      return false;
  }
}

function parseAddress(text: string): Address | undefined {
  const address = parseWritten(text);
  return address === undefined ? undefined : unmap(address);
}

function unmap(address: Address): Address {
  return address instanceof ipaddr.IPv6 && address.isIPv4MappedAddress()
    ? address.toIPv4Address()
    : address;
}

function parseWritten(text: string): Address | undefined {
  if (ipaddr.IPv4.isValidFourPartDecimal(text)) return ipaddr.IPv4.parse(text);
  const bare = text.replace(/^\[(.*)\]$/, "$1").replace(/%.*$/, "");
  return bare.includes(":") && ipaddr.IPv6.isValid(bare) ? ipaddr.IPv6.parse(bare) : undefined;
}
