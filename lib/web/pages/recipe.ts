/** What somebody has to write and to run to pull an image through this proxy. */
import type { Config } from "../../config/config.ts";
import { resolveImage } from "../../explain/explain.ts";
import { splitImageName } from "../../image_name.ts";
import { referenceText } from "../../reference.ts";
import type { Router } from "../../routing/router.ts";
import type { Engine, ProxyAddress } from "../../setup/engine.ts";
import { hubMirrorOf } from "../../setup/hub_mirror.ts";
import { setUpEngine } from "../../setup/setup.ts";
import type { Word } from "./words.ts";

/** The ways to pull that the start page offers. */
export const WAYS = [
  "docker-mirror",
  "docker-prefix",
  "containerd",
  "podman",
  "buildkit",
  "k3s",
] as const;

/** One of {@linkcode WAYS}. */
export type Way = typeof WAYS[number];

/** A step of a recipe. */
export type Step =
  | { readonly kind: "file"; readonly path: string; readonly text: string }
  | { readonly kind: "run"; readonly title: Word; readonly text: string }
  | { readonly kind: "note"; readonly word: Word };

/** Steps, or why there are none. */
export type Recipe =
  | { readonly kind: "steps"; readonly steps: readonly Step[] }
  | { readonly kind: "refused"; readonly why: string };

/** What is wanted. */
export interface Wish {
  readonly way: Way;
  /** The registry that was chosen; one in the image's name goes before it. */
  readonly registry: string;
  /** May be empty: then an image stands there that the registry has. */
  readonly image: string;
}

/** The part of the configuration that recipes need. */
export type RecipeConfig = Pick<Config, "defaultUpstream" | "upstreams" | "customDomain">;

/** Small public images, for who has named none. */
const SAMPLES: Readonly<Record<string, string>> = {
  "docker.io": "nginx:alpine",
  "ghcr.io": "containerd/busybox:1.36",
  "quay.io": "prometheus/busybox:latest",
  "registry.k8s.io": "pause:3.10",
  "gcr.io": "distroless/static:latest",
  "mcr.microsoft.com": "hello-world:latest",
  "public.ecr.aws": "docker/library/busybox:stable",
};

/** The names of the registries that are served, Docker Hub's or the default's first. */
export function servedRegistries({ defaultUpstream, upstreams }: RecipeConfig): string[] {
  const all = defaultUpstream === null ? upstreams : [defaultUpstream, ...upstreams];
  const names = all.map(({ registry }) => registry);
  // A name without a dot can stand in no image's name; such an upstream has its alias host.
  return [...new Set(names.filter((name) => /[.:]/.test(name)))];
}

/** Makes the recipe for a proxy that is reached at `base`. */
export function writeRecipe(
  wish: Wish,
  base: URL,
  config: RecipeConfig,
  router: Router,
): Recipe {
  const text = wish.image.trim() || SAMPLES[wish.registry] || "owner/image";
  const isNamed = splitImageName(text)?.registry !== null;
  const resolved = resolveImage(isNamed ? text : `${wish.registry}/${text}`, router);
  if ("why" in resolved) return { kind: "refused", why: resolved.why };
  const { target: { upstream, repository }, reference } = resolved;
  const at = reference.kind === "tag" ? ":" : "@";
  const suffix = at + referenceText(reference);
  const names = {
    registry: upstream.registry,
    full: `${upstream.registry}/${repository}${suffix}`,
    // Docker's own way of writing Docker Hub's names.
    short: upstream.registry === "docker.io"
      ? repository.replace(/^library\//, "") + suffix
      : `${upstream.registry}/${repository}${suffix}`,
  };
  const proxy = {
    base,
    registries: [upstream.registry],
    hubMirror: hubMirrorOf(config, base),
  };
  return { kind: "steps", steps: stepsOf(wish.way, proxy, names) };
}

interface Names {
  readonly registry: string;
  readonly full: string;
  readonly short: string;
}

function stepsOf(way: Way, proxy: ProxyAddress, names: Names): Step[] {
  switch (way) {
    case "docker-mirror":
      return names.registry === "docker.io" && proxy.hubMirror !== null
        ? [...engineSteps("docker", proxy), pull(`docker pull ${names.short}`)]
        : [{ kind: "note", word: "mirrorOnlyHub" }, ...prefixSteps(proxy, names)];
    case "docker-prefix":
      return prefixSteps(proxy, names);
    case "containerd":
      return [
        ...engineSteps("containerd", proxy),
        pull(`ctr images pull --hosts-dir /etc/containerd/certs.d ${names.full}`),
      ];
    case "podman":
      return [...engineSteps("podman", proxy), pull(`podman pull ${names.full}`)];
    case "buildkit":
      return [
        ...engineSteps("buildkit", proxy),
        { kind: "run", title: "thenBuild", text: `FROM ${names.short}` },
      ];
    case "k3s":
      return [...engineSteps("k3s", proxy), pull(`crictl pull ${names.full}`)];
    default:
      return way satisfies never;
  }
}

function engineSteps(engine: Engine, proxy: ProxyAddress): Step[] {
  const { files, next } = setUpEngine(engine, proxy, () => undefined);
  const steps = files.map(({ path, text }): Step => ({ kind: "file", path, text }));
  // What begins with a command can be copied; Podman needs nothing done.
  const command = /^(systemctl restart [\w-]+|docker buildx create .*?)(?=,| \(|$)/.exec(next)?.[1];
  return command === undefined
    ? steps
    : [...steps, { kind: "run", title: "thenDo", text: command }];
}

function prefixSteps({ base }: ProxyAddress, names: Names): Step[] {
  const isLoopback = /^(localhost|127\.[\d.]+|\[::1\])$/.test(base.hostname);
  const command = `docker pull ${base.host}/${names.full}`;
  if (base.protocol === "https:" || isLoopback) {
    return [{ kind: "run", title: "pullNow", text: command }];
  }
  const text = `${JSON.stringify({ "insecure-registries": [base.host] }, null, 2)}\n`;
  return [
    { kind: "note", word: "insecureNote" },
    { kind: "file", path: "/etc/docker/daemon.json", text },
    { kind: "run", title: "thenDo", text: "systemctl restart docker" },
    pull(command),
  ];
}

function pull(text: string): Step {
  return { kind: "run", title: "thenPull", text };
}
