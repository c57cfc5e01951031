/**
 * The challenges of `WWW-Authenticate`: reading what registries send, and writing our own.
 * The reader takes what is in use rather than what is allowed, and never throws.
 */
import { readPattern, readQuoted, readToken, skipSpace, type Word } from "../header_text.ts";

/** One way in which a server wants to be authenticated to. */
export interface Challenge {
  /** Lower case, such as `bearer`. */
  readonly scheme: string;
  /** By name in lower case. Empty where the challenge has none, or a token68. */
  readonly params: ReadonlyMap<string, string>;
}

// A registry's word is bounded: Fetch joins all its header lines into one text.
const MAX_LENGTH = 16_384;
const MAX_CHALLENGES = 16;
const MAX_PARAMS = 32;

/** Source: RFC 9110 section 11.2. */
const TOKEN68 = /[A-Za-z0-9\-._~+/]+=*[ \t]*(?=,|$)/y;
/** Registries send unquoted values that are no tokens, such as URLs; a comma or space ends them. */
const BARE_VALUE = /[^\s,"]*/y;

/**
 * Reads a challenge list (RFC 9110 section 11.6.1), several header lines joined by commas included.
 * What cannot be read is left out; a field longer than 16 KiB yields nothing, as a cut realm would
 * be a wrong one. The first of two parameters with the same name counts.
 */
export function parseChallenges(header: string): Challenge[] {
  const challenges: { scheme: string; params: Map<string, string> }[] = [];
  if (header.length > MAX_LENGTH) return challenges;
  let at = 0;
  while (at < header.length) {
    const word = readToken(header, at);
    if (word.text === "") {
      at = skipRubbish(header, at);
      continue;
    }
    const afterWord = skipSpace(header, word.end);
    if (header[afterWord] === "=") {
      const value = readValue(header, skipSpace(header, afterWord + 1));
      const params = challenges.at(-1)?.params;
      const name = word.text.toLowerCase();
      if (params !== undefined && params.size < MAX_PARAMS && !params.has(name)) {
        params.set(name, value.text);
      }
      at = value.end;
    } else {
      if (challenges.length === MAX_CHALLENGES) return challenges;
      challenges.push({ scheme: word.text.toLowerCase(), params: new Map() });
      at = afterWord > word.end ? readPattern(TOKEN68, header, afterWord).end : afterWord;
    }
  }
  return challenges;
}

function readValue(header: string, at: number): Word {
  return header[at] === '"' ? readQuoted(header, at) : readPattern(BARE_VALUE, header, at);
}

/** The position after a separator or after what belongs nowhere, a stray quoted string as a whole. */
function skipRubbish(header: string, at: number): number {
  return header[at] === '"' ? readQuoted(header, at).end : at + 1;
}

/**
 * Writes one challenge for one header line: clients read no second one in a line. Every value is
 * quoted, as Docker's are; what no header may hold becomes a question mark.
 */
export function formatChallenge({ scheme, params }: Challenge): string {
  const name = scheme.charAt(0).toUpperCase() + scheme.slice(1);
  const list = [...params].map(([key, value]) => `${key}="${escapeQuoted(value)}"`).join(",");
  return list === "" ? name : `${name} ${list}`;
}

function escapeQuoted(value: string): string {
  return value.replace(/[^\t\x20-\x7e\x80-\xff]/g, "?").replace(/["\\]/g, "\\$&");
}
