/**
 * One way to a registry, direct or through the product, and what the requirements ask of it. Every
 * column has repositories of its own, so that none sees what another did.
 */
import { basic } from "../support/push.ts";
import { ALICE } from "../support/token_server.ts";
import { type Answer, ask, type AskOptions } from "../integration/pulling.ts";
import { digestOf, type PushedManifest, textBytes, withQuery } from "../integration/pushing.ts";

/** Where a column leads. */
export interface ColumnOptions {
  readonly label: string;
  /** Where requests are sent, `http://127.0.0.1:5000`. */
  readonly server: string;
  /** The Host of requests, where it is not the server's. */
  readonly host?: string;
  /** Put before names of repositories. */
  readonly prefix?: string;
  /** The `ns` of every request. */
  readonly ns?: string;
  /** The token realm. */
  readonly realm: string;
}

/** A client of one column. */
export class Column {
  readonly label: string;
  readonly #options: ColumnOptions;
  readonly #tokens = new Map<string, string>();

  constructor(options: ColumnOptions) {
    this.label = options.label;
    this.#options = options;
  }

  /** A repository of this column's own. */
  repository(name: string): string {
    return `conformance/${this.label}/${name}`;
  }

  /** Asks for something of a repository as its owner. */
  async ask(name: string, rest: string, options: AskOptions = {}): Promise<Answer> {
    const repository = this.#name(name);
    return await this.#send(`/v2/${repository}/${rest}`, await this.#token([name]), options);
  }

  /** The same with the right to read another repository as well. */
  async askBeside(
    names: readonly [string, string],
    rest: string,
    options: AskOptions = {},
  ): Promise<Answer> {
    return await this.#send(
      `/v2/${this.#name(names[0])}/${rest}`,
      await this.#token(names),
      options,
    );
  }

  /** Asks without any credential. */
  askNaked(path: string, options: AskOptions = {}): Promise<Answer> {
    return this.#send(path, null, options);
  }

  /** Goes on where an answer leads, with one more parameter if need be. */
  async follow(
    name: string,
    answer: Answer,
    options: AskOptions = {},
    parameter?: string,
  ): Promise<Answer> {
    const location = answer.headers.get("location");
    if (location === null) throw new Error(`${answer.status} without a Location`);
    const url = new URL(
      location,
      `http://${this.#options.host ?? new URL(this.#options.server).host}`,
    );
    const target = url.pathname + url.search;
    const whole = parameter === undefined ? target : withQuery(target, parameter);
    return await this.#send(whole, await this.#token([name]), options, true);
  }

  /** The name of a repository in a mount's `from`. */
  from(name: string): string {
    return encodeURIComponent(this.#name(name));
  }

  /** Begins an upload. */
  start(name: string, query = ""): Promise<Answer> {
    return this.ask(name, `blobs/uploads/${query}`, { method: "POST" });
  }

  /** Uploads a blob in one piece. */
  async pushBlob(name: string, bytes: Uint8Array<ArrayBuffer>): Promise<string> {
    const digest = digestOf(bytes);
    const started = await this.start(name);
    const put = { method: "PUT", body: bytes };
    const { status, text } = await this.follow(name, started, put, `digest=${digest}`);
    if (status !== 201) throw new Error(`the blob was not taken: ${status} ${text}`);
    return digest;
  }

  /** Pushes an image of two small blobs under a tag. */
  async pushImage(name: string, tag: string, seed: string): Promise<PushedManifest> {
    const manifest = await this.pushParts(name, seed);
    const { status, text } = await this.putManifest(name, tag, manifest);
    if (status !== 201) throw new Error(`the manifest was not taken: ${status} ${text}`);
    return manifest;
  }

  /** Pushes the blobs of an image, and gives its manifest. */
  async pushParts(name: string, seed: string, more: object = {}): Promise<PushedManifest> {
    const config = textBytes(JSON.stringify({ seed }));
    const layer = textBytes(`layer ${seed}`);
    for (const bytes of [config, layer]) await this.pushBlob(name, bytes);
    const mediaType = "application/vnd.oci.image.manifest.v1+json";
    const describe = (type: string, bytes: Uint8Array) => ({
      mediaType: `application/vnd.oci.image.${type}`,
      digest: digestOf(bytes),
      size: bytes.length,
    });
    const bytes = textBytes(JSON.stringify({
      schemaVersion: 2,
      mediaType,
      config: describe("config.v1+json", config),
      layers: [describe("layer.v1.tar", layer)],
      ...more,
    }));
    return { mediaType, bytes, digest: digestOf(bytes) };
  }

  putManifest(name: string, reference: string, manifest: PushedManifest): Promise<Answer> {
    return this.ask(name, `manifests/${reference}`, {
      method: "PUT",
      headers: { "content-type": manifest.mediaType },
      body: manifest.bytes,
    });
  }

  #name(name: string): string {
    return `${this.#options.prefix ?? ""}${this.repository(name)}`;
  }

  async #token(names: readonly string[]): Promise<string> {
    const key = names.join(" ");
    const known = this.#tokens.get(key);
    if (known !== undefined) return known;
    const { realm, ns, host } = this.#options;
    const scopes = names.map((name) => `&scope=repository:${this.#name(name)}:pull,push,delete`);
    const space = ns === undefined ? "" : `&ns=${ns}`;
    const answer = await ask(`${realm}?service=test-registry${scopes.join("")}${space}`, {
      headers: { authorization: basic(ALICE) },
      ...(host === undefined ? {} : { host }),
    });
    const { token }: { token: string } = JSON.parse(answer.text);
    this.#tokens.set(key, token);
    return token;
  }

  #send(
    target: string,
    token: string | null,
    options: AskOptions,
    isComplete = false,
  ): Promise<Answer> {
    const { server, host, ns } = this.#options;
    const whole = ns === undefined || isComplete ? target : withQuery(target, `ns=${ns}`);
    return ask(server + whole, {
      ...options,
      ...(host === undefined ? {} : { host }),
      ...(token === null ? {} : { token }),
    });
  }
}
