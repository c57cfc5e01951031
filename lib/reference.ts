/**
 * Names of the registry's world: repository, tag and digest. They are branded strings that only the
 * parsers here make, so that a raw string cannot travel past routing.
 * Source: OCI distribution-spec "Pulling manifests", image-spec "Digests".
 */

declare const brand: unique symbol;
type Brand<Name extends string> = string & { readonly [brand]: Name };

/** A repository name as the upstream knows it, such as `library/nginx`. */
export type Repository = Brand<"Repository">;
/** A tag, such as `latest`. */
export type Tag = Brand<"Tag">;
/** A digest whose algorithm this proxy can verify, such as `sha256:…`. */
export type Digest = Brand<"Digest">;

/** What a manifest is asked by. */
export type Reference =
  | { readonly kind: "tag"; readonly tag: Tag }
  | { readonly kind: "digest"; readonly digest: Digest };

/** The digest algorithms that can be verified, with the length of their encoding in hex digits. */
export const DIGEST_HEX_LENGTH = { sha256: 64, sha384: 96, sha512: 128 } as const;

/** A digest algorithm that can be verified. */
export type DigestAlgorithm = keyof typeof DIGEST_HEX_LENGTH;

const COMPONENT = "[a-z0-9]+(?:(?:\\.|_|__|-+)[a-z0-9]+)*";
const REPOSITORY = new RegExp(`^${COMPONENT}(?:/${COMPONENT})*$`);
const TAG = /^[a-zA-Z0-9_][a-zA-Z0-9._-]{0,127}$/;
const DIGEST = /^(sha256|sha384|sha512):([a-f0-9]+)$/;
const MAX_REPOSITORY_LENGTH = 255;

function isRepository(text: string): text is Repository {
  return text.length <= MAX_REPOSITORY_LENGTH && REPOSITORY.test(text);
}

function isTag(text: string): text is Tag {
  return TAG.test(text);
}

function isDigestAlgorithm(text: string | undefined): text is DigestAlgorithm {
  return text !== undefined && Object.hasOwn(DIGEST_HEX_LENGTH, text);
}

function isDigest(text: string): text is Digest {
  const [, algorithm, hex] = DIGEST.exec(text) ?? [];
  return isDigestAlgorithm(algorithm) && hex?.length === DIGEST_HEX_LENGTH[algorithm];
}

/** Returns the repository, or undefined where the text is not a repository name. */
export function parseRepository(text: string): Repository | undefined {
  return isRepository(text) ? text : undefined;
}

/** Returns the tag, or undefined where the text is not one. */
export function parseTag(text: string): Tag | undefined {
  return isTag(text) ? text : undefined;
}

/** Returns the digest, or undefined where the text is not one that can be verified. */
export function parseDigest(text: string): Digest | undefined {
  return isDigest(text) ? text : undefined;
}

/** Returns the tag or digest that a text names. A text with a colon can only be a digest. */
export function parseReference(text: string): Reference | undefined {
  const digest = parseDigest(text);
  if (digest !== undefined) return { kind: "digest", digest };
  const tag = parseTag(text);
  return tag === undefined ? undefined : { kind: "tag", tag };
}

/** The text of a reference, as it stands in a path. */
export function referenceText(reference: Reference): string {
  return reference.kind === "tag" ? reference.tag : reference.digest;
}

/** The two parts of a digest. */
export function splitDigest(digest: Digest): { algorithm: DigestAlgorithm; hex: string } {
  const colon = digest.indexOf(":");
  const algorithm = digest.slice(0, colon);
  if (!isDigestAlgorithm(algorithm)) throw new TypeError(`not a digest: ${digest}`);
  return { algorithm, hex: digest.slice(colon + 1) };
}
