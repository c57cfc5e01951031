/** The admin API as commands use it: that of the running proxy, or of one of this process alone. */
import { RegistryError } from "../errors.ts";
import { isRecord } from "../json.ts";
import { sendStream } from "../outbound_stream.ts";
import { parseOrigin } from "./address_option.ts";
import { type CliDependencies, EXIT, readConfig } from "./command.ts";
import { withProxy } from "./own_proxy.ts";

/** The options of every command that asks the API. */
export const API_OPTIONS = {
  address: {
    type: "string",
    short: "a",
    placeholder: "HOST:PORT|URL",
    help: "the proxy to ask (default: this machine's, running or not)",
  },
  json: { type: "boolean", help: "print the answer as JSON" },
} as const;

/** What goes with a request. */
export type ApiBody =
  | { readonly kind: "json"; readonly value: unknown }
  /** `length` is in bytes. */
  | {
    readonly kind: "stream";
    readonly stream: ReadableStream<Uint8Array>;
    readonly length: number;
  };

/**
 * Asks the API; the query's values are escaped.
 *
 * @throws {RegistryError} its refusal, with its status.
 */
export type AskApi = (
  method: "GET" | "PUT" | "DELETE",
  path: string,
  query: Readonly<Record<string, string>>,
  body?: ApiBody,
) => Promise<Record<string, unknown>>;

/**
 * Lends the API to `use`, with the ADMIN_TOKEN of the configuration. A refusal is written to standard
 * error, and is exit code 1.
 */
export async function withApi(
  address: string | undefined,
  dependencies: CliDependencies,
  use: (ask: AskApi) => Promise<number>,
): Promise<number> {
  const { config } = readConfig(dependencies);
  const run = (base: URL): Promise<number> => use((...request) => ask(base, ...request));

  async function ask(
    base: URL,
    ...[method, path, query, body]: Parameters<AskApi>
  ): Promise<Record<string, unknown>> {
    const url = new URL(`/api/v1/${path}`, base);
    for (const [name, value] of Object.entries(query)) url.searchParams.set(name, value);
    const { token } = config.admin;
    const headers = new Headers(token === null ? {} : { authorization: `Bearer ${token}` });
    const response = body?.kind === "stream"
      ? await sendStream({
        url,
        method,
        headers,
        body: body.stream,
        length: body.length,
        signal: new AbortController().signal,
      })
      : await dependencies.fetch(url.href, {
        method,
        headers,
        ...(body === undefined ? {} : { body: JSON.stringify(body.value) }),
      });
    const text = await response.text();
    const answer: unknown = text.startsWith("{") ? JSON.parse(text) : null;
    if (response.ok && isRecord(answer)) return answer;
    throw new RegistryError(
      "UNKNOWN",
      messageOf(answer) ?? `${base.host} answers ${response.status}`,
      { status: response.status },
    );
  }

  try {
    return address === undefined
      ? await withProxy(config, dependencies, run)
      : await run(parseOrigin("address", address));
  } catch (error) {
    if (!(error instanceof RegistryError)) throw error;
    dependencies.stderr(`entrepot: ${error.message}\n`);
    return EXIT.failure;
  }
}

function messageOf(body: unknown): string | undefined {
  const errors = isRecord(body) ? body["errors"] : undefined;
  const first: unknown = Array.isArray(errors) ? errors[0] : undefined;
  const message = isRecord(first) ? first["message"] : undefined;
  return typeof message === "string" ? message : undefined;
}

/** Members of a record as texts and numbers, where they are. */
export function textOf(record: unknown, key: string): string {
  const value = isRecord(record) ? record[key] : undefined;
  return typeof value === "string" ? value : "";
}

/** A member as a number; 0 where it is none. */
export function numberOf(record: unknown, key: string): number {
  const value = isRecord(record) ? record[key] : undefined;
  return typeof value === "number" ? value : 0;
}

/** A member as a list; empty where it is none. */
export function listOf(record: unknown, key: string): readonly unknown[] {
  const value = isRecord(record) ? record[key] : undefined;
  return Array.isArray(value) ? value : [];
}
