/** "Push" of the specification: blobs. */
import { digestOf, textBytes } from "../integration/pushing.ts";
import { createHash } from "node:crypto";
import { type Requirement, tell, tellHeader } from "./requirement.ts";

const FIRST = textBytes("the first chunk, ");
const SECOND = textBytes("and the second");
const WHOLE = digestOf(textBytes("the first chunk, and the second"));
const patch = (body: Uint8Array<ArrayBuffer>, from: number) => ({
  method: "PATCH",
  headers: {
    "content-type": "application/octet-stream",
    "content-range": `${from}-${from + body.length - 1}`,
  },
  body,
});

export const PUSH: readonly Requirement[] = [
  {
    id: "push-1",
    title: "POST of an upload MUST answer 202 with a Location",
    async probe(column) {
      const answer = await column.start("push");
      return `${tell(answer)} location=${answer.headers.has("location")}`;
    },
    wants: /^202 location=true$/,
  },
  {
    id: "push-2",
    title: "PUT of a whole blob MUST answer 201 with a Location from which it can be pulled",
    async probe(column) {
      const bytes = textBytes("monolithic");
      const digest = `digest=${digestOf(bytes)}`;
      const started = await column.start("push");
      const put = await column.follow("push", started, { method: "PUT", body: bytes }, digest);
      return `${tell(put)} ${tell(await column.follow("push", put))}`;
    },
    wants: /^201 200$/,
  },
  {
    id: "push-3",
    title: "POST of a whole blob MUST answer 201, or 202 where it is not supported",
    async probe(column) {
      const bytes = textBytes("in one request");
      const rest = `blobs/uploads/?digest=${digestOf(bytes)}`;
      return tell(await column.ask("push", rest, { method: "POST", body: bytes }));
    },
    wants: /^20[12]$/,
  },
  {
    id: "push-4",
    title: "PATCH with a stream of unsaid length is taken, as Docker sends it",
    async probe(column) {
      const body = ReadableStream.from([FIRST, SECOND]);
      const answer = await column.follow("push", await column.start("push"), {
        method: "PATCH",
        body,
      });
      const put = await column.follow("push", answer, { method: "PUT" }, `digest=${WHOLE}`);
      return `${tell(answer)} ${tellHeader(answer, "range")} ${tell(put)}`;
    },
    wants: /^202 range=0-30 201$/,
  },
  {
    id: "push-5",
    title: "PATCH of chunks in order MUST answer 202 with a Location and the Range so far",
    async probe(column) {
      const one = await column.follow("push", await column.start("push"), patch(FIRST, 0));
      const two = await column.follow("push", one, patch(SECOND, FIRST.length));
      const put = await column.follow("push", two, { method: "PUT" }, `digest=${WHOLE}`);
      return [tell(one), tellHeader(one, "range"), tell(two), tellHeader(two, "range"), tell(put)]
        .join(" ");
    },
    wants: /^202 range=0-16 202 range=0-30 201$/,
  },
  {
    id: "push-6",
    title: "PATCH of a chunk out of order MUST answer 416",
    async probe(column) {
      const one = await column.follow("push", await column.start("push"), patch(FIRST, 0));
      return tell(await column.follow("push", one, patch(SECOND, FIRST.length + 5)));
    },
    wants: /^416/,
  },
  {
    id: "push-7",
    title: "GET of an upload MUST answer 204 with its Location and Range",
    async probe(column) {
      const one = await column.follow("push", await column.start("push"), patch(FIRST, 0));
      const status = await column.follow("push", one);
      return `${tell(status)} ${tellHeader(status, "range")} ${status.headers.has("location")}`;
    },
    wants: /^204 range=0-16 true$/,
  },
  {
    id: "push-8",
    title: "an upload MUST go on from where GET says that it is",
    async probe(column) {
      const one = await column.follow("push", await column.start("push"), patch(FIRST, 0));
      const status = await column.follow("push", one);
      const two = await column.follow("push", status, patch(SECOND, FIRST.length));
      const put = await column.follow("push", two, { method: "PUT" }, `digest=${WHOLE}`);
      return `${tell(two)} ${tell(put)}`;
    },
    wants: /^202 201$/,
  },
  {
    id: "push-9",
    title: "the last chunk MAY come with the PUT that ends the upload",
    async probe(column) {
      const one = await column.follow("push", await column.start("push"), patch(FIRST, 0));
      const last = { ...patch(SECOND, FIRST.length), method: "PUT" };
      return tell(await column.follow("push", one, last, `digest=${WHOLE}`));
    },
    wants: /^201$/,
  },
  {
    id: "push-10",
    title: "a digest that is not the blob's MUST be refused",
    async probe(column) {
      const put = { method: "PUT", body: FIRST };
      return tell(
        await column.follow("push", await column.start("push"), put, `digest=${WHOLE}`),
      );
    },
    wants: /^400 DIGEST_INVALID$/,
  },
  {
    id: "push-11",
    title: "an upload that was never begun MUST be refused",
    probe: async (column) => {
      const rest = `blobs/uploads/00000000-0000-0000-0000-000000000000?digest=${WHOLE}`;
      return tell(await column.ask("push", rest, { method: "PUT" }));
    },
    wants: /^404 BLOB_UPLOAD_(UNKNOWN|INVALID)$/,
  },
  {
    id: "push-12",
    title: "DELETE of an upload cancels it with 204",
    async probe(column) {
      const started = await column.start("push");
      const gone = await column.follow("push", started, { method: "DELETE" });
      return `${tell(gone)} ${tell(await column.follow("push", started))}`;
    },
    wants: /^204 404/,
  },
  {
    id: "push-13",
    title: "a mount MUST answer 201 with the blob's Location",
    async probe(column) {
      const digest = await column.pushBlob("push", textBytes("mounted"));
      const rest = `blobs/uploads/?mount=${digest}&from=${column.from("push")}`;
      const answer = await column.askBeside(["mounted", "push"], rest, { method: "POST" });
      return `${tell(answer)} ${tell(await column.follow("mounted", answer))}`;
    },
    wants: /^201 200$/,
  },
  {
    id: "push-14",
    title: "a mount that cannot be made SHOULD answer 202 and begin an upload",
    async probe(column) {
      const rest = `blobs/uploads/?mount=${WHOLE.replace(/\w{4}$/, "0000")}&from=${
        column.from("push")
      }`;
      const answer = await column.askBeside(["mounted", "push"], rest, { method: "POST" });
      return `${tell(answer)} ${tell(await column.follow("mounted", answer))}`;
    },
    wants: /^202 204$/,
  },
  {
    id: "push-15",
    title: "a mount without `from` answers 201 or 202",
    async probe(column) {
      const digest = await column.pushBlob("push", textBytes("mounted"));
      return tell(await column.start("unnamed", `?mount=${digest}`));
    },
    wants: /^20[12]$/,
  },
  {
    id: "push-16",
    title: "an empty blob can be pushed and pulled",
    async probe(column) {
      const digest = await column.pushBlob("push", new Uint8Array());
      const answer = await column.ask("push", `blobs/${digest}`);
      return `${tell(answer)} ${answer.bytes.length}`;
    },
    wants: /^200 0$/,
  },
  {
    id: "push-17",
    title: "a blob that is there already can be pushed again",
    async probe(column) {
      await column.pushBlob("push", textBytes("twice"));
      return await column.pushBlob("push", textBytes("twice"));
    },
    wants: /^sha256:/,
  },
  {
    id: "push-18",
    title: "another digest algorithm MAY be taken",
    async probe(column) {
      const digest = `sha512:${createHash("sha512").update(FIRST).digest("hex")}`;
      const put = { method: "PUT", body: FIRST };
      const started = await column.start("push");
      return tell(await column.follow("push", started, put, `digest=${digest}`));
    },
    wants: /^(201|400)/,
  },
  {
    id: "push-19",
    title: "a blob of several megabytes passes unchanged",
    async probe(column) {
      const bytes = new Uint8Array(6 << 20).map((_, at) => (at * 31) >> 3);
      const digest = await column.pushBlob("push", bytes);
      const answer = await column.ask("push", `blobs/${digest}`);
      return `${tell(answer)} ${digestOf(answer.bytes) === digest}`;
    },
    wants: /^200 true$/,
  },
  {
    id: "push-20",
    title: "a push without the right to it MUST be refused with a challenge that names it",
    async probe(column) {
      const name = column.repository("naked");
      const answer = await column.askNaked(`/v2/${name}/blobs/uploads/`, { method: "POST" });
      const scope = /scope="repository:[^"]*:([a-z,]+)"/.exec(
        answer.headers.get("www-authenticate") ?? "",
      )?.[1]?.split(",").sort().join();
      return `${answer.status} ${scope}`;
    },
    wants: /^401 pull,push$/,
  },
];
