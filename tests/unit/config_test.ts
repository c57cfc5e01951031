import { ConfigError, loadConfig, type LoadedConfig } from "../../lib/config/load.ts";
import type { Config, Upstream } from "../../lib/config/config.ts";
import {
  assert,
  assertEquals,
  assertFalse,
  assertMatch,
  assertStringIncludes,
  assertThrows,
} from "../support/assert.ts";

type Environment = Record<string, string>;

function load(env: Environment, files: Record<string, string> = {}): LoadedConfig {
  return loadConfig(env, (path) => {
    const text = files[path];
    if (text === undefined) throw new Deno.errors.NotFound(path);
    return text;
  });
}

function configOf(env: Environment, files: Record<string, string> = {}): Config {
  return load(env, files).config;
}

function faultsOf(env: Environment, files: Record<string, string> = {}): ConfigError {
  return assertThrows(() => load(env, files), ConfigError);
}

function upstreamOf(config: Config, alias: string): Upstream {
  const upstream = config.upstreams.find((candidate) => candidate.alias === alias);
  assert(upstream !== undefined, `no upstream ${alias}`);
  return upstream;
}

/** Reads a YAML file with no environment beside it. */
function fromFile(yaml: string, env: Environment = {}): Config {
  return configOf({ CONFIG_FILE: "entrepot.yaml", ...env }, { "entrepot.yaml": yaml });
}

function fileFaults(yaml: string): ConfigError {
  return faultsOf({ CONFIG_FILE: "entrepot.yaml" }, { "entrepot.yaml": yaml });
}

Deno.test("without configuration the documented defaults hold", () => {
  const { config, warnings } = load({});
  const { upstreams, defaultUpstream, ...rest } = config;
  assertEquals(warnings, []);
  assertEquals(defaultUpstream?.alias, "docker");
  assertEquals(rest, {
    listen: { host: "0.0.0.0", port: 8080 },
    customDomain: null,
    publicUrl: null,
    trustedProxies: [],
    redirect: { rules: [], blockedHosts: ["cloudflare.docker.com", "docker.com", "docker.io"] },
    privateTargets: [],
    warm: [],
    metrics: true,
    cache: {
      enabled: true,
      dir: "./cache",
      maxBytes: 10 * 1024 ** 3,
      minFreeBytes: 1024 ** 3,
      manifestTtlSeconds: 86_400,
      blobTtlSeconds: 31_536_000,
      tagTtl: [],
      staleWhileRevalidateSeconds: 0,
      staleIfErrorSeconds: 604_800,
      negativeTtlSeconds: 5,
      offline: false,
      prefetchFills: 3,
      rangeMiss: "fill",
      verifyReads: 0,
      pushes: false,
    },
    push: { maxManifestBytes: 16 * 1024 ** 2, secretKey: null },
    admin: { token: null, isStatsPublic: false },
    timeouts: {
      upstreamHeadersSeconds: 30,
      upstreamIdleSeconds: 60,
      fillAbandonSeconds: null,
      shutdownGraceSeconds: 30,
    },
    log: { debug: false, format: "auto", level: "info" },
  });
  assertEquals(upstreams.map(({ alias, registry }) => `${alias} ${registry}`).toSorted(), [
    "cloudsmith docker.cloudsmith.io",
    "docker docker.io",
    "docker-staging docker-staging",
    "ecr public.ecr.aws",
    "elastic docker.elastic.co",
    "gcr gcr.io",
    "ghcr ghcr.io",
    "gitlab registry.gitlab.com",
    "k8s registry.k8s.io",
    "k8s-gcr k8s.gcr.io",
    "mcr mcr.microsoft.com",
    "nvcr nvcr.io",
    "quay quay.io",
  ]);
});

Deno.test("Docker Hub has three names and a library; its staging alias has no name of its own", () => {
  const config = configOf({});
  const docker = upstreamOf(config, "docker");
  assertEquals(docker.names, ["docker.io", "index.docker.io", "registry-1.docker.io"]);
  assert(docker.hasLibrary);
  const staging = upstreamOf(config, "docker-staging");
  assertEquals([staging.names, staging.url.host], [[], "registry-1.docker.io"]);
  assert(staging.hasLibrary);
  assertFalse(upstreamOf(config, "ghcr").hasLibrary);
});

Deno.test("every good value of every common key is read", () => {
  const cases: [Environment, (config: Config) => unknown, unknown][] = [
    [{ PORT: "5000" }, (c) => c.listen, { host: "0.0.0.0", port: 5000 }],
    [{ PORT: "0" }, (c) => c.listen.port, 0],
    [{ HOST: "127.0.0.1" }, (c) => c.listen.host, "127.0.0.1"],
    [{ HOST: "[::1]" }, (c) => c.listen.host, "::1"],
    [{ HOST: "::" }, (c) => c.listen.host, "::"],
    [{ HOST: "localhost" }, (c) => c.listen.host, "localhost"],
    [{ PROXY_LISTEN_ADDR: ":5002" }, (c) => c.listen, { host: "0.0.0.0", port: 5002 }],
    [{ PROXY_LISTEN_ADDR: "[::1]:5002" }, (c) => c.listen, { host: "::1", port: 5002 }],
    [
      { PROXY_LISTEN_ADDR: "127.0.0.1:5002", PORT: "1", HOST: "::" },
      (c) => c.listen,
      { host: "127.0.0.1", port: 5002 },
    ],
    [{ CUSTOM_DOMAIN: "Docker.Example.COM." }, (c) => c.customDomain, "docker.example.com"],
    [{ PUBLIC_URL: "https://d.test:8443" }, (c) => c.publicUrl?.href, "https://d.test:8443/"],
    [
      { TRUSTED_PROXIES: "10.0.0.0/8, 192.0.2.1 fd00::/8" },
      (c) => c.trustedProxies,
      ["10.0.0.0/8", "192.0.2.1/32", "fd00::/8"],
    ],
    [
      { REDIRECT_RULES: "*.cloudfront.net=pass,*.docker.com=stream" },
      (c) => c.redirect.rules,
      [{ host: "*.cloudfront.net", mode: "pass" }, { host: "*.docker.com", mode: "stream" }],
    ],
    [
      { BLOCKED_HOSTS: "cdn.example.com,docker.io" },
      (c) => c.redirect.blockedHosts,
      ["cloudflare.docker.com", "docker.com", "docker.io", "cdn.example.com"],
    ],
    [
      { PRIVATE_TARGETS: "10.1.0.0/16,*.minio.lan,127.0.0.1,minio" },
      (c) => c.privateTargets,
      ["10.1.0.0/16", "*.minio.lan", "127.0.0.1/32", "minio"],
    ],
    [{ CACHE_ENABLED: "false" }, (c) => c.cache.enabled, false],
    [{ CACHE_ENABLED: "0" }, (c) => c.cache.enabled, false],
    [{ CACHE_DIR: "/var/cache/entrepot" }, (c) => c.cache.dir, "/var/cache/entrepot"],
    [{ CACHE_MAX_SIZE: "500MB" }, (c) => c.cache.maxBytes, 500_000_000],
    [{ CACHE_MIN_FREE: "0" }, (c) => c.cache.minFreeBytes, 0],
    [{ CACHE_MANIFEST_TTL: "5m" }, (c) => c.cache.manifestTtlSeconds, 300],
    [{ CACHE_BLOB_TTL: "1M" }, (c) => c.cache.blobTtlSeconds, 2_592_000],
    [
      { TAG_TTL: "latest=5m,sha-*=1M" },
      (c) => c.cache.tagTtl,
      [{ pattern: "latest", seconds: 300 }, { pattern: "sha-*", seconds: 2_592_000 }],
    ],
    [{ STALE_WHILE_REVALIDATE: "1h" }, (c) => c.cache.staleWhileRevalidateSeconds, 3600],
    [{ NEGATIVE_TTL: "0" }, (c) => c.cache.negativeTtlSeconds, 0],
    [{ PREFETCH_FILLS: "5" }, (c) => c.cache.prefetchFills, 5],
    [{ PREFETCH: "false", PREFETCH_FILLS: "5" }, (c) => c.cache.prefetchFills, 0],
    [{ RANGE_MISS: "pass" }, (c) => c.cache.rangeMiss, "pass"],
    [{ VERIFY_READS: "0.25" }, (c) => c.cache.verifyReads, 0.25],
    [{ CACHE_PUSHES: "true" }, (c) => c.cache.pushes, true],
    [{ MAX_MANIFEST_SIZE: "4MiB" }, (c) => c.push.maxManifestBytes, 4 * 1024 ** 2],
    [{ SECRET_KEY: "k".repeat(32) }, (c) => c.push.secretKey, "k".repeat(32)],
    [{ FILL_ABANDON_AFTER: "5m" }, (c) => c.timeouts.fillAbandonSeconds, 300],
    [{ STALE_IF_ERROR: "0" }, (c) => c.cache.staleIfErrorSeconds, 0],
    [{ OFFLINE: "true" }, (c) => c.cache.offline, true],
    [{ UPSTREAM_HEADERS_TIMEOUT: "1m" }, (c) => c.timeouts.upstreamHeadersSeconds, 60],
    [{ UPSTREAM_IDLE_TIMEOUT: "90s" }, (c) => c.timeouts.upstreamIdleSeconds, 90],
    [
      { UPSTREAM_MAX_CONNECTIONS: "9", UPSTREAM_GHCR_MAX_CONNECTIONS: "2" },
      (c) => ["docker", "ghcr"].map((alias) => upstreamOf(c, alias).maxConnections),
      [9, 2],
    ],
    [{ SHUTDOWN_GRACE: "0" }, (c) => c.timeouts.shutdownGraceSeconds, 0],
    [{ DEBUG: "TRUE" }, (c) => c.log.debug, true],
    [{ LOG_FORMAT: "JSON" }, (c) => c.log.format, "json"],
    [{ LOG_LEVEL: "warn" }, (c) => c.log.level, "warning"],
  ];
  for (const [env, read, expected] of cases) {
    assertEquals(read(configOf(env)), expected, JSON.stringify(env));
  }
});

Deno.test("every bad value is refused with the key, the value and what would be right", () => {
  const cases: [string, string, string][] = [
    ["PORT", "70000", "write a port from 1 to 65535"],
    ["PORT", "80a", "write a port"],
    ["HOST", "127.0.0.1:80", "without a port"],
    ["PROXY_LISTEN_ADDR", "5002", "write :5002, 127.0.0.1:5002 or [::1]:5002"],
    ["PROXY_LISTEN_ADDR", "::1:5002x", "write :5002"],
    ["CUSTOM_DOMAIN", "https://example.com", "without scheme"],
    ["CUSTOM_DOMAIN", "example.com:80", "without scheme, port"],
    ["PUBLIC_URL", "example.com", "write scheme, host and port"],
    ["PUBLIC_URL", "https://example.com/path", "write scheme, host and port"],
    ["TRUSTED_PROXIES", "10.0.0.0/33", "ranges such as 10.0.0.0/8"],
    ["TRUSTED_PROXIES", "10.0.0.0/8,proxy.lan", '"proxy.lan" is wrong'],
    ["UPSTREAM_REGISTRY_HOST", "ghcr.io/x", "write a registry's host"],
    ["TARGET_UPSTREAM", "ftp://ghcr.io", "write an http or https URL"],
    ["TARGET_UPSTREAM", "https://ghcr.io/v2/", "leave out the final /v2"],
    ["REDIRECT_MODE", "follow", "write stream, pass or auto"],
    ["REDIRECT_RULES", "cdn.test=auto", "write <host>=stream or <host>=pass"],
    ["REDIRECT_RULES", "a.*.test=pass", "write <host>=stream"],
    ["FOLLOW_ALL_REDIRECTS", "maybe", "write true or false"],
    ["BLOCKED_HOSTS", "https://cdn.test", "write host names"],
    ["PRIVATE_TARGETS", "10.0.0.0/40", "CIDR form"],
    ["PRIVATE_TARGETS", "minio:9000", "hosts such as"],
    ["CACHE_ENABLED", "ja", "write true or false"],
    ["CACHE_MAX_SIZE", "10 gigs", "write a size such as 10GiB or 500MB"],
    ["CACHE_MAX_SIZE", "0", "CACHE_ENABLED=false"],
    ["CACHE_MIN_FREE", "-1", "write a size"],
    ["CACHE_MANIFEST_TTL", "60", "write a duration such as 30s"],
    ["CACHE_BLOB_TTL", "1 year", "write a duration"],
    ["TAG_TTL", "latest=5", "write <tag pattern>=<duration>"],
    ["STALE_WHILE_REVALIDATE", "1", "write a duration"],
    ["NEGATIVE_TTL", "no", "write a duration"],
    ["PREFETCH", "few", "write true or false"],
    ["PREFETCH_FILLS", "0", "write a number from 1 to 99"],
    ["RANGE_MISS", "skip", "write pass or fill"],
    ["VERIFY_READS", "2", "write a share from 0 to 1"],
    ["FILL_ABANDON_AFTER", "soon", "write a duration of at most 7d"],
    ["STALE_IF_ERROR", "never", "write a duration"],
    ["OFFLINE", "2", "write true or false"],
    ["UPSTREAM_HEADERS_TIMEOUT", "0", "between 1s and 7d"],
    ["UPSTREAM_IDLE_TIMEOUT", "1y", "between 1s and 7d"],
    ["UPSTREAM_MAX_CONNECTIONS", "1", "write a number from 2 to 9999"],
    ["UPSTREAM_GHCR_MAX_CONNECTIONS", "many", "write a number from 2 to 9999"],
    ["SHUTDOWN_GRACE", "1y", "at most 7d"],
    ["DEBUG", "verbose", "write true or false"],
    ["LOG_FORMAT", "xml", "write auto, json or text"],
    ["LOG_LEVEL", "loud", "write debug, info, warning or error"],
    ["UPSTREAM_GHCR_URL", "ghcr.io", "write an http or https URL"],
    ["UPSTREAM_GHCR_URL", "https://ghcr.io/?a=b", "leave out the query"],
    ["UPSTREAM_GHCR_URL", "https://ghcr.io/#f", "leave out the query and the fragment"],
    ["UPSTREAM_GHCR_REGISTRY", "https://ghcr.io", "write a registry's name"],
    ["UPSTREAM_GHCR_NAMES", "a/b", "write registry names"],
    ["UPSTREAM_GHCR_AUTH", "basic", "write relay or account"],
    ["UPSTREAM_GHCR_REALMS", "https://a.test/token", "write hosts"],
    ["UPSTREAM_GHCR_REDIRECT", "proxy", "write stream, pass or auto"],
    ["UPSTREAM_DOCKER_LIBRARY", "maybe", "write true or false"],
  ];
  for (const [key, value, advice] of cases) {
    const { faults, message } = faultsOf({ [key]: value });
    assertEquals(faults.map((fault) => fault.key), [key], `${key}=${value}`);
    assertStringIncludes(message, `${key}: got ${JSON.stringify(value.replace(/\?.*/, "?…"))}; `);
    assertStringIncludes(message, advice, `${key}=${value}`);
  }
});

Deno.test("all faults are reported at once", () => {
  const { faults, message } = faultsOf({
    PORT: "x",
    CACHE_MAX_SIZE: "10 gigs",
    UPSTREAM_GHCR_URL: "nowhere",
    UPSTREAM_NEW_USERNAME: "me",
    CACHE_MAXSIZE: "1",
    UPSTREAM_QUAY_AUTH: "account",
  });
  assertEquals(faults.length, 6);
  assertMatch(message, /^6 faults in the configuration:\n/);
});

Deno.test("no message holds a password, wherever it stands", () => {
  const environments: Environment[] = [
    { UPSTREAM_GHCR_URL: "https://me:hunter2@ghcr.io" },
    { UPSTREAM_GHCR_URL: "https://me:hunt/hunter2@ghcr.io" },
    { UPSTREAM_GHCR_URL: "https://ghcr.io/?token=hunter2" },
    { TARGET_UPSTREAM: "me:hunter2@ghcr.io" },
    { PUBLIC_URL: "https://me:hunter2@ghcr.io" },
    { UPSTREAM_GHCR_AUTH: "account", UPSTREAM_GHCR_PASSWORD: "hunter2" },
    { UPSTREAM_GHCR_PASWORD: "hunter2" },
    { UPSTREAM_NEW_PASSWORD: "hunter2" },
    {
      UPSTREAM_GHCR_AUTH: "account",
      UPSTREAM_GHCR_USERNAME: "a:b",
      UPSTREAM_GHCR_PASSWORD: "hunter2",
    },
  ];
  for (const env of environments) assertFalse(faultsOf(env).message.includes("hunter2"));
  for (
    const yaml of ["password: [hunter2", "pasword: hunter2", "upstreams: {x: {passwd: hunter2}}"]
  ) {
    assertFalse(fileFaults(yaml).message.includes("hunter2"), yaml);
  }
});

Deno.test("a mistyped key of ours is a fault; other variables are nobody's business", () => {
  const cases: [string, string][] = [
    ["CACHE_MAXSIZE", "CACHE_MAX_SIZE"],
    ["CACHE_MANIFST_TTL", "CACHE_MANIFEST_TTL"],
    ["REDIRECT_RULE", "REDIRECT_RULES"],
    ["LOG_LEVLE", "LOG_LEVEL"],
    ["UPSTREAM_GHCR_USRNAME", "UPSTREAM_GHCR_USERNAME"],
    ["UPSTREAM_GHCR_PASSWORDFILE", "UPSTREAM_GHCR_PASSWORD_FILE"],
    ["UPSTREAM_MAX_CONECTIONS", "UPSTREAM_MAX_CONNECTIONS"],
    ["UPSTREAM_IDLE_TIMEOT", "UPSTREAM_IDLE_TIMEOUT"],
  ];
  for (const [written, meant] of cases) {
    assertStringIncludes(faultsOf({ [written]: "1" }).message, `did you mean ${meant}?`);
  }
  const others = {
    PATH: "/bin",
    PROT: "1",
    LOG_FILE: "x",
    CACHE_PORT: "tcp://10.0.0.1:80",
    CACHE_SERVICE_HOST: "10.0.0.1",
    UPSTREAM_PORT_80_TCP_ADDR: "10.0.0.1",
    UPSTREAM_SERVICE_PORT: "80",
  };
  assertEquals(configOf(others), configOf({}));
});

Deno.test("an empty variable is as if it were not set", () => {
  assertEquals(configOf({ PORT: "", CUSTOM_DOMAIN: " ", UPSTREAM_NEW_URL: "" }), configOf({}));
});

Deno.test("FOLLOW_ALL_REDIRECTS keeps its meaning where REDIRECT_MODE is not set", () => {
  const modeOf = (env: Environment) => upstreamOf(configOf(env), "ghcr").redirect;
  assertEquals(modeOf({}), "stream");
  assertEquals(modeOf({ FOLLOW_ALL_REDIRECTS: "true" }), "stream");
  assertEquals(modeOf({ FOLLOW_ALL_REDIRECTS: "false" }), "auto");
  assertEquals(modeOf({ FOLLOW_ALL_REDIRECTS: "false", REDIRECT_MODE: "pass" }), "pass");
  assertEquals(modeOf({ REDIRECT_MODE: "pass", UPSTREAM_GHCR_REDIRECT: "auto" }), "auto");
});

Deno.test("the default upstream is the built-in whose host is named", () => {
  const cases: [Environment, string | undefined][] = [
    [{ UPSTREAM_REGISTRY_HOST: "registry-1.docker.io" }, "docker"],
    [{ UPSTREAM_REGISTRY_HOST: "docker.io" }, "docker"],
    [{ TARGET_UPSTREAM: "https://index.docker.io/" }, "docker"],
    [{ TARGET_UPSTREAM: "ghcr.io" }, "ghcr"],
    [{ TARGET_UPSTREAM: "https://ghcr.io", CUSTOM_DOMAIN: "example.com" }, "ghcr"],
    [{ TARGET_UPSTREAM: "ghcr.io", UPSTREAM_GHCR_URL: "http://mirror.lan:5000" }, "ghcr"],
    [{ TARGET_UPSTREAM: "mirror.lan:5000", UPSTREAM_GHCR_URL: "http://mirror.lan:5000" }, "ghcr"],
    [{ CUSTOM_DOMAIN: "example.com" }, undefined],
  ];
  for (const [env, alias] of cases) {
    const { defaultUpstream, upstreams } = configOf(env);
    assertEquals(defaultUpstream?.alias, alias, JSON.stringify(env));
    assert(defaultUpstream === null || upstreams.includes(defaultUpstream));
  }
});

Deno.test("a default upstream that is none of the known ones becomes a new one", () => {
  const http = configOf({ TARGET_UPSTREAM: "http://registry.lan:5000" }).defaultUpstream;
  assertEquals(
    [http?.alias, http?.url.href, http?.registry, http?.names, http?.hasLibrary],
    ["default", "http://registry.lan:5000/", "registry.lan:5000", ["registry.lan:5000"], false],
  );
  const host = configOf({ UPSTREAM_REGISTRY_HOST: "registry.lan:5000" }).defaultUpstream;
  assertEquals(host?.url.href, "https://registry.lan:5000/");
  const account = configOf({
    TARGET_UPSTREAM: "https://registry.lan",
    UPSTREAM_DEFAULT_AUTH: "account",
    UPSTREAM_DEFAULT_USERNAME: "me",
    UPSTREAM_DEFAULT_PASSWORD: "hunter2",
  });
  assertEquals(account.defaultUpstream?.auth.kind, "account");
});

Deno.test("two different default upstreams are a fault", () => {
  const { message } = faultsOf({ UPSTREAM_REGISTRY_HOST: "ghcr.io", TARGET_UPSTREAM: "quay.io" });
  assertStringIncludes(message, "both name the default upstream");
  configOf({ UPSTREAM_REGISTRY_HOST: "ghcr.io", TARGET_UPSTREAM: "https://ghcr.io" });
});

Deno.test("a built-in whose URL is changed keeps its names and gains the URL's host", () => {
  const ghcr = upstreamOf(configOf({ UPSTREAM_GHCR_URL: "http://mirror.lan:5000/ghcr/" }), "ghcr");
  assertEquals(ghcr.registry, "ghcr.io");
  assertEquals(ghcr.names, ["ghcr.io", "mirror.lan:5000"]);
  assertEquals([ghcr.url.protocol, ghcr.url.pathname], ["http:", "/ghcr"]);
});

Deno.test("a new alias makes a new upstream", () => {
  const config = configOf({
    UPSTREAM_MY_CORP_URL: "https://registry.corp.test:8443",
    UPSTREAM_MY_CORP_NAMES: "corp.test",
    UPSTREAM_MY_CORP_REALMS: "sso.test,*.auth.test",
    UPSTREAM_MY_CORP_LIBRARY: "true",
  });
  const corp = upstreamOf(config, "my-corp");
  assertEquals(corp.registry, "registry.corp.test:8443");
  assertEquals(corp.names, ["registry.corp.test:8443", "corp.test"]);
  assertEquals(corp.realms, ["sso.test", "*.auth.test"]);
  assert(corp.hasLibrary);
  const named = upstreamOf(
    configOf({ UPSTREAM_X_URL: "https://r.test", UPSTREAM_X_REGISTRY: "x.test" }),
    "x",
  );
  assertEquals([named.registry, named.names], ["x.test", ["x.test", "r.test"]]);
});

Deno.test("the environment's K8S_GCR is the alias k8s-gcr", () => {
  const config = configOf({ UPSTREAM_K8S_GCR_URL: "https://mirror.test" });
  assertEquals(upstreamOf(config, "k8s-gcr").url.host, "mirror.test");
});

Deno.test("a new upstream needs a URL, and a near built-in is suggested", () => {
  const { message } = faultsOf({ UPSTREAM_GHRC_USERNAME: "me" });
  assertStringIncludes(message, "UPSTREAM_GHRC_URL: ");
  assertStringIncludes(message, "did you mean the built-in upstream ghcr?");
});

Deno.test("no two upstreams bear one name", () => {
  const mine = faultsOf({
    UPSTREAM_A_URL: "https://r.test",
    UPSTREAM_B_URL: "https://r.test",
  });
  assertStringIncludes(
    mine.message,
    'UPSTREAM_B_URL: got "r.test"; this name is also the upstream a',
  );
  const builtin = faultsOf({
    UPSTREAM_A_URL: "https://mirror.test",
    UPSTREAM_A_REGISTRY: "ghcr.io",
  });
  assertStringIncludes(builtin.message, "UPSTREAM_GHCR_URL");
});

Deno.test("a host that two upstreams share is no name of either", () => {
  const config = configOf({
    UPSTREAM_A_URL: "https://r.test/a",
    UPSTREAM_A_REGISTRY: "a.test",
    UPSTREAM_B_URL: "https://r.test/b",
    UPSTREAM_B_REGISTRY: "b.test",
  });
  assertEquals(upstreamOf(config, "a").names, ["a.test"]);
  assertEquals(upstreamOf(config, "b").names, ["b.test"]);
});

Deno.test("an account comes from the environment or from a file", () => {
  const account = {
    UPSTREAM_GHCR_AUTH: "account",
    UPSTREAM_GHCR_USERNAME: "me",
  };
  const expected = { kind: "account", username: "me", password: " pass word", others: [] } as const;
  const direct = configOf({ ...account, UPSTREAM_GHCR_PASSWORD: " pass word" });
  assertEquals(upstreamOf(direct, "ghcr").auth, expected);
  const file = configOf(
    { ...account, UPSTREAM_GHCR_PASSWORD_FILE: "/run/secrets/ghcr" },
    { "/run/secrets/ghcr": " pass word\n" },
  );
  assertEquals(upstreamOf(file, "ghcr").auth, expected);
});

Deno.test("an account without user name or password, or with two passwords, is a fault", () => {
  const { message } = faultsOf({ UPSTREAM_GHCR_AUTH: "account", UPSTREAM_GHCR_USERNAME: "me" });
  assertStringIncludes(
    message,
    "account needs UPSTREAM_GHCR_USERNAME and UPSTREAM_GHCR_PASSWORD (or UPSTREAM_GHCR_PASSWORD_FILE)",
  );
  const files = { "/empty": "\n" };
  const account = { UPSTREAM_GHCR_AUTH: "account", UPSTREAM_GHCR_USERNAME: "me" };
  const cases: [string, string][] = [["/none", "there is no such file"], ["/empty", "is empty"]];
  for (const [path, advice] of cases) {
    const error = faultsOf({ ...account, UPSTREAM_GHCR_PASSWORD_FILE: path }, files);
    assertStringIncludes(error.message, advice);
  }
  const two = { ...account, UPSTREAM_GHCR_PASSWORD: "a", UPSTREAM_GHCR_PASSWORD_FILE: "/f" };
  assertStringIncludes(faultsOf(two, { "/f": "b" }).message, "leave out either");
});

Deno.test("what is ignored or risky is a warning and not a fault", () => {
  const warningsOf = (env: Environment) => load(env).warnings.join("\n");
  assertMatch(warningsOf({ DNS_SERVERS: "192.0.2.1" }), /^DNS_SERVERS is ignored/);
  assertMatch(warningsOf({ UPSTREAM_GHCR_USERNAME: "me" }), /UPSTREAM_GHCR_AUTH to account/);
  assertMatch(
    warningsOf({
      UPSTREAM_X_URL: "http://r.lan",
      UPSTREAM_X_AUTH: "account",
      UPSTREAM_X_USERNAME: "me",
      UPSTREAM_X_PASSWORD: "p",
    }),
    /unencrypted/,
  );
});

Deno.test("the configuration is frozen to its depths", () => {
  const config = configOf({ TRUSTED_PROXIES: "10.0.0.0/8" });
  const parts = [config, config.cache, config.upstreams, config.trustedProxies, config.redirect];
  assert(parts.every(Object.isFrozen));
  assert(
    config.upstreams.every((upstream) =>
      Object.isFrozen(upstream) && Object.isFrozen(upstream.auth)
    ),
  );
});

Deno.test("a file has the same keys in upper, lower and camel case", () => {
  const config = fromFile(
    "PORT: 5000\ncache_max_size: 1GiB\ncacheManifestTTL: 5m\nlogLevel: debug\n",
  );
  assertEquals(config.listen.port, 5000);
  assertEquals(config.cache.maxBytes, 1024 ** 3);
  assertEquals(config.cache.manifestTtlSeconds, 300);
  assertEquals(config.log.level, "debug");
});

Deno.test("a file has upstreams as a map and redirect rules as a list or a map", () => {
  const config = fromFile(`
upstreams:
  corp:
    url: https://registry.corp.test
    registry: corp.test
    auth: account
    username: me
    password: 0123
    realms: [sso.test]
    redirect: pass
    library: true
    names:
      - other.test
  ghcr:
    passwordFile: /nowhere
redirectRules:
  - host: "*.cloudfront.net"
    mode: pass
  - cdn.test=stream
`);
  const corp = upstreamOf(config, "corp");
  assertEquals(corp.auth, { kind: "account", username: "me", password: "0123", others: [] });
  assertEquals(corp.names, ["corp.test", "other.test", "registry.corp.test"]);
  assertEquals([corp.realms, corp.redirect, corp.hasLibrary], [["sso.test"], "pass", true]);
  const rules = [{ host: "*.cloudfront.net", mode: "pass" }, { host: "cdn.test", mode: "stream" }];
  assertEquals<unknown>(config.redirect.rules, rules);
  const map = fromFile('redirectRules:\n  "*.cloudfront.net": pass\n  cdn.test: stream\n');
  assertEquals<unknown>(map.redirect.rules, rules);
});

Deno.test("the environment wins over the file, key by key", () => {
  const yaml = "port: 1\ncacheDir: /a\nupstreams: {ghcr: {url: 'https://a.test', library: true}}";
  const config = fromFile(yaml, { PORT: "2", UPSTREAM_GHCR_URL: "https://b.test" });
  assertEquals([config.listen.port, config.cache.dir], [2, "/a"]);
  const ghcr = upstreamOf(config, "ghcr");
  assertEquals([ghcr.url.host, ghcr.hasLibrary], ["b.test", true]);
});

Deno.test("the environment's password replaces the file's password file", () => {
  const yaml = "upstreams: {ghcr: {auth: account, username: me, passwordFile: /none}}";
  const config = fromFile(yaml, { UPSTREAM_GHCR_PASSWORD: "p" });
  assertEquals(upstreamOf(config, "ghcr").auth, {
    kind: "account",
    username: "me",
    password: "p",
    others: [],
  });
});

Deno.test("an unknown key of a file is a fault, with a suggestion in the author's style", () => {
  const cases: [string, string][] = [
    ["cacheMaxSise: 1", "cacheMaxSise: there is no such key; did you mean cacheMaxSize?"],
    ["cache_max_sise: 1", "did you mean cache_max_size?"],
    ["CACHE_MAX_SISE: 1", "did you mean CACHE_MAX_SIZE?"],
    ["upstream: {}", "did you mean upstreams?"],
    ["colour: red", "colour: there is no such key"],
    [
      "upstreams: {ghcr: {usrname: x}}",
      "upstreams.ghcr.usrname: there is no such key; did you mean username?",
    ],
    ["CONFIG_FILE: other", "CONFIG_FILE: there is no such key"],
  ];
  for (const [yaml, message] of cases) assertStringIncludes(fileFaults(yaml).message, message);
});

Deno.test("a fault in a file is reported under the key as it is written there", () => {
  const { faults } = fileFaults(
    "cacheMaxSize: 10 gigs\nupstreams: {ghcr: {url: nowhere}, 'a b': {}, quay: 5}\nport: {a: b}\nPUBLIC_URL: x",
  );
  assertEquals(faults.map(({ key }) => key).toSorted(), [
    "PUBLIC_URL",
    "cacheMaxSize",
    "port",
    "upstreams.a b",
    "upstreams.ghcr.url",
    "upstreams.quay",
  ]);
});

Deno.test("a key that is written twice in a file is a fault", () => {
  assertStringIncludes(fileFaults("port: 1\nPORT: 2").message, "says the same as port");
  assertStringIncludes(fileFaults("port: 1\nport: 2").message, "correct the YAML");
});

Deno.test("a file that is missing, no YAML or no map is one fault", () => {
  assertStringIncludes(
    faultsOf({ CONFIG_FILE: "/none" }).message,
    'CONFIG_FILE: got "/none"; there is no such file',
  );
  assertStringIncludes(fileFaults("a: [").message, "correct the YAML");
  assertStringIncludes(fileFaults("- a").message, "write a map");
  assertEquals(fromFile("# nothing\n"), configOf({}));
});

Deno.test("a push is the caller's own right: allowed, unless callers read by the proxy's account", () => {
  const account = {
    UPSTREAM_GHCR_AUTH: "account",
    UPSTREAM_GHCR_USERNAME: "me",
    UPSTREAM_GHCR_PASSWORD: "secret",
  };
  const pushOf = (env: Environment) => upstreamOf(configOf(env), "ghcr").push;
  assertEquals(pushOf({}), "allow");
  assertEquals(pushOf({ PUSH: "deny" }), "deny");
  assertEquals(pushOf({ PUSH: "deny", UPSTREAM_GHCR_PUSH: "allow" }), "allow");
  assertEquals(pushOf({ UPSTREAM_GHCR_PUSH: "deny" }), "deny");
  assertEquals(pushOf(account), "deny");
  assertEquals(pushOf({ ...account, PUSH: "allow" }), "deny");
  assertEquals(pushOf({ ...account, UPSTREAM_GHCR_PUSH: "account" }), "account");
  assertEquals(pushOf({ ...account, UPSTREAM_GHCR_PUSH: "allow" }), "allow");
});

Deno.test("pushing with the proxy's account needs one", () => {
  const { message } = faultsOf({ UPSTREAM_GHCR_PUSH: "account" });
  assertStringIncludes(message, "UPSTREAM_GHCR_PUSH");
  assertStringIncludes(message, "UPSTREAM_GHCR_AUTH=account");
});

Deno.test("a secret key is long, and never shown", () => {
  const { message } = faultsOf({ SECRET_KEY: "hunter2" });
  assertStringIncludes(message, "openssl rand");
  assertFalse(message.includes("hunter2"));
  assertStringIncludes(faultsOf({ MAX_MANIFEST_SIZE: "1MiB" }).message, "4MiB");
});

Deno.test("warm-ups have images, platforms and a time as cron writes it", () => {
  const { warm } = fromFile(`
warm:
  - images: [nginx, "ghcr.io/org/app:1.*"]
    platforms: linux/amd64, linux/arm/v7
    at: "30 3 * * 1-5"
  - images: alpine@sha256:${"a".repeat(64)}
    platforms: all
  - IMAGES: busybox
`);
  assertEquals(warm, [
    {
      images: ["nginx", "ghcr.io/org/app:1.*"],
      platforms: ["linux/amd64", "linux/arm/v7"],
      at: "30 3 * * 1-5",
    },
    { images: [`alpine@sha256:${"a".repeat(64)}`], platforms: "all", at: "@daily" },
    { images: ["busybox"], platforms: ["linux/amd64"], at: "@daily" },
  ]);
});

Deno.test("a fault in a warm-up names its entry and its field", () => {
  const cases: [string, string][] = [
    ["warm: nginx", "warm: write a list of maps"],
    ["warm:\n  - at: '@daily'", "warm[0].images: name what is to be pulled"],
    ["warm:\n  - images: [a]\n  - images: Not/Good", "warm[1].images"],
    ["warm:\n  - images: [a]\n    at: 61 * * * *", "warm[0].at"],
    ["warm:\n  - images: [a]\n    at: 0 0 30 2 *", "warm[0].at"],
    ["warm:\n  - images: [a]\n    platforms: amd64", "warm[0].platforms"],
    ["warm:\n  - image: [a]", "warm[0].image: there is no such key; did you mean images?"],
  ];
  for (const [yaml, expected] of cases) assertStringIncludes(fileFaults(yaml).message, expected);
});

Deno.test("an admin token is long, has no spaces, and is never shown", () => {
  const token = "correct-horse-battery";
  assertEquals(configOf({ ADMIN_TOKEN: token, STATS_PUBLIC: "yes" }).admin, {
    token,
    isStatsPublic: true,
  });
  const short = faultsOf({ ADMIN_TOKEN: "too-short-a-one" });
  assertStringIncludes(short.message, "ADMIN_TOKEN");
  assertFalse(short.message.includes("too-short-a-one"));
});
