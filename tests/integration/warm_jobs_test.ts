import { createWarmJobs } from "../../lib/warm/jobs.ts";
import { assertEquals } from "../support/assert.ts";
import { has } from "../support/components.ts";
import { startEntrepot } from "../support/entrepot.ts";
import { waitFor } from "../support/process.ts";
import { tempDir } from "../support/temp.ts";
import { startWorld } from "../support/world.ts";

const ignore = !has("docker-registry");

Deno.test({
  name: "a warm-up of the configuration runs at its time, and what it brought is there",
  ignore,
  async fn() {
    await using world = await startWorld();
    const image = await world.seed("library/nightly");
    await using folder = await tempDir("warm");
    const file = await folder.write(
      "entrepot.yaml",
      'warm:\n  - images: ["nightly:*"]\n    platforms: all\n    at: "* * * * * *"\n',
    );
    await using proxy = await startEntrepot({
      env: { UPSTREAM_DOCKER_URL: world.hubFront.url, CONFIG_FILE: file },
    });
    await waitFor("the warm-up has ended", async () => {
      const lines = await proxy.log();
      return lines.some(({ message }) => String(message).startsWith("warmed 1 images"));
    });
    world.clearRecords();
    const [digest] = image.platforms.flatMap(({ layers }) => layers.map((layer) => layer.digest));
    const response = await fetch(`${proxy.url}/v2/library/nightly/blobs/${digest}`);
    await response.body?.cancel();
    assertEquals(response.headers.get("x-cache"), "HIT");
  },
});

Deno.test("jobs run one after the other, and the newest is told of first", async () => {
  const lifetime = new AbortController();
  let under = 0;
  let most = 0;
  const jobs = createWarmJobs({
    proxy: {
      base: new URL("http://proxy.invalid"),
      authorization: null,
      async ask() {
        most = Math.max(most, ++under);
        await Promise.resolve();
        under--;
        return new Response("{}", { status: 404 });
      },
    },
    now: Date.now,
    lifetime: lifetime.signal,
  });
  const first = jobs.submit({ images: ["one"], platforms: "all" });
  const second = jobs.submit({ images: ["two"], platforms: "all" });
  await waitFor("both have ended", () => second.endedAt !== null);
  assertEquals(jobs.list().map(({ id }) => id), [second.id, first.id]);
  assertEquals([first.state, second.state, most], ["failed", "failed", 1]);
  assertEquals(first.results[0]?.name, "one:latest");
  lifetime.abort();
});
