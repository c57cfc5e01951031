import { type Challenge, formatChallenge, parseChallenges } from "../../lib/auth/challenge.ts";
import { assertEquals, assertLess } from "../support/assert.ts";

type Plain = [scheme: string, params: Record<string, string>];

function plain(header: string): Plain[] {
  return parseChallenges(header).map((c): Plain => [c.scheme, Object.fromEntries(c.params)]);
}

const HUB = 'Bearer realm="https://auth.docker.io/token",service="registry.docker.io"';

const ROWS: [policy: string, header: string, expected: Plain[]][] = [
  ["a bearer challenge has realm and service", HUB, [
    ["bearer", { realm: "https://auth.docker.io/token", service: "registry.docker.io" }],
  ]],
  ["a comma in quotes does not part the list", 'Bearer realm="r",scope="repository:a:pull,push"', [
    ["bearer", { realm: "r", scope: "repository:a:pull,push" }],
  ]],
  [
    "a service may be missing",
    'Bearer realm="https://nvcr.io/proxy_auth",scope="repository:a:pull"',
    [
      ["bearer", { realm: "https://nvcr.io/proxy_auth", scope: "repository:a:pull" }],
    ],
  ],
  ["several challenges may share a line", `${HUB}, Basic realm="x"`, [
    ["bearer", { realm: "https://auth.docker.io/token", service: "registry.docker.io" }],
    ["basic", { realm: "x" }],
  ]],
  ["a challenge without parameters is one", "Negotiate, Basic realm=x", [
    ["negotiate", {}],
    ["basic", { realm: "x" }],
  ]],
  ["a token68 is no parameter", 'Negotiate abc+/.~-_==, Bearer realm="r"', [
    ["negotiate", {}],
    ["bearer", { realm: "r" }],
  ]],
  ["a token68 may end the field", "NTLM TlRMTVNTUAAB= ", [["ntlm", {}]]],
  ["an unknown scheme is kept for the caller to skip", 'New1 a="b", title="c,d", Basic realm="x"', [
    ["new1", { a: "b", title: "c,d" }],
    ["basic", { realm: "x" }],
  ]],
  ["a backslash escapes", 'Basic realm="a \\"b\\" \\\\c"', [["basic", { realm: 'a "b" \\c' }]]],
  ["scheme and names know no case, values do", 'BEARER Realm="R",SERVICE=S', [
    ["bearer", { realm: "R", service: "S" }],
  ]],
  ["white space around everything is nothing", ' ,, Bearer \t realm = "r" ,\t, service\t=s ,', [
    ["bearer", { realm: "r", service: "s" }],
  ]],
  ["commas between parameters may be missing", 'Bearer realm="r" service="s"', [
    ["bearer", { realm: "r", service: "s" }],
  ]],
  ["an unquoted URL is a value", "Bearer realm=https://h:5000/t?a=b,service=h:5000", [
    ["bearer", { realm: "https://h:5000/t?a=b", service: "h:5000" }],
  ]],
  ["an empty value is a value", 'Bearer realm="",service=""', [
    ["bearer", { realm: "", service: "" }],
  ]],
  ["the first of two equal parameters counts", 'Bearer realm="a",realm="b"', [
    ["bearer", { realm: "a" }],
  ]],
  ["quotes that never close end with the field", 'Bearer realm="abc, Basic', [
    ["bearer", { realm: "abc, Basic" }],
  ]],
  ["an escape at the end is nothing", 'Bearer realm="abc\\', [["bearer", { realm: "abc" }]]],
  ["a parameter without challenge is nobody's", 'realm="x", Basic realm="y"', [
    ["basic", { realm: "y" }],
  ]],
  ["rubbish is left out", '"Basic realm=x", @@ /// Bearer realm="r"', [["bearer", { realm: "r" }]]],
  ["a name that objects inherit is a name like others", 'Bearer constructor="x",realm="r"', [
    ["bearer", { constructor: "x", realm: "r" }],
  ]],
  ["nothing has no challenges", "", []],
  ["separators alone are no challenges", " , ,\t,", []],
];

for (const [policy, header, expected] of ROWS) {
  Deno.test(`challenges: ${policy}`, () => assertEquals(plain(header), expected));
}

Deno.test("challenges: several header lines, as Fetch joins them, are one list", () => {
  const headers = new Headers([["www-authenticate", HUB], ["www-authenticate", 'Basic realm="b"']]);
  assertEquals(plain(headers.get("www-authenticate") ?? "").map(([scheme]) => scheme), [
    "bearer",
    "basic",
  ]);
});

Deno.test("challenges: a hostile field is read in bounded time and space, and never throws", () => {
  const unit = [
    '"',
    "\\",
    '="',
    "a ",
    "a=",
    "a,",
    "a b/",
    "= = ",
    'a="\\"',
    "a ====",
    "/",
    "\0\uffff",
    "a\t ",
    "Bearer x=",
  ];
  const started = performance.now();
  for (const text of unit) {
    const header = text.repeat(Math.floor(16_384 / text.length));
    const challenges = parseChallenges(`Bearer realm="r",${header}`.slice(0, 16_384));
    assertLess(challenges.length, 17);
    for (const { params } of challenges) assertLess(params.size, 33);
  }
  assertLess(performance.now() - started, 1000);
  assertEquals(parseChallenges(HUB + " ".repeat(20_000)), []);
});

Deno.test("challenges: every prefix of a field is read without throwing", () => {
  const header = `Negotiate abc==, ${HUB},scope="a\\"b:c,d" , Basic realm=x`;
  for (let length = 0; length <= header.length; length++) parseChallenges(header.slice(0, length));
});

Deno.test("formatting quotes every value and writes the scheme as clients know it", () => {
  const params = new Map([["realm", "https://h/v2/auth"], ["scope", "repository:a:pull,push"]]);
  assertEquals(
    formatChallenge({ scheme: "bearer", params }),
    'Bearer realm="https://h/v2/auth",scope="repository:a:pull,push"',
  );
  assertEquals(formatChallenge({ scheme: "negotiate", params: new Map() }), "Negotiate");
});

Deno.test("no value can break out of its quotes or its line", () => {
  const params = new Map([["realm", 'x", Basic realm="y\\'], [
    "service",
    "a\r\nset-cookie: b\0\u2603",
  ]]);
  const text = formatChallenge({ scheme: "bearer", params });
  assertEquals(new Headers({ "www-authenticate": text }).get("www-authenticate"), text);
  assertEquals(plain(text), [["bearer", {
    realm: 'x", Basic realm="y\\',
    service: "a??set-cookie: b??",
  }]]);
});

Deno.test("parsing a formatted challenge gives it back", () => {
  const alphabet = ['"', "\\", ",", "=", " ", "a", "B", ":", "/", "\t", "é", "(", ";"];
  let seed = 7;
  const random = (below: number) => (seed = (seed * 48_271) % 2_147_483_647) % below;
  const text = () =>
    Array.from({ length: random(12) }, () => alphabet[random(alphabet.length)]).join("");
  for (let round = 0; round < 2000; round++) {
    const challenges: Challenge[] = Array.from({ length: 1 + random(3) }, (_, i) => ({
      scheme: `scheme${i}`,
      params: new Map(Array.from({ length: 1 + random(4) }, (_, k) => [`p${k}`, text()])),
    }));
    assertEquals(parseChallenges(challenges.map(formatChallenge).join(", ")), challenges);
  }
});
