/**
 * Everything that writes: one entrance, which asks first whether the operator lets this upstream be
 * written to. What comes after is between the caller and the upstream.
 */
import { RegistryError } from "../errors.ts";
import type { Route } from "../routing/route.ts";
import type { ContentHandlers } from "./content.ts";
import type { PushRequest } from "./request.ts";
import type { UploadHandler } from "./upload.ts";

/** A route on which something can be written. */
export type PushRoute = Extract<Route, { kind: "upload" | "manifest" | "blob" }>;

/** Serves writes, and questions about uploads. @throws {RegistryError} UNSUPPORTED where denied. */
export type PushHandler = (request: PushRequest, route: PushRoute) => Promise<Response>;

/** Makes the handler. */
export function createPushHandler(
  options: { upload: UploadHandler; content: ContentHandlers },
): PushHandler {
  const { upload, content } = options;

  return async function handlePush(request, route) {
    requireRight(route);
    switch (route.kind) {
      case "upload":
        return await upload(request, route.target, route.session);
      case "blob":
        return await content.deleteBlob(request, route.target, route.digest);
      case "manifest":
        return request.method === "PUT"
          ? await content.putManifest(request, route.target, route.reference)
          : await content.deleteManifest(request, route.target, route.reference);
      default:
        return route satisfies never;
    }
  };
}

function requireRight({ kind, target }: PushRoute): void {
  const { push, registry } = target.upstream;
  if (push !== "deny") return;
  throw new RegistryError(
    "UNSUPPORTED",
    `this proxy takes no pushes and no deletions for ${registry}`,
    { headers: { allow: kind === "upload" ? "" : "GET, HEAD" } },
  );
}
