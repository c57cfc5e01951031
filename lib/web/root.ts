/** `/`: what each kind of visitor expects there. */
import type { Router } from "../routing/router.ts";

/**
 * The answer at `/`: on an alias host the way to the API, on the default host a word that all is
 * well, on any other host the registries that are served.
 */
export function rootResponse(router: Router, url: URL, host: string): Response {
  const route = router.route({ method: "GET", url: new URL("/v2/", url), host });
  if (route.kind !== "ping") return Response.json(router.routes, { status: 404 });
  if (route.addressing.kind === "host") {
    return new Response(null, { status: 301, headers: { location: "/v2/" } });
  }
  return Response.json({
    status: "ok",
    service: "docker-registry-proxy",
    upstream: route.upstream.url.host,
  });
}
