/**
 * Who asks: the caller's Authorization header as a value. Tokens that this proxy gave out are bound
 * to the upstreams that issued them, so that a token can never travel to another registry.
 */
import { createHash } from "node:crypto";
import type { Upstream } from "../config/config.ts";

/** The caller's own credential for one upstream. */
export type Credential =
  | { readonly kind: "anonymous" }
  | {
    readonly kind: "bearer";
    readonly token: string;
    /** Whether this proxy gave the token out for a push. */
    readonly isForPush?: boolean;
  }
  /** The base64 part of a Basic header, as the caller sent it. */
  | { readonly kind: "basic"; readonly value: string };

/** The credential of a caller that sent none. */
export const ANONYMOUS: Credential = { kind: "anonymous" };

const WRAPPED_PREFIX = "entrepot.";

/** No alias begins like this; marks the tokens of a caller that means to push. */
const PUSH_MARK = "*push";

/** What a caller means to do: a write may need another credential than a read. */
export type Purpose = "read" | "write";

/** Tokens by the alias of the upstream that issued each. */
export type TokensByUpstream = Readonly<Record<string, string>>;

/** Binds tokens to their upstreams. Without any, the result stands for an anonymous caller. */
export function wrapTokens(tokens: TokensByUpstream, isForPush = false): string {
  const members = isForPush ? { ...tokens, [PUSH_MARK]: "1" } : tokens;
  const bytes = new TextEncoder().encode(JSON.stringify(members));
  return WRAPPED_PREFIX + bytes.toBase64({ alphabet: "base64url", omitPadding: true });
}

/** The tokens inside, or undefined where the text is not one of ours. */
export function unwrapTokens(text: string): TokensByUpstream | undefined {
  if (!text.startsWith(WRAPPED_PREFIX)) return undefined;
  try {
    const bytes = Uint8Array.fromBase64(text.slice(WRAPPED_PREFIX.length), {
      alphabet: "base64url",
    });
    const value: unknown = JSON.parse(new TextDecoder().decode(bytes));
    if (typeof value !== "object" || value === null) return undefined;
    return Object.fromEntries(
      Object.entries(value).filter((entry): entry is [string, string] =>
        typeof entry[1] === "string"
      ),
    );
  } catch (error) {
    if (error instanceof SyntaxError || error instanceof TypeError) return undefined;
    throw error;
  }
}

/**
 * The caller's credential for an upstream. A token that we gave out for other upstreams counts as
 * none. An unknown scheme counts as none.
 */
export function credentialOf(
  headers: Headers,
  upstream: Upstream,
  purpose: Purpose = "read",
): Credential {
  if (usesAccount(upstream, purpose)) return ANONYMOUS;
  const [, scheme, value] = /^(\S+)\s+(\S+)\s*$/.exec(headers.get("authorization") ?? "") ?? [];
  if (scheme === undefined || value === undefined) return ANONYMOUS;
  switch (scheme.toLowerCase()) {
    case "basic":
      return { kind: "basic", value };
    case "bearer": {
      const tokens = unwrapTokens(value);
      if (tokens === undefined) return { kind: "bearer", token: value };
      const token = Object.hasOwn(tokens, upstream.alias) ? tokens[upstream.alias] : undefined;
      if (token === undefined) return ANONYMOUS;
      return { kind: "bearer", token, isForPush: Object.hasOwn(tokens, PUSH_MARK) };
    }
    default:
      return ANONYMOUS;
  }
}

/** Whether the proxy's account stands for every caller; pushes are their own unless configured. */
export function usesAccount({ auth, push }: Upstream, purpose: Purpose): boolean {
  return purpose === "write" ? push === "account" : auth.kind === "account";
}

/** A key that names the credential without holding it: safe as a map key, never logged. */
export function credentialKey(credential: Credential): string {
  switch (credential.kind) {
    case "anonymous":
      return "anonymous";
    case "bearer":
      return createHash("sha256").update(`bearer ${credential.token}`).digest("base64");
    case "basic":
      return createHash("sha256").update(`basic ${credential.value}`).digest("base64");
  }
}
