import { parse as parseToml } from "smol-toml";
import { parse as parseYaml } from "yaml";
import { type Engine, ENGINES, type ProxyAddress, SetupError } from "../../lib/setup/engine.ts";
import { setUpEngine } from "../../lib/setup/setup.ts";
import { assert, assertEquals, assertStringIncludes, assertThrows } from "../support/assert.ts";

const PROXY: ProxyAddress = {
  base: new URL("http://proxy.lan:8080"),
  registries: ["docker.io", "ghcr.io"],
  hubMirror: new URL("http://proxy.lan:8080"),
};

/** Sets an engine up over these files; gives the files as they are then. */
function setUp(
  engine: Engine,
  before: Record<string, string> = {},
  proxy = PROXY,
): Record<string, string> {
  const { files } = setUpEngine(engine, proxy, (path) => before[path]);
  return { ...before, ...Object.fromEntries(files.map(({ path, text }) => [path, text])) };
}

const DAEMON = "/etc/docker/daemon.json";
const CONTAINERD = "/etc/containerd/config.toml";
const HUB_HOSTS = "/etc/containerd/certs.d/docker.io/hosts.toml";
const BUILDKIT = "/etc/buildkit/buildkitd.toml";
const K3S = "/etc/rancher/k3s/registries.yaml";

Deno.test("what is set up once is left as it is the second time, for every engine", () => {
  for (const engine of ENGINES) {
    const once = setUp(engine);
    assert(Object.keys(once).length > 0);
    assertEquals(setUp(engine, once), once, engine);
  }
});

Deno.test("docker keeps its other keys, its other mirrors and its indentation", () => {
  const before = `{
    "log-driver": "journald",
    "registry-mirrors": ["https://mirror.example.com"],
    "mtu": 1400
}
`;
  assertEquals(
    setUp("docker", { [DAEMON]: before })[DAEMON],
    `{
    "log-driver": "journald",
    "registry-mirrors": [
        "http://proxy.lan:8080",
        "https://mirror.example.com"
    ],
    "mtu": 1400,
    "insecure-registries": [
        "proxy.lan:8080"
    ]
}
`,
  );
});

Deno.test("docker needs to be told of plain http only beyond loopback and without TLS", () => {
  for (const base of ["http://localhost:8080", "http://127.0.0.1:8080", "https://p.example.com"]) {
    const url = new URL(base);
    const { [DAEMON]: text = "" } = setUp("docker", {}, { ...PROXY, base: url, hubMirror: url });
    assertEquals(JSON.parse(text), { "registry-mirrors": [url.origin] });
  }
});

Deno.test("docker without Docker Hub behind the proxy's root is told to name the proxy instead", () => {
  assertThrows(
    () => setUp("docker", {}, { ...PROXY, hubMirror: null }),
    SetupError,
    "docker pull proxy.lan:8080/",
  );
});

Deno.test("containerd keeps its file byte for byte beside the folder of hosts", () => {
  const before = `# ours
version = 2
root = "/data" # large disk

[plugins]
  [plugins."io.containerd.grpc.v1.cri"]
    sandbox_image = "registry.k8s.io/pause:3.8"
`;
  const after = setUp("containerd", { [CONTAINERD]: before });
  const text = after[CONTAINERD] ?? "";
  assert(text.startsWith(before));
  assertEquals(
    text.slice(before.length),
    `\n[plugins."io.containerd.grpc.v1.cri".registry]\nconfig_path = "/etc/containerd/certs.d"\n`,
  );
  assertEquals(
    after[HUB_HOSTS],
    `server = "https://registry-1.docker.io"

[host."http://proxy.lan:8080"]
  capabilities = ["pull", "resolve"]
`,
  );
});

Deno.test("containerd's own folder of hosts is used, and a table that is there is filled in", () => {
  const elsewhere = `version = 3
[plugins."io.containerd.cri.v1.images".registry]
  config_path = "/srv/hosts:/etc/docker/certs.d"
`;
  const after = setUp("containerd", { [CONTAINERD]: elsewhere });
  assertEquals(after[CONTAINERD], elsewhere);
  assertStringIncludes(after["/srv/hosts/ghcr.io/hosts.toml"] ?? "", `server = "https://ghcr.io"`);

  const empty = `version = 2
[plugins."io.containerd.grpc.v1.cri".registry] # nothing yet
  config_path = "" # here
  [plugins."io.containerd.grpc.v1.cri".registry.headers]
    X-Team = ["a"]
`;
  const { [CONTAINERD]: filled = "" } = setUp("containerd", { [CONTAINERD]: empty });
  assertEquals(filled, empty.replace(`""`, `"/etc/containerd/certs.d"`));
});

Deno.test("containerd's other mirrors of a registry stay, after the proxy", () => {
  const before = `server = "https://registry-1.docker.io"
# the old one
[host."https://mirror.example.com"]
  capabilities = ["pull"]
`;
  const { [HUB_HOSTS]: text = "" } = setUp("containerd", { [HUB_HOSTS]: before });
  const { host } = parseToml(text);
  assert(typeof host === "object");
  assertEquals(Object.keys(host), ["http://proxy.lan:8080", "https://mirror.example.com"]);
  assertStringIncludes(text, "# the old one\n");
});

Deno.test("buildkit keeps other mirrors of a registry behind the proxy, and its other tables", () => {
  const before = `debug = true
[registry."docker.io"]
  mirrors = ["mirror.example.com"] # first
[worker.oci]
  enabled = true
`;
  const { [BUILDKIT]: text = "" } = setUp("buildkit", { [BUILDKIT]: before });
  assertEquals(parseToml(text), {
    debug: true,
    registry: {
      "docker.io": { mirrors: ["proxy.lan:8080/docker.io", "mirror.example.com"] },
      "ghcr.io": { mirrors: ["proxy.lan:8080/ghcr.io"] },
      "proxy.lan:8080": { http: true },
    },
    worker: { oci: { enabled: true } },
  });
  assertStringIncludes(text, `"mirror.example.com"] # first\n`);
});

Deno.test("k3s keeps comments, credentials and other endpoints", () => {
  const before = `# nodes
mirrors:
  docker.io:
    endpoint:
      - https://mirror.example.com # old
configs:
  registry.example.com:
    auth:
      username: me
`;
  const { [K3S]: text = "" } = setUp("k3s", { [K3S]: before });
  assertEquals(parseYaml(text), {
    mirrors: {
      "docker.io": { endpoint: ["http://proxy.lan:8080", "https://mirror.example.com"] },
      "ghcr.io": { endpoint: ["http://proxy.lan:8080"] },
    },
    configs: { "registry.example.com": { auth: { username: "me" } } },
  });
  assertStringIncludes(text, "# nodes\n");
});

Deno.test("podman speaks http with the proxy only where it has no TLS", () => {
  const file = "/etc/containers/registries.conf.d/900-entrepot.conf";
  const { [file]: plain = "" } = setUp("podman");
  assertEquals(plain.match(/insecure = true/g)?.length, 3);
  const base = new URL("https://docker.example.com");
  const { [file]: secure = "" } = setUp("podman", {}, { ...PROXY, base });
  assertEquals(parseToml(secure), {
    registry: [
      { location: "docker.io", mirror: [{ location: "docker.example.com/docker.io" }] },
      { location: "ghcr.io", mirror: [{ location: "docker.example.com/ghcr.io" }] },
    ],
  });
});

Deno.test("a file that cannot be understood is refused with its name, not overwritten", () => {
  const cases: [Engine, string, string][] = [
    ["docker", DAEMON, "{ nonsense"],
    ["docker", DAEMON, "[]"],
    ["docker", DAEMON, `{"registry-mirrors": "http://x"}`],
    ["containerd", CONTAINERD, "version = = 2"],
    ["containerd", CONTAINERD, `version = 2\nplugins = { "io.containerd.grpc.v1.cri" = {} }\n`],
    ["buildkit", BUILDKIT, `registry = { "docker.io" = { http = true } }\n`],
    ["k3s", K3S, "- a\n- b\n"],
    ["k3s", K3S, "a: [\n"],
  ];
  for (const [engine, path, text] of cases) {
    assertThrows(() => setUp(engine, { [path]: text }), SetupError, path);
  }
});
