import { createSealer } from "../../lib/push/seal.ts";
import type { Upstream } from "../../lib/config/config.ts";
import { parseRepository } from "../../lib/reference.ts";
import type { Target } from "../../lib/routing/route.ts";
import { assert, assertEquals, assertMatch, assertNotEquals } from "../support/assert.ts";

const URL_TEXT = "https://storage.example.com/u/1?sig=a%2Fb+c==&x#";
const DAY_MS = 24 * 3600 * 1000;

function targetOf(alias: string, name: string, url = "https://ghcr.io"): Target {
  const repository = parseRepository(name);
  assert(repository !== undefined);
  const upstream: Upstream = {
    ...{ alias, registry: "ghcr.io", names: ["ghcr.io"], url: new URL(url), hasLibrary: false },
    ...{ auth: { kind: "relay" }, realms: [], redirect: "stream", push: "allow" },
    maxConnections: 64,
    ...{ auth: { kind: "relay" }, realms: [], redirect: "stream", tagTtl: [], push: "allow" },
  };
  return { upstream, addressing: { kind: "default" }, repository, clientName: name };
}

Deno.test("a seal opens for its own upstream and repository alone", () => {
  const sealer = createSealer(null, () => 0);
  const target = targetOf("ghcr", "a/b");
  const seal = sealer.seal(new URL(URL_TEXT), target);
  assertEquals(sealer.open(seal, target)?.href, URL_TEXT);
  assertEquals(sealer.open(seal, targetOf("ghcr", "a/c")), undefined);
  assertEquals(sealer.open(seal, targetOf("quay", "a/b")), undefined);
  assertEquals(sealer.open(seal, targetOf("ghcr", "a/b", "https://evil.test")), undefined);
});

Deno.test("a seal says nothing, is different each time, and can stand in a path", () => {
  const sealer = createSealer(null, () => 0);
  const target = targetOf("ghcr", "a/b");
  const seal = sealer.seal(new URL(URL_TEXT), target);
  assertMatch(seal, /^(~[A-Za-z0-9_-]{1,15})+$/);
  assertNotEquals(seal, sealer.seal(new URL(URL_TEXT), target));
  assert(seal.length > 64, "no session of a registry is as long");
});

Deno.test("a seal is good for a day", () => {
  let now = 0;
  const sealer = createSealer(null, () => now);
  const target = targetOf("ghcr", "a/b");
  const seal = sealer.seal(new URL(URL_TEXT), target);
  now = DAY_MS - 1;
  assert(sealer.open(seal, target) !== undefined);
  now = DAY_MS;
  assertEquals(sealer.open(seal, target), undefined);
});

Deno.test("who shares the secret shares the seals, and nobody else", () => {
  const target = targetOf("ghcr", "a/b");
  const seal = createSealer("s".repeat(32), () => 0).seal(new URL(URL_TEXT), target);
  assertEquals(createSealer("s".repeat(32), () => 0).open(seal, target)?.href, URL_TEXT);
  assertEquals(createSealer("t".repeat(32), () => 0).open(seal, target), undefined);
  assertEquals(createSealer(null, () => 0).open(seal, target), undefined);
});

Deno.test("every single change of a seal breaks it", () => {
  const sealer = createSealer(null, () => 0);
  const target = targetOf("ghcr", "a/b");
  const seal = sealer.seal(new URL(URL_TEXT), target);
  for (let at = 0; at < seal.length; at++) {
    for (const letter of ["A", "_", "~", "", "%"]) {
      const changed = seal.slice(0, at) + letter + seal.slice(at + 1);
      if (changed !== seal) assertEquals(sealer.open(changed, target), undefined, changed);
    }
  }
  for (const text of ["", "~", "~~~~", "~AAAA", "~".repeat(500), "ü", "~" + "A".repeat(200)]) {
    assertEquals(sealer.open(text, target), undefined, text);
  }
});
