import { assertEquals } from "../support/assert.ts";
import { blobsOf, childrenOf } from "../../lib/cache/manifest_children.ts";

const DIGEST = `sha256:${"a".repeat(64)}`;
const OTHER = `sha512:${"b".repeat(128)}`;

function children(manifest: unknown): [string, number][] {
  const bytes = new TextEncoder().encode(
    typeof manifest === "string" ? manifest : JSON.stringify(manifest),
  );
  return childrenOf(bytes).map(({ digest, size }) => [digest, size]);
}

Deno.test("an image's children are its config and layers, an index's its manifests", () => {
  const first = { digest: DIGEST, size: 10, mediaType: "application/x" };
  const second = { digest: OTHER, size: 0 };
  assertEquals(children({ config: first, layers: [second, first] }), [
    [DIGEST, 10],
    [OTHER, 0],
    [DIGEST, 10],
  ]);
  assertEquals(children({ manifests: [first, second] }), [[DIGEST, 10], [OTHER, 0]]);
  assertEquals(children({ blobs: [second] }), [[OTHER, 0]]);
});

Deno.test("what is no descriptor is no child", () => {
  const wrong = [
    null,
    "text",
    7,
    {},
    { digest: DIGEST },
    { digest: "sha256:short", size: 1 },
    { digest: DIGEST, size: -1 },
    { digest: DIGEST, size: 1.5 },
    { digest: DIGEST, size: "10" },
    { digest: DIGEST, size: 2 ** 60 },
  ];
  assertEquals(children({ config: [], layers: wrong, manifests: { length: 1 } }), []);
  for (const text of ["", "{", "null", "[]", '"text"', "\u0000"]) assertEquals(children(text), []);
});

Deno.test("an image's blobs are its config and those layers that the registry has", () => {
  const blobs = (manifest: unknown) =>
    blobsOf(new TextEncoder().encode(JSON.stringify(manifest))).map(String);
  const config = { digest: DIGEST, size: 10 };
  const layer = { digest: OTHER, size: 20 };
  const foreign = { ...layer, urls: ["https://elsewhere.example/layer"] };
  assertEquals(blobs({ config, layers: [layer] }), [DIGEST, OTHER]);
  assertEquals(blobs({ config, layers: [foreign] }), [DIGEST]);
  assertEquals(blobs({ manifests: [config, layer] }), []);
});
