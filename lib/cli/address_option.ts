/** Where a proxy is reached, as options and operands name it. */
import { UsageError } from "./command.ts";

/**
 * Reads `proxy.lan:8080`, which means http, or a URL without path.
 *
 * @throws {UsageError} for anything else, naming the option.
 */
export function parseOrigin(option: string, text: string): URL {
  const url = URL.parse(text.includes("://") ? text : `http://${text}`);
  const isOrigin = url !== null && /^https?:$/.test(url.protocol) && url.href === `${url.origin}/`;
  if (isOrigin) return url;
  throw new UsageError(
    `--${option} is a host and port such as proxy.lan:8080, or https://docker.example.com, not ${
      JSON.stringify(text)
    }`,
  );
}
