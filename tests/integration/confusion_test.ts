/**
 * Names and methods that caches confuse: the same name at two registries, HEAD and GET, reads and
 * writes.
 */
import { assert, assertEquals, assertNotEquals } from "../support/assert.ts";
import { startEntrepot } from "../support/entrepot.ts";
import { tinyImage } from "../support/image.ts";
import { pushImage } from "../support/push.ts";
import { startRecorder } from "../support/recorder.ts";
import { startRegistry } from "../support/registry.ts";
import {
  ask,
  assertContent,
  blobPath,
  errorCodes,
  layerOf,
  manifestPath,
  noWorld,
  startBench,
} from "./pulling.ts";

Deno.test({
  name: "defect 1: the same name at two registries is two images, however it is addressed",
  ignore: noWorld,
  async fn() {
    await using docker = await startRegistry();
    await using quay = await startRegistry();
    const images = { docker: tinyImage("at-docker"), quay: tinyImage("at-quay") };
    const target = { repository: "team/app", tag: "1" };
    await pushImage(images.docker, { registry: docker.url, ...target });
    await pushImage(images.quay, { registry: quay.url, ...target });
    await using product = await startEntrepot({
      env: {
        UPSTREAM_DOCKER_URL: docker.url,
        UPSTREAM_QUAY_URL: quay.url,
        CUSTOM_DOMAIN: "example.test",
        TARGET_UPSTREAM: "docker.io",
      },
    });
    const tag = manifestPath("team/app", "1");
    const ways = [
      { path: tag, image: images.docker },
      { path: manifestPath("quay.io/team/app", "1"), image: images.quay },
      { path: `${tag}?ns=quay.io`, image: images.quay },
      { path: `${tag}?ns=docker.io`, image: images.docker },
      { path: tag, host: "quay.example.test", image: images.quay },
      { path: tag, host: "docker.example.test", image: images.docker },
    ];
    for (const cache of ["MISS", "HIT"]) {
      for (const [index, { path, host, image }] of ways.entries()) {
        const answer = await ask(product.url + path, host === undefined ? {} : { host });
        assertEquals(answer.headers.get("docker-content-digest"), image.top.digest, path);
        assertContent(answer, image.top);
        if (index < 2) assertEquals(answer.headers.get("x-cache"), cache);
      }
    }
    // Neither do the blobs of one appear under the same name of the other.
    const layer = layerOf(images.quay);
    assertEquals((await ask(product.url + blobPath("quay.io/team/app", layer))).status, 200);
    const other = await ask(product.url + blobPath("team/app", layer));
    assertEquals([other.status, errorCodes(other)], [404, ["BLOB_UNKNOWN"]]);
    const byDigest = await ask(product.url + manifestPath("team/app", images.quay.top.digest));
    assertEquals([byDigest.status, errorCodes(byDigest)], [404, ["MANIFEST_UNKNOWN"]]);
  },
});

Deno.test({
  name: "defect 4: a write is never answered from the cache",
  ignore: noWorld,
  async fn() {
    await using registry = await startRegistry();
    await using front = startRecorder({ target: registry.url });
    const image = tinyImage();
    await pushImage(image, { registry: registry.url, repository: "team/app", tag: "1" });
    await using product = await startEntrepot({ env: { UPSTREAM_DOCKER_URL: front.url } });
    const paths = [
      manifestPath("team/app", "1"),
      manifestPath("team/app", image.top.digest),
      blobPath("team/app", layerOf(image)),
    ];
    for (const path of paths) assertEquals((await ask(product.url + path)).status, 200);
    for (const path of paths) {
      for (const method of ["PUT", "DELETE", "POST", "PATCH"]) {
        front.clear();
        const body = method === "DELETE" ? {} : { body: "{}" };
        const answer = await ask(product.url + path, { method, ...body });
        const what = `${method} ${path}: ${answer.status}`;
        assertEquals(answer.headers.get("x-cache"), null, what);
        // Either refused here, or the upstream's own answer.
        assert(answer.status >= 400 || front.matching(method, path).length === 1, what);
        assertNotEquals(answer.status, 200, what);
      }
    }
  },
});

Deno.test({
  name: "a method that a path does not know is 405 and told which it knows",
  ignore: noWorld,
  async fn() {
    await using bench = await startBench();
    const image = await bench.world.seed("public/a");
    await bench.ask(manifestPath("public/a", "1"));
    for (const path of [manifestPath("public/a", "1"), blobPath("public/a", layerOf(image))]) {
      for (const method of ["PATCH", "POST"]) {
        const answer = await bench.ask(path, { method, body: "x" });
        assertEquals([answer.status, errorCodes(answer)], [405, ["UNSUPPORTED"]]);
        assert(answer.headers.get("allow")?.includes("GET, HEAD"));
      }
    }
  },
});

Deno.test({
  name: "defect 5: a HEAD before a GET never shortens what the GET receives",
  ignore: noWorld,
  async fn() {
    await using bench = await startBench();
    const image = await bench.world.seed("public/a");
    const layer = layerOf(image);
    const cases = [
      { path: manifestPath("public/a", "1"), content: image.top },
      { path: manifestPath("public/a", image.top.digest), content: image.top },
      { path: blobPath("public/a", layer), content: layer },
    ];
    for (const { path, content } of cases) {
      const head = async () => {
        const answer = await bench.ask(path, { method: "HEAD" });
        assertEquals([answer.status, answer.bytes.length], [200, 0]);
        assertEquals(answer.headers.get("content-length"), String(content.size));
        assertEquals(answer.headers.get("docker-content-digest"), content.digest);
        return answer.headers.get("x-cache");
      };
      await head();
      await head();
      const get = await bench.ask(path);
      assertContent(get, content, path);
      await bench.settle();
      assertEquals(await head(), "HIT");
      assertContent(await bench.ask(path), content);
    }
  },
});

Deno.test({
  name: "defect 13: HEAD of a manifest stays a HEAD, which costs no quota",
  ignore: noWorld,
  async fn() {
    await using bench = await startBench();
    await bench.world.seed("public/a");
    const answer = await bench.ask(manifestPath("public/a", "1"), { method: "HEAD" });
    assertEquals([answer.status, answer.headers.get("x-cache")], [200, "MISS"]);
    assertEquals(bench.world.hubFront.matching("GET", /\/manifests\//).length, 0);
  },
});
