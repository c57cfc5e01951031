import { RegistryError } from "../../lib/errors.ts";
import type { Outbound, OutboundRequest } from "../../lib/outbound.ts";
import { createHealthWatch, type HealthWatch } from "../../lib/upstream/health.ts";
import { assertEquals, assertMatch, assertRejects } from "../support/assert.ts";

/** A host whose answers the test decides, one by one, and a clock that the test turns. */
class Stage implements Disposable {
  now = 1_000_000;
  readonly asked: OutboundRequest[] = [];
  readonly watch: HealthWatch;
  readonly #pending: PromiseWithResolvers<Response>[] = [];
  readonly #lifetime = new AbortController();

  constructor() {
    const outbound: Outbound = (request) => {
      this.asked.push(request);
      const pending = Promise.withResolvers<Response>();
      this.#pending.push(pending);
      return pending.promise;
    };
    const lifetime = this.#lifetime.signal;
    this.watch = createHealthWatch({ outbound, now: () => this.now, lifetime });
  }

  ask(path = "/v2/a/manifests/1"): Promise<Response> {
    const url = new URL(path, "https://registry.test");
    const { signal } = this.#lifetime;
    return this.watch.outbound({ url, signal, peer: "registry.test" });
  }

  /** Lets a question end like this after so many milliseconds, and all that follows from it. */
  async settle(
    index: number,
    outcome: number | "late" | "refused",
    afterMs: number,
  ): Promise<void> {
    this.now += afterMs;
    const pending = this.#pending[index];
    if (typeof outcome === "number") pending?.resolve(new Response(null, { status: outcome }));
    else {
      const status = outcome === "late" ? 504 : 502;
      pending?.reject(new RegistryError("UNAVAILABLE", `it was ${outcome}`, { status }));
    }
    await new Promise((resolve) => setTimeout(resolve, 0));
  }

  /** A question that waits for its time-out, and with it the first trial, question number 1. */
  async fail(): Promise<void> {
    const first = assertRejects(() => this.ask(), RegistryError, "it was late");
    await this.settle(0, "late", 30_000);
    await first;
  }

  get state(): string | undefined {
    return this.watch.snapshot()[0]?.state;
  }

  [Symbol.dispose](): void {
    this.#lifetime.abort();
  }
}

Deno.test("after a time-out one question finds out more, and requests fail with what is known", async () => {
  using stage = new Stage();
  await stage.fail();
  assertEquals([stage.asked.length, stage.asked[1]?.method, stage.asked[1]?.url.href], [
    2,
    "HEAD",
    "https://registry.test/v2/",
  ]);
  assertEquals(stage.asked[1]?.headers, undefined);
  stage.now += 1_000;
  for (let i = 0; i < 5; i++) {
    const error = await assertRejects(() => stage.ask(), RegistryError);
    assertEquals([error.status, error.code], [504, "UNAVAILABLE"]);
    assertMatch(error.message, /^it was late; it is asked again in \d+ s$/);
    assertMatch(error.headers.get("retry-after") ?? "", /^\d+$/);
  }
  assertEquals([stage.asked.length, stage.state], [2, "resting"]);
});

Deno.test("a host that answers again is asked by everybody at once", async () => {
  using stage = new Stage();
  await stage.fail();
  const waiting = stage.ask();
  await stage.settle(1, 401, 10);
  await stage.settle(2, 200, 10);
  assertEquals([(await waiting).status, stage.asked.length], [200, 3]);
  assertEquals(stage.state, "up");
});

Deno.test("trials are ten seconds apart, then twenty, then up to a minute", async () => {
  using stage = new Stage();
  await stage.fail();
  for (const [i, rest] of [10, 20, 40, 60, 60].entries()) {
    await stage.settle(i + 1, "late", 30_000);
    stage.now += rest * 1000 - 1;
    await assertRejects(() => stage.ask(), RegistryError, "asked again in 1 s");
    assertEquals(stage.asked.length, i + 2);
    stage.now += 1;
    const trying = assertRejects(() => stage.ask(), RegistryError, "it was late");
    assertEquals(stage.asked.length, i + 3);
    // Whoever waits for a trial does so for a moment only.
    await trying;
  }
});

Deno.test("a failure that costs no time is no reason not to ask", async () => {
  using stage = new Stage();
  for (let i = 0; i < 3; i++) {
    const question = assertRejects(() => stage.ask(), RegistryError, "it was refused");
    await stage.settle(i, "refused", 1);
    await question;
  }
  assertEquals([stage.asked.length, stage.state], [3, "down"]);
});

Deno.test("one time-out among answers is no outage", async () => {
  using stage = new Stage();
  const slow = assertRejects(() => stage.ask(), RegistryError, "it was late");
  stage.now += 29_000;
  const quick = stage.ask("/v2/b/manifests/1");
  await stage.settle(1, 200, 10);
  assertEquals((await quick).status, 200);
  await stage.settle(0, "late", 990);
  await slow;
  assertEquals([stage.asked.length, stage.watch.snapshot()[0]?.lastError], [2, "it was late"]);
  const next = stage.ask();
  await stage.settle(2, 200, 10);
  assertEquals([(await next).status, stage.state], [200, "up"]);
});

Deno.test("hosts are told by what they last did, with a moving average of their latency", async () => {
  using stage = new Stage();
  for (const [i, latency] of [100, 200].entries()) {
    const question = stage.ask();
    await stage.settle(i, 200, latency);
    await question;
  }
  assertEquals(stage.watch.snapshot(), [{
    upstream: "registry.test",
    host: "registry.test",
    state: "up",
    lastSuccessAt: stage.now,
    lastFailureAt: null,
    lastError: null,
    latencyMs: 120,
  }]);
});
