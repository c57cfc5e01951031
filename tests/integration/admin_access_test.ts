import { assert, assertEquals } from "../support/assert.ts";
import { startEntrepot } from "../support/entrepot.ts";
import { ask, errorCodes } from "./pulling.ts";

const TOKEN = "0123456789abcdef-admin";

Deno.test("without a token this machine alone reads the API, under its own name and not through a proxy", async () => {
  await using product = await startEntrepot();
  const url = `${product.url}/api/v1/status`;
  const own = await ask(url);
  assertEquals(own.status, 200);
  assert(JSON.parse(own.text).uptimeSeconds >= 0);
  for (
    const headers of [{ "x-forwarded-for": "203.0.113.7" }, { forwarded: "for=203.0.113.7" }, {
      via: "1.1 nginx",
    }, { "x-real-ip": "203.0.113.7" }] as Record<string, string>[]
  ) {
    const forwarded = await ask(url, { headers });
    assertEquals([forwarded.status, errorCodes(forwarded)], [401, ["UNAUTHORIZED"]]);
  }
  const rebound = await ask(url, { host: "rebound.example" });
  assertEquals(rebound.status, 401);
});

Deno.test("a loopback address that is a trusted proxy's is nobody's own machine", async () => {
  await using product = await startEntrepot({ env: { TRUSTED_PROXIES: "127.0.0.0/8" } });
  assertEquals((await ask(`${product.url}/api/v1/status`)).status, 401);
  assertEquals((await ask(`${product.url}/stats`)).status, 401);
  assertEquals((await ask(`${product.url}/healthz`)).status, 200);
});

Deno.test("with a token it is asked from this machine too, and statistics are protected likewise", async () => {
  await using product = await startEntrepot({ env: { ADMIN_TOKEN: TOKEN } });
  for (const path of ["/api/v1/status", "/api/v1/config", "/stats", "/stats/cache"]) {
    assertEquals((await ask(product.url + path)).status, 401, path);
    assertEquals((await ask(product.url + path, { token: TOKEN })).status, 200, path);
  }
  assertEquals((await ask(`${product.url}/stats`, { token: `${TOKEN}x` })).status, 401);
  const config = await ask(`${product.url}/api/v1/config`, { token: TOKEN });
  assert(!config.text.includes(TOKEN), "the token is in the configuration in effect");
  assertEquals(JSON.parse(config.text).adminToken, "***");
  assert(!(await product.stdout()).includes(TOKEN), "the token is in the log");
});

Deno.test("STATS_PUBLIC opens statistics and nothing else", async () => {
  await using product = await startEntrepot({ env: { ADMIN_TOKEN: TOKEN, STATS_PUBLIC: "true" } });
  assertEquals((await ask(`${product.url}/stats`)).status, 200);
  assertEquals((await ask(`${product.url}/stats/cache`)).status, 200);
  assertEquals((await ask(`${product.url}/api/v1/status`)).status, 401);
});

Deno.test("guesses at the token are bounded by address, for the right one too", async () => {
  await using product = await startEntrepot({
    env: { ADMIN_TOKEN: TOKEN, TRUSTED_PROXIES: "127.0.0.0/8" },
  });
  const url = `${product.url}/api/v1/status`;
  const from = (address: string) => ({ headers: { "x-forwarded-for": address } });
  for (const status of [401, 401, 401, 401, 429]) {
    const guess = await ask(url, { token: "wrong-wrong-wrong", ...from("203.0.113.7") });
    assertEquals(guess.status, status);
  }
  const late = await ask(url, { token: TOKEN, ...from("203.0.113.7") });
  assertEquals([late.status, errorCodes(late)], [429, ["TOOMANYREQUESTS"]]);
  assert(Number(late.headers.get("retry-after")) > 0);
  assertEquals((await ask(url, { token: TOKEN, ...from("203.0.113.8") })).status, 200);
});

Deno.test("another site's page changes nothing on the machine that is trusted", async () => {
  await using product = await startEntrepot();
  const url = `${product.url}/api/v1/images?image=nginx:1`;
  const foreign: Record<string, string>[] = [
    { "sec-fetch-site": "cross-site" },
    { origin: "https://evil.example" },
    { origin: "null" },
    // From a page of its own, but without what the page would show.
    { "sec-fetch-site": "same-origin", origin: product.url },
  ];
  for (const headers of foreign) {
    const answer = await ask(url, { method: "DELETE", headers });
    assertEquals([answer.status, errorCodes(answer)], [403, ["DENIED"]]);
  }
  const own = await ask(url, { method: "DELETE" });
  assertEquals([own.status, errorCodes(own)], [404, ["NAME_UNKNOWN"]]);
});

Deno.test("a foreign page does not even ask, and no choice of language leads to another host", async () => {
  await using product = await startEntrepot();
  const foreign = { headers: { "sec-fetch-site": "cross-site" } };
  assertEquals((await ask(`${product.url}/api/v1/status`, foreign)).status, 403);
  const chosen = await ask(`${product.url}//evil.example/live?lang=zh`);
  assertEquals([chosen.status, chosen.headers.get("location")], [303, "/evil.example/live"]);
  for (const next of ["//evil.example", "/\\evil.example", "https://evil.example"]) {
    const login = await ask(`${product.url}/login?next=${encodeURIComponent(next)}`);
    assertEquals([login.status, login.headers.get("location")], [303, "/"]);
  }
});

Deno.test("pages are framed by nobody and run their own files only", async () => {
  await using product = await startEntrepot();
  const headers = { accept: "text/html" };
  for (const path of ["/", "/live", "/cache", "/login", "/nowhere"]) {
    const answer = await ask(product.url + path, { headers });
    const policy = answer.headers.get("content-security-policy") ?? "";
    assert(policy.includes("frame-ancestors 'none'"), path);
    assert(policy.includes("script-src 'self'") && !policy.includes("unsafe"), path);
    assertEquals(answer.headers.get("x-content-type-options"), "nosniff");
    assert(!/<style|style="|<script>|onclick=/.test(answer.text), path);
  }
  const json = await ask(product.url);
  assertEquals(JSON.parse(json.text).service, "docker-registry-proxy");
});

Deno.test("what a visitor writes is shown as text", async () => {
  await using product = await startEntrepot();
  const headers = { accept: "text/html" };
  const evil = encodeURIComponent(`"><img src=x onerror=alert(1)>`);
  for (
    const path of [
      `/?image=${evil}`,
      `/cache?search=${evil}`,
      `/cache?done=pin&image=${evil}`,
      `/cache/confirm?action=pin&image=${evil}`,
    ]
  ) {
    const { status, text } = await ask(product.url + path, { headers });
    assertEquals(status, 200, path);
    assert(!text.includes("<img src=x"), path);
  }
});
