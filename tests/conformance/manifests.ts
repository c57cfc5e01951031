/** "Push" of the specification: manifests. */
import { digestOf, manifestOf, textBytes } from "../integration/pushing.ts";
import { type Requirement, tell, tellHeader, tellRefusal } from "./requirement.ts";

const INDEX = "application/vnd.oci.image.index.v1+json";

export const MANIFESTS: readonly Requirement[] = [
  {
    id: "manifest-1",
    title: "PUT by tag MUST answer 201 with a Location from which it can be pulled",
    async probe(column) {
      const manifest = await column.pushParts("manifests", "by tag");
      const answer = await column.putManifest("manifests", "1", manifest);
      const headers = { accept: manifest.mediaType };
      const pulled = await column.follow("manifests", answer, { headers });
      return `${tell(answer)} ${tellHeader(answer, "docker-content-digest")} ${tell(pulled)}`;
    },
    wants: /^201 docker-content-digest=digest 200$/,
  },
  {
    id: "manifest-2",
    title: "PUT by digest MUST answer 201",
    async probe(column) {
      const manifest = await column.pushParts("manifests", "by digest");
      return tell(await column.putManifest("manifests", manifest.digest, manifest));
    },
    wants: /^201$/,
  },
  {
    id: "manifest-3",
    title: "PUT by a digest that is not its own MUST be refused",
    async probe(column) {
      const manifest = await column.pushParts("manifests", "by digest");
      const other = digestOf(textBytes("other"));
      return tell(await column.putManifest("manifests", other, manifest));
    },
    wants: /^400 /,
  },
  {
    id: "manifest-4",
    title: "a manifest whose blobs are not there MAY be refused, naming them",
    async probe(column) {
      const manifest = manifestOf(textBytes("absent config"), textBytes("absent layer"));
      return tell(await column.putManifest("manifests", "absent", manifest));
    },
    wants: /^(201|40[04]) ?(MANIFEST_BLOB_UNKNOWN|$)/,
  },
  {
    id: "manifest-5",
    title: "what is no manifest MUST be refused",
    async probe(column) {
      const bytes = textBytes("{");
      const mediaType = "application/vnd.oci.image.manifest.v1+json";
      const answer = await column.putManifest("manifests", "broken", {
        ...{ mediaType, bytes, digest: digestOf(bytes) },
      });
      return tell(answer);
    },
    wants: /^400 MANIFEST_INVALID$/,
  },
  {
    id: "manifest-6",
    title: "an index of manifests can be pushed",
    async probe(column) {
      const child = await column.pushImage("manifests", "child", "child");
      const { mediaType, digest } = child;
      const bytes = textBytes(JSON.stringify({
        schemaVersion: 2,
        mediaType: INDEX,
        manifests: [{ mediaType, digest, size: child.bytes.length }],
      }));
      const index = { mediaType: INDEX, bytes, digest: digestOf(bytes) };
      const answer = await column.putManifest("manifests", "index", index);
      const pulled = await column.ask("manifests", "manifests/index", {
        headers: { accept: INDEX },
      });
      return `${tell(answer)} ${tell(pulled)} ${pulled.headers.get("content-type") === INDEX}`;
    },
    wants: /^201 200 true$/,
  },
  {
    id: "manifest-7",
    title: "a manifest with a subject MUST be answered with OCI-Subject where it is processed",
    async probe(column) {
      const subject = await column.pushImage("manifests", "subject", "subject");
      const { mediaType, digest } = subject;
      const manifest = await column.pushParts("manifests", "referrer", {
        subject: { mediaType, digest, size: subject.bytes.length },
      });
      const answer = await column.putManifest("manifests", manifest.digest, manifest);
      return `${tell(answer)} ${tellHeader(answer, "oci-subject")}`;
    },
    wants: /^201 (oci-subject=digest|no oci-subject)$/,
  },
  {
    id: "manifest-8",
    title: "a manifest of nearly 4 MiB SHOULD be taken",
    async probe(column) {
      const annotations = { filler: "x".repeat(3_900_000) };
      const manifest = await column.pushParts("manifests", "large", { annotations });
      return tell(await column.putManifest("manifests", "large", manifest));
    },
    wants: /^201$/,
  },
  {
    id: "manifest-9",
    title: "a tag that is moved MUST lead to its new manifest at once",
    async probe(column) {
      const seen: string[] = [];
      for (const seed of ["one", "two", "one"]) {
        const manifest = await column.pushImage("manifests", "moved", seed);
        const headers = { accept: manifest.mediaType };
        const pulled = await column.ask("manifests", "manifests/moved", { headers });
        seen.push(String(digestOf(pulled.bytes) === manifest.digest));
      }
      return seen.join(" ");
    },
    wants: /^true true true$/,
  },
  {
    id: "manifest-10",
    title: "a tag that is none MUST be refused",
    async probe(column) {
      const manifest = await column.pushParts("manifests", "by tag");
      return tellRefusal(await column.putManifest("manifests", "-no-tag", manifest));
    },
    wants: /^refused$/,
  },
];
