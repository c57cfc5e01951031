/**
 * The repository that a blob is mounted from, in the upstream's words. What belongs to another
 * upstream cannot be mounted: then the upload begins as if the client had not asked.
 * Source: distribution-spec "Mounting a blob from another repository".
 */
import type { Repository } from "../reference.ts";
import type { Target } from "../routing/route.ts";
import type { Router } from "../routing/router.ts";
import { queryValue } from "./request.ts";

/** How an upload begins at the upstream. */
export interface MountQuery {
  /** Begins with `?` unless empty; every parameter but `from` byte for byte. */
  readonly query: string;
  /** The repository that has to be readable, where one is mounted from. */
  readonly from: Repository | null;
}

/** Maps the query of an upload's start. */
export function mapMount(router: Router, target: Target, query: string): MountQuery {
  const name = queryValue(query, "from");
  if (name === null) return { query, from: null };
  const resolution = router.resolve(name, target);
  if (
    resolution.kind !== "target" || resolution.target.upstream.alias !== target.upstream.alias
  ) {
    return { query: withoutMount(query), from: null };
  }
  const { repository } = resolution.target;
  const mapped = partsOf(query).map((part) =>
    isNamed(part, "from") ? `from=${encodeURIComponent(repository)}` : part
  );
  return { query: `?${mapped.join("&")}`, from: repository };
}

/** The query of an upload that mounts nothing. */
export function withoutMount(query: string): string {
  const rest = partsOf(query).filter((part) =>
    !["mount", "from", "origin"].some((name) => isNamed(part, name))
  );
  return rest.length === 0 ? "" : `?${rest.join("&")}`;
}

function partsOf(query: string): string[] {
  return query.slice(1).split("&").filter((part) => part !== "");
}

function isNamed(part: string, name: string): boolean {
  return part === name || part.startsWith(`${name}=`);
}
