/**
 * Which parts of what is not cached are passed on, rather than waited for: engines that pull lazily
 * (eStargz, SOCI, nydus) read a few kilobytes here and there, and want them now.
 */
import type { PullRequest } from "./request.ts";

/** A part of at most so many bytes is small. */
const SMALL_BYTES = 4 << 20;
/** A part so near ahead of a transfer under way is soon there. */
const SOON_BYTES = 8 << 20;

/** What is known of the transfer under way, if there is one. */
export interface Progress {
  /** Bytes that are here. */
  readonly written: number;
}

/**
 * Whether the request's parts are all small and not soon here. What is large or open-ended, as an
 * interrupted download that goes on, is better served by the transfer that also fills the cache.
 */
export function isFarAndSmall(
  { headers }: PullRequest,
  progress: Progress | undefined,
): boolean {
  const [, set] = /^\s*bytes\s*=(.*)$/i.exec(headers.get("range") ?? "") ?? [];
  const specs = (set ?? "").split(",").map((spec) => spec.trim()).filter((spec) => spec !== "");
  return specs.length > 0 && specs.every((spec) => isSmall(spec)) &&
    !specs.every((spec) => isSoon(spec, progress?.written ?? 0));
}

function isSmall(spec: string): boolean {
  const [, from, to] = /^(\d*)-(\d*)$/.exec(spec) ?? [];
  if (from === undefined || to === undefined || to === "") return false;
  return (from === "" ? Number(to) : Number(to) - Number(from) + 1) <= SMALL_BYTES;
}

/** A suffix is at the end, which comes last. */
function isSoon(spec: string, written: number): boolean {
  const [, from] = /^(\d+)-/.exec(spec) ?? [];
  return from !== undefined && Number(from) < written + SOON_BYTES;
}
