/** What tags cost: nothing while they are fresh, one question when they are not. */
import { assertEquals } from "../support/assert.ts";
import { type Entrepot, startEntrepot } from "../support/entrepot.ts";
import { tinyImage } from "../support/image.ts";
import { sleep } from "../support/process.ts";
import { startWorld, type World } from "../support/world.ts";
import { noArena } from "./arena.ts";
import { say } from "./chance.ts";
import { pullManifest } from "./client.ts";

const REPOSITORY = "public/tagged";
const REQUESTS = 1000;
const TTL_MS = 2000;

/** Everything that reached the upstream. */
function asked({ hubFront }: World): string[] {
  return hubFront.requests.map(({ method, path }) =>
    `${method} ${path.replace(/sha256:.*/, "digest")}`
  );
}

function startProduct(world: World, ttlMs: number): Promise<Entrepot> {
  return startEntrepot({
    env: {
      UPSTREAM_DOCKER_URL: world.hubFront.url,
      CACHE_MANIFEST_TTL: `${ttlMs / 1000}s`,
      PREFETCH: "false",
    },
  });
}

/** The digests that so many requests at once are given. */
async function digestsOf(product: Entrepot, count: number): Promise<Set<string | null>> {
  const url = `${product.url}/v2/${REPOSITORY}/manifests/1`;
  const answers = await Promise.all(Array.from({ length: count }, () => pullManifest(url)));
  assertEquals(answers.filter(({ status }) => status !== 200), []);
  return new Set(answers.map(({ headers }) => headers.get("docker-content-digest")));
}

Deno.test({
  name: "a moved tag is seen after its time at the price of one HEAD, and not before",
  ignore: noArena,
  async fn(t) {
    await using world = await startWorld();
    const first = await world.push(REPOSITORY, tinyImage("first"));
    await using product = await startProduct(world, TTL_MS);
    assertEquals(await digestsOf(product, 1), new Set([first.top.digest]));
    const path = `/v2/${REPOSITORY}/manifests`;

    await t.step("one that stayed costs a HEAD", async () => {
      await sleep(TTL_MS + 100);
      world.clearRecords();
      assertEquals(await digestsOf(product, 1), new Set([first.top.digest]));
      assertEquals(asked(world), [`HEAD ${path}/1`]);
    });

    const second = await world.push(REPOSITORY, tinyImage("second"));
    await t.step("a fresh one is served as it was", async () => {
      world.clearRecords();
      assertEquals(await digestsOf(product, 1), new Set([first.top.digest]));
      assertEquals(asked(world), []);
    });

    await t.step("one that moved costs a HEAD, and a GET of what is new", async () => {
      await sleep(TTL_MS + 100);
      world.clearRecords();
      assertEquals(await digestsOf(product, 1), new Set([second.top.digest]));
      const [head, get, ...more] = asked(world);
      assertEquals(head, `HEAD ${path}/1`);
      assertEquals([`GET ${path}/1`, `GET ${path}/digest`].includes(get ?? ""), true, get);
      assertEquals(more, []);
    });
  },
});

Deno.test({
  name: "a thousand requests of a fresh tag cost no question, and of a stale one a single HEAD",
  ignore: noArena,
  async fn(t) {
    await using world = await startWorld();
    const image = await world.push(REPOSITORY, tinyImage("tagged"));
    await using product = await startProduct(world, TTL_MS);
    await digestsOf(product, 1);
    await sleep(TTL_MS + 100);

    await t.step("stale, all at once", async () => {
      world.clearRecords();
      assertEquals(await digestsOf(product, REQUESTS), new Set([image.top.digest]));
      say(`${REQUESTS} requests of a stale tag at once: ${asked(world).join(", ")}`);
      assertEquals(asked(world), [`HEAD /v2/${REPOSITORY}/manifests/1`]);
    });

    await t.step("fresh", async () => {
      await product.restart({ CACHE_MANIFEST_TTL: "1h" });
      await digestsOf(product, 1);
      world.clearRecords();
      assertEquals(await digestsOf(product, REQUESTS), new Set([image.top.digest]));
      say(`${REQUESTS} requests of a fresh tag: ${asked(world).length} upstream`);
      assertEquals(asked(world), []);
    });
  },
});
