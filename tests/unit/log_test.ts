import { getLogger } from "@logtape/logtape";
import { configureLog, describeCause, flushLog, redactUrl, redactUrls } from "../../lib/log.ts";
import {
  assert,
  assertEquals,
  assertFalse,
  assertMatch,
  assertStringIncludes,
} from "../support/assert.ts";

const SIGNED = "http://user:hidden@s3.test:9000/b/data?X-Amz-Signature=secret&a=b";

function capture(options: Partial<Parameters<typeof configureLog>[0]>, write: () => void): string {
  let text = "";
  configureLog(
    { format: "json", level: "info", debug: false, ...options },
    (lines) => text += lines,
  );
  write();
  return text;
}

Deno.test("a redacted URL keeps origin and path and loses query, user and fragment", () => {
  assertEquals(redactUrl(SIGNED), "http://s3.test:9000/b/data?…");
  assertEquals(redactUrl(new URL("https://h/p#f")), "https://h/p");
  assertEquals(redactUrl("https://h/p"), "https://h/p");
});

Deno.test("a redacted URL stays as it is when redacted again", () => {
  assertEquals(redactUrl(redactUrl(SIGNED)).includes("X-Amz"), false);
  assertEquals(redactUrls("see https://h/p?…, then"), "see https://h/p?…, then");
});

Deno.test("a relative or broken URL loses its query too", () => {
  assertEquals(redactUrl("/v2/x?sig=secret"), "/v2/x?…");
  assertEquals(redactUrl("http://u:p@[broken/x?sig=secret"), "http://[broken/x?…");
});

Deno.test("every URL in a text is redacted and the text around it stays", () => {
  assertEquals(
    redactUrls(`from (${SIGNED}): then ${SIGNED}.`),
    "from (http://s3.test:9000/b/data?…): then http://s3.test:9000/b/data?….",
  );
});

Deno.test("JSON lines hold message, level, logger and the properties", () => {
  const text = capture({}, () =>
    getLogger(["entrepot", "web"]).info("{method} {path} {status}", {
      method: "GET",
      path: "/v2/",
      status: 200,
      upstream: "ghcr.io",
    }));
  const line: unknown = JSON.parse(text);
  assert(typeof line === "object" && line !== null);
  const { "@timestamp": time, ...rest } = { "@timestamp": "", ...line };
  assertMatch(String(time), /^\d{4}-\d\d-\d\dT/);
  assertEquals(rest, {
    level: "INFO",
    message: "GET /v2/ 200",
    logger: "entrepot.web",
    method: "GET",
    path: "/v2/",
    status: 200,
    upstream: "ghcr.io",
  });
});

Deno.test("a property cannot replace the message of a JSON line", () => {
  const text = capture({}, () => getLogger("x").info("said", { message: "forged", level: 1 }));
  assertStringIncludes(text, `"message":"said"`);
  assertFalse(text.includes("forged"));
});

Deno.test("an error in a JSON line is readable", () => {
  const text = capture({}, () => getLogger("x").error("failed", { error: new Error("why") }));
  assertStringIncludes(text, "Error: why");
});

Deno.test("text lines hold the message and the properties that it does not tell", () => {
  const text = capture(
    { format: "text" },
    () => getLogger("x").info("{method} done", { method: "GET", cache: "HIT", note: "a b" }),
  );
  assertMatch(text, /^\d{4}-\d\d-\d\d [\d:.]+ INFO {2}GET done {2}cache=HIT note="a b"\n$/);
});

Deno.test("a client's control characters forge no line and move no cursor", () => {
  const text = capture(
    { format: "text" },
    () => getLogger("x").info("{path}", { path: "/a\n2026 ERROR forged\x1b[2J" }),
  );
  assertEquals(text.trimEnd().split("\n").length, 1);
  assertFalse(text.includes("\x1b"));
});

Deno.test("a signed URL that somebody logs loses its query in every format", () => {
  for (const format of ["json", "text"] as const) {
    const text = capture({ format }, () => {
      const log = getLogger("x");
      log.info("to {url}", { url: new URL(SIGNED) });
      log.warn("to {url}", { url: SIGNED, error: new Error(`url (${SIGNED})`), list: [SIGNED] });
    });
    assertStringIncludes(text, "http://s3.test:9000/b/data?…");
    assertFalse(text.includes("secret"));
    assertFalse(text.includes("hidden"));
  }
});

Deno.test("the level decides what is logged, and DEBUG lowers it", () => {
  const write = () => {
    getLogger("x").debug("detail");
    getLogger("x").info("news");
    getLogger("x").error("trouble");
  };
  const quiet = capture({ level: "error" }, write);
  assertFalse(quiet.includes("news"));
  assertStringIncludes(quiet, "trouble");
  assertStringIncludes(capture({ level: "error", debug: true }, write), "detail");
  assertFalse(capture({ level: "info" }, write).includes("detail"));
});

Deno.test("flushing with nothing logged resolves", async () => {
  await flushLog();
});

Deno.test("a refused connection is described in words without the URL", async () => {
  const listener = Deno.listen({ hostname: "127.0.0.1", port: 0 });
  const { port } = listener.addr;
  listener.close();
  const error = await failureOf(fetch(`http://127.0.0.1:${port}/p?X-Amz-Signature=secret`));
  assertEquals(describeCause(error), "connection refused");
});

Deno.test("a time-out and an abort are described in words", async () => {
  using listener = Deno.listen({ hostname: "127.0.0.1", port: 0 });
  const url = `http://127.0.0.1:${listener.addr.port}/`;
  const late = await failureOf(fetch(url, { signal: AbortSignal.timeout(20) }));
  assertEquals(describeCause(late), "timed out");
  assertEquals(
    describeCause(await failureOf(fetch(url, { signal: AbortSignal.abort() }))),
    "aborted",
  );
  const reason = new Error("the client has gone");
  assertEquals(
    describeCause(await failureOf(fetch(url, { signal: AbortSignal.abort(reason) }))),
    "the client has gone",
  );
});

Deno.test("a connection that ends before or inside an answer is described in words", async () => {
  const empty = await answerWith("");
  assertEquals(describeCause(empty), "connection closed without an answer");
  const short = await answerWith("HTTP/1.1 200 OK\r\ncontent-length: 9\r\n\r\nx");
  assertEquals(describeCause(short), "connection lost inside the body");
  assertEquals(describeCause(await answerWith("nonsense\r\n\r\n")), "the answer is not HTTP");
});

Deno.test("the runtime's messages of DNS and TLS become short words", () => {
  const cases = [
    [
      "dns error: failed to lookup address information: Name or service not known",
      "DNS: Name or service not known",
    ],
    ["invalid peer certificate: UnknownIssuer", "TLS: its certificate's issuer is not trusted"],
    [
      'invalid peer certificate: certificate not valid for name "a"; certificate is only valid for b',
      'TLS: its certificate is not accepted: certificate not valid for name "a"; certificate is only valid for b',
    ],
    [
      "received corrupt message of type InvalidContentType",
      "TLS: the other side does not speak TLS",
    ],
    [`something new at ${SIGNED}`, "something new at http://s3.test:9000/b/data?…"],
  ] as const;
  for (const [reason, words] of cases) {
    const cause = new Error(
      `error sending request for url (${SIGNED}): client error (Connect): ${reason}`,
    );
    assertEquals(describeCause(new TypeError("fetch failed", { cause })), words);
  }
});

Deno.test("what the process is not permitted is said, without advice to permit it", () => {
  const error = new Deno.errors.NotCapable(
    'Requires net access to "169.254.169.254:80", run again with the --allow-net flag',
  );
  assertEquals(
    describeCause(error),
    'not permitted to this process: net access to "169.254.169.254:80"',
  );
});

Deno.test("what is thrown that is no error is described without its URLs' queries", () => {
  assertEquals(describeCause(`odd ${SIGNED}`), "odd http://s3.test:9000/b/data?…");
  assertEquals(describeCause(undefined), "undefined");
});

async function failureOf(promise: Promise<unknown>): Promise<unknown> {
  try {
    await promise;
  } catch (error) {
    return error;
  }
  throw new Error("did not fail");
}

/** The failure of a request whose connection is closed after these bytes. */
async function answerWith(bytes: string): Promise<unknown> {
  using listener = Deno.listen({ hostname: "127.0.0.1", port: 0 });
  const serving = (async () => {
    using connection = await listener.accept();
    await connection.read(new Uint8Array(4096));
    if (bytes !== "") await connection.write(new TextEncoder().encode(bytes));
  })();
  const url = `http://127.0.0.1:${listener.addr.port}/p?sig=secret`;
  const error = await failureOf(fetch(url).then((response) => response.text()));
  await serving;
  return error;
}
