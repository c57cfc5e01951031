import type { Upstream, UpstreamAuth } from "../../lib/config/config.ts";
import {
  createQuotaGovernor,
  holderOf,
  parseRateLimit,
  parseRetryAfter,
} from "../../lib/upstream/quota.ts";
import { assert, assertEquals, assertFalse } from "../support/assert.ts";

const AT = Date.parse("2026-01-01T00:00:00Z");

function upstreamOf(auth: UpstreamAuth = { kind: "relay" }): Upstream {
  return {
    alias: "docker",
    registry: "docker.io",
    names: ["docker.io"],
    url: new URL("https://registry-1.docker.io"),
    hasLibrary: true,
    auth,
    realms: [],
    redirect: "stream",
    tagTtl: [],
    push: "allow",
    maxConnections: 64,
  };
}

function answer(headers: Record<string, string>, status = 200): Response {
  return new Response(null, { status, headers });
}

function left(remaining: number, source = "203.0.113.7"): Response {
  return answer({
    "ratelimit-limit": "100;w=21600",
    "ratelimit-remaining": `${remaining};w=21600`,
    "docker-ratelimit-source": source,
  });
}

Deno.test("a rate limit is a count and a window", () => {
  assertEquals(parseRateLimit("100;w=21600"), { count: 100, windowSeconds: 21_600 });
  assertEquals(parseRateLimit("100, 100;w=60"), { count: 100, windowSeconds: 60 });
  assertEquals(parseRateLimit("7"), { count: 7, windowSeconds: null });
  for (const text of [null, "", "many", "-1"]) assertEquals(parseRateLimit(text), undefined);
});

Deno.test("Retry-After is seconds or a date", () => {
  assertEquals(parseRetryAfter("37", AT), 37);
  assertEquals(parseRetryAfter("Thu, 01 Jan 2026 00:01:00 GMT", AT), 60);
  assertEquals(parseRetryAfter("Wed, 31 Dec 2025 00:01:00 GMT", AT), 0);
  for (const text of [null, "", "soon"]) assertEquals(parseRetryAfter(text, AT), undefined);
});

Deno.test("a quota is shown with the address that it is for masked", () => {
  const quota = createQuotaGovernor({ now: () => AT });
  const cases = [["203.0.113.7", "203.0.*.*"], ["2001:db8:1:2::1", "2001:db8:*"]];
  for (const [source, shown] of cases) {
    quota.note(upstreamOf(), "anonymous", "check", left(20, source));
    assertEquals(quota.snapshot(), [{
      upstream: "docker.io",
      holder: "anonymous",
      limit: 100,
      remaining: 20,
      windowSeconds: 21_600,
      source: shown ?? "",
      seenAt: AT,
      blockedUntil: null,
    }]);
  }
  quota.note(upstreamOf(), "anonymous", "check", left(20, "a3f1c2d4-5678-90ab-cdef-1234567890ab"));
  assertFalse(JSON.stringify(quota.snapshot()).includes("a3f1c2d4"));
});

Deno.test("what says nothing of quotas leaves no trace", () => {
  const quota = createQuotaGovernor({ now: () => AT });
  quota.note(upstreamOf(), "anonymous", "pull", answer({}));
  assertEquals(quota.snapshot(), []);
});

Deno.test("callers with credentials are known by a hash, and as many as callers choose", () => {
  const quota = createQuotaGovernor({ now: () => AT });
  for (let i = 0; i < 5000; i++) {
    const holder = holderOf({ kind: "basic", value: btoa(`user${i}:secret`) });
    quota.note(upstreamOf(), holder, "pull", left(1));
  }
  const told = quota.snapshot();
  assert(told.length <= 2000);
  assert(told.every(({ holder }) => /^caller:[0-9a-f]{12}$/.test(holder)));
});

Deno.test("a holder rests as long as the registry says, and only from what was limited", () => {
  let now = AT;
  const quota = createQuotaGovernor({ now: () => now });
  const upstream = upstreamOf();
  quota.note(upstream, "anonymous", "pull", answer({ "retry-after": "30" }, 429));
  assertEquals(quota.restsUntil(upstream, "anonymous", "pull"), AT + 30_000);
  assertEquals(quota.restsUntil(upstream, "anonymous", "check"), 0);
  assertEquals(quota.restsUntil(upstream, "account:a", "pull"), 0);
  assertEquals(quota.snapshot()[0]?.blockedUntil, AT + 30_000);
  now = AT + 30_000;
  assertEquals(quota.restsUntil(upstream, "anonymous", "pull"), 0);
  assertEquals(quota.snapshot()[0]?.blockedUntil, null);
});

Deno.test("no registry's word rests a holder for more than an hour", () => {
  const quota = createQuotaGovernor({ now: () => AT });
  quota.note(upstreamOf(), "anonymous", "pull", answer({ "retry-after": "99999999" }, 429));
  assertEquals(quota.restsUntil(upstreamOf(), "anonymous", "pull"), AT + 3_600_000);
});

Deno.test("a limit without a time rests for a second, and for longer each time, up to a minute", () => {
  let now = AT;
  const quota = createQuotaGovernor({ now: () => now });
  const upstream = upstreamOf();
  const rests: number[] = [];
  for (let i = 0; i < 8; i++) {
    quota.note(upstream, "anonymous", "pull", answer({}, 429));
    const until = quota.restsUntil(upstream, "anonymous", "pull");
    rests.push((until - now) / 1000);
    now = until;
  }
  assertEquals(rests, [1, 2, 4, 8, 16, 32, 60, 60]);
  quota.note(upstream, "anonymous", "pull", answer({}));
  quota.note(upstream, "anonymous", "pull", answer({}, 429));
  assertEquals(quota.restsUntil(upstream, "anonymous", "pull"), now + 1000);
});

Deno.test("tags stay fresh for longer as the quota runs low", () => {
  let now = AT;
  const quota = createQuotaGovernor({ now: () => now });
  const upstream = upstreamOf();
  const factorAt = (remaining: number) => {
    quota.note(upstream, "anonymous", "check", left(remaining));
    return quota.ttlFactor(upstream);
  };
  assertEquals(quota.ttlFactor(upstream), 1);
  for (const remaining of [100, 21, 20]) assertEquals(factorAt(remaining), 1);
  assertEquals(Math.round(factorAt(10) * 100), 450);
  assertEquals(factorAt(0), 8);
  now += 21_601_000;
  assertEquals(quota.ttlFactor(upstream), 1);
});

Deno.test("of several accounts the one with most left decides how long tags stay fresh", () => {
  const quota = createQuotaGovernor({ now: () => AT });
  const others = [{ username: "b", password: "p" }];
  const upstream = upstreamOf({ kind: "account", username: "a", password: "p", others });
  quota.note(upstream, "account:a", "pull", left(0));
  assertEquals(quota.ttlFactor(upstream), 1);
  quota.note(upstream, "account:b", "pull", left(5));
  assertEquals(Math.round(quota.ttlFactor(upstream) * 100), 625);
  quota.note(upstream, "account:b", "pull", answer({ "retry-after": "9" }, 429));
  assertEquals(quota.ttlFactor(upstream), 8);
});
