/** The proxy's own accounts, from each of their sources. */
import { describeConfig } from "../../lib/cli/describe_config.ts";
import type { Config, UpstreamAuth } from "../../lib/config/config.ts";
import { ConfigError, loadConfig } from "../../lib/config/load.ts";
import {
  assertEquals,
  assertFalse,
  assertStringIncludes,
  assertThrows,
} from "../support/assert.ts";

type Texts = Record<string, string>;

const AUTH = { UPSTREAM_GHCR_AUTH: "account" };

function load(env: Texts, files: Texts = {}): Config {
  return loadConfig(env, (path) => {
    const text = files[path];
    if (text === undefined) throw new Deno.errors.NotFound(path);
    return text;
  }).config;
}

function authOf(env: Texts, files: Texts = {}, alias = "ghcr"): UpstreamAuth | undefined {
  return load({ ...AUTH, ...env }, files).upstreams.find((one) => one.alias === alias)?.auth;
}

function faultOf(env: Texts, files: Texts = {}): string {
  return assertThrows(() => load({ ...AUTH, ...env }, files), ConfigError).message;
}

const TWO = {
  kind: "account",
  username: "a",
  password: "pa",
  others: [{ username: "b", password: "p:b" }],
} as const;

Deno.test("several accounts come from a list, from a file of lines, or from a YAML list", () => {
  const list = '[{"username": "a", "password": "pa"}, {"username": "b", "passwordFile": "/b"}]';
  assertEquals(authOf({ UPSTREAM_GHCR_ACCOUNTS: list }, { "/b": "p:b\n" }), TWO);
  const lines = "# name:password\na:pa\n\nb:p:b\r\n";
  assertEquals(authOf({ UPSTREAM_GHCR_ACCOUNTS_FILE: "/all" }, { "/all": lines }), TWO);
  const yaml = `
upstreams:
  ghcr:
    accounts:
      - username: a
        password: pa
      - { username: b, password_file: /b }
`;
  assertEquals(authOf({ CONFIG_FILE: "/c" }, { "/c": yaml, "/b": "p:b" }), TWO);
});

Deno.test("accounts of all sources are used in one order, each once", () => {
  const env = {
    UPSTREAM_GHCR_USERNAME: "a",
    UPSTREAM_GHCR_PASSWORD: "pa",
    UPSTREAM_GHCR_ACCOUNTS: '[{"username": "b", "password": "p:b"}]',
    UPSTREAM_GHCR_ACCOUNTS_FILE: "/all",
  };
  assertEquals(authOf(env, { "/all": "a:other\n" }), TWO);
});

Deno.test("a Docker config.json gives the accounts of this registry and of no other", () => {
  const config = JSON.stringify({
    auths: {
      "ghcr.io": { auth: btoa("a:pa") },
      "https://ghcr.io/v2/": { username: "b", password: "p:b" },
      "ghcr.io.evil.test": { auth: btoa("c:pc") },
      "https://index.docker.io/v1/": { auth: btoa("hub:ph") },
    },
    credsStore: "desktop",
  });
  assertEquals(authOf({ UPSTREAM_GHCR_DOCKER_CONFIG: "/d" }, { "/d": config }), TWO);
  const hub = { UPSTREAM_DOCKER_AUTH: "account", UPSTREAM_DOCKER_DOCKER_CONFIG: "/d" };
  assertEquals(authOf({ ...hub, UPSTREAM_GHCR_AUTH: "relay" }, { "/d": config }, "docker"), {
    kind: "account",
    username: "hub",
    password: "ph",
    others: [],
  });
});

Deno.test("a source without a usable account is a fault that says why", () => {
  const list = (text: string) => faultOf({ UPSTREAM_GHCR_ACCOUNTS: text });
  for (const text of ["[]", "a:b", '{"username":"a","password":"b"}']) {
    assertStringIncludes(list(text), "UPSTREAM_GHCR_ACCOUNTS: write a list such as");
  }
  assertStringIncludes(list('[{"username": "a"}]'), "entry 1 needs username, and password");
  assertStringIncludes(list('[{"username": "a:b", "password": "c"}]'), "leave out the colon");
  const file = (text: string) => faultOf({ UPSTREAM_GHCR_ACCOUNTS_FILE: "/all" }, { "/all": text });
  assertStringIncludes(file("a:b\nhunter2\n"), "line 2 is not <user name>:<password>");
  assertStringIncludes(file("# nobody\n"), "the file names no account");
  const docker = (config: unknown) =>
    faultOf({ UPSTREAM_GHCR_DOCKER_CONFIG: "/d" }, { "/d": JSON.stringify(config) });
  assertStringIncludes(docker({ auths: {} }), "there is no entry for ghcr.io");
  assertStringIncludes(docker({ auths: { "ghcr.io": {} } }), "credential helper");
  assertStringIncludes(docker([]), "no Docker config.json");
  assertStringIncludes(faultOf({ UPSTREAM_GHCR_DOCKER_CONFIG: "/none" }), "there is no such file");
});

Deno.test("no fault about accounts and no description of them holds a password", () => {
  const secret = "hunter2";
  const env = [
    { UPSTREAM_GHCR_ACCOUNTS: `[{"username": "a", "password": "${secret}", "x": 1}]` },
    { UPSTREAM_GHCR_ACCOUNTS: `{"password": "${secret}"` },
    { UPSTREAM_GHCR_ACCOUNTS: `[{"username": "a:${secret}", "password": "b"}]` },
    { UPSTREAM_GHCR_ACCOUNTS_FILE: "/all" },
  ];
  for (const each of env) assertFalse(faultOf(each, { "/all": `${secret}\n` }).includes(secret));
  const lines = `a:${secret}\nb:${secret}\n`;
  const described = describeConfig(
    load({ ...AUTH, UPSTREAM_GHCR_ACCOUNTS_FILE: "/all" }, { "/all": lines }),
  );
  assertFalse(described.includes(secret));
  assertStringIncludes(described, "- username: b");
});
