/**
 * What the rest of the program knows of its configuration: one frozen value, already validated.
 * Only `load.ts` makes one.
 */

/**
 * How a registry's redirects are answered: `stream` follows on the server, `pass` hands the
 * Location to the client, `auto` streams from hosts that clients are known not to reach and passes
 * the others.
 */
export type RedirectMode = "stream" | "pass" | "auto";

/** A rule for the hosts that redirects point to; the first that matches decides. */
export interface RedirectRule {
  /** A host name, or a pattern with a leading `*.`. */
  readonly host: string;
  readonly mode: "stream" | "pass";
}

/** Whose credentials an upstream is asked with. */
export type UpstreamAuth =
  | { readonly kind: "relay" }
  | {
    readonly kind: "account";
    /** The first account, which names what the accounts opened and is the one that pushes. */
    readonly username: string;
    readonly password: string;
    /** Accounts that read, in this order, where those before them are limited. */
    readonly others: readonly Account[];
  };

/** An account at a registry. */
export interface Account {
  readonly username: string;
  readonly password: string;
}

/**
 * Whether an upstream takes pushes and deletions, and whose right they need: each caller's own, or
 * that of the proxy's account.
 */
export type PushRight = "allow" | "deny" | "account";

/** A registry that this proxy serves. */
export interface Upstream {
  /** The label in `<alias>.{CUSTOM_DOMAIN}`, in `UPSTREAM_<ALIAS>_…` and in logs. */
  readonly alias: string;
  /** The registry's name in image references, such as `docker.io`. */
  readonly registry: string;
  /** Every name by which path prefixes and `ns` may call it; holds `registry` and the URL's host. */
  readonly names: readonly string[];
  /** Where it is reached: scheme, host, port, and a path prefix if there is one (no final slash). */
  readonly url: URL;
  /** Whether a repository of one component means `library/<name>`, as on Docker Hub. */
  readonly hasLibrary: boolean;
  readonly auth: UpstreamAuth;
  /** Hosts, beside those of the same registrable domain, that its challenge may name as realm. */
  readonly realms: readonly string[];
  readonly redirect: RedirectMode;
  readonly push: PushRight;
  /** Connections at once, those to its realm and its storage included. */
  readonly maxConnections: number;
  /** How long its tags stay fresh, before the rules for all upstreams. */
  readonly tagTtl: readonly TagTtl[];
}

/** How long tags stay fresh. */
export interface TagTtl {
  /** A tag, in which `*` stands for any characters. */
  readonly pattern: string;
  readonly seconds: number;
}

/** An address range, as its text in CIDR form. */
export type Cidr = string;

/** Images that are pulled into the cache at certain times. */
export interface WarmRule {
  /** Names, in whose tags `*` stands for any characters. */
  readonly images: readonly string[];
  /** Such as `linux/amd64`, or all. */
  readonly platforms: readonly string[] | "all";
  /** When, as cron writes it, in the time zone of the process. */
  readonly at: string;
}

/** The whole configuration. Durations are in seconds, sizes in bytes. */
export interface Config {
  readonly listen: { readonly host: string; readonly port: number };
  /** The domain of the alias hosts, lower case, or null. */
  readonly customDomain: string | null;
  /** The base of realms and Locations as clients see it, or null: taken from each request. */
  readonly publicUrl: URL | null;
  /** Peers whose Forwarded headers count. */
  readonly trustedProxies: readonly Cidr[];
  readonly upstreams: readonly Upstream[];
  /** Where names without registry go, or null where only alias hosts, prefixes and `ns` are served. */
  readonly defaultUpstream: Upstream | null;
  readonly redirect: {
    readonly rules: readonly RedirectRule[];
    /** Host suffixes that `auto` streams because clients cannot reach them. */
    readonly blockedHosts: readonly string[];
  };
  /** CIDRs and host patterns on private addresses that redirects and realms may name. */
  readonly privateTargets: readonly string[];
  readonly cache: {
    readonly enabled: boolean;
    readonly dir: string;
    readonly maxBytes: number;
    readonly minFreeBytes: number;
    readonly manifestTtlSeconds: number;
    readonly blobTtlSeconds: number;
    /** Ages of tags by pattern, in order; the first that matches goes before `manifestTtlSeconds`. */
    readonly tagTtl: readonly TagTtl[];
    readonly staleWhileRevalidateSeconds: number;
    readonly staleIfErrorSeconds: number;
    /** How long an upstream's 404 for a manifest is believed. */
    readonly negativeTtlSeconds: number;
    readonly offline: boolean;
    /** Fills that may start by themselves, for what a pulled manifest refers to; 0 for none. */
    readonly prefetchFills: number;
    /** Whether a small range of what is not cached also starts a fill of all of it. */
    readonly rangeMiss: "pass" | "fill";
    /** The share of reads from the cache, 0 to 1, whose digest is checked on the way. */
    readonly verifyReads: number;
    /** Whether what is pushed is kept on its way. */
    readonly pushes: boolean;
  };
  readonly warm: readonly WarmRule[];
  /** Whether `/metrics` is answered. */
  readonly metrics: boolean;
  readonly push: {
    /** The largest manifest that is passed on. */
    readonly maxManifestBytes: number;
    /** What upload addresses are sealed with, or null: a key of this process alone. */
    readonly secretKey: string | null;
  };
  readonly admin: {
    /** What opens pages and API to other machines, or null: they are this machine's alone. */
    readonly token: string | null;
    /** Whether anybody may read `/stats`. */
    readonly isStatsPublic: boolean;
  };
  readonly timeouts: {
    /** From sending a request until the upstream's response headers. */
    readonly upstreamHeadersSeconds: number;
    /** The longest silence inside an upstream's body. */
    readonly upstreamIdleSeconds: number;
    /** How long a fill goes on after its last caller left, or null: to its end. */
    readonly fillAbandonSeconds: number | null;
    /** How long shutdown lets transfers finish. */
    readonly shutdownGraceSeconds: number;
  };
  readonly log: {
    readonly debug: boolean;
    readonly format: "auto" | "json" | "text";
    readonly level: "debug" | "info" | "warning" | "error";
  };
}
