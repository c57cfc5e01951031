/** Names whose address changes between the guard's look and the connection (DNS rebinding). */
import type { Upstream } from "../../lib/config/config.ts";
import { RegistryError } from "../../lib/errors.ts";
import { createOutbound, type OutboundRequest } from "../../lib/outbound.ts";
import { createTargetGuard } from "../../lib/target_guard.ts";
import { assertEquals, assertRejects } from "../support/assert.ts";
import { TestServer } from "../support/serve.ts";

const UPSTREAM: Upstream = {
  ...{ alias: "lan", registry: "lan.test", names: ["lan.test"], hasLibrary: false },
  ...{ auth: { kind: "relay" }, realms: [], redirect: "stream", push: "allow" },
  url: new URL("http://lan.test"),
  maxConnections: 64,
  tagTtl: [],
};

function guardOf(answers: readonly string[][], options: { resolvesElsewhere?: boolean } = {}) {
  let asked = 0;
  return createTargetGuard({
    privateTargets: ["minio.lan", "10.1.0.0/16"],
    lookup: () => Promise.resolve(answers[asked++] ?? []),
    resolvesElsewhere: options.resolvesElsewhere ?? false,
  });
}

Deno.test("the guard gives the address that it has seen, and none where any is allowed", async () => {
  const target = new URL("http://storage.test/x");
  assertEquals(await guardOf([["8.8.8.8", "1.1.1.1"]]).check(target, UPSTREAM), "8.8.8.8");
  assertEquals(await guardOf([["10.1.2.3"]]).check(target, UPSTREAM), "10.1.2.3");
  for (const host of ["lan.test", "minio.lan"]) {
    const url = new URL(`http://${host}/x`);
    assertEquals(await guardOf([["8.8.8.8"]]).check(url, UPSTREAM), undefined);
  }
  const elsewhere = guardOf([["8.8.8.8"]], { resolvesElsewhere: true });
  assertEquals(await elsewhere.check(target, UPSTREAM), undefined);
  await assertRejects(
    () => guardOf([["8.8.8.8", "10.0.0.1"]]).check(target, UPSTREAM),
    RegistryError,
    "10.0.0.1",
  );
});

Deno.test("plain HTTP goes to the address that was checked, as the host that was meant", async () => {
  using client = Deno.createHttpClient({ allowHost: true });
  const seen: string[] = [];
  await using server = new TestServer(async (request) => {
    const { pathname, search } = new URL(request.url);
    seen.push(`${request.method} ${request.headers.get("host")} ${pathname}${search}`);
    await request.body?.cancel();
    return new Response("here");
  });
  const outbound = createOutbound({
    fetch: (input, init) => fetch(input, init),
    fetchAsHost: (input, init) => fetch(input, { ...init, client }),
    headersTimeoutSeconds: 10,
  });
  // A name that nothing resolves: whoever looked it up again would fail.
  const host = `rebound.invalid:${server.port}`;
  const request: OutboundRequest = {
    url: new URL(`http://${host}/a%2Fb?sig=c%2Bd`),
    address: "127.0.0.1",
    peer: "lan.test",
    signal: new AbortController().signal,
  };
  assertEquals(await (await outbound(request)).text(), "here");
  const body = new Blob(["bytes"]).stream();
  const sent = await outbound({ ...request, method: "PUT", body, bodyLength: 5 });
  assertEquals(await sent.text(), "here");
  assertEquals(seen, [`GET ${host} /a%2Fb?sig=c%2Bd`, `PUT ${host} /a%2Fb?sig=c%2Bd`]);
  const { address: _, ...unchecked } = request;
  await assertRejects(() => outbound(unchecked), RegistryError, "rebound.invalid");
});
