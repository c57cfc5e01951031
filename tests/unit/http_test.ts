import {
  type ByteRange,
  clientOrigin,
  copyHeaders,
  type OriginInput,
  parseByteRange,
  stripHopByHop,
} from "../../lib/http.ts";
import { assertEquals, assertLess } from "../support/assert.ts";

const WHOLE: ByteRange = { kind: "whole" };
const UNSATISFIABLE: ByteRange = { kind: "unsatisfiable" };
const span = (start: number, end: number): ByteRange => ({ kind: "range", start, end });

const RANGES: [policy: string, header: string | null, size: number, expected: ByteRange][] = [
  ["no header asks for everything", null, 1000, WHOLE],
  ["a first and a last byte, both included", "bytes=0-99", 1000, span(0, 99)],
  ["one byte", "bytes=0-0", 1000, span(0, 0)],
  ["the last byte", "bytes=999-999", 1000, span(999, 999)],
  ["an open end reaches the end", "bytes=500-", 1000, span(500, 999)],
  ["everything as a range is a range", "bytes=0-", 1000, span(0, 999)],
  ["a suffix counts from the end", "bytes=-100", 1000, span(900, 999)],
  ["a suffix longer than the content is all of it", "bytes=-5000", 1000, span(0, 999)],
  ["an end past the end is clipped", "bytes=900-5000", 1000, span(900, 999)],
  ["a start past the end cannot be satisfied", "bytes=5000-10000", 2048, UNSATISFIABLE],
  ["a start at the end cannot be satisfied", "bytes=1000-", 1000, UNSATISFIABLE],
  ["an inverted range cannot be satisfied", "bytes=500-0", 1000, UNSATISFIABLE],
  ["an empty suffix cannot be satisfied", "bytes=-0", 1000, UNSATISFIABLE],
  ["a number beyond all integers is beyond the end", `bytes=${"9".repeat(400)}-`, 9, UNSATISFIABLE],
  ["an end beyond all integers is clipped", `bytes=1-${"9".repeat(400)}`, 9, span(1, 8)],
  ["an empty content has no ranges", "bytes=0-0", 0, WHOLE],
  ["an empty content has no suffix", "bytes=-5", 0, WHOLE],
  ["the unit knows no case", "Bytes=1-2", 1000, span(1, 2)],
  ["white space and empty elements are nothing", "bytes= ,1-2 , ,", 1000, span(1, 2)],
  ["another unit is ignored", "items=0-5", 1000, WHOLE],
  ["rubbish is ignored", "bytes=abc", 1000, WHOLE],
  ["no unit is ignored", "0-5", 1000, WHOLE],
  ["no range is ignored", "bytes=", 1000, WHOLE],
  ["a lone dash is ignored", "bytes=-", 1000, WHOLE],
  ["a negative start is ignored", "bytes=--5", 1000, WHOLE],
  ["a sign is ignored", "bytes=+1-2", 1000, WHOLE],
  ["a fraction is ignored", "bytes=1.5-2", 1000, WHOLE],
  ["hex digits are ignored", "bytes=0x1-0x2", 1000, WHOLE],
  ["rubbish beside a good range spoils the set", "bytes=0-1,x", 1000, WHOLE],
  ["an empty header is ignored", "", 1000, WHOLE],
  ["several ranges keep the client's order", "bytes=500-599,0-99", 1000, {
    kind: "multi",
    ranges: [{ start: 500, end: 599 }, { start: 0, end: 99 }],
  }],
  ["adjacent ranges do not overlap", "bytes=0-9,10-19,-1", 1000, {
    kind: "multi",
    ranges: [{ start: 0, end: 9 }, { start: 10, end: 19 }, { start: 999, end: 999 }],
  }],
  ["what cannot be satisfied is dropped from a set", "bytes=0-9,5000-,20-29", 1000, {
    kind: "multi",
    ranges: [{ start: 0, end: 9 }, { start: 20, end: 29 }],
  }],
  ["one left of a set is a single range", "bytes=5000-,0-9", 1000, span(0, 9)],
  ["none left of a set is unsatisfiable", "bytes=5000-,2000-3000,-0", 1000, UNSATISFIABLE],
  ["overlaps are ignored", "bytes=0-10,10-20", 1000, WHOLE],
  ["equal ranges overlap", "bytes=0-0,0-0", 1000, WHOLE],
  ["the classic attack gets everything once", `bytes=${"0-,".repeat(1000)}0-`, 1000, WHOLE],
];

for (const [policy, header, size, expected] of RANGES) {
  Deno.test(`range: ${policy}`, () => assertEquals(parseByteRange(header, size), expected));
}

Deno.test("range: a thousand distinct parts are served, more are not", () => {
  const set = (count: number) =>
    `bytes=${Array.from({ length: count }, (_, i) => `${i * 10}-${i * 10 + 4}`).join(",")}`;
  assertEquals(parseByteRange(set(1024), 1e9).kind, "multi");
  assertEquals(parseByteRange(set(1025), 1e9), WHOLE);
  assertEquals(parseByteRange(`bytes=0-1${",".repeat(40_000)}`, 1e9), WHOLE);
});

Deno.test("range: every span lies inside the content, whatever is asked", () => {
  const started = performance.now();
  let seed = 11;
  const random = (below: number) => (seed = (seed * 48_271) % 2_147_483_647) % below;
  const alphabet = "0123456789-,-, =";
  for (let round = 0; round < 5000; round++) {
    const set = Array.from({ length: random(24) }, () => alphabet[random(alphabet.length)]).join(
      "",
    );
    const size = random(40);
    const range = parseByteRange(`bytes=${set}`, size);
    const spans = range.kind === "range" ? [range] : range.kind === "multi" ? range.ranges : [];
    for (const { start, end } of spans) {
      assertEquals(start >= 0 && start <= end && end < size, true, `${set} of ${size}`);
    }
    if (range.kind === "multi") assertLess(1, spans.length);
  }
  assertLess(performance.now() - started, 2000);
});

Deno.test("fields of one hop are not passed on, those that Connection names included", () => {
  const headers = new Headers({
    "connection": "close, X-Secret , bad name,,",
    "x-secret": "1",
    "keep-alive": "timeout=5",
    "proxy-authorization": "Basic x",
    "proxy-connection": "close",
    "te": "trailers",
    "trailer": "x",
    "transfer-encoding": "chunked",
    "upgrade": "h2c",
    "content-type": "text/plain",
    "authorization": "Bearer x",
  });
  const copy = stripHopByHop(headers);
  assertEquals([...copy.keys()], ["authorization", "content-type"]);
  assertEquals(headers.get("x-secret"), "1");
});

Deno.test("every Set-Cookie outlives the hop", () => {
  const headers = new Headers([["set-cookie", "a=1"], ["set-cookie", "b=2"]]);
  assertEquals(stripHopByHop(headers).getSetCookie(), ["a=1", "b=2"]);
});

Deno.test("only the named fields are copied", () => {
  const from = new Headers({ "Content-Type": "a/b", "etag": '"x"', "authorization": "secret" });
  assertEquals([...copyHeaders(from, ["content-type", "ETag", "last-modified"])], [
    ["content-type", "a/b"],
    ["etag", '"x"'],
  ]);
});

function origin(
  headers: HeadersInit,
  rest: Partial<Omit<OriginInput, "headers" | "url">> & { url?: string } = {},
): string {
  const { url = "http://10.0.0.9:8080/v2/", ...input } = rest;
  const { scheme, host, clientAddress } = clientOrigin({
    url: new URL(url),
    host: "proxy.internal:8080",
    peer: "10.0.0.2",
    trustedProxies: ["10.0.0.0/8", "fd00::/8"],
    publicUrl: null,
    headers: new Headers(headers),
    ...input,
  });
  return `${scheme}://${host} ${clientAddress}`;
}

Deno.test("origin: without Forwarded headers it is the request's own", () => {
  assertEquals(origin({}), "http://proxy.internal:8080 10.0.0.2");
  assertEquals(origin({}, { url: "https://h/v2/", host: "h" }), "https://h 10.0.0.2");
});

Deno.test("origin: without a Host header, as on HTTP/2, the URL's host counts", () => {
  assertEquals(
    origin({}, { url: "https://reg.example/v2/", host: null }),
    "https://reg.example 10.0.0.2",
  );
  assertEquals(origin({}, { host: "" }), "http://10.0.0.9:8080 10.0.0.2");
});

Deno.test("origin: a peer that is not trusted is believed nothing", () => {
  const forged = {
    "x-forwarded-for": "1.1.1.1",
    "x-forwarded-proto": "https",
    "x-forwarded-host": "evil.example",
    "x-forwarded-port": "444",
    "forwarded": "for=1.1.1.1;host=evil.example;proto=https",
  };
  for (const peer of ["8.8.8.8", "2606:4700::1", "unix", ""]) {
    assertEquals(origin(forged, { peer }), `http://proxy.internal:8080 ${peer}`);
  }
  assertEquals(origin(forged, { trustedProxies: [] }), "http://proxy.internal:8080 10.0.0.2");
});

Deno.test("origin: a trusted peer tells scheme, host and client", () => {
  const headers = {
    "x-forwarded-for": "203.0.113.7",
    "x-forwarded-proto": "https",
    "x-forwarded-host": "reg.example",
  };
  assertEquals(origin(headers), "https://reg.example 203.0.113.7");
  assertEquals(origin(headers, { peer: "::ffff:10.0.0.2" }), "https://reg.example 203.0.113.7");
  assertEquals(origin(headers, { peer: "fd00::1" }), "https://reg.example 203.0.113.7");
});

Deno.test("origin: the client is the rightmost address that is not trusted", () => {
  const client = (list: string) => origin({ "x-forwarded-for": list }).split(" ")[1];
  assertEquals(client("6.6.6.6, 203.0.113.7"), "203.0.113.7");
  assertEquals(client("6.6.6.6, 203.0.113.7, 10.0.0.5"), "203.0.113.7");
  assertEquals(client("6.6.6.6,10.0.0.1,203.0.113.7,10.0.0.5 , 10.0.0.6"), "203.0.113.7");
  assertEquals(client("10.0.0.7, 10.0.0.5"), "10.0.0.7");
  assertEquals(client("203.0.113.7:4711"), "203.0.113.7");
  assertEquals(client("[2001:db8::1]:4711"), "2001:db8::1");
  assertEquals(client("2001:DB8::1"), "2001:db8::1");
  assertEquals(client("::ffff:203.0.113.7"), "203.0.113.7");
});

Deno.test("origin: nothing left of an unreadable address counts", () => {
  const client = (list: string) => origin({ "x-forwarded-for": list }).split(" ")[1];
  assertEquals(client("6.6.6.6, unknown"), "10.0.0.2");
  assertEquals(client("6.6.6.6, unknown, 10.0.0.5"), "10.0.0.5");
  assertEquals(client("6.6.6.6,"), "10.0.0.2");
  assertEquals(client("0x7f.1"), "10.0.0.2");
});

Deno.test("origin: scheme and host are those that the outermost trusted proxy saw", () => {
  assertEquals(
    origin({
      "x-forwarded-for": "203.0.113.7, 10.0.0.5",
      "x-forwarded-proto": "ftp, https, http",
      "x-forwarded-host": "evil.example, reg.example, inner.example",
    }),
    "https://reg.example 203.0.113.7",
  );
  assertEquals(
    origin({
      "x-forwarded-for": "203.0.113.7, 10.0.0.5",
      "x-forwarded-proto": "https",
      "x-forwarded-host": "reg.example",
    }),
    "https://reg.example 203.0.113.7",
  );
  // What the client wrote itself stands to the left of what its nearest proxy appended.
  assertEquals(
    origin({ "x-forwarded-for": "203.0.113.7", "x-forwarded-host": "evil.example, reg.example" }),
    "http://reg.example 203.0.113.7",
  );
});

Deno.test("origin: a port that the proxy names is kept unless the scheme implies it", () => {
  const at = (headers: HeadersInit) => origin(headers).split(" ")[0];
  const named = { "x-forwarded-host": "reg.example", "x-forwarded-proto": "https" };
  assertEquals(at({ ...named, "x-forwarded-port": "8443" }), "https://reg.example:8443");
  assertEquals(at({ ...named, "x-forwarded-port": "443" }), "https://reg.example");
  assertEquals(at({ ...named, "x-forwarded-port": "80" }), "https://reg.example");
  assertEquals(at({ ...named, "x-forwarded-port": "x" }), "https://reg.example");
  assertEquals(
    at({ "x-forwarded-host": "reg.example:5000", "x-forwarded-port": "8443" }),
    "http://reg.example:5000",
  );
  assertEquals(
    at({ "x-forwarded-host": "[2001:db8::1]", "x-forwarded-port": "5000" }),
    "http://[2001:db8::1]:5000",
  );
  assertEquals(
    origin({ "x-forwarded-port": "5000" }, { host: "reg.example" }),
    "http://reg.example:5000 10.0.0.2",
  );
});

Deno.test("origin: a host or scheme that could not stand in a URL is not believed", () => {
  for (const host of ['a"b', "a b", "a/b", "a@b", "a:b", "a\\b", "<x>", "a?b", "a:123456", "é"]) {
    assertEquals(origin({ "x-forwarded-host": host }), "http://proxy.internal:8080 10.0.0.2", host);
    assertEquals(origin({}, { host }), "http://10.0.0.9:8080 10.0.0.2", host);
  }
  assertEquals(
    origin({ "x-forwarded-proto": "javascript" }),
    "http://proxy.internal:8080 10.0.0.2",
  );
});

Deno.test("origin: Forwarded says the same in its own words", () => {
  assertEquals(
    origin({ forwarded: "for=203.0.113.7;proto=https;host=reg.example" }),
    "https://reg.example 203.0.113.7",
  );
  assertEquals(
    origin({ forwarded: 'For="[2001:db8::1]:4711"; Proto=HTTPS ; Host="reg.example:5000"' }),
    "https://reg.example:5000 2001:db8::1",
  );
  assertEquals(
    origin({
      forwarded: "for=6.6.6.6;host=evil.example, for=203.0.113.7;proto=https;host=reg.example," +
        "for=10.0.0.5;proto=http;host=inner.example",
    }),
    "https://reg.example 203.0.113.7",
  );
  assertEquals(
    origin({ forwarded: "for=203.0.113.7;proto=https, for=10.0.0.5;host=reg.example" }),
    "https://reg.example 203.0.113.7",
  );
});

Deno.test("origin: a comma or semicolon in quotes does not part Forwarded", () => {
  assertEquals(
    origin({ forwarded: 'for="6.6.6.6, for=7.7.7.7;host=evil.example";proto=https' }),
    "https://proxy.internal:8080 10.0.0.2",
  );
});

Deno.test("origin: hidden nodes of Forwarded hide what is behind them", () => {
  assertEquals(
    origin({ forwarded: "for=6.6.6.6, for=_hidden;host=reg.example, for=10.0.0.5" }),
    "http://reg.example 10.0.0.5",
  );
});

Deno.test("origin: X-Forwarded goes before a Forwarded that a proxy may have passed on", () => {
  assertEquals(
    origin({ "x-forwarded-for": "203.0.113.7", "forwarded": "for=6.6.6.6;host=evil.example" }),
    "http://proxy.internal:8080 203.0.113.7",
  );
});

Deno.test("origin: PUBLIC_URL settles scheme and host, not the client's address", () => {
  const publicUrl = new URL("https://reg.example:8443/");
  assertEquals(
    origin({ "x-forwarded-for": "203.0.113.7", "x-forwarded-host": "other.example" }, {
      publicUrl,
    }),
    "https://reg.example:8443 203.0.113.7",
  );
  assertEquals(origin({}, { publicUrl, peer: "8.8.8.8" }), "https://reg.example:8443 8.8.8.8");
});

Deno.test("origin: hostile headers are read in bounded time", () => {
  const started = performance.now();
  for (const unit of ["for=", "for=10.0.0.1,", 'for="', ";", "a=b;", '\\"', "=", ", "]) {
    origin({ forwarded: unit.repeat(16_384) });
    origin({ "x-forwarded-for": unit.repeat(16_384), "x-forwarded-host": unit.repeat(16_384) });
  }
  origin({ "x-forwarded-for": "10.0.0.1,".repeat(20_000) });
  assertLess(performance.now() - started, 2000);
});
