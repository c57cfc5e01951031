/**
 * Uploads of blobs, from their start to the digest that ends them. Bodies pass as the streams that
 * they are, at the pace of the slower side, with the length that the client gave.
 * Source: distribution-spec "Pushing blobs".
 */
import { copyHeaders } from "../http.ts";
import { placeOf } from "../pull/request.ts";
import { parseDigest } from "../reference.ts";
import type { Target } from "../routing/route.ts";
import type { Router } from "../routing/router.ts";
import { pullScope, upstreamUrl } from "../upstream/client.ts";
import { answerWrite } from "./answer.ts";
import type { Changes } from "./changes.ts";
import type { Keeping, PushKeeper } from "./keeper.ts";
import type { UploadLocations } from "./location.ts";
import { mapMount, type MountQuery, withoutMount } from "./mount.ts";
import { bodyOf, type PushRequest, queryValue } from "./request.ts";
import type { Write, WriteAnswer, Writer } from "./write.ts";

/** Serves `blobs/uploads/` and, with a session, what lies below. */
export type UploadHandler = (
  request: PushRequest,
  target: Target,
  session: string | null,
) => Promise<Response>;

/** What uploads are made with. */
export interface UploadDeps {
  readonly router: Router;
  readonly send: Writer;
  readonly locations: UploadLocations;
  readonly changes: Changes;
  /** Keeps what passes for the cache; absent where pushes are not kept. */
  readonly keeper?: PushKeeper | undefined;
}

/** Headers of an upload that concern the registry; the body brings its length itself. */
const UPLOAD_HEADERS = ["accept", "content-type", "content-range"];

/** Makes the handler. */
export function createUploadHandler(deps: UploadDeps): UploadHandler {
  const { send, locations } = deps;

  return async function handleUpload(request, target, session) {
    // A start that names a digest brings the blob with it, or mounts it.
    const digest = parseDigest(
      queryValue(request.query, "digest") ?? queryValue(request.query, "mount") ?? "",
    );
    const body = bodyOf(request.incoming, request.method === "PUT" || request.method === "PATCH");
    const keeping = deps.keeper?.begin({
      target,
      session,
      range: request.incoming.headers.get("content-range"),
      hasBody: body !== undefined,
    });
    let answer: WriteAnswer | undefined;
    try {
      const upload = { request, target, ...passing(request, body, keeping) };
      answer = session === null ? await start(upload) : await goOn(upload, session);
    } finally {
      await keeping?.settle(answer?.response, digest);
    }
    if (answer.response.status === 201 && digest !== undefined) {
      deps.changes.note(placeOf(target), { kind: "pushed", digest });
    }
    return await answerWrite(answer, {
      request,
      view: { target, base: request.base },
      locations,
      wanted: "blob",
      created: digest === undefined ? undefined : `blobs/${digest}`,
    });
  };

  async function start(upload: Upload): Promise<WriteAnswer> {
    const { request, target } = upload;
    const mount = mapMount(deps.router, target, request.query);
    const answer = await startAt(upload, mount);
    const isRefused = answer.response.status === 401 || answer.response.status === 403;
    if (mount.from === null || !isRefused || request.credential.kind === "bearer") return answer;
    // Some realms refuse the whole token where one of its repositories is not the caller's. A client
    // with a token of its own does this by itself.
    await answer.response.body?.cancel();
    return await startAt(upload, { query: withoutMount(mount.query), from: null });
  }

  function startAt(upload: Upload, mount: MountQuery): Promise<WriteAnswer> {
    const { upstream, repository } = upload.target;
    const url = upstreamUrl(upstream, `/v2/${repository}/blobs/uploads/${mount.query}`);
    const scopes = mount.from === null ? {} : { furtherScopes: [pullScope(mount.from)] };
    return send({ ...writeOf(upload, url), ...scopes });
  }

  function goOn(upload: Upload, session: string): Promise<WriteAnswer> {
    const url = locations.toUpstream(session, upload.request.query, upload.target);
    return send(writeOf(upload, url));
  }
}

/** One request of an upload, with the body that goes on. */
interface Upload extends Passing {
  readonly request: PushRequest;
  readonly target: Target;
}

type Passing = Pick<Write, "body" | "bodyLength">;

/** The client's body with the length that it gave. */
function passing(
  request: PushRequest,
  body: ReadableStream<Uint8Array<ArrayBuffer>> | undefined,
  keeping: Keeping | undefined,
): Passing {
  if (body === undefined) return {};
  const length = request.incoming.headers.get("content-length");
  const passed = { body: keeping === undefined ? body : keeping.through(body) };
  return length === null ? passed : { ...passed, bodyLength: Number(length) };
}

function writeOf({ request, target, body, bodyLength }: Upload, url: URL): Write {
  return {
    target,
    method: request.method,
    url,
    headers: copyHeaders(request.incoming.headers, UPLOAD_HEADERS),
    credential: request.credential,
    signal: request.incoming.signal,
    ...(body === undefined ? {} : { body }),
    ...(bodyLength === undefined ? {} : { bodyLength }),
  };
}
