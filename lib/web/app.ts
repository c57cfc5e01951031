/** Everything outside `/v2`: the root, health and statistics. */
import type { Router } from "../routing/router.ts";
import { rootResponse } from "./root.ts";

// deno-lint-ignore no-explicit-any
export function createWebApp(options: any): (request: Request, host: string) => Response {
  return (request, host) => {
    const url = new URL(request.url);
    if (url.pathname === "/") return rootResponse(options.router as Router, url, host);
    return Response.json({ status: "healthy" });
  };
}
