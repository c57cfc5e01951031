/**
 * Redirects that are not followed. A Location is a registry's word; following it blindly would make
 * the proxy a way into its operator's network.
 */
import {
  assert,
  assertEquals,
  assertFalse,
  assertMatch,
  assertStringIncludes,
} from "../support/assert.ts";
import { createCa } from "../support/ca.ts";
import { type Entrepot, startEntrepot } from "../support/entrepot.ts";
import { tinyImage } from "../support/image.ts";
import { bytesOf } from "../support/layer.ts";
import { pushImage } from "../support/push.ts";
import { startRecorder } from "../support/recorder.ts";
import { startRegistry } from "../support/registry.ts";
import { startS3, startS3Registry } from "../support/s3.ts";
import { TestServer } from "../support/serve.ts";
import {
  ask,
  assertContent,
  blobPath,
  errorCodes,
  errorMessage,
  layerOf,
  manifestPath,
  noNames,
  noWorld,
} from "./pulling.ts";

const { top } = tinyImage("guarded");

function redirectTo(location: string): Response {
  return new Response(null, { status: 307, headers: { location } });
}

/** A registry whose every manifest is elsewhere; where is said by its tag. */
function startRedirector(locations: Record<string, string>): TestServer {
  return new TestServer(({ url }) =>
    redirectTo(locations[new URL(url).pathname.split("/").at(-1) ?? ""] ?? "")
  );
}

/** Asks for a manifest that has to be refused, and gives the message. */
async function refusal(product: Entrepot, tag: string): Promise<string> {
  const answer = await ask(product.url + manifestPath("a/b", tag));
  assertEquals([answer.status, errorCodes(answer)], [502, ["UNAVAILABLE"]], tag);
  return errorMessage(answer);
}

Deno.test("a loop and a chain without end are given up", async () => {
  let requests = 0;
  await using registry = new TestServer(({ url }) => {
    requests++;
    const { pathname, origin } = new URL(url);
    const hop = Number(/\/hop\/(\d+)$/.exec(pathname)?.[1] ?? 0);
    if (pathname.includes("/manifests/loop") || pathname === "/back") {
      return redirectTo(pathname === "/back" ? `${origin}/v2/a/b/manifests/loop` : "/back");
    }
    if (pathname.includes("/manifests/endless") || hop > 100) {
      return redirectTo(`${origin}/hop/${Math.max(101, hop + 1)}`);
    }
    if (hop === 10) {
      return new Response(bytesOf(top), { headers: { "content-type": top.mediaType } });
    }
    return redirectTo(`${origin}/hop/${hop + 1}`);
  });
  await using product = await startEntrepot({ env: { UPSTREAM_DOCKER_URL: registry.url } });
  assertStringIncludes(await refusal(product, "loop"), "loop");
  assertEquals(requests, 2);
  requests = 0;
  assertStringIncludes(await refusal(product, "endless"), "more than 10 times");
  assertEquals(requests, 11);
  assertContent(await ask(product.url + manifestPath("a/b", "ten")), top);
});

Deno.test("a Location that is no http URL is refused", async () => {
  await using registry = startRedirector({
    file: "file:///etc/passwd",
    gopher: "gopher://127.0.0.1:70/x",
    ftp: "ftp://127.0.0.1/x",
    data: "data:application/json,{}",
    script: "javascript:alert(1)",
    broken: "http://",
  });
  await using product = await startEntrepot({ env: { UPSTREAM_DOCKER_URL: registry.url } });
  for (const tag of ["file", "gopher", "ftp", "data", "script"]) {
    assertStringIncludes(await refusal(product, tag), "is not http or https");
  }
  assertStringIncludes(await refusal(product, "broken"), "not a URL");
});

Deno.test("a way down from https to http is refused", { ignore: noWorld }, async () => {
  await using ca = await createCa();
  await using registry = await startRegistry();
  await using s3 = startS3({ root: registry.root });
  await using hub = await startS3Registry(s3);
  const image = tinyImage();
  await pushImage(image, { registry: registry.url, repository: "a/b", tag: "1" });
  const certificate = await ca.issue("127.0.0.1");
  await using front = startRecorder({ target: hub.url, certificate });
  await using product = await startEntrepot({
    caFile: ca.certFile,
    env: { UPSTREAM_DOCKER_URL: front.url },
  });
  assertEquals((await ask(product.url + manifestPath("a/b", "1"))).status, 200);
  const answer = await ask(product.url + blobPath("a/b", layerOf(image)));
  assertEquals(answer.status, 502);
  assertStringIncludes(errorMessage(answer), "from https to http");
  assertFalse(answer.text.includes("X-Amz-"));
  assertFalse(s3.requests.some(({ isPresigned }) => isPresigned));
});

Deno.test({
  name: "defect 13: a public registry leads to no private address, whatever its spelling",
  ignore: noNames,
  async fn() {
    const seen: string[] = [];
    const handler = ({ url }: Request) => {
      seen.push(url);
      return new Response(bytesOf(top), { headers: { "content-type": top.mediaType } });
    };
    await using storage = new TestServer(handler);
    const { port } = storage;
    const locations = {
      name: `http://storage.test:${port}/x`,
      literal: `http://127.0.0.1:${port}/x`,
      short: `http://127.1:${port}/x`,
      hex: `http://0x7f000001:${port}/x`,
      number: `http://2130706433:${port}/x`,
      octal: `http://0177.0.0.1:${port}/x`,
      localhost: `http://localhost:${port}/x`,
      dot: `http://storage.test.:${port}/x`,
      any: `http://0.0.0.0:${port}/x`,
      v6: `http://[::1]:${port}/x`,
      mapped: `http://[::ffff:127.0.0.1]:${port}/x`,
      private: "http://10.0.0.1/x",
      link: "http://[fe80::1]/x",
      user: `http://registry.test@127.0.0.1:${port}/x`,
    };
    await using registry = startRedirector(locations);
    const env = { UPSTREAM_DOCKER_URL: `http://registry.test:${registry.port}` };
    const hosts = { "registry.test": "127.0.0.1", "storage.test": "127.0.0.1" };
    await using product = await startEntrepot({ env, hosts });
    for (const tag of Object.keys(locations)) {
      assertStringIncludes(await refusal(product, tag), "PRIVATE_TARGETS");
    }
    assertEquals(seen, []);

    const isServed = async (tag: string) =>
      (await ask(product.url + manifestPath("a/b", tag))).status === 200;
    await product.restart({ PRIVATE_TARGETS: "*.elsewhere.test, 10.0.0.0/8" });
    assertFalse(await isServed("name"));
    await product.restart({ PRIVATE_TARGETS: "storage.test" });
    assert(await isServed("name"));
    assertFalse(await isServed("literal"));
    await product.restart({ PRIVATE_TARGETS: "127.0.0.0/8" });
    assert(await isServed("literal"));
  },
});

Deno.test({
  name: "metadata services are out of reach even where all private targets are allowed",
  ignore: noNames,
  async fn() {
    await using registry = startRedirector({
      aws: "http://169.254.169.254/latest/meta-data/iam",
      name: "http://metadata.test/latest/meta-data/iam",
      alibaba: "http://100.100.100.200/latest/meta-data",
      azure: "http://168.63.129.16/machine",
    });
    await using product = await startEntrepot({
      hosts: { "metadata.test": "169.254.169.254", "registry.test": "127.0.0.1" },
      env: {
        UPSTREAM_DOCKER_URL: `http://registry.test:${registry.port}`,
        PRIVATE_TARGETS: "0.0.0.0/0, metadata.test",
        UPSTREAM_HEADERS_TIMEOUT: "5s",
      },
    });
    for (const tag of ["aws", "name", "alibaba", "azure"]) {
      assertMatch(await refusal(product, tag), /could not be reached: .*(permitted|denied)/);
    }
  },
});
