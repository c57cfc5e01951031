/** `doctor` names what is wrong with set-ups that are broken on purpose, and only that. */
import { assert, assertEquals, assertStringIncludes } from "../support/assert.ts";
import { createCa } from "../support/ca.ts";
import { canUnshare, has } from "../support/components.ts";
import { PROJECT, runEntrepot, startCommand, startEntrepot } from "../support/entrepot.ts";
import { freePort } from "../support/ports.ts";
import { type Output, run } from "../support/process.ts";
import { startRecorder } from "../support/recorder.ts";
import { tempDir } from "../support/temp.ts";
import { startTlsFront } from "../support/tls_front.ts";
import { ALICE } from "../support/token_server.ts";
import { startWorld, type World } from "../support/world.ts";

const ignore = !has("docker-registry") || !has("openssl");

interface Finding {
  kind: "fine" | "warning" | "fault";
  code: string;
  subject: string;
  message: string;
  fix?: string;
}

/** What is wrong, as its codes, after checks of what every answer must be. */
function faultsOf({ code, stdout, stderr }: Output): Finding[] {
  const findings: Finding[] = JSON.parse(stdout || "[]");
  assert(findings.length > 0, stderr);
  const faults = findings.filter(({ kind }) => kind === "fault");
  assertEquals(code, faults.length > 0 ? 1 : 0, stdout);
  assertEquals(stdout.includes(ALICE.password), false);
  return faults;
}

function codes(findings: Finding[]): string[] {
  return findings.map(({ code }) => code);
}

/** Before a world, with everything in order unless the environment says otherwise. */
async function examine(
  world: World,
  env: Record<string, string> = {},
  args: string[] = [],
): Promise<Finding[]> {
  await using folder = await tempDir("doctor");
  const all = {
    UPSTREAM_DOCKER_URL: world.hubFront.url,
    CACHE_DIR: folder.join("cache"),
    PORT: String(freePort()),
    HOST: "127.0.0.1",
    ...env,
  };
  return faultsOf(await runEntrepot(["doctor", "--json", ...args, "docker"], { env: all }));
}

Deno.test({
  name: "what is in order is found to be, and read by people",
  ignore,
  async fn() {
    await using world = await startWorld();
    const account = {
      UPSTREAM_DOCKER_AUTH: "account",
      UPSTREAM_DOCKER_USERNAME: ALICE.username,
      UPSTREAM_DOCKER_PASSWORD: ALICE.password,
    };
    assertEquals(await examine(world), []);
    assertEquals(await examine(world, account), []);
    await using folder = await tempDir("doctor");
    const { code, stdout } = await runEntrepot(["doctor", "docker"], {
      env: {
        UPSTREAM_DOCKER_URL: world.hubFront.url,
        PORT: String(freePort()),
        CACHE_DIR: folder.join("cache"),
      },
    });
    assertEquals(code, 0);
    assertStringIncludes(stdout, "docker.io: reached, and it has the same time\n");
    assertStringIncludes(stdout, "\n0 faults, 0 warnings\n");
    assertEquals([...Deno.readDirSync(folder.path)], []);
  },
});

Deno.test({
  name: "without DNS the fault is the machine's, not that of every registry",
  ignore: !canUnshare(),
  async fn() {
    const [deno, ...args] = await startCommand();
    const isolated = await run("unshare", ["-n", deno, ...args, "doctor", "--json"], {
      cwd: PROJECT,
      env: { CACHE_DIR: "/tmp" },
    });
    const [fault, ...others] = faultsOf(isolated);
    assertEquals([fault?.code, fault?.message, others], ["dns", "no name can be resolved", []]);
  },
});

Deno.test({
  name: "what an upstream's side is wrong about is named with the key that mends it",
  ignore,
  async fn(t) {
    await using world = await startWorld();

    await t.step("a name that does not exist", async () => {
      const [fault] = await examine(world, { UPSTREAM_DOCKER_URL: "http://registry.invalid" });
      assertEquals(fault?.code, "dns");
      assertStringIncludes(fault?.message ?? "", "registry.invalid cannot be resolved");
      assertStringIncludes(fault?.fix ?? "", "UPSTREAM_DOCKER_URL");
    });

    await t.step("it is down", async () => {
      const down = `http://127.0.0.1:${freePort()}`;
      const faults = await examine(world, { UPSTREAM_DOCKER_URL: down });
      assertEquals(codes(faults), ["upstream"]);
      assertStringIncludes(faults[0]?.message ?? "", "connection refused");
    });

    await t.step("its certificate is of an authority that is not trusted", async () => {
      await using ca = await createCa();
      const certificate = await ca.issue("localhost");
      await using front = startTlsFront({ certificate, target: world.hubFront.url });
      const env = { UPSTREAM_DOCKER_URL: `https://localhost:${front.port}` };
      const faults = await examine(world, env);
      assertEquals(codes(faults), ["tls"]);
      assertStringIncludes(faults[0]?.message ?? "", "not trusted");
      assertStringIncludes(faults[0]?.fix ?? "", "DENO_CERT");
      const trusting = await examine(world, { ...env, DENO_CERT: ca.certFile });
      assertEquals(codes(trusting), ["realm"], "an http realm of an https registry");
      assertStringIncludes(trusting[0]?.message ?? "", "a realm must be https");
    });

    await t.step("the clock is off by a day", async () => {
      await using tomorrow = startRecorder({
        target: world.hub.url,
        async intercept(_request, forward) {
          const response = await forward();
          response.headers.set("date", new Date(Date.now() + 86_400_000).toUTCString());
          return response;
        },
      });
      const faults = await examine(world, { UPSTREAM_DOCKER_URL: tomorrow.url });
      assertEquals(codes(faults), ["clock"]);
      assertStringIncludes(faults[0]?.message ?? "", "1440 minutes before");
    });

    await t.step("the account's password is wrong", async () => {
      const faults = await examine(world, {
        UPSTREAM_DOCKER_AUTH: "account",
        UPSTREAM_DOCKER_USERNAME: ALICE.username,
        UPSTREAM_DOCKER_PASSWORD: "not hers",
      });
      assertEquals(codes(faults).includes("credentials"), true);
      assertStringIncludes(faults[0]?.fix ?? "", "UPSTREAM_DOCKER_USERNAME");
    });

    await t.step("the pull quota is used up", async () => {
      for (const [status, headers] of QUOTA_ANSWERS) {
        world.hubFront.intercept = (request) =>
          request.url.includes("/ratelimitpreview/")
            ? new Response(null, { status, headers })
            : undefined;
        const faults = await examine(world);
        assertEquals(codes(faults), ["quota"]);
        assertStringIncludes(faults[0]?.message ?? "", "used up");
      }
      world.hubFront.intercept = undefined;
    });
  },
});

const QUOTA_ANSWERS: [number, Record<string, string>][] = [
  [429, { "retry-after": "600" }],
  [200, { "ratelimit-limit": "100;w=21600", "ratelimit-remaining": "0;w=21600" }],
];

Deno.test({
  name: "what this machine lacks is named with the key that mends it",
  ignore,
  async fn(t) {
    await using world = await startWorld();

    await t.step("the port is another program's", async () => {
      await using other = startRecorder({ target: world.hub.url });
      const faults = await examine(world, { PORT: String(other.port) });
      assertEquals(codes(faults), ["port"]);
      assertStringIncludes(faults[0]?.fix ?? "", "PORT");
    });

    await t.step("the cache cannot be written", async () => {
      const faults = await examine(world, { CACHE_DIR: "/proc/entrepot" });
      assertEquals(codes(faults), ["disk"]);
      assertStringIncludes(faults[0]?.fix ?? "", "CACHE_DIR");
    });
  },
});

Deno.test({
  name: "the way by which clients come is looked at from their side",
  ignore,
  async fn(t) {
    await using world = await startWorld();
    await using ca = await createCa();
    const certificate = await ca.issue("localhost");
    await using proxy = await startEntrepot({ env: { UPSTREAM_DOCKER_URL: world.hubFront.url } });
    await using front = startTlsFront({ certificate, target: proxy.url });
    const publicUrl = `https://localhost:${front.port}`;
    const own = { PORT: String(proxy.port), DENO_CERT: ca.certFile };

    await t.step("a proxy behind TLS that names an http realm", async () => {
      const faults = await examine(world, own, ["--address", publicUrl]);
      assertEquals(codes(faults), ["realm"]);
      assertStringIncludes(faults[0]?.fix ?? "", `PUBLIC_URL=${publicUrl}`);
    });

    await t.step("PUBLIC_URL leads to something else", async () => {
      const faults = await examine(world, { ...own, PUBLIC_URL: world.hub.url });
      assertEquals(codes(faults), ["public_url"]);
      assertStringIncludes(faults[0]?.fix ?? "", "PUBLIC_URL");
    });

    await t.step("mended, it is found to be in order", async () => {
      await proxy.restart({ PUBLIC_URL: publicUrl });
      assertEquals(await examine(world, { ...own, PUBLIC_URL: publicUrl }), []);
    });
  },
});
