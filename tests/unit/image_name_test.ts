import { parseImageName, splitImageName } from "../../lib/image_name.ts";
import { referenceText } from "../../lib/reference.ts";
import { assertEquals } from "../support/assert.ts";

const DIGEST = `sha256:${"a".repeat(64)}`;

Deno.test("an image's name is read as engines read it", () => {
  const cases: [string, string | null, string, string][] = [
    ["nginx", null, "nginx", "latest"],
    ["nginx:1.27", null, "nginx", "1.27"],
    ["org/app:v1", null, "org/app", "v1"],
    ["ghcr.io/org/app", "ghcr.io", "org/app", "latest"],
    ["GHCR.io/org/app", "ghcr.io", "org/app", "latest"],
    ["localhost/app:1", "localhost", "app", "1"],
    ["registry.lan:5000/app", "registry.lan:5000", "app", "latest"],
    ["registry.lan:5000/a/b/c:2", "registry.lan:5000", "a/b/c", "2"],
    [`nginx@${DIGEST}`, null, "nginx", DIGEST],
    [`ghcr.io/org/app:1@${DIGEST}`, "ghcr.io", "org/app", DIGEST],
  ];
  for (const [text, registry, repository, reference] of cases) {
    const name = parseImageName(text);
    assertEquals(
      [name?.registry, name?.repository, name && referenceText(name.reference)],
      [registry, repository, reference],
      text,
    );
  }
});

Deno.test("what is no image's name is none", () => {
  const cases = ["", ":1", "Nginx", "a b", "nginx:", "nginx@sha256:1", "ghcr.io/", "a//b", "a:1:2"];
  for (const text of cases) assertEquals(parseImageName(text), undefined, text);
});

Deno.test("a tag that is a pattern is kept as it is written", () => {
  assertEquals(splitImageName("ghcr.io/org/app:1.*")?.tag, "1.*");
});
