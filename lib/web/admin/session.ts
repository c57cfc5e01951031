/**
 * Sessions of the login form. A session is a time and its HMAC: nothing is stored, the token is not
 * in it, and another ADMIN_TOKEN ends all of them.
 */
import { Buffer } from "node:buffer";
import { createHmac, randomBytes, timingSafeEqual } from "node:crypto";

/** The cookie's name. */
export const SESSION_COOKIE = "entrepot_session";
/** How long a login lasts. */
export const SESSION_SECONDS = 12 * 3600;

/** Makes and reads sessions. */
export interface Sessions {
  /** Whether it is the ADMIN_TOKEN; takes the same time whatever it is. */
  isToken(text: string): boolean;
  /** The cookie's value for somebody who has shown the token. */
  issue(): string;
  /** Whether it is a session that has not ended. */
  isSession(value: string): boolean;
  /** What a form of this session, or of a visitor without one, carries to be believed. */
  formToken(session: string | null): string;
  isFormToken(text: string, session: string | null): boolean;
}

/** Makes the sessions of a token; without one there are none. `now` is in milliseconds. */
export function createSessions(token: string | null, now: () => number): Sessions {
  const secret = token ?? randomBytes(32).toString("hex");

  function sign(purpose: string, text: string): string {
    return createHmac("sha256", secret).update(`entrepot ${purpose} ${text}`).digest("base64url");
  }

  function formToken(session: string | null): string {
    return sign("form", session ?? "");
  }

  return {
    isToken: (text) => token !== null && isEqual(sign("login", text), sign("login", token)),
    issue() {
      const ends = String(now() + SESSION_SECONDS * 1000);
      return `${ends}.${sign("session", ends)}`;
    },
    isSession(value) {
      const [, ends, mac] = /^(\d{1,16})\.([\w-]{43})$/.exec(value) ?? [];
      if (token === null || ends === undefined || mac === undefined) return false;
      return isEqual(mac, sign("session", ends)) && Number(ends) > now();
    },
    formToken,
    isFormToken: (text, session) => isEqual(text, formToken(session)),
  };
}

function isEqual(a: string, b: string): boolean {
  const [left, right] = [Buffer.from(a), Buffer.from(b)];
  return left.length === right.length && timingSafeEqual(left, right);
}
