import type { Place } from "../../lib/cache/index.ts";
import { openSqliteIndex } from "../../lib/cache/sqlite_index.ts";
import { createChanges } from "../../lib/push/changes.ts";
import { type Digest, parseDigest, parseRepository, parseTag } from "../../lib/reference.ts";
import { assert, assertEquals } from "../support/assert.ts";

const MINUTE = 60_000;

function fixture() {
  const clock = { now: 10 * MINUTE };
  const inner = openSqliteIndex(":memory:", () => clock.now);
  const repository = parseRepository("a/b");
  const tag = parseTag("1");
  assert(repository !== undefined && tag !== undefined);
  const place: Place = { registry: "ghcr.io", repository };
  const { changes, index } = createChanges(inner, () => clock.now);
  return { clock, inner, place, tag, changes, index };
}

function digest(letter: string): Digest {
  const parsed = parseDigest(`sha256:${letter.repeat(64)}`);
  assert(parsed !== undefined);
  return parsed;
}

Deno.test("after a push only its own digest is believed of the tag for a while", () => {
  const { clock, inner, place, tag, changes, index } = fixture();
  using _inner = inner;
  index.putTag(place, tag, { digest: digest("a"), checkedAt: clock.now });
  changes.note(place, { kind: "tag", tag, digest: digest("b") });
  assertEquals(index.tag(place, tag), undefined);
  clock.now += 1000;
  index.putTag(place, tag, { digest: digest("a"), checkedAt: clock.now });
  assertEquals(index.tag(place, tag), undefined);
  index.putTag(place, tag, { digest: digest("b"), checkedAt: clock.now });
  assertEquals(index.tag(place, tag)?.digest, digest("b"));
  clock.now += MINUTE;
  index.putTag(place, tag, { digest: digest("c"), checkedAt: clock.now });
  assertEquals(index.tag(place, tag)?.digest, digest("c"));
});

Deno.test("what was learnt before a push is not believed however late it is noted", () => {
  const { clock, inner, place, tag, changes, index } = fixture();
  using _inner = inner;
  const before = clock.now;
  changes.note(place, { kind: "tag", tag, digest: digest("b") });
  clock.now += 60 * MINUTE;
  index.putTag(place, tag, { digest: digest("a"), checkedAt: before });
  assertEquals(index.tag(place, tag), undefined);
});

Deno.test("what was deleted is not linked again by an answer from before, but by a push", () => {
  const { clock, inner, place, changes, index } = fixture();
  using _inner = inner;
  index.putLink(place, digest("a"), "text/x");
  changes.note(place, { kind: "deleted", digest: digest("a") });
  index.putLink(place, digest("a"), "text/x");
  assertEquals(index.link(place, digest("a")), undefined);
  changes.note(place, { kind: "pushed", digest: digest("a") });
  index.putLink(place, digest("a"), "text/x");
  assertEquals(index.link(place, digest("a")), { mediaType: "text/x" });
  changes.note(place, { kind: "deleted", digest: digest("a") });
  clock.now += 2 * MINUTE;
  index.putLink(place, digest("a"), null);
  assert(index.link(place, digest("a")) !== undefined);
});

Deno.test("a push whose outcome is lost has the tag asked for again, and keeps it servable", () => {
  const { clock, inner, place, tag, changes, index } = fixture();
  using _inner = inner;
  index.putTag(place, tag, { digest: digest("a"), checkedAt: clock.now });
  changes.note(place, { kind: "uncertain", tag });
  assertEquals(index.tag(place, tag), { digest: digest("a"), checkedAt: 0 });
});
