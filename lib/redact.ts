/**
 * What may be told of URLs and failures. A signed URL is a secret: who reads it in a log can fetch
 * private content, so queries and user names never leave this module.
 */

/** Ends at white space, at quotes, and at the `\n` that JSON makes of a line feed. */
const URL_IN_TEXT = /\b[a-z][a-z0-9+.-]*:\/\/(?:[^\s"'<>\\]|\\(?!n))+/gi;

/** Returns origin and path; a query becomes `?…`, and user name, password and fragment are left out. */
export function redactUrl(url: string | URL): string {
  const parsed = typeof url === "string" ? URL.parse(url) : url;
  if (parsed === null) return redactRelative(String(url));
  const query = parsed.search === "" ? "" : "?…";
  return `${parsed.protocol}//${parsed.host}${parsed.pathname}${query}`;
}

/** Returns the text with every absolute URL in it redacted as by {@linkcode redactUrl}. */
export function redactUrls(text: string): string {
  if (!text.includes("://")) return text;
  return text.replace(URL_IN_TEXT, (found) => {
    // Punctuation that ends a sentence or closes a bracket belongs to the text around the URL.
    const [tail = ""] = /[).,;:\]}]*$/.exec(found) ?? [];
    return redactUrl(found.slice(0, found.length - tail.length)) + tail;
  });
}

function redactRelative(text: string): string {
  const query = text.search(/[?#]/);
  const path = query === -1 ? text : text.slice(0, query);
  return path.replace(/^(\w[\w+.-]*:)?\/\/[^/]*@/, "$1//") + (text[query] === "?" ? "?…" : "");
}
