/** What a token is needed for, in the words in which this client names things. */
import { parseChallenges } from "../auth/challenge.ts";
import { parseScope } from "../auth/scope.ts";
import type { Route, Target } from "../routing/route.ts";

/**
 * The scopes of a request that the upstream refused. Reads need `pull`. What a write needs the
 * upstream's own challenge says (registries differ on deletions); else it is what a push needs.
 *
 * @param refusal the upstream's `WWW-Authenticate`, where it is known
 */
export function neededScopes(
  route: Route,
  method: string,
  search: string,
  refusal: string | null,
): readonly string[] {
  switch (route.kind) {
    case "catalog":
      return ["registry:catalog:*"];
    case "tags":
    case "referrers":
      return [`repository:${route.target.clientName}:pull`];
    case "manifest":
    case "blob": {
      const isRead = method === "GET" || method === "HEAD";
      const actions = isRead ? "pull" : writeActions(route.target, refusal);
      return [`repository:${route.target.clientName}:${actions}`];
    }
    case "upload": {
      const own = `repository:${route.target.clientName}:${writeActions(route.target, refusal)}`;
      const from = route.session === null ? new URLSearchParams(search).get("from") : null;
      return from === null ? [own] : [own, `repository:${from}:pull`];
    }
    default:
      return [];
  }
}

function writeActions({ repository }: Target, refusal: string | null): string {
  const wanted = parseChallenges(refusal ?? "")
    .flatMap(({ params }) => params.get("scope")?.split(" ") ?? [])
    .map(parseScope)
    .find((scope) => scope?.type === "repository" && scope.name === repository);
  const actions = wanted?.actions ?? [];
  // `pull` alone would have been enough for no write: a challenge may be about something else.
  // Registries name them in any order; clients compare scopes as texts.
  return actions.some((action) => action !== "pull")
    ? actions.toSorted((a, b) => rank(a) - rank(b)).join(",")
    : "pull,push";
}

function rank(action: string): number {
  return ["pull", "push", "delete"].indexOf(action);
}
