/** Puts the parts of pushes together. */
import type { Config } from "../config/config.ts";
import type { Outbound } from "../outbound.ts";
import type { ManifestCache } from "../pull/manifest_cache.ts";
import type { Router } from "../routing/router.ts";
import type { TargetGuard } from "../target_guard.ts";
import type { UpstreamClient } from "../upstream/client.ts";
import type { Changes } from "./changes.ts";
import { createContentHandlers } from "./content.ts";
import type { PushKeeper } from "./keeper.ts";
import { createUploadLocations } from "./location.ts";
import { createPushHandler, type PushHandler } from "./push.ts";
import { createSealer } from "./seal.ts";
import { createUploadHandler } from "./upload.ts";
import { createWriter } from "./write.ts";

/** What keeps pushes. */
export interface PushedCache {
  readonly blobs: PushKeeper;
  readonly manifests: ManifestCache;
}

/** What pushes are made with. */
export interface PushOptions {
  readonly config: Config["push"];
  readonly router: Router;
  readonly client: UpstreamClient;
  readonly outbound: Outbound;
  readonly guard: TargetGuard;
  readonly changes: Changes;
  /** Where pushes are kept on their way; undefined where they are not. */
  readonly kept: PushedCache | undefined;
  readonly now: () => number;
}

/** Makes the handler of everything that writes. */
export function createPush(options: PushOptions): PushHandler {
  const { config, router, client, outbound, guard, changes, kept } = options;
  const locations = createUploadLocations(createSealer(config.secretKey, options.now));
  const send = createWriter({ client, outbound, guard });
  const { maxManifestBytes } = config;
  return createPushHandler({
    upload: createUploadHandler({ router, send, locations, changes, keeper: kept?.blobs }),
    content: createContentHandlers({
      send,
      locations,
      changes,
      maxManifestBytes,
      cache: kept?.manifests,
    }),
  });
}
