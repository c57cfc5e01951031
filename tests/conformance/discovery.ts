/** "Content Discovery" and "Content Management" of the specification. */
import { type Answer } from "../integration/pulling.ts";
import { digestOf, textBytes } from "../integration/pushing.ts";
import { type Requirement, tell, tellRefusal } from "./requirement.ts";

const ACCEPTING = { headers: { accept: "application/vnd.oci.image.manifest.v1+json" } };
const ABSENT = digestOf(textBytes("nobody has this"));

function tags(answer: Answer): string {
  if (answer.status !== 200) return tell(answer);
  const body: { tags: string[] | null } = JSON.parse(answer.text);
  return `200 ${(body.tags ?? []).toSorted().join()}`;
}

export const DISCOVERY: readonly Requirement[] = [
  {
    id: "discovery-1",
    title: "GET of the tags MUST answer 200 with all of them",
    async probe(column) {
      for (const tag of ["b", "a", "c"]) await column.pushImage("tags", tag, "tags");
      return tags(await column.ask("tags", "tags/list"));
    },
    wants: /^200 a,b,c$/,
  },
  {
    id: "discovery-2",
    title: "`n` MUST limit the list",
    probe: async (column) => tags(await column.ask("tags", "tags/list?n=2")),
    wants: /^200 a,b$/,
  },
  {
    id: "discovery-3",
    title: "`last` MUST begin the list after it",
    probe: async (column) => tags(await column.ask("tags", "tags/list?n=2&last=b")),
    wants: /^200 c$/,
  },
  {
    id: "discovery-4",
    title: "`n=0` MUST give an empty list",
    probe: async (column) => tags(await column.ask("tags", "tags/list?n=0")),
    wants: /^200 $/,
  },
  {
    id: "discovery-5",
    title: "the tags of a repository that is not there MUST answer 404",
    probe: async (column) => tell(await column.ask("absent", "tags/list")),
    wants: /^404 NAME_UNKNOWN$/,
  },
  {
    id: "discovery-6",
    title: "GET of referrers answers 200, or 404 where the API is not there",
    async probe(column) {
      const { digest } = await column.pushImage("tags", "a", "tags");
      return String((await column.ask("tags", `referrers/${digest}`)).status);
    },
    wants: /^(200|404)$/,
  },
  {
    id: "discovery-7",
    title: "referrers filtered by type answer in the same way",
    async probe(column) {
      const { digest } = await column.pushImage("tags", "a", "tags");
      const rest = `referrers/${digest}?artifactType=application%2Fx`;
      return String((await column.ask("tags", rest)).status);
    },
    wants: /^(200|404)$/,
  },
  {
    id: "discovery-8",
    title: "referrers of what is no digest are refused",
    probe: async (column) => tellRefusal(await column.ask("tags", "referrers/no-digest")),
    wants: /^refused$/,
  },
];

export const MANAGEMENT: readonly Requirement[] = [
  {
    id: "management-1",
    title: "DELETE of a tag MUST answer 202, or 400 or 405 where it is not supported",
    async probe(column) {
      await column.pushImage("managed", "tag", "tag");
      return tell(await column.ask("managed", "manifests/tag", { method: "DELETE" }));
    },
    wants: /^(202|400|405)/,
  },
  {
    id: "management-2",
    title: "DELETE of a manifest MUST answer 202, and GET 404 then",
    async probe(column) {
      const { digest } = await column.pushImage("managed", "1", "managed");
      const before = await column.ask("managed", `manifests/${digest}`, ACCEPTING);
      const gone = await column.ask("managed", `manifests/${digest}`, { method: "DELETE" });
      const after = await column.ask("managed", `manifests/${digest}`, ACCEPTING);
      return `${tell(before)} ${tell(gone)} ${tell(after)}`;
    },
    wants: /^200 202 404/,
  },
  {
    id: "management-3",
    title: "a tag of a deleted manifest MUST NOT lead to it",
    async probe(column) {
      const { digest } = await column.pushImage("managed", "led", "led");
      const before = await column.ask("managed", "manifests/led", ACCEPTING);
      await column.ask("managed", `manifests/${digest}`, { method: "DELETE" });
      const after = await column.ask("managed", "manifests/led", ACCEPTING);
      return `${tell(before)} ${tell(after)}`;
    },
    wants: /^200 404/,
  },
  {
    id: "management-4",
    title: "DELETE of a manifest that is not there MUST answer 404",
    probe: async (column) =>
      tell(await column.ask("managed", `manifests/${ABSENT}`, { method: "DELETE" })),
    wants: /^404/,
  },
  {
    id: "management-5",
    title: "DELETE of a blob MUST answer 202, and HEAD and GET 404 then",
    async probe(column) {
      const digest = await column.pushBlob("managed", textBytes("a blob"));
      const before = await column.ask("managed", `blobs/${digest}`);
      const gone = await column.ask("managed", `blobs/${digest}`, { method: "DELETE" });
      const head = await column.ask("managed", `blobs/${digest}`, { method: "HEAD" });
      const after = await column.ask("managed", `blobs/${digest}`);
      return `${tell(before)} ${tell(gone)} ${head.status} ${tell(after)}`;
    },
    wants: /^200 202 404 404/,
  },
  {
    id: "management-6",
    title: "DELETE of a blob that is not there MUST answer 404",
    probe: async (column) =>
      tell(await column.ask("managed", `blobs/${ABSENT}`, { method: "DELETE" })),
    wants: /^404/,
  },
  {
    id: "management-7",
    title: "what was deleted can be pushed again, and pulled",
    async probe(column) {
      const digest = await column.pushBlob("managed", textBytes("again"));
      await column.ask("managed", `blobs/${digest}`, { method: "DELETE" });
      await column.pushBlob("managed", textBytes("again"));
      return tell(await column.ask("managed", `blobs/${digest}`));
    },
    wants: /^200$/,
  },
];
