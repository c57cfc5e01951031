/** Lists of tags, repositories and referrers: the upstream's own, with links that lead back here. */
import { assertEquals, assertStringIncludes } from "../support/assert.ts";
import { noWorld } from "./pulling.ts";
import { ownerOf, PushClient, pushClient, startPushBench, WAYS } from "./pushing.ts";

const ignore = noWorld;

/** The URL of the next page, as clients take it from the header. */
function nextPage(base: string, link: string | null): string {
  const [, target = ""] = /^<([^>]*)>; *rel="next"$/.exec(link ?? "") ?? [];
  return new URL(target, base).href;
}

Deno.test({
  name: "tags are listed page by page in each of the four ways",
  ignore,
  async fn(t) {
    await using bench = await startPushBench();
    const scope = "repository:public/tags:pull";
    // The registry that is here has no pages of tags; others write their links so.
    const links = [
      '</v2/public/tags/tags/list?n=2&last=b>; rel="next"',
      '<http://other.test/v2/public/tags/tags/list?n=2&last=b>; rel="next"',
      '<?n=2&last=b>; rel="next"',
    ];
    for (const way of WAYS) {
      await t.step(way, async () => {
        const client = await pushClient(bench, way, [scope]);
        for (const link of links) {
          bench.world.registryFront.intercept = (request) => {
            const { pathname, search } = new URL(request.url);
            assertEquals(pathname, "/v2/public/tags/tags/list");
            return search === "?n=2&last=b"
              ? Response.json({ name: "public/tags", tags: ["c"] })
              : Response.json({ name: "public/tags", tags: ["a", "b"] }, { headers: { link } });
          };
          const first = await client.ask(client.url("public/tags", "tags/list?n=2"));
          assertEquals([first.status, JSON.parse(first.text).tags], [200, ["a", "b"]]);
          const url = nextPage(client.base, first.headers.get("link"));
          const second = await client.ask(url);
          assertEquals([second.status, JSON.parse(second.text).tags], [200, ["c"]], url);
          assertEquals(second.headers.get("link"), null);
        }
      });
    }
  },
});

Deno.test({
  name: "the catalog is listed for those who may read it, with links that lead back here",
  ignore,
  async fn(t) {
    await using bench = await startPushBench();
    for (const name of ["public/a", "public/b", "public/c"]) await bench.world.seed(name);
    for (const way of WAYS.filter((way) => way !== "prefix")) {
      await t.step(way, async () => {
        const nobody = new PushClient(bench.product.port, way);
        const ns = way === "ns" ? "&ns=ghcr.io" : "";
        const refused = await nobody.ask(`${nobody.base}/v2/_catalog?n=2${ns}`);
        assertEquals(refused.status, 401);
        assertStringIncludes(
          refused.headers.get("www-authenticate") ?? "",
          'scope="registry:catalog:*"',
        );
        const owner = await pushClient(bench, way, ["registry:catalog:*"]);
        const first = await owner.ask(`${owner.base}/v2/_catalog?n=2${ns}`);
        assertEquals([first.status, JSON.parse(first.text).repositories], [200, [
          "public/a",
          "public/b",
        ]]);
        const second = await owner.ask(nextPage(owner.base, first.headers.get("link")));
        assertEquals(JSON.parse(second.text).repositories, ["public/c"]);
      });
    }
  },
});

Deno.test({
  name: "referrers pass with their filter and links, and a missing API is a 404",
  ignore,
  async fn(t) {
    await using bench = await startPushBench();
    const client = await ownerOf(bench, "ns", "public/refs");
    const digest = `sha256:${"d".repeat(64)}`;
    const url = client.url("public/refs", `referrers/${digest}?artifactType=a%2Fb`);
    await t.step("the registry has none", async () => {
      assertEquals((await client.ask(url)).status, 404);
    });
    await t.step("the registry has it", async () => {
      const seen: string[] = [];
      bench.world.registryFront.intercept = (request) => {
        seen.push(new URL(request.url).search);
        return Response.json({ schemaVersion: 2, manifests: [] }, {
          headers: {
            "content-type": "application/vnd.oci.image.index.v1+json",
            "oci-filters-applied": "artifactType",
            link: `<http://other/v2/public/refs/referrers/${digest}?next=x%3D>; rel="next"`,
          },
        });
      };
      const answer = await client.ask(url);
      assertEquals(seen, ["?artifactType=a%2Fb"]);
      assertEquals(answer.headers.get("oci-filters-applied"), "artifactType");
      assertEquals(
        nextPage(client.base, answer.headers.get("link")),
        client.url("public/refs", `referrers/${digest}?next=x%3D`),
      );
    });
    await t.step("the registry leads to a page for people", async () => {
      bench.world.registryFront.intercept = (request) =>
        new URL(request.url).pathname === "/login"
          ? new Response("<html>", { headers: { "content-type": "text/html; charset=utf-8" } })
          : new Response(null, { status: 302, headers: { location: "/login" } });
      assertEquals((await client.ask(url)).status, 404);
    });
    await t.step("the registry leads to what is no list", async () => {
      for (const type of ["text/plain", "application/xml", "application/octet-stream"]) {
        bench.world.registryFront.intercept = (request) =>
          new URL(request.url).pathname === "/login"
            ? new Response("sign in", { headers: { "content-type": type } })
            : new Response(null, { status: 302, headers: { location: "/login" } });
        const answer = await client.ask(url);
        assertEquals([answer.status, answer.text.includes("sign in")], [404, false], type);
      }
    });
  },
});
