/**
 * Addresses in a registry's words, sealed for the client's hands: it carries them back, and can
 * neither read nor change them, so that it cannot make this proxy call an address of its choosing.
 */
import { createCipheriv, createDecipheriv, hkdfSync, randomBytes } from "node:crypto";
import type { Target } from "../routing/route.ts";

/** Seals addresses, each for one repository of one upstream and for a while. */
export interface Sealer {
  /** An opaque text that can stand in a path. */
  seal(url: URL, target: Target): string;
  /** The address, or undefined where the text is not a seal of ours, for this repository and now. */
  open(text: string, target: Target): URL | undefined;
}

/** A session of an upload is renewed with every answer; registries forget them after a week. */
const LIFE_MS = 24 * 3600 * 1000;
const IV_BYTES = 12;
const TAG_BYTES = 16;
/** Marks every piece of a seal, so that no part of one passes for a registry's own session. */
const MARK = "~";
const MARK_EVERY = 15;

/**
 * Makes the sealer. Without a secret the key is this process's own: then uploads under way do not
 * survive a restart, nor a load balancer.
 */
export function createSealer(secret: string | null, now: () => number): Sealer {
  const key = secret === null
    ? randomBytes(32)
    : new Uint8Array(hkdfSync("sha256", secret, "", "entrepot upload address", 32));

  function seal(url: URL, target: Target): string {
    const iv = randomBytes(IV_BYTES);
    const cipher = createCipheriv("aes-256-gcm", key, iv);
    cipher.setAAD(boundTo(target));
    const text = JSON.stringify([url.href, now() + LIFE_MS]);
    const sealed = Buffer.concat([iv, cipher.update(text, "utf8"), cipher.final()]);
    return mark(Buffer.concat([sealed, cipher.getAuthTag()]).toString("base64url"));
  }

  function open(text: string, target: Target): URL | undefined {
    const bytes = unmark(text);
    if (bytes === undefined || bytes.length <= IV_BYTES + TAG_BYTES) return undefined;
    const decipher = createDecipheriv("aes-256-gcm", key, bytes.subarray(0, IV_BYTES), {
      authTagLength: TAG_BYTES,
    });
    decipher.setAAD(boundTo(target));
    decipher.setAuthTag(bytes.subarray(-TAG_BYTES));
    const opened = finish(decipher, bytes.subarray(IV_BYTES, -TAG_BYTES));
    if (opened === undefined) return undefined;
    const value: unknown = JSON.parse(opened);
    if (!Array.isArray(value)) return undefined;
    const [href, expiresAt]: unknown[] = value;
    if (typeof href !== "string" || typeof expiresAt !== "number") return undefined;
    return expiresAt > now() ? new URL(href) : undefined;
  }

  return { seal, open };
}

/** What a seal is good for: another upstream or repository cannot open it. */
function boundTo({ upstream, repository }: Target): Uint8Array {
  return new TextEncoder().encode(JSON.stringify([upstream.alias, upstream.url.href, repository]));
}

function finish(decipher: ReturnType<typeof createDecipheriv>, bytes: Buffer): string | undefined {
  try {
    return Buffer.concat([decipher.update(bytes), decipher.final()]).toString("utf8");
  } catch {
    // The only failure there is: the tag does not fit.
    return undefined;
  }
}

function mark(text: string): string {
  return MARK + (text.match(new RegExp(`.{1,${MARK_EVERY}}`, "g")) ?? []).join(MARK);
}

/** The bytes of a marked text, or undefined where it was not marked exactly so. */
function unmark(text: string): Buffer | undefined {
  const bytes = Buffer.from(text.replaceAll(MARK, ""), "base64url");
  return mark(bytes.toString("base64url")) === text ? bytes : undefined;
}
