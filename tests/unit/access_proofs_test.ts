import { assertEquals, assertRejects } from "../support/assert.ts";
import { ANONYMOUS, type Credential } from "../../lib/auth/credential.ts";
import { openSqliteIndex } from "../../lib/cache/sqlite_index.ts";
import { loadConfig } from "../../lib/config/load.ts";
import { RegistryError } from "../../lib/errors.ts";
import { createAccessProofs } from "../../lib/pull/access.ts";
import { parseDigest, parseRepository, parseTag } from "../../lib/reference.ts";
import type { Target } from "../../lib/routing/route.ts";
import type { Origin } from "../../lib/upstream/origin.ts";

const ALICE: Credential = { kind: "bearer", token: "alice" };
const BOB: Credential = { kind: "bearer", token: "bob" };

function known<T>(value: T | undefined): T {
  if (value === undefined) throw new Error("not a name");
  return value;
}

const { config } = loadConfig({ UPSTREAM_REGISTRY_HOST: "registry.example.test" }, () => "");

function target(repository: string, registry = config.defaultUpstream?.registry): Target {
  return {
    upstream: known(config.upstreams.find((upstream) => upstream.registry === registry)),
    addressing: { kind: "default" },
    repository: known(parseRepository(repository)),
    clientName: repository,
  };
}

const DIGEST = known(parseDigest(`sha256:${"a".repeat(64)}`));
const WANTED = { kind: "manifest", reference: DIGEST } as const;

/** Proofs before an origin that answers with a status, and a clock that stands still. */
function setUp(staleIfErrorSeconds = 3600) {
  const asked: string[] = [];
  const state = { status: 200, now: 1_000_000, asked };
  const fetch: Origin["fetch"] = (request) => {
    const { credential } = request;
    asked.push(`${request.path} ${credential.kind === "bearer" ? credential.token : "-"}`);
    if (state.status === 0) {
      return Promise.reject(new RegistryError("UNAVAILABLE", "down", { status: 502 }));
    }
    return Promise.resolve(new Response(null, { status: state.status }));
  };
  const index = openSqliteIndex(":memory:", () => state.now);
  const proofs = createAccessProofs({
    index,
    origin: { fetch, ask: () => Promise.reject(new Error("not asked here")) },
    staleIfErrorSeconds,
    onProof: () => {},
    now: () => state.now,
    lifetime: new AbortController().signal,
  });
  return { state, proofs, index };
}

Deno.test("what the upstream allowed is believed for a minute and then asked again", async () => {
  const { state, proofs, index } = setUp();
  using _ = index;
  const place = target("team/app");
  assertEquals(await proofs.prove(place, ALICE, WANTED), "proven");
  state.now += 59_000;
  assertEquals(await proofs.prove(place, ALICE, WANTED), "proven");
  assertEquals(state.asked.length, 1);
  state.now += 2_000;
  assertEquals(await proofs.prove(place, ALICE, WANTED), "proven");
  assertEquals(state.asked.length, 2);
});

Deno.test("a revocation upstream is seen within a minute, whatever its status", async () => {
  for (const status of [401, 403, 404]) {
    const { state, proofs, index } = setUp();
    using _ = index;
    const place = target("team/app");
    await proofs.prove(place, ALICE, WANTED);
    state.status = status;
    state.now += 60_001;
    const error = await assertRejects(() => proofs.prove(place, ALICE, WANTED), RegistryError);
    assertEquals(error.status, status);
  }
});

Deno.test("a proof is of one credential and one repository", async () => {
  const { state, proofs, index } = setUp();
  using _ = index;
  proofs.remember(target("team/app"), ALICE);
  await proofs.prove(target("team/app"), ALICE, WANTED);
  assertEquals(state.asked, []);
  state.status = 403;
  await assertRejects(() => proofs.prove(target("team/app"), BOB, WANTED), RegistryError);
  await assertRejects(() => proofs.prove(target("team/app"), ANONYMOUS, WANTED), RegistryError);
  await assertRejects(() => proofs.prove(target("team/other"), ALICE, WANTED), RegistryError);
  await assertRejects(() => proofs.prove(target("team/app/sub"), ALICE, WANTED), RegistryError);
});

Deno.test("a proof of one registry says nothing of another, even of the same repository", async () => {
  const { state, proofs, index } = setUp();
  using _ = index;
  proofs.remember(target("team/app", "ghcr.io"), ALICE);
  await proofs.prove(target("team/app", "ghcr.io"), ALICE, WANTED);
  assertEquals(state.asked, []);
  state.status = 403;
  await assertRejects(
    () => proofs.prove(target("team/app", "quay.io"), ALICE, WANTED),
    RegistryError,
  );
});

Deno.test("100,000 proofs are remembered, those used last, whatever the number of callers", async () => {
  const { state, proofs, index } = setUp();
  using _ = index;
  const place = target("team/app");
  const caller = (i: number): Credential => ({ kind: "bearer", token: `caller-${i}` });
  for (let i = 0; i <= 100_000; i++) proofs.remember(place, caller(i));
  await proofs.prove(place, caller(100_000), WANTED);
  await proofs.prove(place, caller(1), WANTED);
  assertEquals(state.asked, []);
  await proofs.prove(place, caller(0), WANTED);
  assertEquals(state.asked.length, 1);
});

Deno.test("what anybody may read, everybody may, without being asked about", async () => {
  const { state, proofs, index } = setUp();
  using _ = index;
  proofs.remember(target("public/app"), ANONYMOUS);
  state.status = 500;
  assertEquals(await proofs.prove(target("public/app"), BOB, WANTED), "proven");
  assertEquals(state.asked, []);
});

Deno.test("an upstream that is down leaves public content stale and private content closed", async () => {
  for (const status of [0, 429, 500, 503]) {
    const { state, proofs, index } = setUp();
    using _ = index;
    await proofs.prove(target("public/app"), ANONYMOUS, WANTED);
    await proofs.prove(target("team/app"), ALICE, WANTED);
    state.status = status;
    state.now += 61_000;
    assertEquals(await proofs.prove(target("public/app"), ANONYMOUS, WANTED), "stale");
    assertEquals(await proofs.prove(target("public/app"), BOB, WANTED), "stale");
    await assertRejects(() => proofs.prove(target("team/app"), ALICE, WANTED), RegistryError);
    // What was public too long ago to be believed is closed as well.
    state.now += 3600_000;
    await assertRejects(() => proofs.prove(target("public/app"), BOB, WANTED), RegistryError);
  }
});

Deno.test("a refusal of an anonymous caller ends what was remembered of a public repository", async () => {
  const { state, proofs, index } = setUp();
  using _ = index;
  const place = target("public/app");
  await proofs.prove(place, ANONYMOUS, WANTED);
  state.now += 61_000;
  state.status = 401;
  await assertRejects(() => proofs.prove(place, ANONYMOUS, WANTED), RegistryError);
  state.status = 503;
  await assertRejects(() => proofs.prove(place, ANONYMOUS, WANTED), RegistryError);
});

Deno.test("the right to read is asked for by HEAD of a manifest that is known, shared by all who ask", async () => {
  const { state, proofs, index } = setUp();
  using _ = index;
  const place = target("team/app");
  const stored = { registry: "registry.example.test", repository: place.repository };
  index.putLink(stored, DIGEST, "application/vnd.oci.image.index.v1+json");
  index.putTag(stored, known(parseTag("1")), { digest: DIGEST, checkedAt: 0 });
  const blob = { kind: "blob", digest: known(parseDigest(`sha256:${"b".repeat(64)}`)) } as const;
  await Promise.all([1, 2, 3].map(() => proofs.prove(place, ALICE, blob)));
  assertEquals(state.asked, [`manifests/${DIGEST} alice`]);
});
