import { loadConfig } from "../../lib/config/load.ts";
import { createRouter } from "../../lib/routing/router.ts";
import {
  type Recipe,
  servedRegistries,
  type Way,
  writeRecipe,
} from "../../lib/web/pages/recipe.ts";
import { assert, assertEquals, assertStringIncludes } from "../support/assert.ts";

function recipe(
  way: Way,
  image: string,
  { base = "http://proxy.lan:8080", registry = "docker.io", env = {} }: {
    base?: string;
    registry?: string;
    env?: Record<string, string>;
  } = {},
): Recipe {
  const { config } = loadConfig(env, () => "");
  const wish = { way, registry, image };
  return writeRecipe(wish, new URL(base), config, createRouter(config));
}

/** The texts of its steps, files with their paths. */
function textsOf(made: Recipe): string[] {
  assert(made.kind === "steps", JSON.stringify(made));
  return made.steps.map((step) =>
    step.kind === "file"
      ? `${step.path}\n${step.text}`
      : step.kind === "run"
      ? step.text
      : step.word
  );
}

Deno.test("by name, Docker is told of plain http where it has to be, and nothing else", () => {
  assertEquals(textsOf(recipe("docker-prefix", "nginx", { base: "https://docker.example.com" })), [
    "docker pull docker.example.com/docker.io/library/nginx:latest",
  ]);
  assertEquals(textsOf(recipe("docker-prefix", "nginx", { base: "http://127.0.0.1:5000" })), [
    "docker pull 127.0.0.1:5000/docker.io/library/nginx:latest",
  ]);
  const plain = textsOf(recipe("docker-prefix", "ghcr.io/org/app:1"));
  assertEquals(plain[0], "insecureNote");
  assertStringIncludes(plain[1] ?? "", '"proxy.lan:8080"');
  assertEquals(plain.at(-1), "docker pull proxy.lan:8080/ghcr.io/org/app:1");
});

Deno.test("as a mirror, Docker pulls Docker Hub's short names, and others' by the proxy's name", () => {
  const [file, restart, pull] = textsOf(recipe("docker-mirror", "library/nginx:1"));
  assertStringIncludes(file ?? "", '"registry-mirrors": [');
  assertEquals([restart, pull], ["systemctl restart docker", "docker pull nginx:1"]);
  assertEquals(textsOf(recipe("docker-mirror", "quay.io/a/b"))[0], "mirrorOnlyHub");
  const elsewhere = recipe("docker-mirror", "nginx", {
    base: "https://docker.example.com",
    env: { CUSTOM_DOMAIN: "example.com" },
  });
  assertStringIncludes(textsOf(elsewhere)[0] ?? "", "https://docker.example.com");
});

Deno.test("every way has a last line that names the image", () => {
  const last = (way: Way) => textsOf(recipe(way, "org/app:1", { registry: "quay.io" })).at(-1);
  assertEquals(
    last("containerd"),
    "ctr images pull --hosts-dir /etc/containerd/certs.d quay.io/org/app:1",
  );
  assertEquals(last("podman"), "podman pull quay.io/org/app:1");
  assertEquals(last("buildkit"), "FROM quay.io/org/app:1");
  assertEquals(last("k3s"), "crictl pull quay.io/org/app:1");
});

Deno.test("what cannot be pulled here is refused with the reason", () => {
  assertEquals(recipe("podman", "nowhere.example/a").kind, "refused");
  assertEquals(recipe("podman", "NOT AN IMAGE").kind, "refused");
  assertEquals(recipe("podman", "<script>").kind, "refused");
});

Deno.test("registries whose names can stand in an image are offered", () => {
  const names = servedRegistries(loadConfig({}, () => "").config);
  assertEquals(names[0], "docker.io");
  assert(names.includes("ghcr.io"));
  assert(names.every((name) => /[.:]/.test(name)), names.join());
});
