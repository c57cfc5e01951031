/** A pull as the Docker engine does it: ping, token, manifests, blobs. */
import { ACCEPT, pullBlob } from "./client.ts";

/** What came of each request. */
export interface EnginePull {
  /** Status of `/v2/`. */
  readonly ping: number;
  /** Of the token that the ping led to; null where it led to none. */
  readonly token: number | null;
  /** Of the tag's manifest. */
  readonly tag: number;
  readonly warning: string | null;
  readonly digest: string | null;
  /** How each blob ended, with what the cache had to do with it. */
  readonly blobs: string[];
}

/** Pulls `repository:tag` for amd64. Never throws for what the server answers. */
export async function pullAsEngine(
  base: string,
  repository: string,
  tag: string,
): Promise<EnginePull> {
  const ping = await fetch(`${base}/v2/`);
  await ping.body?.cancel();
  const token = ping.status === 401 ? await askToken(ping, repository) : null;
  const headers: Record<string, string> = { accept: ACCEPT };
  if (token?.token !== undefined) headers["authorization"] = `Bearer ${token.token}`;
  const manifests = `${base}/v2/${repository}/manifests`;
  const answer = await fetch(`${manifests}/${tag}`, { headers });
  const text = await answer.text();
  const pull = {
    ping: ping.status,
    token: token?.status ?? null,
    tag: answer.status,
    warning: answer.headers.get("warning"),
    digest: answer.headers.get("docker-content-digest"),
  };
  if (answer.status !== 200) return { ...pull, blobs: [] };
  const index: { manifests?: Descriptor[] } = JSON.parse(text);
  const chosen = index.manifests?.find(({ platform }) => platform?.architecture === "amd64");
  const manifest = chosen === undefined
    ? text
    : await (await fetch(`${manifests}/${chosen.digest}`, { headers })).text();
  const image: { config?: Descriptor; layers?: Descriptor[] } = JSON.parse(manifest);
  const wanted = [image.config, ...image.layers ?? []].flatMap((blob) => blob ?? []);
  const blobs = await Promise.all(
    wanted.map(async ({ digest }) => {
      const url = `${base}/v2/${repository}/blobs/${digest}`;
      const { end, cache } = await pullBlob(url, digest, { headers });
      return `${end} ${cache}`;
    }),
  );
  return { ...pull, blobs };
}

interface Descriptor {
  readonly digest: string;
  readonly platform?: { readonly architecture: string };
}

async function askToken(
  ping: Response,
  repository: string,
): Promise<{ status: number; token: string | undefined }> {
  const challenge = ping.headers.get("www-authenticate") ?? "";
  const parameter = (name: string) => new RegExp(`${name}="([^"]*)"`).exec(challenge)?.[1] ?? "";
  const url = new URL(parameter("realm"));
  url.searchParams.set("service", parameter("service"));
  url.searchParams.set("scope", `repository:${repository}:pull`);
  const response = await fetch(url);
  const text = await response.text();
  if (!response.ok) return { status: response.status, token: undefined };
  const { token }: { token?: string } = JSON.parse(text);
  return { status: response.status, token };
}

if (import.meta.main) {
  const [base = "", repository = "", tag = ""] = Deno.args;
  const pull = await pullAsEngine(base, repository, tag);
  Deno.stdout.writeSync(new TextEncoder().encode(JSON.stringify(pull)));
}
