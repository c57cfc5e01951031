import type { OutboundRequest } from "../../lib/outbound.ts";
import { createConnectionLimit } from "../../lib/upstream/connections.ts";
import { assert, assertEquals, assertRejects } from "../support/assert.ts";

const PEER = "registry.test";

/** A limit of two before a way out that answers with the body that is given. */
function limitOf(answer: () => Response | Promise<Response>): {
  ask: (request?: Partial<OutboundRequest>) => Promise<Response>;
  active: () => number | undefined;
} {
  const limit = createConnectionLimit({
    outbound: () => Promise.resolve(answer()),
    max: new Map([[PEER, 2]]),
    idleSeconds: 60,
  });
  return {
    ask: (request = {}) =>
      limit.outbound({
        url: new URL("https://registry.test/v2/"),
        peer: PEER,
        signal: new AbortController().signal,
        ...request,
      }),
    active: () => limit.snapshot().find(({ upstream }) => upstream === PEER)?.active,
  };
}

const BYTES = new Uint8Array(300_000).map((_, i) => i % 251);

Deno.test("a connection is held until its body is read, by whatever kind of reader", async () => {
  const { ask, active } = limitOf(() => new Response(new Blob([BYTES])));
  for (const read of [readWhole, readByob, readEach]) {
    const response = await ask();
    assertEquals(active(), 1, read.name);
    assertEquals(await read(response), BYTES, read.name);
    assertEquals(active(), 0, read.name);
  }
});

Deno.test("a body that is cancelled, before or while it is read, frees its connection", async () => {
  const { ask, active } = limitOf(() => new Response(new Blob([BYTES])));
  await (await ask()).body?.cancel();
  assertEquals(active(), 0);
  const reader = (await ask()).body?.getReader({ mode: "byob" });
  await reader?.read(new Uint8Array(10));
  assertEquals(active(), 1);
  await reader?.cancel();
  assertEquals(active(), 0);
});

Deno.test("what has no body, fails or breaks holds no connection", async () => {
  let answer: () => Response = () => new Response(null, { status: 204 });
  const { ask, active } = limitOf(() => answer());
  await ask();
  assertEquals(active(), 0);
  answer = () => {
    throw new Error("not reached");
  };
  await assertRejects(() => ask(), Error, "not reached");
  assertEquals(active(), 0);
  answer = () =>
    new Response(
      new ReadableStream({
        type: "bytes",
        pull() {
          throw new Error("broken");
        },
      }),
    );
  const response = await ask();
  await assertRejects(() => response.bytes(), Error, "broken");
  assertEquals(active(), 0);
});

Deno.test("a request that ends frees its connection, whether or not its body was read", async () => {
  const { ask, active } = limitOf(() => new Response(new Blob([BYTES])));
  const ended = new AbortController();
  const response = await ask({ signal: ended.signal });
  assertEquals(active(), 1);
  ended.abort();
  assertEquals(active(), 0);
  await response.body?.cancel();
});

Deno.test("a body that is handed on untouched is held until its request is finished", async () => {
  const { ask, active } = limitOf(() => new Response(new Blob([BYTES])));
  const finished = Promise.withResolvers<void>();
  const response = await ask({ transfer: { done: finished.promise } });
  assertEquals((await response.bytes()).length, BYTES.length);
  assertEquals(active(), 1);
  finished.resolve();
  await finished.promise;
  await Promise.resolve();
  assertEquals(active(), 0);
});

Deno.test("a redirect on the way to what is handed on frees its connection first", async () => {
  const { ask, active } = limitOf(() =>
    new Response(new Blob(["see there"]), { status: 307, headers: { location: "/there" } })
  );
  const response = await ask({ transfer: { done: new Promise(() => {}) } });
  await response.body?.cancel();
  assertEquals(active(), 0);
  assertEquals([response.status, response.headers.get("location")], [307, "/there"]);
});

async function readWhole(response: Response): Promise<Uint8Array> {
  return await response.bytes();
}

async function readByob(response: Response): Promise<Uint8Array> {
  const reader = response.body?.getReader({ mode: "byob" });
  assert(reader !== undefined);
  const whole: number[] = [];
  let buffer = new ArrayBuffer(70_000);
  for (;;) {
    const { done, value } = await reader.read(new Uint8Array(buffer));
    if (done || value === undefined) return new Uint8Array(whole);
    for (const byte of value) whole.push(byte);
    buffer = value.buffer;
  }
}

async function readEach(response: Response): Promise<Uint8Array> {
  const whole: number[] = [];
  for await (const chunk of response.body ?? []) for (const byte of chunk) whole.push(byte);
  return new Uint8Array(whole);
}
