/**
 * Registries that limit the rate: what they say is kept and shown, the next account is tried, what
 * is cached is served, and clients are told when to come back.
 */
import { assert, assertEquals, assertFalse, assertStringIncludes } from "../support/assert.ts";
import { startEntrepot } from "../support/entrepot.ts";
import { sleep } from "../support/process.ts";
import { basic } from "../support/push.ts";
import { type Recorder, startRecorder } from "../support/recorder.ts";
import { ALICE, BOB } from "../support/token_server.ts";
import { startWorld } from "../support/world.ts";
import {
  ask,
  assertContent,
  type Bench,
  blobPath,
  errorCodes,
  layerOf,
  manifestPath,
  noWorld,
  startBench,
} from "./pulling.ts";

const TAG = manifestPath("public/a", "1");
const LIMIT = "100;w=21600";

interface ShownQuota {
  holder: string;
  limit: number | null;
  remaining: number | null;
  windowSeconds: number | null;
  source: string | null;
  blockedUntil: string | null;
}

async function quotaOf(bench: Bench): Promise<ShownQuota[]> {
  const stats: { quota: ShownQuota[] } = JSON.parse((await bench.ask("/stats")).text);
  return stats.quota;
}

/** Whose token a request brings; empty for anonymous ones, undefined without any. */
function userOf(request: Request): string | undefined {
  const [, payload] = /^Bearer [^.]+\.([^.]+)\./.exec(request.headers.get("authorization") ?? "") ??
    [];
  if (payload === undefined) return undefined;
  const bytes = Uint8Array.fromBase64(payload, { alphabet: "base64url" });
  const claims: { sub: string } = JSON.parse(new TextDecoder().decode(bytes));
  return claims.sub;
}

/** Limits some users' requests of a path; the others are told what is left. */
function limit(front: Recorder, users: readonly string[], path = /\/manifests\//): void {
  front.intercept = async (request, forward) => {
    const user = userOf(request);
    if (!path.test(request.url) || user === undefined) return undefined;
    if (users.includes(user)) {
      const headers = { "ratelimit-limit": LIMIT, "ratelimit-remaining": "0;w=21600" };
      return new Response(null, { status: 429, headers: { ...headers, "retry-after": "600" } });
    }
    const response = await forward();
    response.headers.set("ratelimit-limit", LIMIT);
    response.headers.set("ratelimit-remaining", "7;w=21600");
    response.headers.set("docker-ratelimit-source", "203.0.113.9");
    return response;
  };
}

/** How many requests the front has refused for the rate. */
function countLimited({ requests }: Recorder): number {
  return requests.filter(({ status }) => status === 429).length;
}

Deno.test({
  name: "what a registry says of its quota is shown, by whom it is for",
  ignore: noWorld,
  async fn() {
    await using bench = await startBench();
    await bench.world.seed("public/a");
    limit(bench.world.hubFront, []);
    assertEquals((await bench.ask(TAG)).status, 200);
    const [quota] = await quotaOf(bench);
    assertEquals([quota?.holder, quota?.limit, quota?.remaining], ["anonymous", 100, 7]);
    assertEquals([quota?.windowSeconds, quota?.source], [21_600, "203.0.*.*"]);
    const token = await bench.token(ALICE, "public/b");
    await bench.world.seed("public/b");
    assertEquals((await bench.ask(manifestPath("public/b", "1"), { token })).status, 200);
    const stats = (await bench.ask("/stats")).text;
    assertStringIncludes(stats, '"holder":"caller:');
    for (const secret of [token, ALICE.password, "203.0.113.9"]) {
      assertFalse(stats.includes(secret));
    }
  },
});

Deno.test({
  name: "a limited proxy serves what it has, refuses what it has not, and asks no more meanwhile",
  ignore: noWorld,
  async fn() {
    await using bench = await startBench({ env: { CACHE_MANIFEST_TTL: "0" } });
    const image = await bench.world.seed("public/a");
    const layer = layerOf(image);
    assertEquals((await bench.ask(TAG)).status, 200);
    assertEquals((await bench.ask(blobPath("public/a", layer))).status, 200);
    await bench.settle();
    limit(bench.world.hubFront, [""]);
    for (let i = 0; i < 3; i++) {
      const stale = await bench.ask(TAG);
      assertContent(stale, image.top);
      assertEquals(stale.headers.get("warning"), '110 - "Response is Stale"');
      const missing = await bench.ask(manifestPath("public/a", "other"));
      assertEquals([missing.status, ...errorCodes(missing)], [429, "TOOMANYREQUESTS"]);
      assert(Number(missing.headers.get("retry-after")) > 590);
      assertEquals((await bench.ask(blobPath("public/a", layer))).status, 200);
    }
    const limited = bench.world.hubFront.requests.filter(({ status }) => status === 429);
    assertEquals(limited.map(({ method }) => method).sort(), ["GET", "HEAD"]);
    assert((await quotaOf(bench))[0]?.blockedUntil !== null);
  },
});

Deno.test({
  name: "where little of a quota is left tags stay fresh for longer",
  ignore: noWorld,
  async fn() {
    for (const isLow of [false, true]) {
      await using bench = await startBench({ env: { CACHE_MANIFEST_TTL: "1s" } });
      await bench.world.seed("public/a");
      // Who is not limited is told that little is left.
      if (isLow) limit(bench.world.hubFront, []);
      assertEquals((await bench.ask(TAG)).status, 200);
      bench.world.clearRecords();
      await sleep(1500);
      assertEquals((await bench.ask(TAG)).status, 200);
      assertEquals(bench.world.hubFront.matching("HEAD", TAG).length, isLow ? 0 : 1);
    }
  },
});

const ACCOUNTS = {
  UPSTREAM_DOCKER_AUTH: "account",
  UPSTREAM_DOCKER_ACCOUNTS: JSON.stringify([ALICE, BOB]),
  CACHE_MANIFEST_TTL: "0",
};

Deno.test({
  name: "where one account is limited the next one is tried at once, and the first one rests",
  ignore: noWorld,
  async fn() {
    await using bench = await startBench({ env: ACCOUNTS });
    const { hubFront, tokens } = bench.world;
    const images = [await bench.world.seed("private/a"), await bench.world.seed("private/b")];
    limit(hubFront, ["alice"]);
    bench.world.clearRecords();
    for (const [i, image] of images.entries()) {
      const answer = await bench.ask(manifestPath(`private/${"ab"[i]}`, "1"));
      assertContent(answer, image.top);
      assertEquals(answer.headers.get("warning"), null);
    }
    assertEquals(countLimited(hubFront), 1);
    assertEquals(tokens.requests.map(({ user }) => user), ["alice", "bob", "bob"]);
    const quota = await quotaOf(bench);
    const shown = quota.map(({ holder, remaining, blockedUntil }) => [
      holder,
      remaining,
      blockedUntil !== null,
    ]);
    assertEquals(shown.sort(), [["account:alice", 0, true], ["account:bob", 7, false]]);
    assertFalse(JSON.stringify(quota).includes(ALICE.password));
  },
});

Deno.test({
  name: "a blob that one account may not have for the rate is had with the next one",
  ignore: noWorld,
  async fn() {
    await using bench = await startBench({ env: ACCOUNTS });
    const image = await bench.world.seed("private/a");
    const layer = layerOf(image);
    assertEquals((await bench.ask(manifestPath("private/a", "1"))).status, 200);
    limit(bench.world.hubFront, ["alice"], /\/blobs\//);
    assertContent(await bench.ask(blobPath("private/a", layer)), layer);
    assertEquals(countLimited(bench.world.hubFront), 1);
  },
});

Deno.test({
  name: "where every account is limited what is cached is served stale, and then comes a 429",
  ignore: noWorld,
  async fn() {
    await using bench = await startBench({ env: ACCOUNTS });
    const image = await bench.world.seed("private/a");
    assertEquals((await bench.ask(manifestPath("private/a", "1"))).status, 200);
    limit(bench.world.hubFront, ["alice", "bob"]);
    for (let i = 0; i < 3; i++) {
      const stale = await bench.ask(manifestPath("private/a", "1"));
      assertContent(stale, image.top);
      assertEquals(stale.headers.get("warning"), '110 - "Response is Stale"');
      const missing = await bench.ask(manifestPath("private/a", "other"));
      assertEquals([missing.status, ...errorCodes(missing)], [429, "TOOMANYREQUESTS"]);
      assert(Number(missing.headers.get("retry-after")) > 590);
    }
    // HEAD and GET, each with each account, once.
    assertEquals(countLimited(bench.world.hubFront), 4);
  },
});

Deno.test({
  name: "what the next account may not read is not refused for it, but for the rate",
  ignore: noWorld,
  async fn() {
    await using bench = await startBench({ env: ACCOUNTS });
    await bench.world.seed("alice/only");
    assertEquals((await bench.ask(manifestPath("alice/only", "1"))).status, 200);
    limit(bench.world.hubFront, ["alice"]);
    for (const [tag, status] of [["1", 200], ["other", 429]] as const) {
      const answer = await bench.ask(manifestPath("alice/only", tag));
      assertEquals(answer.status, status, answer.text);
    }
    assertEquals((await bench.ask(manifestPath("private/none", "1"))).status, 404);
  },
});

Deno.test({
  name: "a realm that limits an account is left for the next account",
  ignore: noWorld,
  async fn() {
    await using world = await startWorld();
    const image = await world.seed("private/a");
    await using realm = startRecorder({
      target: world.tokens.url,
      intercept: ({ headers }) =>
        headers.get("authorization") === basic(ALICE)
          ? new Response(null, { status: 429, headers: { "retry-after": "600" } })
          : undefined,
    });
    await using hub = startRecorder({
      target: world.registry.url,
      intercept: async (_request, forward) => {
        const response = await forward();
        const challenge = response.headers.get("www-authenticate");
        if (challenge !== null) {
          const moved = challenge.replace(world.tokens.url, realm.url);
          response.headers.set("www-authenticate", moved);
        }
        return response;
      },
    });
    await using product = await startEntrepot({
      env: { ...ACCOUNTS, UPSTREAM_DOCKER_URL: hub.url },
    });
    assertContent(await ask(product.url + manifestPath("private/a", "1")), image.top);
    assertEquals(countLimited(realm), 1);
  },
});
