/**
 * For how long what an upstream said of a tag is believed. Pure: predicates over ages.
 * Source: RFC 9111 section 4.2 for freshness, RFC 5861 for stale-while-revalidate and stale-if-error.
 */
import type { TagTtl } from "../config/config.ts";
import type { Tag } from "../reference.ts";

/** What the configuration says of tags' ages. All durations are in seconds. */
export interface FreshnessRules {
  /** By pattern, in order; the first that matches decides. */
  readonly tagTtl: readonly TagTtl[];
  /** For tags that no pattern matches. */
  readonly manifestTtlSeconds: number;
  readonly staleWhileRevalidateSeconds: number;
  readonly staleIfErrorSeconds: number;
}

/**
 * What may be done with what is known of a tag: `fresh` is served; `revalidate_behind` is served,
 * and the upstream is asked meanwhile; of `stale` the upstream is asked first.
 */
export type Freshness = "fresh" | "revalidate_behind" | "stale";

/** How long a tag is fresh, in seconds; an upstream's own rules go before the others. */
export function ttlOfTag(tag: Tag, own: readonly TagTtl[], rules: FreshnessRules): number {
  const rule = [...own, ...rules.tagTtl].find(({ pattern }) => matchesPattern(tag, pattern));
  return rule?.seconds ?? rules.manifestTtlSeconds;
}

/** What may be done with an answer of this age. */
export function freshnessOf(
  ageSeconds: number,
  ttlSeconds: number,
  { staleWhileRevalidateSeconds }: FreshnessRules,
): Freshness {
  if (ageSeconds < ttlSeconds) return "fresh";
  return ageSeconds < ttlSeconds + staleWhileRevalidateSeconds ? "revalidate_behind" : "stale";
}

/** Whether an answer of this age may be served where the upstream cannot be asked. */
export function isServableOnError(
  ageSeconds: number,
  ttlSeconds: number,
  { staleIfErrorSeconds }: FreshnessRules,
): boolean {
  return ageSeconds < ttlSeconds + staleIfErrorSeconds;
}

/** Whether a tag is of the pattern, in which `*` stands for any characters. */
function matchesPattern(tag: string, pattern: string): boolean {
  const [first = "", ...rest] = pattern.split("*");
  if (rest.length === 0) return tag === pattern;
  if (!tag.startsWith(first)) return false;
  const last = rest.pop() ?? "";
  let at = first.length;
  for (const part of rest) {
    const found = tag.indexOf(part, at);
    if (found < 0) return false;
    at = found + part.length;
  }
  return tag.length - last.length >= at && tag.endsWith(last);
}
