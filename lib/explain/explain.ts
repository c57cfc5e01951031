/**
 * What would happen to a pull of an image, and why: which upstream, which route, what of it is
 * cached, by whose right, and what becomes of a redirect. Asks nobody; `probe.ts` asks the upstream.
 */
import type { Config, RedirectMode, TagTtl, Upstream } from "../config/config.ts";
import type { CacheIndex } from "../cache/index.ts";
import { parseImageName } from "../image_name.ts";
import { freshnessOf, type FreshnessRules, ttlOfTag } from "../pull/freshness.ts";
import { placeOf } from "../pull/request.ts";
import { type Digest, type Reference, referenceText } from "../reference.ts";
import type { Target } from "../routing/route.ts";
import type { Router } from "../routing/router.ts";

/** What is cached of an image. */
export interface CacheExplanation {
  /**
   * `disabled`: nothing is cached here; `absent`: not this image; `fresh`: served at once;
   * `revalidate_behind` and `stale`: the upstream is asked after or before.
   */
  readonly state: "disabled" | "absent" | "fresh" | "revalidate_behind" | "stale";
  readonly why: string;
  readonly digest: Digest | null;
  readonly mediaType: string | null;
  /** Since the upstream was last asked, in seconds; null for what never changes. */
  readonly ageSeconds: number | null;
  readonly ttlSeconds: number | null;
  /** What the manifest refers to. */
  readonly content: readonly ContentExplanation[];
}

/** One thing that a manifest refers to. */
export interface ContentExplanation {
  readonly digest: Digest;
  readonly size: number;
  readonly isCached: boolean;
}

/** By whose right cached content is served. */
export interface ProofExplanation {
  readonly kind: "public" | "account" | "ask";
  readonly why: string;
  /** When anybody was last seen to be allowed to read it; milliseconds since the epoch. */
  readonly publicAt: number | null;
}

/** What becomes of redirects. */
export interface RedirectExplanation {
  readonly mode: RedirectMode;
  readonly why: string;
}

/** What was found about an image's name. */
export type Explanation =
  | {
    readonly kind: "image";
    readonly image: string;
    readonly upstream: {
      readonly alias: string;
      readonly registry: string;
      readonly url: string;
    };
    readonly route: {
      readonly addressing: Target["addressing"]["kind"];
      readonly repository: string;
      readonly reference: string;
      /** Under this proxy. */
      readonly path: string;
      readonly why: string;
    };
    readonly cache: CacheExplanation;
    readonly proof: ProofExplanation;
    readonly redirect: RedirectExplanation;
  }
  | { readonly kind: "unknown"; readonly image: string; readonly why: string };

/** What is looked at. */
export interface ExplainDeps {
  readonly router: Router;
  readonly index: CacheIndex;
  /** What a manifest refers to, as far as it is known. */
  readonly childrenOf: (manifest: Digest) => readonly ContentExplanation[];
  readonly config: Pick<Config, "cache" | "redirect" | "customDomain">;
  /** By how much an upstream's tags are believed longer. */
  readonly ttlFactor: (upstream: Upstream) => number;
  /** In milliseconds since the epoch. */
  readonly now: () => number;
}

/** An image's name, understood. */
export interface ExplainedTarget {
  readonly target: Target;
  readonly reference: Reference;
}

/** What a name leads to, or why it leads nowhere. */
export function resolveImage(
  text: string,
  router: Router,
): ExplainedTarget | { readonly why: string } {
  const name = parseImageName(text);
  if (name === undefined) return { why: "this is no image name, such as ghcr.io/org/app:1.2" };
  const { registry, repository, reference } = name;
  const url = new URL(`http://proxy/v2/${repository}/manifests/${referenceText(reference)}`);
  if (registry !== null) url.searchParams.set("ns", registry);
  const route = router.route({ method: "GET", url, host: "proxy" });
  switch (route.kind) {
    case "manifest":
      return { target: route.target, reference: route.reference };
    case "unknown_upstream":
      return {
        why: registry === null
          ? "there is no default upstream here; name the registry"
          : `${route.requested} is not a registry that is served here`,
      };
    case "invalid":
      return { why: route.message };
    default:
      return { why: "this is no image name" };
  }
}

/** Explains an image. */
export function explainImage(image: string, deps: ExplainDeps): Explanation {
  const resolved = resolveImage(image, deps.router);
  if ("why" in resolved) return { kind: "unknown", image, why: resolved.why };
  const { target, reference } = resolved;
  const { upstream, repository } = target;
  const text = referenceText(reference);
  const ns = target.addressing.kind === "ns" ? `?ns=${target.addressing.ns}` : "";
  return {
    kind: "image",
    image,
    upstream: {
      alias: upstream.alias,
      registry: upstream.registry,
      url: upstream.url.href.replace(/\/$/, ""),
    },
    route: {
      addressing: target.addressing.kind,
      repository,
      reference: text,
      path: `/v2/${target.clientName}/manifests/${text}${ns}`,
      why: explainRoute(target),
    },
    cache: explainCache(resolved, deps),
    proof: explainProof(target, deps),
    redirect: explainRedirect(upstream, deps.config.redirect),
  };
}

function explainRoute({ addressing, upstream, repository, clientName }: Target): string {
  const added = repository !== clientName && upstream.hasLibrary
    ? `; official images are in library/ there`
    : "";
  return addressing.kind === "default"
    ? `names without a registry are those of ${upstream.registry}${added}`
    : `the name's registry is ${upstream.registry}${added}`;
}

function explainCache(
  { target, reference }: ExplainedTarget,
  deps: ExplainDeps,
): CacheExplanation {
  const nothing = {
    digest: null,
    mediaType: null,
    ageSeconds: null,
    ttlSeconds: null,
    content: [],
  };
  if (!deps.config.cache.enabled) {
    return { state: "disabled", why: "CACHE_ENABLED is false", ...nothing };
  }
  const place = placeOf(target);
  const tag = reference.kind === "tag" ? deps.index.tag(place, reference.tag) : undefined;
  const digest = reference.kind === "digest" ? reference.digest : tag?.digest;
  const mediaType = digest === undefined ? null : deps.index.link(place, digest)?.mediaType ?? null;
  if (digest === undefined || mediaType === null) {
    return { state: "absent", why: "nobody has pulled it through this proxy yet", ...nothing };
  }
  if (deps.index.contentSize(digest) === undefined) {
    return { state: "absent", why: "its manifest was evicted", ...nothing, digest, mediaType };
  }
  const known = { digest, mediaType, content: deps.childrenOf(digest) };
  if (reference.kind === "digest" || tag === undefined) {
    const why = "what is named by its digest never changes";
    return { state: "fresh", why, ageSeconds: null, ttlSeconds: null, ...known };
  }
  const ageSeconds = Math.max(0, Math.round((deps.now() - tag.checkedAt) / 1000));
  return { ...ageOf(ageSeconds, target, reference.tag, deps), ...known };
}

function ageOf(
  ageSeconds: number,
  { upstream }: Target,
  tag: Parameters<typeof ttlOfTag>[0],
  { config, ttlFactor }: ExplainDeps,
): Pick<CacheExplanation, "state" | "why" | "ageSeconds" | "ttlSeconds"> {
  const rules: FreshnessRules & { readonly tagTtl: readonly TagTtl[] } = config.cache;
  const factor = ttlFactor(upstream);
  const ttlSeconds = Math.round(ttlOfTag(tag, upstream.tagTtl, rules) * factor);
  if (config.cache.offline) {
    return { state: "fresh", why: "OFFLINE: no upstream is asked", ageSeconds, ttlSeconds };
  }
  const stretched = factor > 1 ? ", longer than usual for the quota is low" : "";
  const age = `the tag was last looked up ${ageSeconds} s ago and is believed for ${ttlSeconds} s`;
  const state = freshnessOf(ageSeconds, ttlSeconds, rules);
  return { state, why: age + stretched, ageSeconds, ttlSeconds };
}

function explainProof(target: Target, { index }: ExplainDeps): ProofExplanation {
  const publicAt = index.publicAt(placeOf(target)) ?? null;
  if (target.upstream.auth.kind === "account") {
    const why = `it is read with the proxy's own account at ${target.upstream.registry}`;
    return { kind: "account", why, publicAt };
  }
  if (publicAt !== null) {
    const why = "anybody could read the repository when the upstream was last asked";
    return { kind: "public", why, publicAt };
  }
  const why = "nobody without login was seen to read it: each caller's right is asked for upstream";
  return { kind: "ask", why, publicAt };
}

function explainRedirect(
  { redirect, alias }: Upstream,
  { rules }: Config["redirect"],
): RedirectExplanation {
  const meaning = {
    stream: "the proxy follows redirects and streams the bytes",
    pass: "clients are sent to the storage host themselves, and nothing is cached",
    auto: "hosts that clients cannot reach are streamed, others are handed to clients",
  }[redirect];
  const first = rules.length === 0
    ? ""
    : `; before that REDIRECT_RULES count: ${
      rules.map(({ host, mode }) => `${host}=${mode}`).join(", ")
    }`;
  return { mode: redirect, why: `${alias}: ${meaning}${first}` };
}
