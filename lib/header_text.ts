/**
 * The small words of header fields: tokens and quoted strings. Each reader starts at a position and
 * moves forward, so that a field is read in linear time whatever it holds.
 */

/** RFC 9110 section 5.6.2. */
const TOKEN = /[!#$%&'*+\-.^_`|~0-9A-Za-z]+/y;
const SPACE = /[ \t\r\n]*/y;

/** A word and where the text goes on after it. */
export interface Word {
  readonly text: string;
  readonly end: number;
}

/** What the sticky pattern matches at the position; empty where it does not. */
export function readPattern(pattern: RegExp, text: string, at: number): Word {
  pattern.lastIndex = at;
  const [word = ""] = pattern.exec(text) ?? [];
  return { text: word, end: at + word.length };
}

/** The token at the position, or an empty word. */
export function readToken(text: string, at: number): Word {
  return readPattern(TOKEN, text, at);
}

/** The position after white space. */
export function skipSpace(text: string, at: number): number {
  return readPattern(SPACE, text, at).end;
}

/**
 * The quoted string that opens at the position, without quotes and escapes (RFC 9110 section 5.6.4).
 * One that is never closed ends with the text.
 */
export function readQuoted(text: string, at: number): Word {
  let value = "";
  let from = at + 1;
  for (let i = from; i < text.length; i++) {
    if (text[i] === '"') return { text: value + text.slice(from, i), end: i + 1 };
    if (text[i] === "\\") {
      value += text.slice(from, i);
      from = ++i;
    }
  }
  return { text: value + text.slice(from), end: text.length };
}
