import type { Upstream } from "../../lib/config/config.ts";
import { type Base, createRouter, listRoutes } from "../../lib/routing/router.ts";
import type { Addressing, Route, Target } from "../../lib/routing/route.ts";
import type { RoutingConfig } from "../../lib/routing/upstreams.ts";
import { referenceText } from "../../lib/reference.ts";
import { assert, assertEquals, assertLess } from "../support/assert.ts";

function upstream(alias: string, url: string, names: string[], hasLibrary = false): Upstream {
  const [registry = alias] = names;
  return {
    ...{ alias, registry, names, hasLibrary, url: new URL(url) },
    ...{ auth: { kind: "relay" }, realms: [], redirect: "stream", push: "allow" },
    maxConnections: 64,
    ...{ auth: { kind: "relay" }, realms: [], redirect: "stream", tagTtl: [], push: "allow" },
  };
}

const HUB = ["docker.io", "index.docker.io", "registry-1.docker.io"];
const docker = upstream("docker", "https://registry-1.docker.io", HUB, true);
const UPSTREAMS = [
  docker,
  upstream("docker-staging", "https://registry-1.docker.io", HUB, true),
  upstream("quay", "https://quay.io", ["quay.io"]),
  upstream("gcr", "https://gcr.io", ["gcr.io"]),
  upstream("k8s-gcr", "https://k8s.gcr.io", ["k8s.gcr.io"]),
  upstream("k8s", "https://registry.k8s.io", ["registry.k8s.io"]),
  upstream("ghcr", "https://ghcr.io", ["ghcr.io"]),
  upstream("cloudsmith", "https://docker.cloudsmith.io", ["docker.cloudsmith.io"]),
  upstream("ecr", "https://public.ecr.aws", ["public.ecr.aws"]),
  // What users define: a registry with port and path, and one whose name is not its host.
  upstream("corp", "http://localhost:5000/team/", ["localhost:5000"]),
  upstream("lab_1", "https://registry.lab.example", ["lab.example", "registry.lab.example"]),
];

/** No custom domain: bare names are Docker Hub's. */
const PLAIN: RoutingConfig = { upstreams: UPSTREAMS, defaultUpstream: docker, customDomain: null };
/** A custom domain: no default. */
const DOMAIN: RoutingConfig = {
  upstreams: UPSTREAMS,
  defaultUpstream: null,
  customDomain: "mirror.example",
};
const plain = createRouter(PLAIN);
const domain = createRouter(DOMAIN);

const D = `sha256:${"0123456789abcdef".repeat(4)}`;
const D512 = `sha512:${"ab".repeat(64)}`;

function addressingText(addressing: Addressing): string {
  switch (addressing.kind) {
    case "ns":
      return `ns(${addressing.ns})`;
    case "prefix":
      return `prefix(${addressing.prefix})`;
    default:
      return addressing.kind;
  }
}

function targetText({ upstream, addressing, repository }: Target): string {
  return `${upstream.alias} ${addressingText(addressing)} ${repository}`;
}

/** One line that says everything of a route but the words of its message. */
function describe(route: Route): string {
  switch (route.kind) {
    case "ping":
    case "token":
    case "catalog":
      return `${route.kind} ${route.upstream?.alias ?? "-"} ${addressingText(route.addressing)}`;
    case "manifest":
      return `manifest ${targetText(route.target)} ${referenceText(route.reference)}`;
    case "blob":
    case "referrers":
      return `${route.kind} ${targetText(route.target)} ${route.digest}`;
    case "tags":
      return `tags ${targetText(route.target)}`;
    case "upload":
      return `upload ${targetText(route.target)} ${route.session ?? "-"}`;
    case "unknown_upstream":
      return `unknown ${route.requested}`;
    case "invalid":
      return `${route.status} ${route.code}`;
    default: {
      const unreachable: never = route;
      return unreachable;
    }
  }
}

type Row = [policy: string, request: string, expected: string];

/** A request is `[METHOD ]//host/path`; without method it is a GET. */
function run(router: typeof plain, rows: readonly Row[]): void {
  for (const [policy, request, expected] of rows) {
    Deno.test(`route: ${policy} — ${request.slice(0, 70)}`, () => {
      const [, method = "GET", host = "", path = ""] =
        /^(?:(\w+) )?\/\/([^/]*)(.*)$/.exec(request) ??
          [];
      const url = new URL(`http://10.0.0.1:8080${path}`);
      assertEquals(describe(router.route({ method, url, host })), expected);
    });
  }
}

run(plain, [
  ["the base is a ping", "//p/v2/", "ping docker default"],
  ["the base needs no final slash", "//p/v2", "ping docker default"],
  ["a ping may be a HEAD", "HEAD //p/v2/", "ping docker default"],
  ["the token endpoint", "//p/v2/auth?service=s&scope=repository:a:pull", "token docker default"],
  ["the token endpoint takes OAuth2 POST", "POST //p/v2/auth", "token docker default"],
  ["the catalog", "//p/v2/_catalog?n=2", "catalog docker default"],
  ["a tag", "//p/v2/a/b/manifests/latest", "manifest docker default a/b latest"],
  ["a digest", `//p/v2/a/b/manifests/${D}`, `manifest docker default a/b ${D}`],
  [
    "every verifiable algorithm",
    `//p/v2/a/b/manifests/${D512}`,
    `manifest docker default a/b ${D512}`,
  ],
  ["a blob", `HEAD //p/v2/a/b/blobs/${D}`, `blob docker default a/b ${D}`],
  ["a tag list", "//p/v2/a/b/tags/list?n=1", "tags docker default a/b"],
  ["referrers", `//p/v2/a/b/referrers/${D}`, `referrers docker default a/b ${D}`],
  ["an upload begins", "POST //p/v2/a/b/blobs/uploads/", "upload docker default a/b -"],
  ["the slash may be missing", "POST //p/v2/a/b/blobs/uploads", "upload docker default a/b -"],
  [
    "an upload goes on",
    "PATCH //p/v2/a/b/blobs/uploads/id-1_2=",
    "upload docker default a/b id-1_2=",
  ],
  [
    "a session stays as written",
    "PUT //p/v2/a/b/blobs/uploads/x%3Dy?digest=d",
    "upload docker default a/b x%3Dy",
  ],
  [
    "an upload can be cancelled",
    "DELETE //p/v2/a/b/blobs/uploads/x",
    "upload docker default a/b x",
  ],
  ["an upload can be asked about", "//p/v2/a/b/blobs/uploads/x", "upload docker default a/b x"],
  ["a manifest can be put", "PUT //p/v2/a/b/manifests/1", "manifest docker default a/b 1"],
  [
    "a manifest can be deleted",
    `DELETE //p/v2/a/b/manifests/${D}`,
    `manifest docker default a/b ${D}`,
  ],
  [
    "official images live in library",
    "//p/v2/nginx/manifests/1",
    "manifest docker default library/nginx 1",
  ],
  [
    "library is not added twice",
    "//p/v2/library/nginx/manifests/1",
    "manifest docker default library/nginx 1",
  ],
  ["library holds for blobs", `//p/v2/nginx/blobs/${D}`, `blob docker default library/nginx ${D}`],
  ["library holds for tags", "//p/v2/nginx/tags/list", "tags docker default library/nginx"],
  [
    "library holds for uploads",
    "POST //p/v2/nginx/blobs/uploads/",
    "upload docker default library/nginx -",
  ],
]);

run(plain, [
  [
    "a name may contain manifests",
    "//p/v2/a/manifests/b/manifests/latest",
    "manifest docker default a/manifests/b latest",
  ],
  [
    "a name may be manifests",
    "//p/v2/manifests/manifests/manifests",
    "manifest docker default library/manifests manifests",
  ],
  ["a name may contain blobs", `//p/v2/a/blobs/blobs/${D}`, `blob docker default a/blobs ${D}`],
  [
    "a name may contain blobs/uploads",
    "//p/v2/x/blobs/uploads/manifests/latest",
    "manifest docker default x/blobs/uploads latest",
  ],
  [
    "a blob of a name that ends in uploads",
    `//p/v2/x/blobs/uploads/blobs/${D}`,
    `blob docker default x/blobs/uploads ${D}`,
  ],
  [
    "an upload to a name that ends in uploads",
    "POST //p/v2/x/blobs/uploads/blobs/uploads/",
    "upload docker default x/blobs/uploads -",
  ],
  [
    "an upload to a name with manifests",
    "POST //p/v2/x/manifests/blobs/uploads/",
    "upload docker default x/manifests -",
  ],
  [
    "a session may be called manifests",
    "PATCH //p/v2/x/y/blobs/uploads/manifests",
    "upload docker default x/y manifests",
  ],
  ["a name may contain tags", "//p/v2/a/tags/list/tags/list", "tags docker default a/tags/list"],
  [
    "a tag may be called list",
    "//p/v2/a/tags/manifests/list",
    "manifest docker default a/tags list",
  ],
  [
    "a name may contain referrers",
    `//p/v2/a/referrers/referrers/${D}`,
    `referrers docker default a/referrers ${D}`,
  ],
  ["a name may be v2", "//p/v2/v2/v2/manifests/v2", "manifest docker default v2/v2 v2"],
  [
    "a name may be auth",
    "//p/v2/auth/manifests/latest",
    "manifest docker default library/auth latest",
  ],
  ["a name may begin with auth", "//p/v2/auth/x/tags/list", "tags docker default auth/x"],
  ["a name may be uploads", "//p/v2/uploads/tags/list", "tags docker default library/uploads"],
  ["the catalog's word is no name", "//p/v2/_catalog/manifests/1", "400 NAME_INVALID"],
  [
    "a single component may hold a dot",
    "//p/v2/node.js/manifests/1",
    "manifest docker default library/node.js 1",
  ],
  [
    "a single component may be a registry's name",
    "//p/v2/ghcr.io/manifests/1",
    "manifest docker default library/ghcr.io 1",
  ],
  [
    "a later component may hold a dot",
    "//p/v2/a/node.js/manifests/1",
    "manifest docker default a/node.js 1",
  ],
  [
    "a tag may hold dots and capitals",
    "//p/v2/a/b/manifests/V1.2_rc-3",
    "manifest docker default a/b V1.2_rc-3",
  ],
  [
    "a digest's colon may be encoded",
    `//p/v2/a/b/blobs/${D.replace(":", "%3A")}`,
    `blob docker default a/b ${D}`,
  ],
  [
    "encoding knows no case",
    `//p/v2/a/b/manifests/${D.replace(":", "%3a")}`,
    `manifest docker default a/b ${D}`,
  ],
  ["an encoded letter is a letter", "//p/v2/%61/b/manifests/1", "manifest docker default a/b 1"],
]);

run(plain, [
  [
    "a prefix names its registry",
    "//p/v2/ghcr.io/x/y/manifests/1",
    "manifest ghcr prefix(ghcr.io) x/y 1",
  ],
  [
    "a prefix leaves one component alone",
    "//p/v2/ghcr.io/x/manifests/1",
    "manifest ghcr prefix(ghcr.io) x 1",
  ],
  [
    "a prefix of Docker Hub brings library",
    "//p/v2/docker.io/nginx/manifests/1",
    "manifest docker prefix(docker.io) library/nginx 1",
  ],
  [
    "Docker Hub's second name",
    "//p/v2/index.docker.io/nginx/tags/list",
    "tags docker prefix(index.docker.io) library/nginx",
  ],
  [
    "Docker Hub's third name",
    `//p/v2/registry-1.docker.io/a/b/blobs/${D}`,
    `blob docker prefix(registry-1.docker.io) a/b ${D}`,
  ],
  [
    "a prefix is a host, and knows no case",
    "//p/v2/GHCR.io/x/y/manifests/1",
    "manifest ghcr prefix(GHCR.io) x/y 1",
  ],
  [
    "a prefix may hold a port",
    "//p/v2/localhost:5000/x/manifests/1",
    "manifest corp prefix(localhost:5000) x 1",
  ],
  [
    "a prefix's port may be encoded",
    "//p/v2/localhost%3A5000/x/manifests/1",
    "manifest corp prefix(localhost:5000) x 1",
  ],
  ["a prefix without its port is another", "//p/v2/localhost/x/manifests/1", "unknown localhost"],
  [
    "https's own port says nothing",
    "//p/v2/quay.io:443/x/y/manifests/1",
    "manifest quay prefix(quay.io:443) x/y 1",
  ],
  [
    "any of an upstream's names",
    "//p/v2/registry.lab.example/x/manifests/1",
    "manifest lab_1 prefix(registry.lab.example) x 1",
  ],
  ["an alias is no prefix", "//p/v2/ghcr/x/manifests/1", "manifest docker default ghcr/x 1"],
  [
    "only the first prefix is one",
    "//p/v2/ghcr.io/quay.io/x/manifests/1",
    "manifest ghcr prefix(ghcr.io) quay.io/x 1",
  ],
  [
    "uploads follow a prefix",
    "PATCH //p/v2/ghcr.io/x/y/blobs/uploads/s",
    "upload ghcr prefix(ghcr.io) x/y s",
  ],
  [
    "referrers follow a prefix",
    `//p/v2/quay.io/x/y/referrers/${D}`,
    `referrers quay prefix(quay.io) x/y ${D}`,
  ],
  [
    "a registry that is not configured is refused",
    "//p/v2/registry.example/x/manifests/1",
    "unknown registry.example",
  ],
  [
    "a lookalike is refused",
    "//p/v2/ghcr.io.evil.example/x/y/manifests/1",
    "unknown ghcr.io.evil.example",
  ],
  ["an address is refused", "//p/v2/169.254.169.254/x/manifests/1", "unknown 169.254.169.254"],
  ["a port is refused", "//p/v2/registry:5000/x/manifests/1", "unknown registry:5000"],
  ["what a prefix leaves must be a name", "//p/v2/ghcr.io/X/manifests/1", "400 NAME_INVALID"],
]);

run(plain, [
  ["ns names the registry", "//p/v2/x/y/manifests/1?ns=ghcr.io", "manifest ghcr ns(ghcr.io) x/y 1"],
  [
    "ns of Docker Hub brings library",
    "//p/v2/nginx/manifests/1?ns=docker.io",
    "manifest docker ns(docker.io) library/nginx 1",
  ],
  [
    "ns may be Docker Hub's second name",
    "//p/v2/a/b/tags/list?ns=index.docker.io",
    "tags docker ns(index.docker.io) a/b",
  ],
  [
    "ns may be Docker Hub's third name",
    "//p/v2/a/b/tags/list?ns=registry-1.docker.io",
    "tags docker ns(registry-1.docker.io) a/b",
  ],
  [
    "ns may hold a port",
    "//p/v2/x/manifests/1?ns=localhost:5000",
    "manifest corp ns(localhost:5000) x 1",
  ],
  [
    "ns may be encoded",
    "//p/v2/x/manifests/1?ns=localhost%3A5000",
    "manifest corp ns(localhost:5000) x 1",
  ],
  ["ns knows no case", "//p/v2/x/y/manifests/1?ns=Quay.IO", "manifest quay ns(Quay.IO) x/y 1"],
  [
    "ns may stand anywhere in the query",
    `//p/v2/x/y/blobs/${D}?a=b&ns=quay.io`,
    `blob quay ns(quay.io) x/y ${D}`,
  ],
  ["ns holds for the ping", "//p/v2/?ns=quay.io", "ping quay ns(quay.io)"],
  [
    "ns holds for the token",
    "//p/v2/auth?ns=quay.io&scope=repository:a:pull",
    "token quay ns(quay.io)",
  ],
  ["ns holds for the catalog", "//p/v2/_catalog?ns=quay.io", "catalog quay ns(quay.io)"],
  [
    "ns holds for pushes",
    "POST //p/v2/x/y/blobs/uploads/?ns=quay.io",
    "upload quay ns(quay.io) x/y -",
  ],
  [
    "an unknown ns is refused",
    "//p/v2/x/y/manifests/1?ns=registry.example",
    "unknown registry.example",
  ],
  [
    "an unknown ns is refused beside a known prefix",
    "//p/v2/ghcr.io/x/y/manifests/1?ns=registry.example",
    "unknown registry.example",
  ],
  ["an unknown ns is refused on a ping", "//p/v2/?ns=registry.example", "unknown registry.example"],
  ["an alias is no ns", "//p/v2/x/y/manifests/1?ns=ghcr", "unknown ghcr"],
  ["an empty ns is none", "//p/v2/a/b/manifests/1?ns=", "manifest docker default a/b 1"],
  [
    "the first ns counts",
    "//p/v2/a/b/manifests/1?ns=quay.io&ns=ghcr.io",
    "manifest quay ns(quay.io) a/b 1",
  ],
  [
    "a prefix that repeats ns is taken off",
    "//p/v2/docker.io/library/x/manifests/t?ns=docker.io",
    "manifest docker ns(docker.io) library/x t",
  ],
  [
    "a prefix may repeat ns by another name",
    "//p/v2/registry-1.docker.io/x/manifests/t?ns=docker.io",
    "manifest docker ns(docker.io) library/x t",
  ],
  [
    "a prefix of another registry wins over ns",
    "//p/v2/ghcr.io/x/y/manifests/t?ns=docker.io",
    "manifest ghcr prefix(ghcr.io) x/y t",
  ],
  [
    "under ns an unknown first component is the name's",
    "//p/v2/my.app/web/manifests/t?ns=quay.io",
    "manifest quay ns(quay.io) my.app/web t",
  ],
]);

const ALIASES: [alias: string, repository: string][] = [
  ["docker", "library/x"],
  ["docker-staging", "library/x"],
  ...["quay", "gcr", "k8s-gcr", "k8s", "ghcr", "cloudsmith", "ecr", "corp", "lab_1"].map(
    (alias): [string, string] => [alias, "x"],
  ),
];

run(domain, [
  ...ALIASES.map(([alias, repository]): Row => [
    "an alias host names its registry",
    `//${alias}.mirror.example/v2/x/manifests/1`,
    `manifest ${alias} host ${repository} 1`,
  ]),
  ...ALIASES.map(([alias]): Row => [
    "an alias host's ping is its registry's",
    `//${alias}.mirror.example/v2/`,
    `ping ${alias} host`,
  ]),
  ["a host's port is nothing", "//ghcr.mirror.example:8443/v2/x/y/tags/list", "tags ghcr host x/y"],
  ["a host knows no case", "//GHCR.Mirror.Example/v2/x/y/tags/list", "tags ghcr host x/y"],
  [
    "a host's final dot is nothing",
    "//ghcr.mirror.example./v2/x/y/tags/list",
    "tags ghcr host x/y",
  ],
  ["dot and port together", "//ghcr.mirror.example.:80/v2/x/y/tags/list", "tags ghcr host x/y"],
  [
    "an alias host reads no prefix",
    "//ghcr.mirror.example/v2/quay.io/x/manifests/1",
    "manifest ghcr host quay.io/x 1",
  ],
  [
    "an alias host takes dotted names",
    "//ghcr.mirror.example/v2/my.app/x/manifests/1",
    "manifest ghcr host my.app/x 1",
  ],
  ["an alias host has a token endpoint", "//quay.mirror.example/v2/auth", "token quay host"],
  [
    "ns goes before the host",
    "//ghcr.mirror.example/v2/x/y/manifests/1?ns=quay.io",
    "manifest quay ns(quay.io) x/y 1",
  ],
  [
    "ns stays with the host's account of that registry",
    "//docker-staging.mirror.example/v2/x/manifests/1?ns=docker.io",
    "manifest docker-staging ns(docker.io) library/x 1",
  ],
  ["an unknown host is refused", "//mirror.example/v2/", "unknown mirror.example"],
  [
    "an unknown label is refused",
    "//evil.mirror.example/v2/x/y/manifests/1",
    "unknown evil.mirror.example",
  ],
  [
    "a longer host is refused",
    "//ghcr.mirror.example.evil.example/v2/",
    "unknown ghcr.mirror.example.evil.example",
  ],
  ["a deeper host is refused", "//a.ghcr.mirror.example/v2/", "unknown a.ghcr.mirror.example"],
  ["a host without domain is refused", "//ghcr/v2/", "unknown ghcr"],
  ["no host is refused", "///v2/", "unknown "],
  ["an address is refused", "//[::1]:8080/v2/x/manifests/1", "unknown [::1]:8080"],
  [
    "a stray path on an unknown host is told the hosts",
    "//mirror.example/v2/x",
    "unknown mirror.example",
  ],
  [
    "an unknown host still reads a prefix",
    "//mirror.example/v2/ghcr.io/x/y/manifests/1",
    "manifest ghcr prefix(ghcr.io) x/y 1",
  ],
  [
    "an unknown host still reads ns",
    "//mirror.example/v2/x/y/manifests/1?ns=ghcr.io",
    "manifest ghcr ns(ghcr.io) x/y 1",
  ],
  [
    "an unknown prefix is told by its name",
    "//mirror.example/v2/reg.example/x/manifests/1",
    "unknown reg.example",
  ],
  ["without default, scopes alone name upstreams", "//mirror.example/v2/auth", "token - default"],
]);

run(createRouter({ ...DOMAIN, defaultUpstream: docker }), [
  [
    "a configured default serves other hosts",
    "//mirror.example/v2/x/manifests/1",
    "manifest docker default library/x 1",
  ],
  [
    "alias hosts go before the default",
    "//ghcr.mirror.example/v2/x/manifests/1",
    "manifest ghcr host x 1",
  ],
]);

run(plain, [
  ["a capital is not a name's", "//p/v2/Foo/manifests/1", "400 NAME_INVALID"],
  ["a name ends in no separator", "//p/v2/a-/b/manifests/1", "400 NAME_INVALID"],
  ["a name is at most 255 long", `//p/v2/${"a".repeat(256)}/manifests/1`, "400 NAME_INVALID"],
  ["library counts for the length", `//p/v2/${"a".repeat(250)}/manifests/1`, "400 NAME_INVALID"],
  ["a colon alone is no name", "//p/v2/localhost:5000/manifests/1", "400 NAME_INVALID"],
  ["no double slash", "//p/v2//a/manifests/1", "400 NAME_INVALID"],
  ["no double slash inside", "//p/v2/a//b/manifests/1", "400 NAME_INVALID"],
  ["no double slash before the reference", "//p/v2/a/manifests//1", "400 NAME_INVALID"],
  ["no slash at the end", "//p/v2/a/manifests/1/", "400 NAME_INVALID"],
  ["a reference is not empty", "//p/v2/a/manifests/", "400 NAME_INVALID"],
  ["no two slashes after uploads", "POST //p/v2/a/blobs/uploads//", "400 NAME_INVALID"],
  ["an encoded slash makes no component", "//p/v2/a%2Fb/manifests/1", "400 NAME_INVALID"],
  [
    "an encoded slash hides nothing in a session",
    "PUT //p/v2/a/blobs/uploads/..%2F..%2Fb",
    "400 NAME_INVALID",
  ],
  [
    "an encoded backslash hides nothing",
    "PUT //p/v2/a/blobs/uploads/..%5C..%5Cb",
    "400 NAME_INVALID",
  ],
  ["a malformed encoding is refused", "//p/v2/a/manifests/%zz", "400 NAME_INVALID"],
  ["a cut encoding is refused", "//p/v2/a/manifests/1%", "400 NAME_INVALID"],
  ["bytes that are no UTF-8 are refused", "//p/v2/a/manifests/%ff", "400 NAME_INVALID"],
  ["an encoding is decoded once", "//p/v2/a%252Fb/manifests/1", "400 NAME_INVALID"],
  ["an encoded NUL is no name's", "//p/v2/a%00/manifests/1", "400 NAME_INVALID"],
  ["dots leave the API before they are seen", "//p/v2/a/../../manifests/1", "404 NAME_UNKNOWN"],
  ["encoded dots do as well", "//p/v2/%2e%2e/%2e%2e/etc/passwd", "404 NAME_UNKNOWN"],
  [
    "what cannot be a tag is not found",
    "//p/v2/a/manifests/.INVALID_MANIFEST_NAME",
    "404 MANIFEST_UNKNOWN",
  ],
  ["what cannot be a tag cannot be put", "PUT //p/v2/a/manifests/.x", "400 TAG_INVALID"],
  ["a tag is at most 128 long", `PUT //p/v2/a/manifests/${"a".repeat(129)}`, "400 TAG_INVALID"],
  ["a reference with a colon is a digest", "//p/v2/a/manifests/sha256:abc", "400 DIGEST_INVALID"],
  ["an algorithm must be known", `//p/v2/a/manifests/md5:${"a".repeat(32)}`, "400 DIGEST_INVALID"],
  ["a blob is named by a digest", "//p/v2/a/blobs/latest", "400 DIGEST_INVALID"],
  [
    "a blob's algorithm must be known",
    `//p/v2/a/blobs/blake3:${"a".repeat(64)}`,
    "400 DIGEST_INVALID",
  ],
  ["a digest is lower case", `//p/v2/a/blobs/${D.toUpperCase()}`, "400 DIGEST_INVALID"],
  ["a digest has its length", `//p/v2/a/blobs/${D}0`, "400 DIGEST_INVALID"],
  ["referrers are of a digest", "//p/v2/a/referrers/latest", "400 DIGEST_INVALID"],
  ["an unknown path is not found", "//p/v2/a/b", "404 NAME_UNKNOWN"],
  ["an unknown verb is not found", "//p/v2/a/things/b", "404 NAME_UNKNOWN"],
  ["tags have only a list", "//p/v2/a/tags/latest", "404 NAME_UNKNOWN"],
  ["a manifest has a name", "//p/v2/manifests/latest", "404 NAME_UNKNOWN"],
  ["a tag list has a name", "//p/v2/tags/list", "404 NAME_UNKNOWN"],
  ["an upload has a name", "POST //p/v2/blobs/uploads/", "404 NAME_UNKNOWN"],
  ["a session has a name", "PUT //p/v2/blobs/uploads/x", "404 NAME_UNKNOWN"],
  ["a session is one component", "PUT //p/v2/a/blobs/uploads/x/y", "404 NAME_UNKNOWN"],
  ["uploads are of blobs", "PUT //p/v2/a/things/uploads/x", "404 NAME_UNKNOWN"],
  ["nothing outside /v2 is the API", "//p/v3/a/manifests/1", "404 NAME_UNKNOWN"],
  ["/v20 is not /v2", "//p/v20/", "404 NAME_UNKNOWN"],
  ["a ping is read", "POST //p/v2/", "405 UNSUPPORTED"],
  ["a tag list is read", "DELETE //p/v2/a/tags/list", "405 UNSUPPORTED"],
  ["blobs are not put", `PUT //p/v2/a/blobs/${D}`, "405 UNSUPPORTED"],
  ["manifests are not posted", "POST //p/v2/a/manifests/1", "405 UNSUPPORTED"],
  ["uploads begin by POST", "PUT //p/v2/a/blobs/uploads/", "405 UNSUPPORTED"],
  ["sessions are not posted", "POST //p/v2/a/blobs/uploads/x", "405 UNSUPPORTED"],
  ["an unknown method is refused", "BREW //p/v2/a/manifests/1", "405 UNSUPPORTED"],
]);

function routeOf(path: string, method = "GET", router = plain): Route {
  return router.route({ method, url: new URL(`http://p${path}`), host: "p" });
}

Deno.test("a refused method is told the methods of the path", () => {
  const allow = (path: string) => {
    const route = routeOf(path, "OPTIONS");
    return route.kind === "invalid" ? route.allow : undefined;
  };
  assertEquals(allow("/v2/"), "GET, HEAD");
  assertEquals(allow("/v2/a/manifests/1"), "GET, HEAD, PUT, DELETE");
  assertEquals(allow("/v2/a/blobs/uploads/"), "POST");
  assertEquals(allow("/v2/a/blobs/uploads/x"), "GET, HEAD, PATCH, PUT, DELETE");
  assertEquals(allow("/v2/a"), null);
});

Deno.test("a message quotes what was wrong, and not all of something long", () => {
  const route = routeOf(`/v2/a/manifests/${"x".repeat(5000)}`, "PUT");
  assert(route.kind === "invalid");
  assertLess(route.message.length, 400);
});

Deno.test("a target keeps the client's words beside the upstream's", () => {
  const words = (path: string) => {
    const route = routeOf(path);
    return route.kind === "tags" ? [route.target.clientName, String(route.target.repository)] : [];
  };
  assertEquals(words("/v2/nginx/tags/list"), ["nginx", "library/nginx"]);
  assertEquals(words("/v2/docker.io/nginx/tags/list"), ["docker.io/nginx", "library/nginx"]);
  assertEquals(words("/v2/docker.io/nginx/tags/list?ns=docker.io"), [
    "docker.io/nginx",
    "library/nginx",
  ]);
});

Deno.test("two upstreams of one registry: the default one is its prefix's", () => {
  const staging = UPSTREAMS.find(({ alias }) => alias === "docker-staging") ?? docker;
  const router = createRouter({ ...PLAIN, defaultUpstream: staging });
  const expected = "tags docker-staging prefix(docker.io) library/x";
  assertEquals(describe(routeOf("/v2/docker.io/x/tags/list", "GET", router)), expected);
});

Deno.test("Docker Hub's names are one, even where the configuration gives only one", () => {
  const hub = upstream("docker", "https://registry-1.docker.io", ["docker.io"], true);
  const router = createRouter({
    upstreams: [hub],
    defaultUpstream: null,
    customDomain: "m.example",
  });
  for (const name of HUB) {
    assertEquals(
      describe(routeOf(`/v2/a/b/tags/list?ns=${name}`, "GET", router)),
      `tags docker ns(${name}) a/b`,
    );
  }
});

Deno.test("a scope's name is mapped by the rule of the request that asks", () => {
  const text = (router: typeof plain, name: string, path: string, host = "p") => {
    const token = router.route({ method: "GET", url: new URL(`http://p${path}`), host });
    assert(token.kind === "token");
    const resolution = router.resolve(name, token);
    return resolution.kind === "target" ? targetText(resolution.target) : describe(resolution);
  };
  const auth = "/v2/auth";
  assertEquals(text(plain, "nginx", auth), "docker default library/nginx");
  assertEquals(text(plain, "ghcr.io/x/y", auth), "ghcr prefix(ghcr.io) x/y");
  assertEquals(text(plain, "reg.example/x", auth), "unknown reg.example");
  assertEquals(text(plain, "localhost:5000/x", auth), "corp prefix(localhost:5000) x");
  assertEquals(text(plain, "A", auth), "400 NAME_INVALID");
  assertEquals(text(plain, "", auth), "400 NAME_INVALID");
  assertEquals(text(plain, "/x", auth), "400 NAME_INVALID");
  assertEquals(text(plain, "x/y", `${auth}?ns=quay.io`), "quay ns(quay.io) x/y");
  assertEquals(text(plain, "ghcr.io/x", `${auth}?ns=quay.io`), "ghcr prefix(ghcr.io) x");
  assertEquals(text(domain, "x", auth, "ghcr.mirror.example"), "ghcr host x");
  assertEquals(text(domain, "quay.io/x", auth, "ghcr.mirror.example"), "ghcr host quay.io/x");
  assertEquals(text(domain, "quay.io/x", auth, "mirror.example"), "quay prefix(quay.io) x");
  assertEquals(text(domain, "x", auth, "mirror.example"), "unknown x");
});

Deno.test("beside a prefixed name, a name without prefix is the default upstream's", () => {
  const route = routeOf("/v2/ghcr.io/x/y/tags/list");
  assert(route.kind === "tags");
  const base: Base = route.target;
  const other = plain.resolve("a/b", base);
  assert(other.kind === "target");
  assertEquals(targetText(other.target), "docker default a/b");
});

Deno.test("with a custom domain the routes are the alias hosts", () => {
  assertEquals(listRoutes({ ...DOMAIN, upstreams: UPSTREAMS.slice(0, 3) }), {
    message: "Available registry routes",
    routes: {
      "docker.mirror.example": "https://registry-1.docker.io",
      "docker-staging.mirror.example": "https://registry-1.docker.io",
      "quay.mirror.example": "https://quay.io",
    },
  });
});

Deno.test("without a custom domain the routes are the prefixes", () => {
  const { routes } = plain.routes;
  assertEquals(routes["docker.io"], "https://registry-1.docker.io");
  assertEquals(routes["localhost:5000"], "http://localhost:5000/team");
  assertEquals(Object.keys(routes).length, UPSTREAMS.length - 1);
});

Deno.test("a route list tells no credentials of a URL", () => {
  const secret = upstream("s", "https://user:pass@reg.example/?token=x", ["reg.example"]);
  const { routes } = listRoutes({ upstreams: [secret], defaultUpstream: null, customDomain: null });
  assertEquals(routes, { "reg.example": "https://reg.example" });
});

Deno.test("a served name always leads back to itself", () => {
  const words = ["a", "manifests", "blobs", "uploads", "tags", "list", "referrers", "v2", "auth"];
  let seed = 5;
  const random = (below: number) => (seed = (seed * 48_271) % 2_147_483_647) % below;
  for (let round = 0; round < 2000; round++) {
    const parts = Array.from({ length: 2 + random(4) }, () => words[random(words.length)] ?? "a");
    const name = parts.join("/");
    const texts = [
      `manifest docker default ${name} list`,
      `tags docker default ${name}`,
      `blob docker default ${name} ${D}`,
      `referrers docker default ${name} ${D}`,
      `upload docker default ${name} -`,
      `upload docker default ${name} blobs`,
    ];
    const routes = [
      routeOf(`/v2/${name}/manifests/list`),
      routeOf(`/v2/${name}/tags/list`),
      routeOf(`/v2/${name}/blobs/${D}`),
      routeOf(`/v2/${name}/referrers/${D}`),
      routeOf(`/v2/${name}/blobs/uploads/`, "POST"),
      routeOf(`/v2/${name}/blobs/uploads/blobs`, "PATCH"),
    ];
    assertEquals(routes.map(describe), texts);
  }
});

Deno.test("any path gets a route, and quickly", () => {
  const started = performance.now();
  for (
    const unit of ["/", "a/", "%2f", "%", "..", "a-", "blobs/uploads/", ":", "a:b/", "\\", "é/"]
  ) {
    for (const router of [plain, domain]) {
      for (const tail of ["", "/manifests/1", "/blobs/uploads/", "?ns=" + unit.repeat(500)]) {
        routeOf(`/v2/${unit.repeat(2000)}${tail}`, "GET", router);
      }
    }
  }
  assertLess(performance.now() - started, 2000);
});
