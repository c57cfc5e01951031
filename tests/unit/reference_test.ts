import {
  DIGEST_HEX_LENGTH,
  parseDigest,
  parseReference,
  parseRepository,
  parseTag,
  referenceText,
  splitDigest,
} from "../../lib/reference.ts";
import { assert, assertEquals, assertExists, assertLess } from "../support/assert.ts";

const SHA256 = `sha256:${"0123456789abcdef".repeat(4)}`;
const SHA384 = `sha384:${"a".repeat(96)}`;
const SHA512 = `sha512:${"f".repeat(128)}`;

Deno.test("a repository name is lower-case components with single separators", () => {
  for (
    const name of [
      ...["a", "0", "library/nginx", "a.b", "a_b", "a__b", "a-b", "a---b", "a.b_c__d-e/f"],
      ...["manifests", "blobs/uploads", "v2/auth/tags", "ghcr.io/x/y", "a/b/c/d/e/f/g", "1.2.3"],
      "a".repeat(255),
    ]
  ) assertEquals(String(parseRepository(name)), name);
});

Deno.test("what an upstream would refuse is no repository name", () => {
  for (
    const name of [
      ...["", "/", "/a", "a/", "a//b", "A", "a/B", ".a", "a.", "_a", "a_", "-a", "a-", "a..b"],
      ...["a___b", "a._b", "a.-b", "a:b", "localhost:5000/x", "a b", "a\n", "a\0", "a%2fb", "é"],
      ...["..", "a/../b", "a/.", "_catalog", "a\\b", "a?b", "a#b", "a@b", "a".repeat(256)],
    ]
  ) assertEquals(parseRepository(name), undefined, JSON.stringify(name));
});

Deno.test("a tag is at most 128 word characters, dots and dashes, and begins with a word", () => {
  for (
    const tag of [
      "a",
      "_",
      "latest",
      "V1.2-rc_3",
      "1",
      "a.",
      "a-",
      "sha256-abc.sig",
      "a".repeat(128),
    ]
  ) {
    assertEquals(String(parseTag(tag)), tag);
  }
  for (const tag of ["", ".a", "-a", "a b", "a/b", "a:b", "a\n", "é", "a+b", "a".repeat(129)]) {
    assertEquals(parseTag(tag), undefined, JSON.stringify(tag));
  }
});

Deno.test("a digest is one whose algorithm can be verified, of that algorithm's length", () => {
  for (const digest of [SHA256, SHA384, SHA512]) {
    assertEquals(String(parseDigest(digest)), digest);
  }
  for (
    const text of [
      ...["", "sha256", "sha256:", SHA256.slice(0, -1), `${SHA256}0`, SHA256.toUpperCase()],
      ...[SHA256.replace("abcdef", "ABCDEF"), SHA256.replace("a", "g"), `${SHA256}\n`],
      ...[SHA256.replace("sha256", "sha512"), SHA512.replace("sha512", "sha256"), ` ${SHA256}`],
      ...[`md5:${"a".repeat(32)}`, `blake3:${"a".repeat(64)}`, `sha1:${"a".repeat(40)}`],
      ...[`constructor:${"a".repeat(64)}`, `__proto__:${"a".repeat(64)}`, `:${"a".repeat(64)}`],
    ]
  ) assertEquals(parseDigest(text), undefined, JSON.stringify(text));
});

Deno.test("a text with a colon is a digest or nothing, never a tag", () => {
  assertEquals(parseReference(SHA256)?.kind, "digest");
  assertEquals(parseReference("latest")?.kind, "tag");
  assertEquals(parseReference("sha256:abc"), undefined);
  assertEquals(parseReference("a:b"), undefined);
});

Deno.test("a reference's text is what was parsed", () => {
  for (const text of [SHA256, SHA384, SHA512, "latest", "_", "v1.2.3"]) {
    const reference = parseReference(text);
    assertExists(reference);
    assertEquals(referenceText(reference), text);
  }
});

Deno.test("a digest's parts make it up again", () => {
  for (const text of [SHA256, SHA384, SHA512]) {
    const digest = parseDigest(text);
    assertExists(digest);
    const { algorithm, hex } = splitDigest(digest);
    assertEquals(`${algorithm}:${hex}`, text);
    assertEquals(hex.length, DIGEST_HEX_LENGTH[algorithm]);
  }
});

Deno.test("hostile texts are refused in no time", () => {
  const started = performance.now();
  for (
    const text of [
      "a".repeat(1e6),
      "a-".repeat(1e5),
      "a_".repeat(127) + "!",
      "-".repeat(254),
      "a/".repeat(127),
    ]
  ) {
    assert(parseRepository(text) === undefined);
    assert(parseReference(`sha256:${text}`) === undefined);
  }
  assertLess(performance.now() - started, 500);
});
