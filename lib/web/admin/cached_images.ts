/** The images in the cache under the names that people give them, for API and pages. */
import type { ContentStore } from "../../cache/store.ts";
import type { CacheIndex } from "../../cache/index.ts";
import type { ImageEntry, ImageKey, ImageQuery, Inventory } from "../../cache/inventory.ts";
import type { Config } from "../../config/config.ts";
import { resolveImage } from "../../explain/explain.ts";
import { parseImageName } from "../../image_name.ts";
import { placeOf } from "../../pull/request.ts";
import { parseRepository, type Reference } from "../../reference.ts";
import type { Router } from "../../routing/router.ts";
import { missing } from "./api_error.ts";
import { type PlatformEntry, platformsOf } from "./platforms.ts";

/** An image as it is shown. */
export interface ShownImage extends Omit<ImageEntry, "place"> {
  /** Such as `docker.io/library/nginx:1`; purge and pin take it. */
  readonly name: string;
  readonly registry: string;
  readonly repository: string;
  readonly platforms: readonly PlatformEntry[];
}

/** Some of the images. */
export interface ShownPage {
  readonly images: readonly ShownImage[];
  readonly total: number;
}

/** Shows images and changes what is kept of them. */
export interface CachedImages {
  list(query: ImageQuery): ShownPage;
  /** Names of registries, with the number of their repositories. */
  registries(): readonly { readonly registry: string; readonly repositories: number }[];
  /** Gives the bytes that were freed. @throws {RegistryError} where there is no such image. */
  purge(name: string): number;
  /** Forgets a repository's images. @throws {RegistryError} where there is none. */
  purgeRepository(name: string): number;
  /** @throws {RegistryError} where there is no such image. */
  setPinned(name: string, isPinned: boolean): void;
}

/** Makes the view. */
export function createCachedImages(
  deps: {
    inventory: Inventory;
    index: CacheIndex;
    store: ContentStore;
    router: Router;
    upstreams: Config["upstreams"];
    defaultUpstream: Config["defaultUpstream"];
  },
): CachedImages {
  const { inventory, index, store, router, defaultUpstream } = deps;
  const all = defaultUpstream === null ? deps.upstreams : [defaultUpstream, ...deps.upstreams];
  // The index knows registries by the host that is asked, people by their names.
  const anyRepository = parseRepository("any");
  const names = new Map<string, string>();
  for (const upstream of all) {
    if (anyRepository === undefined) break;
    const key = placeOf({
      upstream,
      repository: anyRepository,
      addressing: { kind: "default" },
      clientName: "any",
    }).registry;
    if (!names.has(key)) names.set(key, upstream.registry);
  }

  function show(image: ImageEntry): ShownImage {
    const { place, ...rest } = image;
    const registry = names.get(place.registry) ?? place.registry;
    const suffix = image.tag === null ? `@${image.digest}` : `:${image.tag}`;
    return {
      name: `${registry}/${place.repository}${suffix}`,
      registry,
      repository: place.repository,
      ...rest,
      platforms: platformsOf(image, store, index),
    };
  }

  /** Registries that are configured no more are found by the host that they were asked at. */
  function find(name: string): ImageKey {
    const resolved = resolveImage(name, router);
    const parsed = parseImageName(name);
    const key = !("why" in resolved)
      ? { place: placeOf(resolved.target), reference: referenceOf(resolved.reference) }
      : parsed !== undefined && parsed.registry !== null
      ? {
        place: { registry: parsed.registry, repository: parsed.repository },
        reference: referenceOf(parsed.reference),
      }
      : undefined;
    if (key === undefined) throw missing(`${name} is not in the cache`);
    return key;
  }

  function findKnown(name: string): ImageKey {
    const key = find(name);
    if (!inventory.has(key)) throw missing(`${name} is not in the cache`);
    return key;
  }

  function remove(contents: readonly ImageEntry["digest"][]): number {
    let bytes = 0;
    for (const digest of contents) {
      bytes += index.contentSize(digest) ?? 0;
      store.remove(digest);
    }
    return bytes;
  }

  return {
    list({ registry, ...query }) {
      const keys = [...names].filter(([, name]) => name === registry).map(([key]) => key);
      const { images, total } = inventory.images({ ...query, registry: keys[0] ?? registry });
      return { images: images.map(show), total };
    },
    registries: () =>
      inventory.registries().map(({ registry, repositories }) => ({
        registry: names.get(registry) ?? registry,
        repositories,
      })),
    purge: (name) => remove(inventory.purge(findKnown(name)).contents),
    purgeRepository: (name) => remove(inventory.purgeRepository(find(name).place).contents),
    setPinned(name, isPinned) {
      if (isPinned) inventory.pin(findKnown(name));
      else inventory.unpin(find(name));
    },
  };
}

function referenceOf(reference: Reference): ImageKey["reference"] {
  return reference.kind === "tag" ? reference.tag : reference.digest;
}
