/**
 * What registries say of the quota that is left, by whom it is held: the proxy's anonymous address,
 * each of its accounts, and callers with credentials of their own. Source: docker/docs "Docker Hub
 * pull usage and limits" for `ratelimit-*`, RFC 9110 section 10.2.3 for `Retry-After`.
 */
import { createHmac, randomBytes } from "node:crypto";
import { type Credential, credentialKey } from "../auth/credential.ts";
import type { Upstream } from "../config/config.ts";
import { RegistryError } from "../errors.ts";
import { LruMap } from "../lru.ts";

/** Whose quota a request uses: a label that holds no credential. */
export type Holder = string;

/** The holder of requests without a credential, which registries count by address. */
export const ANONYMOUS_HOLDER: Holder = "anonymous";

/**
 * What a request costs. Docker Hub counts a GET of a manifest (`pull`), but neither its HEAD
 * (`check`) nor anything else: a limit that is reached for one says nothing of the others.
 */
export type Cost = "pull" | "check" | "other";

/** What is known of one holder's quota at one upstream. */
export interface Quota {
  /** The upstream's registry name. */
  readonly upstream: string;
  readonly holder: Holder;
  /** Requests per window, or null where the registry has said nothing, which may mean no limit. */
  readonly limit: number | null;
  readonly remaining: number | null;
  readonly windowSeconds: number | null;
  /** Whom the registry counts: an address with its second half masked, or a hash. */
  readonly source: string | null;
  /** When this was last seen, in milliseconds since the epoch. */
  readonly seenAt: number;
  /** Until when the registry wants no more of this holder's requests; null where it does. */
  readonly blockedUntil: number | null;
}

/** Keeps quotas. */
export interface QuotaGovernor {
  /** Notes what a registry's answer says. */
  note(upstream: Upstream, holder: Holder, cost: Cost, answer: QuotaAnswer): void;
  /** Until when the holder should send no such request, in milliseconds; 0 where it may. */
  restsUntil(upstream: Upstream, holder: Holder, cost: Cost): number;
  /**
   * By how much to stretch the time for which tags count as fresh: 1 while at least a fifth of the
   * quota of whoever the proxy asks as is left, growing to 8 where nothing is.
   */
  ttlFactor(upstream: Upstream): number;
  /** All that is known, the least recently used first. */
  snapshot(): readonly Quota[];
}

/** The part of an answer that tells of a quota. */
export interface QuotaAnswer {
  readonly status: number;
  readonly headers: Headers;
}

/** Holders that are remembered; callers' credentials are as many as callers choose. */
const MAX_HOLDERS = 2_000;
/** The rest after the first 429 that does not say when to come back; each further one doubles it. */
const FIRST_REST_SECONDS = 1;
const LAST_REST_SECONDS = 60;
/** No registry's word rests a holder for longer: it may be wrong. */
const MAX_REST_SECONDS = 3_600;
/** Below this share of the limit, freshness is stretched. */
const LOW_SHARE = 0.2;
const MAX_TTL_FACTOR = 8;
/** How long a remainder is believed where no window is named: Docker Hub's. */
const DEFAULT_WINDOW_SECONDS = 21_600;

/** A time without requests of one cost. */
interface Rest {
  readonly until: number;
  readonly seconds: number;
}

interface Entry extends Omit<Quota, "blockedUntil"> {
  readonly rests: Partial<Record<Cost, Rest>>;
}

/** Makes the governor. */
export function createQuotaGovernor(options: { now: () => number }): QuotaGovernor {
  const { now } = options;
  const entries = new LruMap<string, Entry>(MAX_HOLDERS);

  function note(upstream: Upstream, holder: Holder, cost: Cost, answer: QuotaAnswer): void {
    const { headers, status } = answer;
    const limit = parseRateLimit(headers.get("ratelimit-limit"));
    const left = parseRateLimit(headers.get("ratelimit-remaining"));
    const isLimited = status === 429;
    const known = entries.get(keyOf(upstream, holder));
    const wasLimited = known?.rests[cost] !== undefined;
    if (limit === undefined && left === undefined && !isLimited && !wasLimited) return;
    const { [cost]: _, ...rests } = known?.rests ?? {};
    const source = headers.get("docker-ratelimit-source");
    entries.set(keyOf(upstream, holder), {
      upstream: upstream.registry,
      holder,
      limit: limit?.count ?? known?.limit ?? null,
      remaining: left?.count ?? known?.remaining ?? null,
      windowSeconds: left?.windowSeconds ?? limit?.windowSeconds ?? known?.windowSeconds ?? null,
      source: source === null ? known?.source ?? null : maskSource(source),
      seenAt: now(),
      rests: isLimited ? { ...rests, [cost]: nextRest(headers, known?.rests[cost]) } : rests,
    });
  }

  function nextRest(headers: Headers, last: Rest | undefined): Rest {
    const said = parseRetryAfter(headers.get("retry-after"), now());
    const doubled = last === undefined ? FIRST_REST_SECONDS : Math.max(1, last.seconds * 2);
    const seconds = said === undefined
      ? Math.min(doubled, LAST_REST_SECONDS)
      : Math.min(said, MAX_REST_SECONDS);
    return { until: now() + seconds * 1000, seconds };
  }

  function restsUntil(upstream: Upstream, holder: Holder, cost: Cost): number {
    const until = entries.get(keyOf(upstream, holder))?.rests[cost]?.until ?? 0;
    return until > now() ? until : 0;
  }

  function ttlFactor(upstream: Upstream): number {
    const shares = ownHolders(upstream).map((holder) => {
      const entry = entries.get(keyOf(upstream, holder));
      return entry === undefined ? 1 : shareLeft(entry, now());
    });
    const lack = Math.max(0, LOW_SHARE - Math.max(...shares)) / LOW_SHARE;
    return 1 + (MAX_TTL_FACTOR - 1) * lack;
  }

  return {
    note,
    restsUntil,
    ttlFactor,
    snapshot: () =>
      [...entries.values()].map(({ rests, ...quota }) => {
        const blockedUntil = Math.max(0, ...Object.values(rests).map(({ until }) => until));
        return { ...quota, blockedUntil: blockedUntil > now() ? blockedUntil : null };
      }),
  };
}

/** The holder that a caller's credential stands for: a hash under a key of this process alone. */
export function holderOf(credential: Credential): Holder {
  return credential.kind === "anonymous"
    ? ANONYMOUS_HOLDER
    : `caller:${shortHash(credentialKey(credential))}`;
}

/** The holder that one of the proxy's accounts is. */
export function accountHolder({ username }: { readonly username: string }): Holder {
  return `account:${username}`;
}

/** Whether the proxy itself asks as this holder, and not only a caller. */
export function isOwnHolder(holder: Holder): boolean {
  return !holder.startsWith("caller:");
}

/** The holders that the proxy itself asks as. */
function ownHolders({ auth }: Upstream): readonly Holder[] {
  return auth.kind === "account" ? [auth, ...auth.others].map(accountHolder) : [ANONYMOUS_HOLDER];
}

/** What is left, from 0 to 1; everything where nothing was said, or long ago. */
function shareLeft(entry: Entry, now: number): number {
  if ((entry.rests.pull?.until ?? 0) > now) return 0;
  const { limit, remaining, seenAt, windowSeconds } = entry;
  if (limit === null || remaining === null || limit <= 0) return 1;
  const isPast = now - seenAt > (windowSeconds ?? DEFAULT_WINDOW_SECONDS) * 1000;
  return isPast ? 1 : Math.min(1, remaining / limit);
}

/** Reads `100;w=21600`: a count, and the window that it is for. */
export function parseRateLimit(
  text: string | null,
): { readonly count: number; readonly windowSeconds: number | null } | undefined {
  const [, count, window] = /^\s*(\d{1,12})\s*(?:[;,].*?\bw=(\d{1,9}))?/.exec(text ?? "") ?? [];
  if (count === undefined) return undefined;
  return { count: Number(count), windowSeconds: window === undefined ? null : Number(window) };
}

/** The seconds of a `Retry-After`, which is a count of them or a date; undefined for anything else. */
export function parseRetryAfter(text: string | null, now: number): number | undefined {
  if (text === null) return undefined;
  if (/^\s*\d{1,12}\s*$/.test(text)) return Number(text);
  const at = Date.parse(text);
  return Number.isNaN(at) ? undefined : Math.max(0, Math.ceil((at - now) / 1000));
}

/** What a client is told while a holder rests. */
export function restError(upstream: Upstream, until: number, now: number): RegistryError {
  const seconds = Math.max(1, Math.ceil((until - now) / 1000));
  return new RegistryError(
    "TOOMANYREQUESTS",
    `${upstream.registry} limits the rate of this proxy and is asked again in ${seconds} s`,
    { detail: { upstream: upstream.registry }, headers: { "retry-after": String(seconds) } },
  );
}

/** An address is the operator's own, or a caller's: the half that names the network is enough. */
function maskSource(source: string): string {
  const [, network] = /^(\d+\.\d+)\.\d+\.\d+$/.exec(source) ?? [];
  if (network !== undefined) return `${network}.*.*`;
  const [, prefix] = /^([0-9a-f]*:[0-9a-f]*):/i.exec(source) ?? [];
  return prefix === undefined ? shortHash(source) : `${prefix}:*`;
}

const hashKey = randomBytes(32);

function shortHash(text: string): string {
  return createHmac("sha256", hashKey).update(text).digest("hex").slice(0, 12);
}

function keyOf(upstream: Upstream, holder: Holder): string {
  return `${upstream.alias} ${holder}`;
}
