/**
 * Why a request could not be made, in words for a person. The runtime tells it only in the text of
 * its errors, so the text is shortened here for display; nothing is decided by it.
 */
import { redactUrls } from "./redact.ts";

/** What the runtime puts before the real reason; it names the URL, query included. */
const PREAMBLE = /^error sending request .*?: client error \((?:Connect|SendRequest)\): /s;
const MAX_CAUSES = 8;

const WORDS: readonly (readonly [RegExp, (rest: string) => string])[] = [
  [/^Requires (.*?), run again/, (access) => `not permitted to this process: ${access}`],
  [/^dns error: (?:failed to lookup address information: )?(.*)/s, (rest) => `DNS: ${rest}`],
  [/^failed to lookup address information: (.*)/s, (rest) => `DNS: ${rest}`],
  [/Connection refused/, () => "connection refused"],
  [/Connection reset/, () => "connection reset by the other side"],
  [/Broken pipe/, () => "connection closed by the other side"],
  [/^(?:tcp connect error: )?(.*timed out.*)/is, () => "connecting timed out"],
  [/^tcp connect error: (.*?)(?: \(os error \d+\))?$/s, (rest) => rest],
  [/invalid peer certificate: UnknownIssuer/, () => "TLS: its certificate's issuer is not trusted"],
  [
    /invalid peer certificate: Expired/i,
    () => "TLS: its certificate has expired",
  ],
  [/invalid peer certificate: (.*)/s, (rest) => `TLS: its certificate is not accepted: ${rest}`],
  [/InvalidContentType/, () => "TLS: the other side does not speak TLS"],
  [/received fatal alert: (.*)/s, (rest) => `TLS: refused by the other side: ${rest}`],
  [/^connection closed before message completed/, () => "connection closed without an answer"],
  [/^invalid HTTP version parsed/, () => "the answer is not HTTP"],
  [/^error reading a body from connection/, () => "connection lost inside the body"],
];

/**
 * Returns the cause of a failed request, such as `connection refused` or `DNS: Name or service not
 * known`. Every URL inside is redacted.
 */
export function describeCause(error: unknown): string {
  const deepest = rootCause(error);
  if (deepest instanceof DOMException && deepest.name === "TimeoutError") return "timed out";
  if (deepest instanceof DOMException && deepest.name === "AbortError") return "aborted";
  const text = deepest instanceof Error ? deepest.message || deepest.name : String(deepest);
  const reason = text.replace(PREAMBLE, "");
  for (const [pattern, describe] of WORDS) {
    const match = pattern.exec(reason);
    if (match !== null) return redactUrls(describe(match[1] ?? ""));
  }
  return redactUrls(reason);
}

function rootCause(error: unknown): unknown {
  let current = error;
  for (let depth = 0; depth < MAX_CAUSES; depth++) {
    if (!(current instanceof Error) || !(current.cause instanceof Error)) return current;
    current = current.cause;
  }
  return current;
}
