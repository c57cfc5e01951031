/**
 * What HTTP says about messages in general: byte ranges, and the headers that end at each hop.
 * Pure functions over headers; where a client is and how it sees this proxy is in `forwarded.ts`.
 */
export { type ClientOrigin, clientOrigin, type OriginInput } from "./forwarded.ts";

/** A part of a representation, by its first and last byte. */
export interface ByteSpan {
  readonly start: number;
  /** Inclusive, as in `Content-Range`. */
  readonly end: number;
}

/** What a `Range` header asks for. */
export type ByteRange =
  /** No range, or one to be ignored: 200 with everything. */
  | { readonly kind: "whole" }
  | { readonly kind: "range"; readonly start: number; readonly end: number }
  /** 416 with `Content-Range: bytes *` + `/size`. */
  | { readonly kind: "unsatisfiable" }
  /** At least two parts, in the client's order, none overlapping. */
  | { readonly kind: "multi"; readonly ranges: readonly ByteSpan[] };

const WHOLE: ByteRange = { kind: "whole" };
const UNSATISFIABLE: ByteRange = { kind: "unsatisfiable" };
// Partial pulls of zstd:chunked layers ask for up to a thousand parts at once.
const MAX_RANGES = 1024;
const MAX_RANGE_LENGTH = 32_768;

/**
 * Reads a `Range` header against a representation of `size` bytes (RFC 9110 section 14.1.2).
 *
 * Another unit or a malformed set is ignored. `500-0` is malformed too, but the conformance suite of
 * the distribution specification wants 416. Of a set, what cannot be satisfied is dropped; a set too
 * long or with overlaps is ignored (section 17.15). On an empty representation no range can be
 * expressed, so everything, which is nothing, is served: a client that always sends `0-` is content.
 */
export function parseByteRange(header: string | null, size: number): ByteRange {
  if (header === null || size === 0 || header.length > MAX_RANGE_LENGTH) return WHOLE;
  const [, set] = /^[ \t]*bytes[ \t]*=(.*)$/i.exec(header) ?? [];
  if (set === undefined) return WHOLE;
  const spans: ByteSpan[] = [];
  const specs = set.split(",").map((spec) => spec.trim()).filter((spec) => spec !== "");
  if (specs.length === 0 || specs.length > MAX_RANGES) return WHOLE;
  for (const spec of specs) {
    const span = parseSpan(spec, size);
    if (span === undefined) return WHOLE;
    if (span !== null) spans.push(span);
  }
  const [first, second] = spans;
  if (first === undefined) return UNSATISFIABLE;
  if (second === undefined) return { kind: "range", ...first };
  return hasOverlap(spans) ? WHOLE : { kind: "multi", ranges: spans };
}

/** One range, clipped to the size; null where it holds no byte, undefined where it is malformed. */
function parseSpan(spec: string, size: number): ByteSpan | null | undefined {
  const [, from, to] = /^(\d*)[ \t]*-[ \t]*(\d*)$/.exec(spec) ?? [];
  if (from === undefined || to === undefined || from + to === "") return undefined;
  if (from === "") {
    const length = Math.min(Number(to), size);
    return length === 0 ? null : { start: size - length, end: size - 1 };
  }
  const start = Number(from);
  const end = to === "" ? size - 1 : Math.min(Number(to), size - 1);
  return start > end ? null : { start, end };
}

function hasOverlap(spans: readonly ByteSpan[]): boolean {
  const sorted = spans.toSorted((a, b) => a.start - b.start);
  return sorted.some((span, i) => span.start <= (sorted[i - 1]?.end ?? -1));
}

/** Source: RFC 9110 section 7.6.1, and the two fields that a proxy's own authentication uses. */
const HOP_BY_HOP = [
  "connection",
  "keep-alive",
  "proxy-authenticate",
  "proxy-authentication-info",
  "proxy-authorization",
  "proxy-connection",
  "te",
  "trailer",
  "transfer-encoding",
  "upgrade",
];

/** A copy without the fields that end at this hop, those that `Connection` names included. */
export function stripHopByHop(headers: Headers): Headers {
  const copy = new Headers(headers);
  for (const name of (headers.get("connection") ?? "").split(",")) {
    if (isFieldName(name.trim())) copy.delete(name.trim());
  }
  for (const name of HOP_BY_HOP) copy.delete(name);
  return copy;
}

function isFieldName(text: string): boolean {
  return /^[!#$%&'*+\-.^_`|~0-9A-Za-z]+$/.test(text);
}

/** The named fields of `from`, where it has them. */
export function copyHeaders(from: Headers, names: readonly string[]): Headers {
  const copy = new Headers();
  for (const name of names) {
    const value = from.get(name);
    if (value !== null) copy.set(name, value);
  }
  return copy;
}
