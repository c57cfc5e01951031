import { ANONYMOUS } from "../../lib/auth/credential.ts";
import { multipartBody } from "../../lib/pull/multipart.ts";
import { isFarAndSmall } from "../../lib/pull/range_miss.ts";
import type { PullRequest } from "../../lib/pull/request.ts";
import { assertEquals } from "../support/assert.ts";

const MIB = 1 << 20;

function requestOf(range: string): PullRequest {
  return {
    method: "GET",
    headers: new Headers({ range }),
    credential: ANONYMOUS,
    signal: new AbortController().signal,
    finished: Promise.resolve(),
    note: () => undefined,
    onSent: () => undefined,
  };
}

Deno.test("a part is passed on where it is small and not soon here", () => {
  const cases: [string, number | null, boolean][] = [
    ["bytes=0-9", null, false],
    [`bytes=${20 * MIB}-${20 * MIB + 99}`, null, true],
    [`bytes=${20 * MIB}-${20 * MIB + 99}`, 15 * MIB, false],
    [`bytes=${20 * MIB}-${30 * MIB}`, null, false],
    [`bytes=${20 * MIB}-`, null, false],
    ["bytes=-100", null, true],
    ["bytes=-100", 50 * MIB, true],
    [`bytes=-${50 * MIB}`, null, false],
    [`bytes=0-9,${20 * MIB}-${20 * MIB + 9}`, null, true],
    [`bytes=0-9,${20 * MIB}-`, null, false],
    ["bytes=", null, false],
    ["items=0-9", null, false],
    ["bytes=a-b", null, false],
  ];
  for (const [range, written, expected] of cases) {
    const progress = written === null ? undefined : { written };
    assertEquals(isFarAndSmall(requestOf(range), progress), expected, `${range} ${written}`);
  }
});

Deno.test("parts come one after the other, each with its place, in the length that was said", async () => {
  const bytes = new TextEncoder().encode("0123456789");
  const ranges = [{ start: 7, end: 8 }, { start: 0, end: 0 }];
  const body = multipartBody(
    ranges,
    10,
    ({ start, end }) => ReadableStream.from([bytes.slice(start, end + 1)]),
  );
  const text = await new Response(body.stream).text();
  assertEquals(text.length, body.length);
  const response = new Response(text, { headers: { "content-type": body.contentType } });
  const boundary = response.headers.get("content-type")?.split("boundary=")[1];
  assertEquals(
    text,
    [
      `--${boundary}`,
      "content-type: application/octet-stream",
      "content-range: bytes 7-8/10",
      "",
      "78",
      `--${boundary}`,
      "content-type: application/octet-stream",
      "content-range: bytes 0-0/10",
      "",
      "0",
      `--${boundary}--`,
      "",
    ].join("\r\n"),
  );
});
