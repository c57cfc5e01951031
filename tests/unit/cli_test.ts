import { parse } from "yaml";
import { type CliDependencies, runCli } from "../../lib/cli/main_cli.ts";
import { loadConfig } from "../../lib/config/load.ts";
import { VERSION } from "../../lib/version.ts";
import {
  assert,
  assertEquals,
  assertFalse,
  assertMatch,
  assertStringIncludes,
} from "../support/assert.ts";

interface Outcome {
  code: number;
  stdout: string;
  stderr: string;
  served: number;
}

async function run(args: string[], overrides: Partial<CliDependencies> = {}): Promise<Outcome> {
  const outcome: Outcome = { code: -1, stdout: "", stderr: "", served: 0 };
  outcome.code = await runCli(args, {
    serve: () => {
      outcome.served += 1;
      return Promise.resolve(0);
    },
    env: {},
    readTextFile: (path) => {
      throw new Deno.errors.NotFound(path);
    },
    stdout: (text) => outcome.stdout += text,
    stderr: (text) => outcome.stderr += text,
    fetch: () => Promise.reject(new Error("nothing is fetched here")),
    ...overrides,
  });
  return outcome;
}

Deno.test("without a command it serves, and its exit code is the server's", async () => {
  assertEquals((await run([])).served, 1);
  assertEquals((await run(["serve"])).served, 1);
  assertEquals((await run([], { serve: () => Promise.resolve(3) })).code, 3);
});

Deno.test("serving gets the configuration and its warnings", async () => {
  const seen: unknown[] = [];
  await run([], {
    env: { PORT: "5002", DNS_SERVERS: "192.0.2.1" },
    serve: ({ config, warnings }) => {
      seen.push(config.listen.port, warnings.length);
      return Promise.resolve(0);
    },
  });
  assertEquals(seen, [5002, 1]);
});

Deno.test("a configuration with faults ends every command with 78 and one message", async () => {
  for (const command of ["serve", "check", "health-check"]) {
    const { code, stdout, stderr, served } = await run([command], {
      env: { PORT: "x", CACHE_MAX_SIZE: "10 gigs" },
    });
    assertEquals([code, stdout, served], [78, "", 0]);
    assertStringIncludes(stderr, "2 faults in the configuration");
    assertStringIncludes(stderr, 'PORT: got "x"');
    assertStringIncludes(stderr, 'CACHE_MAX_SIZE: got "10 gigs"; write a size');
    assertFalse(/^\s+at /m.test(stderr));
  }
});

Deno.test("check prints the configuration in effect and masks passwords", async () => {
  const { code, stdout, stderr } = await run(["check"], {
    env: {
      UPSTREAM_GHCR_AUTH: "account",
      UPSTREAM_GHCR_USERNAME: "me",
      UPSTREAM_GHCR_PASSWORD: "hunter2",
      DNS_SERVERS: "192.0.2.1",
    },
  });
  assertEquals(code, 0);
  assertFalse(stdout.includes("hunter2"));
  assertStringIncludes(stdout, "username: me");
  assertStringIncludes(stdout, "cacheMaxSize: 10GiB");
  assertStringIncludes(stderr, "warning: DNS_SERVERS is ignored");
});

Deno.test("what check prints is a configuration file that means the same", async () => {
  const env = {
    PORT: "5002",
    CUSTOM_DOMAIN: "example.com",
    PUBLIC_URL: "https://docker.example.com",
    TARGET_UPSTREAM: "http://registry.lan:5000",
    UPSTREAM_GHCR_URL: "http://mirror.lan:5001/ghcr",
    UPSTREAM_CORP_URL: "https://registry.corp.test",
    UPSTREAM_CORP_NAMES: "corp.test",
    REDIRECT_RULES: "*.cloudfront.net=pass",
    CACHE_MANIFEST_TTL: "1h30m",
    TRUSTED_PROXIES: "10.0.0.0/8",
  };
  const { stdout } = await run(["check"], { env });
  assert(parse(stdout) !== null);
  const again = loadConfig({ CONFIG_FILE: "entrepot.yaml" }, () => stdout);
  assertEquals(again.config, loadConfig(env, () => "").config);
});

Deno.test("every spelling of health-check asks the configured address on loopback", async () => {
  const cases: [Record<string, string>, string][] = [
    [{}, "http://127.0.0.1:8080/healthz"],
    [{ PORT: "5002" }, "http://127.0.0.1:5002/healthz"],
    [{ PROXY_LISTEN_ADDR: "[::1]:5003" }, "http://[::1]:5003/healthz"],
    [{ HOST: "::" }, "http://[::1]:8080/healthz"],
    [{ HOST: "192.0.2.7" }, "http://192.0.2.7:8080/healthz"],
  ];
  for (const command of ["health-check", "-health-check", "--health-check"]) {
    for (const [env, expected] of cases) {
      const asked: string[] = [];
      const { code } = await run([command], {
        env,
        fetch: (url) => {
          asked.push(url);
          return Promise.resolve(new Response("{}"));
        },
      });
      assertEquals([code, asked], [0, [expected]]);
    }
  }
});

Deno.test("health-check fails with 1 and the reason when the server is ill or away", async () => {
  const ill = await run(["health-check"], {
    fetch: () => Promise.resolve(new Response("", { status: 503 })),
  });
  assertEquals(ill.code, 1);
  assertStringIncludes(ill.stderr, "answered 503");
  const away = await run(["health-check"], { fetch: () => Promise.reject(new Error("no route")) });
  assertEquals(away.code, 1);
  assertStringIncludes(away.stderr, "no route");
});

Deno.test("health-check works against a real server", async () => {
  await using server = Deno.serve(
    { hostname: "127.0.0.1", port: 0, onListen() {} },
    () => new Response("{}"),
  );
  const env = { PORT: String(server.addr.port) };
  assertEquals((await run(["-health-check"], { env, fetch })).code, 0);
});

Deno.test("help and version are printed without looking at the configuration", async () => {
  const env = { PORT: "x" };
  for (const flag of ["--help", "-h", "help"]) {
    const { code, stdout } = await run([flag], { env });
    assertEquals(code, 0);
    assertMatch(stdout, /Usage: entrepot/);
  }
  for (const flag of ["--version", "-V", "version"]) {
    assertEquals((await run([flag], { env })).stdout, `${VERSION}\n`);
  }
});

Deno.test("an unknown command or argument ends with 64 and the usage", async () => {
  for (const args of [["srve"], ["--prot"], ["check", "extra"]]) {
    const { code, stderr, served } = await run(args);
    assertEquals([code, served], [64, 0]);
    assertStringIncludes(stderr, "Usage: entrepot");
  }
});

Deno.test("each command that the help lists has a help of its own", async () => {
  const usage = (await run(["--help"])).stdout;
  const names = [...usage.matchAll(/^ {2}([a-z-]+) {2,}/gm)].map(([, name = ""]) => name);
  assert(names.length >= 3);
  for (const name of names) {
    const { code, stdout, served } = await run([name, "--help"]);
    assertEquals([code, served], [0, 0]);
    assertStringIncludes(stdout, `Usage: entrepot ${name}`);
    assertStringIncludes(stdout, "--help");
    assertEquals((await run(["help", name])).stdout, stdout);
  }
});

Deno.test("completion knows every command and option, in each shell's own language", async () => {
  for (const shell of ["bash", "zsh", "fish"]) {
    const { code, stdout } = await run(["completion", shell]);
    assertEquals(code, 0);
    for (const word of ["setup", "doctor", "completion", "containerd", "registry"]) {
      assertStringIncludes(stdout, word);
    }
  }
  assertEquals((await run(["completion", "csh"])).code, 64);
});

Deno.test("bash completes commands, options and what can be counted", async () => {
  const { stdout } = await run(["completion", "bash"]);
  const complete = async (...words: string[]): Promise<string[]> => {
    const script = `${stdout}
COMP_WORDS=("$@"); COMP_CWORD=$(($# - 1)); _entrepot; printf '%s\\n' "\${COMPREPLY[@]}"`;
    const command = new Deno.Command("bash", { args: ["-c", script, "bash", ...words] });
    const { stdout: out } = await command.output();
    return new TextDecoder().decode(out).split("\n").filter((line) => line !== "");
  };
  assertEquals(await complete("entrepot", "doc"), ["doctor"]);
  assertEquals(await complete("entrepot", "setup", "con"), ["containerd"]);
  assertEquals(await complete("entrepot", "setup", "docker", "--w"), ["--write"]);
  assertEquals(await complete("entrepot", "nonsense", "-"), []);
});
