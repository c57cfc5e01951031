import { loadConfig } from "../../lib/config/load.ts";
import { neededScopes } from "../../lib/relay/needed_scope.ts";
import { mapMount } from "../../lib/push/mount.ts";
import { createRouter } from "../../lib/routing/router.ts";
import type { Route, Target } from "../../lib/routing/route.ts";
import { assert, assertEquals } from "../support/assert.ts";

const router = createRouter(
  loadConfig({ CUSTOM_DOMAIN: "p.test", TARGET_UPSTREAM: "docker.io" }, () => "").config,
);

function routeOf(method: string, target: string, host = "p"): Route {
  return router.route({ method, url: new URL(`http://${host}${target}`), host });
}

function targetOf(path: string, host = "p"): Target {
  const route = routeOf("POST", path, host);
  assert(route.kind === "upload");
  return route.target;
}

Deno.test("a write needs what the registry's own challenge says, in the client's words", () => {
  const scopesOf = (method: string, path: string, refusal: string | null = null) =>
    neededScopes(routeOf(method, path), method, new URL(path, "http://p").search, refusal);
  const challenge = (scope: string) => `Bearer realm="https://r/t",service="s",scope="${scope}"`;
  assertEquals(scopesOf("GET", "/v2/nginx/manifests/1"), ["repository:nginx:pull"]);
  assertEquals(scopesOf("PUT", "/v2/nginx/manifests/1"), ["repository:nginx:pull,push"]);
  assertEquals(
    scopesOf("PUT", "/v2/nginx/manifests/1", challenge("repository:library/nginx:push,pull")),
    ["repository:nginx:pull,push"],
  );
  assertEquals(
    scopesOf("DELETE", "/v2/ghcr.io/a/b/manifests/1", challenge("repository:a/b:delete")),
    ["repository:ghcr.io/a/b:delete"],
  );
  assertEquals(
    scopesOf("DELETE", "/v2/a/b/manifests/1", challenge("repository:x/y:delete")),
    ["repository:a/b:pull,push"],
  );
  assertEquals(
    scopesOf("PUT", "/v2/a/b/manifests/1", challenge("repository:a/b:pull")),
    ["repository:a/b:pull,push"],
  );
  assertEquals(
    scopesOf("POST", "/v2/a/b/blobs/uploads/?mount=sha256:1&from=c%2Fd"),
    ["repository:a/b:pull,push", "repository:c/d:pull"],
  );
  assertEquals(scopesOf("GET", "/v2/_catalog"), ["registry:catalog:*"]);
  assertEquals(scopesOf("GET", "/v2/"), []);
});

Deno.test("a mount's repository is mapped like any name, and the rest of the query stays", () => {
  const mount = "?mount=sha256%3Aab&from=";
  const cases: [string, string, string, string | null][] = [
    [
      "/v2/me/x/blobs/uploads/",
      `${mount}nginx&o=1`,
      `${mount}library%2Fnginx&o=1`,
      "library/nginx",
    ],
    ["/v2/me/x/blobs/uploads/", `${mount}docker.io%2Fme%2Fy`, `${mount}me%2Fy`, "me/y"],
    ["/v2/ghcr.io/a/b/blobs/uploads/", `${mount}ghcr.io/a/c`, `${mount}a%2Fc`, "a/c"],
    // Without a prefix it is the default upstream's, which cannot be mounted from.
    ["/v2/ghcr.io/a/b/blobs/uploads/", `${mount}a/c&x=1`, "?x=1", null],
    ["/v2/me/x/blobs/uploads/", `${mount}ghcr.io/a/c&origin=ghcr.io`, "", null],
    ["/v2/me/x/blobs/uploads/", `${mount}UPPER`, "", null],
    ["/v2/a/b/blobs/uploads/?ns=ghcr.io", `${mount}a/c`, `${mount}a%2Fc`, "a/c"],
    ["/v2/me/x/blobs/uploads/", "?mount=sha256:ab", "?mount=sha256:ab", null],
    ["/v2/me/x/blobs/uploads/", "", "", null],
  ];
  for (const [path, query, mapped, from] of cases) {
    const mount = mapMount(router, targetOf(path), query);
    assertEquals([mount.query, mount.from], [mapped, from]);
  }
  const hosted = targetOf("/v2/a/b/blobs/uploads/", "ghcr.p.test");
  assertEquals(mapMount(router, hosted, `${mount}a/c`).query, `${mount}a%2Fc`);
});
