/**
 * The proxy's own accounts at an upstream: one in keys of its own, several in a list or a file of
 * lines, and those of a Docker `config.json`. What one source lacks is a fault under its key.
 */
import { z } from "zod";
import type { Account } from "./config.ts";
import type { ConfigFault } from "./fault.ts";
import type { UpstreamFields } from "./schema.ts";

/** What accounts are read from. */
export interface AccountSources {
  readonly fields: UpstreamFields;
  /** Names and hosts under which a Docker `config.json` may know the upstream. */
  readonly names: readonly string[];
  /** The key of a field in its author's words. */
  readonly label: (field: string) => string;
  readonly readTextFile: (path: string) => string;
  readonly faults: ConfigFault[];
}

/** Whether any field names an account, used or not. */
export function namesAccount(fields: UpstreamFields): boolean {
  return [
    fields.USERNAME,
    fields.PASSWORD,
    fields.PASSWORD_FILE,
    fields.ACCOUNTS,
    fields.ACCOUNTS_FILE,
    fields.DOCKER_CONFIG,
  ].some((value) => value !== undefined);
}

/** All accounts in the order in which they are used, each once. */
export function readAccounts(sources: AccountSources): readonly Account[] {
  const { fields } = sources;
  const accounts = [
    ...readSingle(sources),
    ...fields.ACCOUNTS === undefined ? [] : readList(fields.ACCOUNTS, sources),
    ...fields.ACCOUNTS_FILE === undefined ? [] : readLines(fields.ACCOUNTS_FILE, sources),
    ...fields.DOCKER_CONFIG === undefined ? [] : readDockerConfig(fields.DOCKER_CONFIG, sources),
  ];
  const seen = new Set<string>();
  return accounts.filter(({ username }) => !seen.has(username) && seen.add(username));
}

function readSingle(sources: AccountSources): Account[] {
  const { fields, label, faults } = sources;
  const { USERNAME: username, PASSWORD: password, PASSWORD_FILE: file } = fields;
  const hasPassword = password !== undefined || file !== undefined;
  if (username === undefined && !hasPassword) return [];
  const [userKey, passwordKey, fileKey] = ["USERNAME", "PASSWORD", "PASSWORD_FILE"].map(label);
  if (username === undefined || !hasPassword) {
    const advice = `account needs ${userKey} and ${passwordKey} (or ${fileKey})`;
    faults.push({ key: label("AUTH"), received: '"account"', advice });
    return [];
  }
  if (password !== undefined && file !== undefined) {
    const advice = `leave out either this or ${passwordKey}`;
    faults.push({ key: label("PASSWORD_FILE"), received: null, advice });
  }
  const secret = password ?? readPasswordFile(file ?? "", label("PASSWORD_FILE"), sources);
  return checked({ username, password: secret }, label("USERNAME"), sources);
}

/** RFC 7617 section 2: a user name cannot have a colon, which ends it. */
function checked(account: Account, key: string, { faults }: AccountSources): Account[] {
  if (!account.username.includes(":")) return [account];
  const advice = "leave out the colon, which a user name cannot have";
  faults.push({ key, received: null, advice });
  return [];
}

const ACCOUNT = z.union([
  z.strictObject({ username: z.string().min(1), password: z.string().min(1) }),
  z.strictObject({ username: z.string().min(1), passwordFile: z.string().min(1) }),
  z.strictObject({ username: z.string().min(1), password_file: z.string().min(1) })
    .transform(({ username, password_file }) => ({ username, passwordFile: password_file })),
]);

/** JSON, which a YAML list becomes on its way here. */
function readList(text: string, sources: AccountSources): Account[] {
  const key = sources.label("ACCOUNTS");
  const list = z.array(z.unknown()).safeParse(parseJson(text));
  if (!list.success || list.data.length === 0) {
    const advice = 'write a list such as [{"username": "a", "password": "b"}]';
    sources.faults.push({ key, received: null, advice });
    return [];
  }
  return list.data.flatMap((entry, position): Account[] => {
    const account = ACCOUNT.safeParse(entry);
    if (!account.success) {
      const advice = `entry ${position + 1} needs username, and password or passwordFile`;
      sources.faults.push({ key, received: null, advice });
      return [];
    }
    const { username } = account.data;
    const password = "password" in account.data
      ? account.data.password
      : readPasswordFile(account.data.passwordFile, key, sources);
    return checked({ username, password }, key, sources);
  });
}

/** Lines of `username:password`; empty ones and those that begin with `#` are skipped. */
function readLines(path: string, sources: AccountSources): Account[] {
  const key = sources.label("ACCOUNTS_FILE");
  const received = JSON.stringify(path);
  const text = readFile(path, key, sources);
  if (text === undefined) return [];
  const accounts = text.split(/\r?\n/).flatMap((line, index): Account[] => {
    if (/^\s*(#|$)/.test(line)) return [];
    const [, username, password] = /^([^:]+):(.+)$/.exec(line) ?? [];
    if (username !== undefined && password !== undefined) return [{ username, password }];
    const advice = `line ${index + 1} is not <user name>:<password>`;
    sources.faults.push({ key, received, advice });
    return [];
  });
  if (accounts.length === 0) {
    sources.faults.push({ key, received, advice: "the file names no account" });
  }
  return accounts;
}

const DOCKER_CONFIG = z.object({
  auths: z.record(
    z.string(),
    z.object({
      auth: z.string().optional(),
      username: z.string().optional(),
      password: z.string().optional(),
    }),
  ).default({}),
});

/** The `auths` of a Docker `config.json` that are about the upstream. */
function readDockerConfig(path: string, sources: AccountSources): Account[] {
  const key = sources.label("DOCKER_CONFIG");
  const received = JSON.stringify(path);
  const text = readFile(path, key, sources);
  if (text === undefined) return [];
  const config = DOCKER_CONFIG.safeParse(parseJson(text));
  if (!config.success) {
    const advice = "the file is no Docker config.json with a map of auths";
    sources.faults.push({ key, received, advice });
    return [];
  }
  const entries = Object.entries(config.data.auths)
    .filter(([name]) => sources.names.includes(hostOf(name)));
  const accounts = entries.flatMap(([, entry]) => dockerAccount(entry) ?? []);
  if (accounts.length > 0) return accounts;
  const registry = sources.names[0] ?? "this registry";
  const advice = entries.length > 0
    ? `the entry of ${registry} has no user name and password; those that a credential helper ` +
      "keeps, and identity tokens, cannot be read"
    : `there is no entry for ${registry} in its auths`;
  sources.faults.push({ key, received, advice });
  return [];
}

/** Keys are hosts, or URLs as Docker Hub's `https://index.docker.io/v1/`. */
function hostOf(name: string): string {
  return name.replace(/^https?:\/\//i, "").replace(/\/.*$/s, "").toLowerCase();
}

function dockerAccount(
  entry: z.infer<typeof DOCKER_CONFIG>["auths"][string],
): Account | undefined {
  const pair = decodeBase64(entry.auth ?? "");
  const [, username = entry.username, password = entry.password] = /^([^:]+):(.+)$/s.exec(pair) ??
    [];
  // What a credential helper put there in place of a password.
  if (!username || !password || username === "<token>") return undefined;
  return { username, password };
}

function decodeBase64(text: string): string {
  try {
    return new TextDecoder().decode(Uint8Array.fromBase64(text)).replace(/\0+$/, "");
  } catch {
    // Not base64: as good as not there.
    return "";
  }
}

function parseJson(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    // The schema says what would be right; the text may hold secrets.
    return undefined;
  }
}

function readPasswordFile(path: string, key: string, sources: AccountSources): string {
  const password = readFile(path, key, sources)?.replace(/\r?\n$/, "");
  if (password === "") {
    sources.faults.push({ key, received: JSON.stringify(path), advice: "the file is empty" });
  }
  return password ?? "";
}

function readFile(path: string, key: string, sources: AccountSources): string | undefined {
  try {
    return sources.readTextFile(path);
  } catch (error) {
    const advice = describeReadError(error);
    sources.faults.push({ key, received: JSON.stringify(path), advice });
    return undefined;
  }
}

/** Says what to do about a file that cannot be read. */
export function describeReadError(error: unknown): string {
  if (error instanceof Deno.errors.NotFound) return "there is no such file";
  if (error instanceof Deno.errors.PermissionDenied) return "the file may not be read";
  return `the file cannot be read: ${error instanceof Error ? error.message : String(error)}`;
}
