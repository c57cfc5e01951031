/**
 * Private images and the engines beside Docker's: podman, and containerd with its OAuth2 requests.
 */
import { assert, assertEquals, assertMatch } from "../support/assert.ts";
import { has } from "../support/components.ts";
import { mirrorHosts, startContainerd } from "../support/containerd.ts";
import { startPodman } from "../support/podman.ts";
import type { Credentials } from "../support/push.ts";
import { ALICE, BOB, type TokenServerOptions } from "../support/token_server.ts";
import { assertSuccess, layeredImage, noWorld, startStage } from "./stage.ts";

Deno.test({
  name: "podman logs in at the upstream, and each user pulls what the upstream lets this user pull",
  ignore: noWorld || !has("podman"),
  async fn() {
    await using stage = await startStage();
    const { world, proxy } = stage;
    const { host } = proxy;
    // With no layer in common: podman asks for none that it has.
    await world.push("private/shared", layeredImage("shared", [1000]));
    await world.push("alice/own", layeredImage("own", [1000]));
    await using podman = await startPodman({ registries: [{ prefix: host, insecure: true }] });
    const login = ({ username, password }: Credentials) =>
      podman.podman("login", "-u", username, "-p", password, host);
    const pull = (name: string) => podman.podman("pull", "-q", `${host}/${name}:1`);
    const assertDenied = async (name: string) => {
      const refused = await pull(name);
      assertEquals(refused.code, 125, refused.stdout);
      assertMatch(refused.stderr, /denied|unauthorized|authentication required/);
    };

    const wrong = await login({ ...ALICE, password: "wrong" });
    assertEquals(wrong.code, 125);
    assertMatch(wrong.stderr, /invalid username\/password/);
    await assertDenied("private/shared");

    assertSuccess(await login(ALICE));
    for (const name of ["alice/own", "private/shared", "ghcr.io/alice/own"]) {
      assertSuccess(await pull(name));
    }
    assertSuccess(await podman.podman("rmi", "--all", "--force"));
    assertSuccess(await podman.podman("logout", host));

    assertSuccess(await login(BOB));
    await assertDenied("alice/own");
    await assertDenied("ghcr.io/alice/own");
    world.clearRecords();
    assertSuccess(await pull("private/shared"));
    assertEquals(stage.blobsUpstream(), []);
  },
});

const CONTAINERD: { what: string; token: TokenServerOptions; methods: string[] }[] = [
  { what: "by POST", token: {}, methods: ["POST"] },
  { what: "by POST with refresh tokens", token: { refresh: true }, methods: ["POST"] },
  // The realm's refusal of POST has to reach the client, which then tries GET.
  {
    what: "by GET where the realm takes no POST",
    token: { noPost: true },
    methods: ["POST", "GET"],
  },
];

for (const { what, token, methods } of CONTAINERD) {
  Deno.test({
    name: `containerd pulls private images with a user's password ${what}`,
    ignore: noWorld || !has("containerd"),
    async fn() {
      await using stage = await startStage({ world: { token } });
      const { world, proxy } = stage;
      await world.seed("alice/own");
      await using containerd = await startContainerd({
        registries: { "docker.io": mirrorHosts("docker.io", proxy.url) },
      });
      const pull = (name: string, credentials?: Credentials) => {
        const user = credentials === undefined
          ? []
          : ["--user", `${credentials.username}:${credentials.password}`];
        return name.startsWith(proxy.host)
          ? containerd.ctr("images", "pull", "--plain-http", ...user, name)
          : containerd.pull(name, ...user);
      };
      const names = [
        `${proxy.host}/alice/own:1`,
        `${proxy.host}/ghcr.io/alice/own:1`,
        "docker.io/alice/own:1",
      ];
      for (const name of names) {
        world.clearRecords();
        assertSuccess(await pull(name, ALICE));
        const asked = world.tokens.requests.filter(({ user }) => user === ALICE.username);
        assertEquals([...new Set(asked.map(({ method }) => method))], methods);
        for (const other of [undefined, BOB, { ...ALICE, password: "wrong" }]) {
          const refused = await pull(name, other);
          assert(refused.code !== 0, `${name} for ${other?.username}: ${refused.stdout}`);
        }
      }
    },
  });
}
