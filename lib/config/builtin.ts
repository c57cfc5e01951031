/**
 * The registries that are known without configuration.
 */

/** What is known of a registry before its configuration is read. */
export interface BuiltinUpstream {
  readonly url: string;
  readonly registry: string;
  /** Further names by which prefixes and `ns` may call it. */
  readonly names?: readonly string[];
  readonly hasLibrary?: boolean;
  readonly realms?: readonly string[];
}

/** Docker Hub's API host; the default upstream where there are no alias hosts. */
export const DOCKER_HUB_HOST = "registry-1.docker.io";

/** The built-in upstreams by alias, in the order in which they are listed. */
export const BUILTIN_UPSTREAMS: Readonly<Record<string, BuiltinUpstream>> = {
  docker: {
    url: `https://${DOCKER_HUB_HOST}`,
    registry: "docker.io",
    names: ["index.docker.io", DOCKER_HUB_HOST],
    hasLibrary: true,
    realms: ["auth.docker.io"],
  },
  quay: { url: "https://quay.io", registry: "quay.io" },
  gcr: { url: "https://gcr.io", registry: "gcr.io" },
  "k8s-gcr": { url: "https://k8s.gcr.io", registry: "k8s.gcr.io" },
  k8s: { url: "https://registry.k8s.io", registry: "registry.k8s.io" },
  ghcr: { url: "https://ghcr.io", registry: "ghcr.io" },
  cloudsmith: { url: "https://docker.cloudsmith.io", registry: "docker.cloudsmith.io" },
  ecr: { url: "https://public.ecr.aws", registry: "public.ecr.aws" },
  mcr: { url: "https://mcr.microsoft.com", registry: "mcr.microsoft.com" },
  nvcr: { url: "https://nvcr.io", registry: "nvcr.io" },
  gitlab: {
    url: "https://registry.gitlab.com",
    registry: "registry.gitlab.com",
    realms: ["gitlab.com"],
  },
  elastic: { url: "https://docker.elastic.co", registry: "docker.elastic.co" },
  // Docker Hub a second time, reached by its alias host only; its name is no host, so that no
  // prefix and no `ns` can mean it.
  "docker-staging": {
    url: `https://${DOCKER_HUB_HOST}`,
    registry: "docker-staging",
    hasLibrary: true,
    realms: ["auth.docker.io"],
  },
};

/** Host suffixes that `auto` always streams: many networks cannot reach them. */
export const BLOCKED_HOSTS: readonly string[] = [
  "cloudflare.docker.com",
  "docker.com",
  "docker.io",
];
