/**
 * Secrets on their way: with every line of the debug log on, none is written down, none is told to
 * a client that did not send it, and each reaches those that it is meant for only.
 */
import { assert, assertEquals, assertFalse } from "../support/assert.ts";
import { unwrapTokens } from "../../lib/auth/credential.ts";
import { freePort } from "../support/ports.ts";
import { basic } from "../support/push.ts";
import { cutAfter, describeAuthorization } from "../support/recorder.ts";
import { ALICE, BOB } from "../support/token_server.ts";
import {
  type Answer,
  type AskOptions,
  type Bench,
  blobPath,
  layerOf,
  manifestPath,
  noWorld,
  onBlobRead,
  startBench,
} from "./pulling.ts";

const ACCOUNT_PASSWORD = "canary-account-password";
const DEBUG = { DEBUG: "true", UPSTREAM_IDLE_TIMEOUT: "1s" };

/** A bench that collects what clients were told, and what must not be written anywhere. */
class Watch {
  readonly bench: Bench;
  readonly bodies: string[] = [];
  readonly secrets = new Set<string>();

  constructor(bench: Bench) {
    this.bench = bench;
    for (const user of [ALICE, BOB]) {
      this.secrets.add(user.password).add(basic(user).replace("Basic ", ""));
    }
  }

  async ask(path: string, options: AskOptions = {}): Promise<Answer> {
    const answer = await this.bench.ask(path, options);
    const head = [...answer.headers].map(([name, value]) => `${name}: ${value}`).join("\n");
    this.bodies.push(`${head}\n${answer.text}`);
    return answer;
  }

  /** A token of the product's realm, whose answer may hold it. */
  async token(credentials: typeof ALICE, repository: string): Promise<string> {
    const token = await this.bench.token(credentials, repository);
    this.secrets.add(token);
    for (const inner of Object.values(unwrapTokens(token) ?? {})) this.secrets.add(inner);
    return token;
  }

  /** Makes the hub redirect blobs here, with a signature of its own. */
  redirectTo(location: string): void {
    this.secrets.add(/X-Amz-Signature=(.*)$/.exec(location)?.[1] ?? "");
    this.bench.world.hubFront.intercept = async (_request, forward) => {
      const response = await forward();
      return response.status === 307
        ? new Response(null, { status: 307, headers: { location } })
        : response;
    };
  }

  /** Ends the product, so that its log is whole, and looks for every secret. */
  async assertNothingTold(): Promise<void> {
    await this.bench.product.stop();
    const log = await this.bench.output();
    assert(log.includes('"level":"DEBUG"'));
    for (const secret of this.secrets) {
      assert(secret.length > 4, `${secret} is no secret to look for`);
      assertFalse(log.includes(secret), `the log tells ${secret}`);
      for (const body of this.bodies) assertFalse(body.includes(secret), `${secret} in ${body}`);
    }
    for (const text of [log, ...this.bodies]) assertFalse(text.includes("X-Amz-Signature"), text);
  }
}

Deno.test({
  name: "pulls and logins that succeed write down no password, token or signed URL",
  ignore: noWorld,
  async fn() {
    await using bench = await startBench({
      world: { token: { refresh: true } },
      env: {
        ...DEBUG,
        UPSTREAM_GHCR_AUTH: "account",
        UPSTREAM_GHCR_USERNAME: "alice",
        UPSTREAM_GHCR_PASSWORD: ALICE.password,
      },
    });
    const watch = new Watch(bench);
    const image = await bench.world.seed("private/a");
    const signatures: string[] = [];
    bench.world.hubFront.intercept = async (_request, forward) => {
      const response = await forward();
      const location = URL.parse(response.headers.get("location") ?? "");
      signatures.push(location?.searchParams.get("X-Amz-Signature") ?? "no signature here");
      return response;
    };
    const token = await watch.token(ALICE, "private/a");
    for (const round of ["miss", "hit"]) {
      for (const blob of image.blobs) {
        for (const method of ["HEAD", "GET"]) {
          const answer = await watch.ask(blobPath("private/a", blob), { method, token });
          assertEquals(answer.status, 200, round);
        }
      }
      assertEquals((await watch.ask(manifestPath("private/a", "1"), { token })).status, 200);
      await bench.settle();
    }
    const basicHeaders = { authorization: basic(BOB) };
    await watch.ask(manifestPath("private/a", "1"), { headers: basicHeaders });
    await watch.ask(manifestPath("ghcr.io/private/a", "1"), { token });
    await watch.ask("/v2/?access_token=canary-in-the-query", { token });
    watch.secrets.add("canary-in-the-query");

    const body = new URLSearchParams({
      grant_type: "password",
      ...BOB,
      access_type: "offline",
      scope: "repository:private/a:pull",
    });
    const login = await bench.ask("/v2/auth", { method: "POST", body });
    const given: { refresh_token: string; access_token: string } = JSON.parse(login.text);
    watch.secrets.add(given.refresh_token).add(given.access_token);
    for (const inner of Object.values(unwrapTokens(given.refresh_token) ?? {})) {
      watch.secrets.add(inner);
    }
    const refresh = new URLSearchParams({ grant_type: "refresh_token", ...given });
    assertEquals((await bench.ask("/v2/auth", { method: "POST", body: refresh })).status, 200);
    for (const signature of signatures) watch.secrets.add(signature);
    await watch.assertNothingTold();
  },
});

Deno.test({
  name: "failures of every kind write down no signed URL and no credential",
  ignore: noWorld,
  async fn() {
    await using bench = await startBench({
      env: {
        ...DEBUG,
        UPSTREAM_GHCR_AUTH: "account",
        UPSTREAM_GHCR_USERNAME: "alice",
        UPSTREAM_GHCR_PASSWORD: ACCOUNT_PASSWORD,
      },
    });
    const watch = new Watch(bench);
    watch.secrets.add(ACCOUNT_PASSWORD);
    const image = await bench.world.seed("private/a");
    const layer = layerOf(image);
    const token = await watch.token(ALICE, "private/a");
    const failing = [
      `http://127.0.0.1:${freePort()}/unreachable?X-Amz-Signature=canary-unreachable`,
      "http://storage.invalid/no-name?X-Amz-Signature=canary-no-name",
      "http://10.0.0.1/private?X-Amz-Signature=canary-private",
      "http://user:canary-userinfo@10.0.0.1/x?X-Amz-Signature=canary-user",
      "gopher://127.0.0.1/scheme?X-Amz-Signature=canary-scheme",
      "http://[bad/broken?X-Amz-Signature=canary-broken",
      `${bench.world.s3.blobUrl(layer.digest)}?X-Amz-Signature=canary-refused`,
    ];
    watch.secrets.add("canary-userinfo");
    for (const location of failing) {
      watch.redirectTo(location);
      for (const method of ["GET", "HEAD"]) {
        const answer = await watch.ask(blobPath("private/a", layer), { method, token });
        assertEquals(answer.status, 502, location);
      }
    }
    bench.world.hubFront.intercept = undefined;

    let cuts = 0;
    onBlobRead(
      bench.world,
      layer,
      async (_request, serve) => ++cuts === 1 ? cutAfter(await serve(), 100) : await serve(),
    );
    assertEquals((await watch.ask(blobPath("private/a", layer), { token })).status, 200);

    const wrong = { username: "alice", password: "canary-wrong-password" };
    watch.secrets.add(wrong.password).add(basic(wrong).replace("Basic ", ""));
    watch.secrets.add("canary.raw.token").add("canary-refresh-token");
    const headers = { authorization: basic(wrong) };
    await watch.ask("/v2/auth?scope=repository:private/a:pull", { headers });
    await watch.ask(manifestPath("private/a", "1"), { headers });
    await watch.ask(manifestPath("private/a", "1"), { token: "canary.raw.token" });
    await watch.ask(manifestPath("ghcr.io/private/a", "1"), { token });
    for (
      const form of [
        { grant_type: "password", ...wrong },
        { grant_type: "refresh_token", refresh_token: "canary-refresh-token" },
        { grant_type: "none", ...wrong },
      ]
    ) {
      await watch.ask("/v2/auth", { method: "POST", body: new URLSearchParams(form) });
    }

    const realms = [
      "http://foreign.invalid/token?canary-realm-query=1",
      `http://127.0.0.1:${freePort()}/token?canary-realm-query=1`,
      "http://user:canary-realm-userinfo@127.0.0.1/token",
    ];
    watch.secrets.add("canary-realm-query").add("canary-realm-userinfo");
    for (const realm of realms) {
      const challenge = `Bearer realm="${realm}",service="x"`;
      bench.world.hubFront.intercept = () =>
        new Response(null, { status: 401, headers: { "www-authenticate": challenge } });
      await watch.ask(manifestPath("private/b", "1"));
      const login = { headers: { authorization: basic(ALICE) } };
      const answer = await watch.ask("/v2/auth?scope=repository:private/b:pull", login);
      assertEquals(answer.status, 502, realm);
    }
    await watch.assertNothingTold();
  },
});

Deno.test({
  name: "each credential is seen by those only whom it is meant for",
  ignore: noWorld,
  async fn() {
    await using bench = await startBench();
    const image = await bench.world.seed("private/a");
    bench.world.clearRecords();
    const token = await bench.token(ALICE, "private/a");
    const authorization = basic(BOB);
    for (const path of [manifestPath("private/a", "1"), blobPath("private/a", layerOf(image))]) {
      await bench.ask(path, { token });
      await bench.ask(path, { headers: { authorization } });
      await bench.ask(path.replace("/v2/", "/v2/ghcr.io/"), { token });
    }
    const hash = (value: string) => describeAuthorization(value)?.hash ?? "";
    const passwords = [hash(basic(ALICE)), hash(authorization)];
    const inner = unwrapTokens(token)?.["docker"] ?? "";
    const { hubFront, registryFront, s3, tokens } = bench.world;
    const seen = ({ requests }: typeof hubFront) =>
      requests.flatMap((request) => request.authorization?.hash ?? []);
    assert(seen(hubFront).includes(hash(`Bearer ${inner}`)));
    for (const secret of [...passwords, hash(`Bearer ${token}`)]) {
      assertFalse(seen(hubFront).includes(secret));
      assertFalse(seen(registryFront).includes(secret));
    }
    assertFalse(seen(registryFront).includes(hash(`Bearer ${inner}`)));
    assertFalse(
      s3.requests.some(({ isPresigned, hasAuthorization }) => isPresigned && hasAuthorization),
    );
    assertEquals([...new Set(tokens.requests.map(({ user }) => user))].toSorted(), [
      "alice",
      "bob",
      null,
    ]);
  },
});
