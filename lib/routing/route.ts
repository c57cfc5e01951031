/**
 * The value that routing makes of a request's method, URL and host: which upstream, which
 * repository, which thing. Handlers see nothing else of the URL.
 */
import type { Upstream } from "../config/config.ts";
import type { Digest, Reference, Repository } from "../reference.ts";

/** How a request named its upstream; decides how names are written back to the client. */
export type Addressing =
  /** `?ns=<registry>`, as containerd sends it to mirrors. */
  | { readonly kind: "ns"; readonly ns: string }
  /** `<alias>.{CUSTOM_DOMAIN}`. */
  | { readonly kind: "host" }
  /** The first component of the name is the registry's name. */
  | { readonly kind: "prefix"; readonly prefix: string }
  | { readonly kind: "default" };

/** A repository at its upstream, with the words in which the client asked for it. */
export interface Target {
  readonly upstream: Upstream;
  readonly addressing: Addressing;
  /** The name as the upstream knows it: prefix removed, `library/` added. */
  readonly repository: Repository;
  /** The name as it stood in the client's request, prefix included. */
  readonly clientName: string;
}

/** What a request under `/v2` asks for. */
export type Route =
  /** `GET /v2/`; the upstream is the one that the host or `ns` names, or the default. */
  | { readonly kind: "ping"; readonly upstream: Upstream; readonly addressing: Addressing }
  /**
   * `/v2/auth`; the repositories are in its `scope` parameters. Without a default upstream it is
   * null: then each scope's prefix names its own.
   */
  | { readonly kind: "token"; readonly upstream: Upstream | null; readonly addressing: Addressing }
  | { readonly kind: "catalog"; readonly upstream: Upstream; readonly addressing: Addressing }
  | { readonly kind: "manifest"; readonly target: Target; readonly reference: Reference }
  | { readonly kind: "blob"; readonly target: Target; readonly digest: Digest }
  | { readonly kind: "tags"; readonly target: Target }
  | { readonly kind: "referrers"; readonly target: Target; readonly digest: Digest }
  /** `blobs/uploads/` and, with a session, what follows it. */
  | { readonly kind: "upload"; readonly target: Target; readonly session: string | null }
  /** Nothing that is served here: the client is told the registries that are. */
  | { readonly kind: "unknown_upstream"; readonly requested: string }
  /** The path or a name in it is not the specification's. */
  | {
    readonly kind: "invalid";
    readonly code:
      | "NAME_INVALID"
      | "TAG_INVALID"
      | "DIGEST_INVALID"
      | "MANIFEST_UNKNOWN"
      | "UNSUPPORTED"
      | "NAME_UNKNOWN";
    readonly message: string;
    readonly status: number;
    /** The `Allow` header of a 405 (RFC 9110 section 15.5.6); otherwise null. */
    readonly allow: string | null;
  };

/** A route on which nothing is served. */
export type Refusal = Extract<Route, { kind: "unknown_upstream" | "invalid" }>;
