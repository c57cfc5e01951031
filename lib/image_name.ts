/** Image names as people write them, such as `nginx`, `ghcr.io/org/app:1.2` or `app@sha256:…`. */
import { parseDigest, parseReference, parseRepository } from "./reference.ts";
import type { Reference, Repository } from "./reference.ts";

/** What an image's name says. */
export interface ImageName {
  /** The registry in front, or null where the name has none. */
  readonly registry: string | null;
  /** As it is written: Docker Hub's `library/` is not added here. */
  readonly repository: Repository;
  /** The tag where one is written beside a digest counts for nothing. Default: `latest`. */
  readonly reference: Reference;
}

/** The parts of a name before its tag is understood. */
export interface SplitName {
  readonly registry: string | null;
  readonly repository: Repository;
  /** Without its colon; null where none is written. */
  readonly tag: string | null;
  /** Without its `@`; null where none is written. */
  readonly digest: string | null;
}

/**
 * Splits a name; undefined where it is none. The first component is a registry where it has a dot
 * or a port or is `localhost`. Source: distribution's reference grammar.
 */
export function splitImageName(text: string): SplitName | undefined {
  const [named = "", digest = null] = text.split("@", 2);
  const colon = named.lastIndexOf(":");
  const hasTag = colon > named.lastIndexOf("/");
  const path = hasTag ? named.slice(0, colon) : named;
  const slash = path.indexOf("/");
  const first = path.slice(0, Math.max(slash, 0));
  const isRegistry = /[.:]/.test(first) || first === "localhost";
  const repository = parseRepository(isRegistry ? path.slice(slash + 1) : path);
  if (repository === undefined) return undefined;
  return {
    registry: isRegistry ? first.toLowerCase() : null,
    repository,
    tag: hasTag ? named.slice(colon + 1) : null,
    digest,
  };
}

/** Reads a name; undefined where it is none. */
export function parseImageName(text: string): ImageName | undefined {
  const split = splitImageName(text);
  if (split === undefined) return undefined;
  const { registry, repository, tag, digest } = split;
  const reference = digest === null ? parseReference(tag ?? "latest") : digestReference(digest);
  return reference === undefined ? undefined : { registry, repository, reference };
}

function digestReference(text: string): Reference | undefined {
  const digest = parseDigest(text);
  return digest === undefined ? undefined : { kind: "digest", digest };
}
