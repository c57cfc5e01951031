/**
 * Who may look and who may change. The ADMIN_TOKEN opens both, as a Bearer token or by a session of
 * the login form; without one, only this machine does.
 */
import { getCookie } from "hono/cookie";
import type { Context } from "hono";
import { getLogger } from "@logtape/logtape";
import { RegistryError } from "../../errors.ts";
import { isCrossSite, isLocal, type Visit } from "../visit.ts";
import { SESSION_COOKIE, type Sessions } from "./session.ts";
import type { Tries } from "./tries.ts";

const log = getLogger(["entrepot", "admin"]);

/** What hono's handlers are given with each request. */
export interface WebEnv {
  Bindings: { readonly visit: Visit };
}

/** Somebody who may look. */
export interface Admin {
  readonly kind: "bearer" | "session" | "local";
  /** The session's cookie, or null. */
  readonly session: string | null;
}

/** Tells admins from others. */
export interface Gate {
  /** Whether there is a token, so that it makes sense to log in. */
  readonly hasToken: boolean;
  /** The admin who asks, or null. Never throws; a wrong Bearer token counts as a guess. */
  find(context: Context<WebEnv>): Admin | null;
  /** The admin who asks. @throws {RegistryError} 401, or 429 after too many guesses. */
  admit(context: Context<WebEnv>): Admin;
  /**
   * The admin who asks for a change. A browser has to ask from a page of this origin, and with a
   * session it has to show the page's token (`X-CSRF-Token`).
   *
   * @throws {RegistryError} 401, 403 or 429.
   */
  admitChange(context: Context<WebEnv>, formToken?: string): Admin;
  /** The cookie of a new session for who knows the token, else null. @throws {RegistryError} 429 */
  logIn(visit: Visit, token: string): string | null;
  formToken(admin: Admin): string;
}

/** Makes the gate. */
export function createGate(
  options: {
    sessions: Sessions;
    tries: Tries;
    hasToken: boolean;
    trustedProxies: readonly string[];
  },
): Gate {
  const { sessions, tries, hasToken } = options;

  function find(context: Context<WebEnv>): Admin | null {
    const { visit } = context.env;
    const bearer = bearerOf(visit.request);
    if (bearer !== null) return guess(visit, bearer) ? { kind: "bearer", session: null } : null;
    const cookie = getCookie(context, SESSION_COOKIE);
    if (cookie !== undefined && sessions.isSession(cookie)) {
      return { kind: "session", session: cookie };
    }
    if (!hasToken && isLocal(visit, options.trustedProxies)) {
      return { kind: "local", session: null };
    }
    return null;
  }

  /** Whether it is the token, for an address that may still guess. */
  function guess({ origin }: Visit, token: string): boolean {
    const address = origin.clientAddress;
    if (tries.waitSeconds(address) > 0) return false;
    if (sessions.isToken(token)) return true;
    tries.noteWrong(address);
    log.warn("a wrong ADMIN_TOKEN came from {client}", { client: address });
    return false;
  }

  function refuseGuessing({ origin }: Visit): void {
    const seconds = tries.waitSeconds(origin.clientAddress);
    if (seconds === 0) return;
    throw new RegistryError("TOOMANYREQUESTS", "too many wrong tokens, wait a minute", {
      headers: { "retry-after": String(seconds) },
    });
  }

  function admit(context: Context<WebEnv>): Admin {
    const admin = find(context);
    if (admin !== null) return admin;
    if (bearerOf(context.env.visit.request) !== null) refuseGuessing(context.env.visit);
    throw new RegistryError(
      "UNAUTHORIZED",
      hasToken
        ? "send the ADMIN_TOKEN as a Bearer token, or log in"
        : "only this machine may ask; set ADMIN_TOKEN to open this to others",
      hasToken ? { headers: { "www-authenticate": 'Bearer realm="entrepot admin"' } } : {},
    );
  }

  function admitChange(context: Context<WebEnv>, formToken?: string): Admin {
    const admin = admit(context);
    if (admin.kind === "bearer") return admin;
    const { visit } = context.env;
    const shown = formToken ?? visit.request.headers.get("x-csrf-token");
    // Without a session there is no cookie to abuse: what is no browser needs no page's token.
    const isBrowser = admin.kind === "session" || formToken !== undefined ||
      visit.request.headers.has("origin") || visit.request.headers.has("sec-fetch-site");
    const isBelieved = !isBrowser ||
      (shown !== null && sessions.isFormToken(shown, admin.session));
    if (!isCrossSite(visit) && isBelieved) return admin;
    throw new RegistryError("DENIED", "changes are made from this proxy's own pages; reload them");
  }

  return {
    hasToken,
    find,
    admit,
    admitChange,
    logIn(visit, token) {
      refuseGuessing(visit);
      return guess(visit, token) ? sessions.issue() : null;
    },
    formToken: ({ session }) => sessions.formToken(session),
  };
}

function bearerOf(request: Request): string | null {
  return /^bearer +(\S+)$/i.exec(request.headers.get("authorization") ?? "")?.[1] ?? null;
}
