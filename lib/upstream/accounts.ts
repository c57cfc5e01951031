/**
 * As whom an upstream is asked: as the caller, or as one of the proxy's accounts. An account that
 * the registry limits rests, and the next one is tried at once, for the same request.
 */
import { type Credential, type Purpose, usesAccount } from "../auth/credential.ts";
import type { Account, Upstream } from "../config/config.ts";
import { RegistryError } from "../errors.ts";
import {
  accountHolder,
  type Cost,
  type Holder,
  holderOf,
  type QuotaGovernor,
  restError,
} from "./quota.ts";

/** A request, as far as it matters who sends it. */
export interface AskedRequest {
  readonly upstream: Upstream;
  readonly method: string;
  readonly url: URL;
  readonly credential: Credential;
  readonly purpose?: Purpose;
}

/** Sends the request once, with this credential. */
export type SendAs = (credential: Credential) => Promise<Response>;

/** Somebody that a request can be sent as. */
interface Asker {
  readonly holder: Holder;
  readonly credential: Credential;
}

/**
 * Sends a request as whoever may send it now.
 *
 * What the proxy asks as itself and what costs quota is refused here while the registry wants no
 * more of it. Everything else is asked for in any case: callers' own credentials are their own
 * affair, and blobs are not what a pull limit counts.
 *
 * @throws {RegistryError} TOOMANYREQUESTS with `Retry-After` where all that could ask have to rest;
 * what sending throws.
 */
export async function sendAsAllowed(
  request: AskedRequest,
  sendAs: SendAs,
  deps: { quota: QuotaGovernor; now: () => number },
): Promise<Response> {
  const { quota } = deps;
  const { upstream } = request;
  const cost = costOf(request);
  const askers = askersOf(request);
  const restOf = ({ holder }: Asker) => quota.restsUntil(upstream, holder, cost);
  const refuse = () => {
    const until = Math.min(...askers.map(restOf).filter((time) => time > 0));
    return restError(upstream, until, deps.now());
  };

  const able = askers.filter((asker) => restOf(asker) === 0);
  if (able.length === 0) {
    if (isRefusable(request, cost)) throw refuse();
    // Somebody has to ask nevertheless: whoever may again the soonest.
    able.push(...askers.toSorted((a, b) => restOf(a) - restOf(b)).slice(0, 1));
  }
  for (const asker of able) {
    const isLast = asker === able.at(-1);
    const response = await attempt(asker, isLast);
    if (response === undefined) continue;
    // What one account may not read, another may that is limited now.
    const isDoubtful = isRefusal(response) && askers.some((other) => restOf(other) > 0);
    if (!isDoubtful && (isLast || response.status !== 429)) return response;
    await response.body?.cancel();
  }
  throw refuse();

  /** Undefined where a token could not be had for the rate, and somebody else may try. */
  async function attempt(asker: Asker, isLast: boolean): Promise<Response | undefined> {
    try {
      const response = await sendAs(asker.credential);
      quota.note(upstream, asker.holder, cost, response);
      return response;
    } catch (error) {
      if (!(error instanceof RegistryError) || error.status !== 429) throw error;
      quota.note(upstream, asker.holder, cost, error);
      if (isLast) throw error;
      return undefined;
    }
  }
}

function isRefusal({ status }: Response): boolean {
  return status === 401 || status === 403;
}

/** Only the proxy's own reads: there what is stale can be served, or a client told when to come. */
function isRefusable(
  { upstream, credential, purpose = "read" }: AskedRequest,
  cost: Cost,
): boolean {
  const isOwn = usesAccount(upstream, purpose) || credential.kind === "anonymous";
  return isOwn && purpose === "read" && cost !== "other";
}

function costOf({ method, url, purpose }: AskedRequest): Cost {
  if (purpose === "write" || !/\/manifests\/[^/]+$/.test(url.pathname)) return "other";
  return method === "GET" ? "pull" : "check";
}

/** Writes are always the first account's: an upload belongs to whoever began it. */
function askersOf({ upstream, credential, purpose = "read" }: AskedRequest): readonly Asker[] {
  const { auth } = upstream;
  if (!usesAccount(upstream, purpose) || auth.kind !== "account") {
    return [{ holder: holderOf(credential), credential }];
  }
  const accounts = purpose === "write" ? [auth] : [auth, ...auth.others];
  return accounts.map((account) => ({
    holder: accountHolder(account),
    credential: basicOf(account),
  }));
}

function basicOf({ username, password }: Account): Credential {
  return { kind: "basic", value: new TextEncoder().encode(`${username}:${password}`).toBase64() };
}
