/** Options of commands that pull through the proxy: which, as whom, and for what platforms. */
import type { Config } from "../config/config.ts";
import { parseOrigin } from "./address_option.ts";
import { type CliDependencies, UsageError } from "./command.ts";
import { withProxy } from "./own_proxy.ts";

/** The options. */
export const PULL_OPTIONS = {
  platform: {
    type: "string",
    short: "p",
    multiple: true,
    placeholder: "OS/ARCH",
    help: "such as linux/arm64, or all; may be repeated (default: this machine's)",
  },
  address: {
    type: "string",
    short: "a",
    placeholder: "HOST:PORT|URL",
    help: "the proxy to ask (default: this machine's, running or not)",
  },
  username: { type: "string", placeholder: "NAME", help: "whose images, where they are private" },
  "password-file": { type: "string", placeholder: "PATH", help: "the file with the password" },
} as const;

/** Lends the proxy that the options name to `use`: one somewhere, or this machine's, running or not. */
export function lendProxy<Result>(
  config: Config,
  address: string | undefined,
  dependencies: CliDependencies,
  use: (base: URL) => Promise<Result>,
): Promise<Result> {
  return address === undefined
    ? withProxy(config, dependencies, use)
    : use(parseOrigin("address", address));
}

/** @throws {UsageError} */
export function readPlatforms(values: readonly string[] | undefined): readonly string[] | "all" {
  if (values === undefined) return [`linux/${ARCHITECTURES[Deno.build.arch]}`];
  if (values.includes("all")) return "all";
  const wrong = values.find((value) => !/^[a-z0-9]+\/[a-z0-9]+(\/[a-z0-9.]+)?$/.test(value));
  if (wrong === undefined) return values;
  throw new UsageError(`--platform is such as linux/arm64 or all, not ${JSON.stringify(wrong)}`);
}

const ARCHITECTURES: Readonly<Record<typeof Deno.build.arch, string>> = {
  x86_64: "amd64",
  aarch64: "arm64",
};

/** The value of an Authorization header, or null. @throws {UsageError} */
export function readAuthorization(
  username: string | undefined,
  passwordFile: string | undefined,
  { readTextFile }: CliDependencies,
): string | null {
  if (username === undefined && passwordFile === undefined) return null;
  if (username === undefined || passwordFile === undefined) {
    throw new UsageError("--username and --password-file belong together");
  }
  const password = readTextFile(passwordFile).replace(/\r?\n$/, "");
  return `Basic ${new TextEncoder().encode(`${username}:${password}`).toBase64()}`;
}
