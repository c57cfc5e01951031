/** "Pull" and "Determining Support" of the specification. */
import { digestOf, textBytes } from "../integration/pushing.ts";
import { type Requirement, tell, tellHeader, tellRefusal } from "./requirement.ts";

const ABSENT = digestOf(textBytes("nobody has this"));
const BLOB = new Uint8Array(1000).map((_, at) => at % 251);

function sameBytes(a: Uint8Array, b: Uint8Array): string {
  return digestOf(a) === digestOf(b) ? "same bytes" : "other bytes";
}

export const PULL: readonly Requirement[] = [
  {
    id: "pull-1",
    title: "GET /v2/ MUST answer a caller without credentials by 401 with a challenge, or by 200",
    async probe(column) {
      const answer = await column.askNaked("/v2/");
      const challenge = answer.headers.get("www-authenticate") ?? "";
      return `${answer.status} ${/^Bearer realm="[^"]+",service="[^"]+"$/.test(challenge)}`;
    },
    wants: /^(200|401 true)/,
  },
  {
    id: "pull-2",
    title: "GET of a manifest by tag MUST answer 200 with its exact bytes and type",
    async probe(column) {
      const manifest = await column.pushImage("pull", "1", "pull");
      const answer = await column.ask("pull", "manifests/1", {
        headers: { accept: manifest.mediaType },
      });
      const type = answer.headers.get("content-type") === manifest.mediaType;
      return `${tell(answer)} ${sameBytes(answer.bytes, manifest.bytes)} type=${type} ` +
        tellHeader(answer, "docker-content-digest");
    },
    wants: /^200 same bytes type=true docker-content-digest=digest$/,
  },
  {
    id: "pull-3",
    title: "GET of a manifest by digest MUST answer 200 with bytes of that digest",
    async probe(column) {
      const manifest = await column.pushImage("pull", "1", "pull");
      const answer = await column.ask("pull", `manifests/${manifest.digest}`, {
        headers: { accept: manifest.mediaType },
      });
      return `${tell(answer)} ${sameBytes(answer.bytes, manifest.bytes)}`;
    },
    wants: /^200 same bytes$/,
  },
  {
    id: "pull-4",
    title: "HEAD of a manifest MUST answer 200 with the length and SHOULD name the digest",
    async probe(column) {
      const manifest = await column.pushImage("pull", "1", "pull");
      const answer = await column.ask("pull", "manifests/1", {
        method: "HEAD",
        headers: { accept: manifest.mediaType },
      });
      const length = answer.headers.get("content-length") === String(manifest.bytes.length);
      return `${tell(answer)} length=${length} ${tellHeader(answer, "docker-content-digest")}`;
    },
    wants: /^200 length=true docker-content-digest=digest$/,
  },
  {
    id: "pull-5",
    title: "GET of a manifest that is not there MUST answer 404",
    probe: async (column) => tell(await column.ask("pull", "manifests/absent")),
    wants: /^404 MANIFEST_UNKNOWN$/,
  },
  {
    id: "pull-6",
    title: "HEAD of a manifest that is not there MUST answer 404",
    probe: async (column) =>
      tell(await column.ask("pull", `manifests/${ABSENT}`, { method: "HEAD" })),
    wants: /^404/,
  },
  {
    id: "pull-7",
    title: "GET of a blob MUST answer 200 with its bytes",
    async probe(column) {
      const digest = await column.pushBlob("pull", BLOB);
      const answer = await column.ask("pull", `blobs/${digest}`);
      return `${tell(answer)} ${sameBytes(answer.bytes, BLOB)}`;
    },
    wants: /^200 same bytes$/,
  },
  {
    id: "pull-8",
    title: "HEAD of a blob MUST answer 200 with its length",
    async probe(column) {
      const digest = await column.pushBlob("pull", BLOB);
      const answer = await column.ask("pull", `blobs/${digest}`, { method: "HEAD" });
      return `${tell(answer)} ${tellHeader(answer, "content-length")}`;
    },
    wants: /^200 content-length=1000$/,
  },
  {
    id: "pull-9",
    title: "GET of a blob that is not there MUST answer 404",
    probe: async (column) => tell(await column.ask("pull", `blobs/${ABSENT}`)),
    wants: /^404 BLOB_UNKNOWN$/,
  },
  {
    id: "pull-10",
    title: "HEAD of a blob that is not there MUST answer 404",
    probe: async (column) => tell(await column.ask("pull", `blobs/${ABSENT}`, { method: "HEAD" })),
    wants: /^404/,
  },
  ...([
    ["pull-11", "first bytes", "bytes=0-99", /^206 0-99\/1000 100$/],
    ["pull-12", "bytes to the end", "bytes=900-", /^206 900-999\/1000 100$/],
    ["pull-13", "last bytes", "bytes=-10", /^206 990-999\/1000 10$/],
    ["pull-14", "bytes past the end", "bytes=990-5000", /^206 990-999\/1000 10$/],
    ["pull-15", "no bytes that are there", "bytes=5000-6000", /^416/],
  ] as const).map(([id, what, range, wants]): Requirement => ({
    id,
    title: `GET of a blob by range SHOULD be supported: ${what}`,
    async probe(column) {
      const digest = await column.pushBlob("pull", BLOB);
      const answer = await column.ask("pull", `blobs/${digest}`, { headers: { range } });
      if (answer.status !== 206) return String(answer.status);
      const part = answer.headers.get("content-range")?.replace("bytes ", "");
      return `206 ${part} ${answer.bytes.length}`;
    },
    wants,
  })),
  {
    id: "pull-16",
    title: "a repository's name that is none MUST be refused",
    probe: async (column) => tellRefusal(await column.ask("Pull_", "manifests/1")),
    wants: /^refused$/,
  },
];
