/**
 * A token realm that is down: who is logged in pulls what anybody may read, and no login is called
 * right that nobody could check.
 */
import { assertEquals, assertStringIncludes } from "../support/assert.ts";
import { startEntrepot } from "../support/entrepot.ts";
import { waitFor } from "../support/process.ts";
import { basic } from "../support/push.ts";
import { type Recorder, startRecorder } from "../support/recorder.ts";
import { ALICE } from "../support/token_server.ts";
import { startWorld } from "../support/world.ts";
import {
  assertContent,
  Bench,
  blobPath,
  errorMessage,
  layerOf,
  manifestPath,
  noWorld,
  upstreams,
} from "./pulling.ts";

/** The product before a registry whose realm is the recorder's. */
async function withRealm(check: (bench: Bench, realm: Recorder) => Promise<void>): Promise<void> {
  await using world = await startWorld();
  await using realm = startRecorder({ target: world.tokens.url });
  world.hubFront.intercept = async (_request, forward) => {
    const response = await forward();
    const challenge = response.headers.get("www-authenticate");
    if (challenge !== null) {
      response.headers.set("www-authenticate", challenge.replace(world.tokens.url, realm.url));
    }
    return response;
  };
  await using product = await startEntrepot({
    env: { ...upstreams(world), CACHE_MANIFEST_TTL: "0" },
  });
  await check(new Bench(world, product), realm);
}

const LOGIN = { authorization: basic(ALICE) };

Deno.test({
  name: "while a realm is down a login pulls what is public and cached, and nothing else",
  ignore: noWorld,
  async fn() {
    await withRealm(async (bench, realm) => {
      const open = await bench.world.seed("public/a");
      const closed = await bench.world.seed("private/a");
      const own = await bench.token(ALICE, "private/a");
      for (
        const [name, image, credential] of [
          ["public/a", open, {}],
          ["private/a", closed, { token: own }],
        ] as const
      ) {
        assertEquals((await bench.ask(manifestPath(name, "1"), credential)).status, 200);
        assertEquals((await bench.ask(blobPath(name, layerOf(image)), credential)).status, 200);
      }
      await bench.settle();
      realm.intercept = () => new Response("bad gateway", { status: 502 });
      // What is remembered of callers' rights is forgotten with the process.
      await bench.product.restart();

      const token = await bench.token(ALICE, "public/a", "private/a");
      assertContent(await bench.ask(manifestPath("public/a", "1"), { token }), open.top);
      const layer = layerOf(open);
      assertContent(await bench.ask(blobPath("public/a", layer), { token }), layer);
      for (
        const path of [
          manifestPath("private/a", "1"),
          manifestPath("private/a", closed.top.digest),
          blobPath("private/a", layerOf(closed)),
          manifestPath("public/a", "other"),
        ]
      ) {
        assertEquals((await bench.ask(path, { token })).status, 502, path);
      }
      await waitFor(
        "the log says so",
        async () => (await bench.output()).includes("a login cannot be checked"),
      );

      realm.intercept = undefined;
      const answer = await bench.ask(manifestPath("private/a", "1"), {
        token: await bench.token(ALICE, "private/a"),
      });
      assertContent(answer, closed.top);
    });
  },
});

Deno.test({
  name: "while a realm is down no login is called right, and no push gets a token",
  ignore: noWorld,
  async fn() {
    await withRealm(async (bench, realm) => {
      await bench.world.seed("public/a");
      assertEquals((await bench.ask(manifestPath("public/a", "1"))).status, 200);
      realm.intercept = () => new Response("bad gateway", { status: 502 });
      for (
        const query of [
          "service=s",
          "service=s&scope=repository:public/a:pull,push",
          "service=s&scope=registry:catalog:*",
          "service=s&scope=repository:public/a:pull&scope=repository:public/b:pull,push",
        ]
      ) {
        const get = await bench.ask(`/v2/auth?${query}`, { headers: LOGIN });
        assertEquals(get.status, 502, query);
        assertStringIncludes(errorMessage(get), "docker.io");
        const form = new URLSearchParams(query);
        form.set("grant_type", "password");
        form.set("username", ALICE.username);
        form.set("password", ALICE.password);
        const post = await bench.ask("/v2/auth", { method: "POST", body: form });
        assertEquals(post.status, 502, query);
      }
    });
  },
});
