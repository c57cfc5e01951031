/**
 * Requests that lead nowhere: unknown registries, and names that are none.
 */
import { assert, assertEquals, assertStringIncludes } from "../support/assert.ts";
import { startEntrepot } from "../support/entrepot.ts";
import { type Answer, ask, errorCodes, manifestPath, noWorld, startBench } from "./pulling.ts";

function assertRoutes(answer: Answer, host: string): void {
  assertEquals(answer.status, 404, answer.text);
  assertEquals(errorCodes(answer), ["NAME_UNKNOWN"]);
  const body: { message: string; routes: Record<string, string> } = JSON.parse(answer.text);
  assertEquals(body.message, "Available registry routes");
  assertEquals(body.routes[host], "https://quay.io");
  assertStringIncludes(answer.headers.get("content-type") ?? "", "application/json");
}

Deno.test("what names no registry that is served is 404 with those that are", async () => {
  await using product = await startEntrepot({ env: { CUSTOM_DOMAIN: "example.test" } });
  const quay = "quay.example.test";
  for (const host of ["unknown.example.test", "127.0.0.1", "quay.example.test.evil.test"]) {
    assertRoutes(await ask(`${product.url}/v2/`, { host }), quay);
    assertRoutes(await ask(product.url + manifestPath("team/app", "1"), { host }), quay);
  }
  const ns = `${product.url}${manifestPath("team/app", "1")}?ns=evil.test`;
  assertRoutes(await ask(ns, { host: quay }), quay);
  assertRoutes(await ask(product.url + manifestPath("evil.test/team/app", "1")), quay);
  const head = await ask(ns, { method: "HEAD" });
  assertEquals([head.status, head.bytes.length], [404, 0]);

  await using plain = await startEntrepot();
  assertRoutes(await ask(plain.url + manifestPath("evil.test/team/app", "1")), "quay.io");
  assertRoutes(await ask(plain.url + manifestPath("localhost/team/app", "1")), "quay.io");
  assertRoutes(await ask(`${plain.url}/v2/?ns=evil.test`), "quay.io");
});

Deno.test("a name, tag or digest that is none has the code of what is wrong with it", async () => {
  await using product = await startEntrepot();
  const cases: [string, number, string][] = [
    ["/v2/Team/App/manifests/1", 400, "NAME_INVALID"],
    ["/v2/team//app/manifests/1", 400, "NAME_INVALID"],
    ["/v2/team/app%2Fx/manifests/1", 400, "NAME_INVALID"],
    ["/v2/team/a..b/manifests/1", 400, "NAME_INVALID"],
    ["/v2/team/-app/manifests/1", 400, "NAME_INVALID"],
    [`/v2/${"a/".repeat(130)}b/manifests/1`, 400, "NAME_INVALID"],
    ["/v2/team/app/manifests/.hidden", 404, "MANIFEST_UNKNOWN"],
    [`/v2/team/app/manifests/${"t".repeat(129)}`, 404, "MANIFEST_UNKNOWN"],
    ["/v2/team/app/manifests/sha256:short", 400, "DIGEST_INVALID"],
    [`/v2/team/app/manifests/md5:${"a".repeat(32)}`, 400, "DIGEST_INVALID"],
    [`/v2/team/app/blobs/sha256:${"A".repeat(64)}`, 400, "DIGEST_INVALID"],
    ["/v2/team/app/blobs/latest", 400, "DIGEST_INVALID"],
    ["/v2/team/app/referrers/latest", 400, "DIGEST_INVALID"],
    ["/v2/team/app/unknown/latest", 404, "NAME_UNKNOWN"],
    ["/v2/team", 404, "NAME_UNKNOWN"],
  ];
  for (const [path, status, code] of cases) {
    const answer = await ask(product.url + path);
    assertEquals([answer.status, ...errorCodes(answer)], [status, code], path);
    assertEquals(answer.headers.get("content-type"), "application/json");
    assertEquals((await ask(product.url + path, { method: "HEAD" })).bytes.length, 0);
  }
});

Deno.test({
  name: "a request that came by ns is answered with OCI-Namespace, when it fails as well",
  ignore: noWorld,
  async fn() {
    await using bench = await startBench();
    await bench.world.seed("public/a");
    const namespaceOf = async (path: string) =>
      (await bench.ask(path)).headers.get("oci-namespace");
    assertEquals(await namespaceOf(`${manifestPath("public/a", "1")}?ns=ghcr.io`), "ghcr.io");
    assertEquals(await namespaceOf(`${manifestPath("public/a", "no")}?ns=docker.io`), "docker.io");
    assertEquals(await namespaceOf("/v2/?ns=docker.io"), "docker.io");
    assertEquals(await namespaceOf(manifestPath("public/a", "1")), null);
    assertEquals(await namespaceOf(manifestPath("ghcr.io/public/a", "1")), null);
    // The registry itself never sees the parameter.
    const { hubFront, registryFront } = bench.world;
    const requests = [...hubFront.requests, ...registryFront.requests];
    assert(requests.length > 0 && requests.every(({ query }) => !query.includes("ns=")));
  },
});
