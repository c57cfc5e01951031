/** A whole pull of one platform, as an engine makes it. */
import { assert, assertEquals } from "../support/assert.ts";
import { type Bench, blobPath, manifestPath } from "./pulling.ts";

/** Pulls manifests and blobs of the first platform of what a tag points to. */
export async function pullAll(bench: Bench, repository: string, tag = "1"): Promise<void> {
  const index = await bench.ask(manifestPath(repository, tag));
  assertEquals(index.status, 200, index.text);
  const { manifests }: { manifests: { digest: string }[] } = JSON.parse(index.text);
  const [first] = manifests;
  assert(first !== undefined, "the index names no manifest");
  const manifest = await bench.ask(manifestPath(repository, first.digest));
  const { config, layers }: { config: { digest: string }; layers: { digest: string }[] } = JSON
    .parse(manifest.text);
  for (const blob of [config, ...layers]) {
    assertEquals((await bench.ask(blobPath(repository, blob))).status, 200);
  }
  await bench.settle();
}
