import { createGenerations, type Generation } from "../../lib/cli/generations.ts";
import { assertEquals, assertFalse } from "../support/assert.ts";

interface Fake extends Generation {
  /** Ends its fills. */
  finish(): void;
}

function fake(name: string): Fake {
  const { promise, resolve } = Promise.withResolvers<void>();
  return {
    lifetime: new AbortController(),
    finish: resolve,
    composition: {
      handler: () => Promise.resolve(new Response(name)),
      hosts: () => [],
      fills: {
        find: () => undefined,
        start: () => {
          throw new Error("nothing is filled here");
        },
        active: 0,
        idle: () => promise,
      },
    },
  };
}

/** A request with what ends it. */
function visit(): { info: Deno.ServeHandlerInfo<Deno.NetAddr>; end: () => void } {
  const { promise, resolve } = Promise.withResolvers<void>();
  const remoteAddr = { transport: "tcp", hostname: "127.0.0.1", port: 1 } as const;
  return { info: { remoteAddr, completed: promise }, end: resolve };
}

const REQUEST = new Request("http://proxy/");

async function settle(): Promise<void> {
  for (let i = 0; i < 10; i++) await Promise.resolve();
}

Deno.test("what was replaced ends with its last request and its last fill, not before", async () => {
  const [old, next] = [fake("old"), fake("next")];
  const generations = createGenerations(old);
  const first = visit();
  await generations.handler(REQUEST, first.info);
  generations.replace(next);
  const answer = await generations.handler(REQUEST, visit().info);
  assertEquals(await answer.text(), "next");
  await settle();
  assertFalse(old.lifetime.signal.aborted);
  first.end();
  await settle();
  assertFalse(old.lifetime.signal.aborted, "its fill goes on");
  old.finish();
  await settle();
  assertEquals([old.lifetime.signal.aborted, next.lifetime.signal.aborted], [true, false]);
});

Deno.test("the end waits for the fills of all, and cuts all that is left", async () => {
  const [old, next] = [fake("old"), fake("next")];
  const generations = createGenerations(old);
  generations.replace(next);
  let isIdle = false;
  const idle = generations.idle().then(() => isIdle = true);
  next.finish();
  await settle();
  assertFalse(isIdle);
  old.finish();
  await idle;
  generations.end(new Error("the end"));
  assertEquals(next.lifetime.signal.aborted, true);
});
