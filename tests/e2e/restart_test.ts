/**
 * A restart of the product in the middle of a pull, as an engine sees it.
 */
import { assert, assertEquals, assertMatch } from "../support/assert.ts";
import { has } from "../support/components.ts";
import { startDockerd } from "../support/dockerd.ts";
import { waitFor } from "../support/process.ts";
import { amd64, assertDockerHas, layeredImage, noWorld, startStage } from "./stage.ts";

const MIB = 1 << 20;

/** A body that rests after so many bytes until it may go on. */
function restingAfter(response: Response, bytes: number, mayGoOn: Promise<void>): Response {
  let left = bytes;
  const body = response.body?.pipeThrough(
    new TransformStream<Uint8Array<ArrayBuffer>, Uint8Array<ArrayBuffer>>({
      async transform(chunk, controller) {
        if (left <= 0) await mayGoOn;
        left -= chunk.length;
        controller.enqueue(chunk);
      },
    }),
  );
  return new Response(body, response);
}

Deno.test({
  name: "a pull goes on after a restart in its middle, and upstream sends only what was missing",
  ignore: noWorld || !has("dockerd"),
  async fn() {
    await using stage = await startStage({ env: { SHUTDOWN_GRACE: "1s" } });
    const { world, proxy } = stage;
    const image = layeredImage("restarted", [64 * MIB]);
    await world.push("library/restarted", image);
    const large = amd64(image).layers.find(({ size }) => size > MIB);
    await using docker = await startDockerd();
    const name = `${proxy.host}/restarted:1`;

    // The storage stops in the middle of the large layer until the product is gone.
    const stopped = Promise.withResolvers<void>();
    world.s3.intercept = async (request, serve) => {
      if (!request.url.includes(large?.digest.slice(7) ?? "")) return undefined;
      return restingAfter(await serve(), 40 * MIB, stopped.promise);
    };
    const pull = docker.docker("pull", name);
    await waitFor("the layer is half here", () => {
      return world.s3.requests.some(({ bytes }) => bytes >= 40 * MIB);
    });
    await proxy.stop();
    stopped.resolve();
    world.s3.intercept = undefined;
    world.clearRecords();
    await proxy.restart();

    // The engine tries again by itself; one that gives up is told to.
    const first = await pull;
    if (first.code !== 0) await docker.pull(name);
    await assertDockerHas(docker, name, image);
    const sent = stage.storageReads().filter(({ digest }) => digest === large?.digest);
    assertEquals(sent.length, 1);
    assertMatch(sent[0]?.range ?? "", /^bytes=[1-9]\d+-$/);
    assert((sent[0]?.bytes ?? Infinity) < 40 * MIB);
  },
});
