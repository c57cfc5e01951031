/**
 * How clients learn where to authenticate: the ping, and the challenges of refused requests. The
 * realm is always this proxy, as the client reaches it.
 */
import { assertEquals, assertStringIncludes } from "../support/assert.ts";
import { createCa } from "../support/ca.ts";
import { startEntrepot } from "../support/entrepot.ts";
import { startRegistry } from "../support/registry.ts";
import { startTlsFront } from "../support/tls_front.ts";
import { ask, errorCodes, manifestPath, noWorld, startBench } from "./pulling.ts";

function challenge(answer: { headers: Headers }): string {
  return answer.headers.get("www-authenticate") ?? "";
}

Deno.test({
  name: "/v2/ sends clients to this proxy's own realm, at the host and port that they used",
  ignore: noWorld,
  async fn() {
    await using bench = await startBench();
    for (const path of ["/v2/", "/v2"]) {
      const ping = await bench.ask(path);
      assertEquals(ping.status, 401);
      assertEquals(
        challenge(ping),
        `Bearer realm="http://${bench.product.host}/v2/auth",service="test-registry"`,
      );
      assertEquals(ping.headers.get("docker-distribution-api-version"), "registry/2.0");
      assertEquals(errorCodes(ping), ["UNAUTHORIZED"]);
    }
    const head = await bench.ask("/v2/", { method: "HEAD" });
    assertEquals([head.status, head.bytes.length], [401, 0]);
    assertEquals(
      challenge(await bench.ask("/v2/", { host: "proxy.test:81" })).slice(0, 39),
      [
        'Bearer realm="http://proxy.test:81/v2/a',
      ].join(),
    );
  },
});

Deno.test({
  name: "many pings ask the upstream once",
  ignore: noWorld,
  async fn() {
    await using bench = await startBench();
    await Promise.all(Array.from({ length: 10 }, () => bench.ask("/v2/")));
    assertEquals(bench.world.hubFront.requests.length, 1);
    assertEquals(bench.world.tokens.requests.length, 0);
  },
});

Deno.test({
  name: "defect 8: behind a trusted TLS proxy the realm is https, with that proxy's port",
  ignore: noWorld,
  async fn() {
    await using bench = await startBench({ env: { TRUSTED_PROXIES: "127.0.0.0/8" } });
    await using ca = await createCa();
    const certificate = await ca.issue("127.0.0.1");
    await using front = startTlsFront({ certificate, target: bench.product.url });
    using client = Deno.createHttpClient({ caCerts: [ca.cert] });
    const ping = await fetch(`${front.url}/v2/`, { client });
    await ping.body?.cancel();
    assertStringIncludes(challenge(ping), `realm="https://${front.host}/v2/auth"`);
    const forwarded = await bench.ask("/v2/", {
      headers: { forwarded: 'for=192.0.2.1;proto=https;host="docker.example.test:8443"' },
    });
    assertStringIncludes(challenge(forwarded), 'realm="https://docker.example.test:8443/v2/auth"');
  },
});

Deno.test({
  name: "defect 8: forwarding headers of peers that nobody trusts do not move the realm",
  ignore: noWorld,
  async fn() {
    await using bench = await startBench({ env: { TRUSTED_PROXIES: "192.0.2.0/24" } });
    const ping = await bench.ask("/v2/", {
      headers: {
        "x-forwarded-proto": "https",
        "x-forwarded-host": "evil.test",
        "x-forwarded-for": "192.0.2.1",
        forwarded: "proto=https;host=evil.test",
      },
    });
    assertStringIncludes(challenge(ping), `realm="http://${bench.product.host}/v2/auth"`);
  },
});

Deno.test({
  name: "PUBLIC_URL is the base of the realm, whatever a request says",
  ignore: noWorld,
  async fn() {
    await using bench = await startBench({
      env: { PUBLIC_URL: "https://hub.example.test:8443", TRUSTED_PROXIES: "127.0.0.1" },
    });
    const ping = await bench.ask("/v2/", {
      host: "other.test",
      headers: { "x-forwarded-host": "evil.test" },
    });
    assertStringIncludes(challenge(ping), 'realm="https://hub.example.test:8443/v2/auth"');
  },
});

Deno.test({
  name: "an alias host still names its upstream where PUBLIC_URL is set",
  ignore: noWorld,
  async fn() {
    await using bench = await startBench({
      env: { PUBLIC_URL: "https://docker.example.test", CUSTOM_DOMAIN: "example.test" },
    });
    await bench.world.seed("public/a");
    bench.world.clearRecords();
    const manifest = await bench.ask(manifestPath("public/a", "1"), { host: "ghcr.example.test" });
    assertEquals(manifest.status, 200);
    assertEquals(bench.world.hubFront.requests.length, 0);
    const ping = await bench.ask("/v2/", { host: "ghcr.example.test" });
    assertStringIncludes(challenge(ping), 'realm="https://ghcr.example.test/v2/auth"');
  },
});

Deno.test({
  name: "a refused pull asks for a token of the repository in the client's own words",
  ignore: noWorld,
  async fn() {
    await using bench = await startBench({
      env: { CUSTOM_DOMAIN: "example.test", TARGET_UPSTREAM: "docker.io" },
    });
    const scopeOf = async (path: string, host?: string) => {
      const answer = await bench.ask(path, host === undefined ? {} : { host });
      assertEquals(answer.status, 401);
      assertEquals(errorCodes(answer), ["UNAUTHORIZED"]);
      return challenge(answer);
    };
    const { host, port } = bench.product;
    const realm = `Bearer realm="http://${host}/v2/auth",service="test-registry"`;
    assertStringIncludes(
      await scopeOf(manifestPath("private/a", "1")),
      `${realm},scope="repository:private/a:pull"`,
    );
    assertStringIncludes(
      await scopeOf(manifestPath("ghcr.io/private/a", "1")),
      `${realm},scope="repository:ghcr.io/private/a:pull"`,
    );
    assertStringIncludes(
      await scopeOf(`${manifestPath("private/a", "1")}?ns=ghcr.io`),
      `realm="http://${host}/v2/auth?ns=ghcr.io",service="test-registry",` +
        'scope="repository:private/a:pull"',
    );
    assertStringIncludes(
      await scopeOf(manifestPath("private/a", "1"), `ghcr.example.test:${port}`),
      `realm="http://ghcr.example.test:${port}/v2/auth",service="test-registry",` +
        'scope="repository:private/a:pull"',
    );
  },
});

Deno.test({
  name: "/v2/ is open where the upstream is",
  ignore: noWorld,
  async fn() {
    await using registry = await startRegistry();
    await using product = await startEntrepot({ env: { UPSTREAM_DOCKER_URL: registry.url } });
    const ping = await ask(`${product.url}/v2/`);
    assertEquals(ping.status, 200);
    assertEquals(ping.text, "{}");
    assertEquals(ping.headers.get("docker-distribution-api-version"), "registry/2.0");
  },
});

Deno.test({
  name: "/v2/ says whether the caller's own credentials are good",
  ignore: noWorld,
  async fn() {
    await using bench = await startBench();
    const basic = (pair: string) => ({ headers: { authorization: `Basic ${btoa(pair)}` } });
    assertEquals((await bench.ask("/v2/", basic("alice:alicepw"))).status, 200);
    assertEquals((await bench.ask("/v2/", basic("alice:wrong"))).status, 401);
    const token = await bench.token({ username: "bob", password: "bobpw" });
    assertEquals((await bench.ask("/v2/", { token })).status, 200);
    assertEquals((await bench.ask("/v2/", { token: "not-a-token" })).status, 401);
  },
});
