/** What a collector of OpenTelemetry is told, and what nobody is told. */
import { assert, assertEquals, assertFalse } from "../support/assert.ts";
import { type CollectedSpan, Collector } from "../support/collector.ts";
import { noiseImage } from "../support/image.ts";
import { bytesOf } from "../support/layer.ts";
import { waitFor } from "../support/process.ts";
import { basic } from "../support/push.ts";
import { ALICE } from "../support/token_server.ts";
import { assertContent, blobPath, layerOf, manifestPath, noWorld, startBench } from "./pulling.ts";

function attribute({ attributes }: CollectedSpan, name: string): string | undefined {
  return attributes.find(({ key }) => key === name)?.value.stringValue;
}

Deno.test({
  name: "a pull is a trace: its request by route and upstream, and each that left for it",
  ignore: noWorld,
  async fn() {
    await using collector = new Collector();
    await using bench = await startBench({ env: { ...collector.env, PREFETCH: "false" } });
    const layer = layerOf(await bench.world.seed("public/a"));
    assertContent(await bench.ask(blobPath("public/a", layer)), layer);
    await waitFor(
      "the request is told",
      () => Promise.resolve(collector.spans.some(({ name }) => name === "GET blob docker.io")),
    );
    await waitFor(
      "what left for it is told",
      () =>
        Promise.resolve(
          collector.spans.some((span) => attribute(span, "url.full")?.includes("/data?…")),
        ),
    );
    const { spans } = collector;
    const request = spans.find(({ name }) => name === "GET blob docker.io");
    assert(request !== undefined);
    assertEquals(attribute(request, "entrepot.repository"), "public/a");
    assertEquals(attribute(request, "entrepot.cache"), "MISS");
    const upstream = spans.filter(({ name }) => name === "upstream docker.io");
    // The refusal, the token, the redirect, and the storage.
    assertEquals(upstream.length, 4);
    for (const span of upstream) assertEquals(span.parentSpanId, request.spanId);
  },
});

Deno.test({
  name: "no span, metric or log that is exported has a secret in it",
  ignore: noWorld,
  async fn() {
    await using collector = new Collector();
    await using bench = await startBench({
      env: {
        ...collector.env,
        UPSTREAM_GONE_URL: "http://127.0.0.1:9",
        UPSTREAM_GONE_REGISTRY: "gone.example",
      },
    });
    const image = await bench.world.seed("alice/secret", noiseImage("secret", [20_000]));
    const layer = layerOf(image, 1);
    const token = await bench.token(ALICE, "alice/secret");
    assertEquals((await bench.ask(manifestPath("alice/secret", "1"), { token })).status, 200);
    assertContent(await bench.ask(blobPath("alice/secret", layer), { token }), layer);
    const gone = await bench.ask("/v2/gone.example/a/manifests/1?canary=query-canary");
    assertEquals(gone.status, 502);
    const pushed = await bench.ask(
      `/v2/ghcr.io/alice/pushed/blobs/uploads/?digest=${layer.digest}`,
      {
        method: "POST",
        headers: { authorization: basic(ALICE), "content-type": "application/octet-stream" },
        body: bytesOf(layer),
      },
    );
    assert([201, 202].includes(pushed.status), `${pushed.status}`);
    await waitFor(
      "spans, and metrics, are told",
      () =>
        Promise.resolve(
          collector.spans.some(({ name }) => name === "POST upload ghcr.io") &&
            collector.texts.some((text) => text.includes("resourceMetrics")),
        ),
    );
    await bench.product.stop();
    const all = collector.texts.join("\n");
    const secrets = ["Signature", "canary", "X-Amz", ALICE.password, token, "Bearer", "Basic"];
    for (const secret of secrets) assertFalse(all.includes(secret), secret);
  },
});
