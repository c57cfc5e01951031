import { createHash } from "node:crypto";
import { ANONYMOUS } from "../../lib/auth/credential.ts";
import { loadConfig } from "../../lib/config/load.ts";
import { continueTransfer } from "../../lib/pull/continuation.ts";
import { parseDigest, parseRepository } from "../../lib/reference.ts";
import type { Target } from "../../lib/routing/route.ts";
import type { Origin } from "../../lib/upstream/origin.ts";
import { assert, assertEquals, assertRejects } from "../support/assert.ts";

const SIZE = 400_000;
const CONTENT = new Uint8Array(SIZE).map((_, i) => i % 251);

/** An origin each of whose answers breaks after so many bytes; then it sends all. */
function breakingOrigin(cuts: number[]): { origin: Origin; offsets: number[] } {
  const offsets: number[] = [];
  const origin: Origin = {
    ask(request) {
      const [, from = "0"] = /bytes=(\d+)-/.exec(new Headers(request.headers).get("range") ?? "") ??
        [];
      const offset = Number(from);
      offsets.push(offset);
      const cut = cuts.shift() ?? SIZE;
      const stream = new ReadableStream({
        type: "bytes",
        start(controller) {
          controller.enqueue(CONTENT.slice(offset, offset + cut));
        },
        pull(controller) {
          if (offset + cut >= SIZE) {
            controller.close();
            controller.byobRequest?.respond(0);
          } else controller.error(new Error("cut on purpose"));
        },
      });
      const headers = offset === 0
        ? { "content-length": String(SIZE) }
        : { "content-range": `bytes ${offset}-${SIZE - 1}/${SIZE}` };
      const response = new Response(stream, { status: offset === 0 ? 200 : 206, headers });
      return Promise.resolve({ kind: "response", response, isRedirected: false });
    },
    fetch: () => Promise.reject(new Error("nothing is fetched here")),
  };
  return { origin, offsets };
}

function go(origin: Origin, digestOf: Uint8Array): ReadableStream<Uint8Array<ArrayBuffer>> {
  const digest = parseDigest(`sha256:${createHash("sha256").update(digestOf).digest("hex")}`);
  const repository = parseRepository("a");
  const upstream = loadConfig({}, () => "").config.defaultUpstream;
  assert(digest !== undefined && repository !== undefined && upstream !== null);
  const target: Target = {
    upstream,
    repository,
    clientName: "a",
    addressing: { kind: "default" },
  };
  return continueTransfer({
    origin,
    request: {
      target,
      digest,
      offset: 0,
      isRangeless: false,
      credential: ANONYMOUS,
      signal: new AbortController().signal,
    },
    idleSeconds: 60,
    check: {
      hash: createHash("sha256"),
      verify(hash) {
        if (`sha256:${hash.copy().digest("hex")}` !== digest) throw new Error("wrong content");
      },
    },
  });
}

Deno.test("a continuation that breaks goes on where it broke, and is verified as a whole", async () => {
  const { origin, offsets } = breakingOrigin([100_000, 50_000]);
  const bytes = await new Response(go(origin, CONTENT)).bytes();
  assertEquals(bytes, CONTENT);
  assertEquals(offsets, [0, 100_000, 150_000]);
});

Deno.test("a continuation of other bytes breaks before its end", async () => {
  const { origin } = breakingOrigin([100_000]);
  let received = 0;
  await assertRejects(async () => {
    for await (const chunk of go(origin, new Uint8Array(1))) received += chunk.length;
  }, "wrong content");
  assert(received < SIZE);
});
