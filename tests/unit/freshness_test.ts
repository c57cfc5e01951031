import type { TagTtl } from "../../lib/config/config.ts";
import {
  type Freshness,
  freshnessOf,
  type FreshnessRules,
  isServableOnError,
  ttlOfTag,
} from "../../lib/pull/freshness.ts";
import { parseTag, type Tag } from "../../lib/reference.ts";
import { assert, assertEquals } from "../support/assert.ts";

const RULES: FreshnessRules = {
  tagTtl: [{ pattern: "latest", seconds: 300 }, { pattern: "sha-*", seconds: 2_592_000 }],
  manifestTtlSeconds: 86_400,
  staleWhileRevalidateSeconds: 60,
  staleIfErrorSeconds: 600,
};

function tag(text: string): Tag {
  const parsed = parseTag(text);
  assert(parsed !== undefined);
  return parsed;
}

Deno.test("the first rule that matches a tag decides, an upstream's own before the others", () => {
  const own: TagTtl[] = [{ pattern: "latest", seconds: 10 }, { pattern: "*", seconds: 20 }];
  const cases: [string, readonly TagTtl[], number][] = [
    ["latest", [], 300],
    ["sha-0123", [], 2_592_000],
    ["1.27", [], 86_400],
    ["latest", own, 10],
    ["sha-0123", own, 20],
  ];
  for (const [text, rules, seconds] of cases) {
    assertEquals(ttlOfTag(tag(text), rules, RULES), seconds, text);
  }
});

Deno.test("a star stands for any characters, and nothing else stands for more than itself", () => {
  const cases: [string, string, boolean][] = [
    ["latest", "latest", true],
    ["latest", "latest-alpine", false],
    ["*", "anything", true],
    ["1.*", "1.27", true],
    ["1.*", "1x27", false],
    ["*-alpine", "3.20-alpine", true],
    ["*-alpine", "alpine", false],
    ["v*-rc*", "v2-rc1", true],
    ["v*-rc*", "v2", false],
    ["a*a", "a", false],
    ["a*a", "aa", true],
    ["a*b*c", "a-b-b-c", true],
    ["a*b*c", "a-c-b", false],
  ];
  for (const [pattern, text, expected] of cases) {
    const rules = { ...RULES, tagTtl: [{ pattern, seconds: 1 }] };
    assertEquals(ttlOfTag(tag(text), [], rules) === 1, expected, `${pattern} ${text}`);
  }
});

Deno.test("an age is fresh, then served while it is revalidated, then stale", () => {
  const cases: [number, Freshness, boolean][] = [
    [0, "fresh", true],
    [299, "fresh", true],
    [300, "revalidate_behind", true],
    [359, "revalidate_behind", true],
    [360, "stale", true],
    [899, "stale", true],
    [900, "stale", false],
  ];
  for (const [age, freshness, isServable] of cases) {
    assertEquals(freshnessOf(age, 300, RULES), freshness, `${age}`);
    assertEquals(isServableOnError(age, 300, RULES), isServable, `${age}`);
  }
});
