/** What browsers are told about every answer outside `/v2`. */
import type { MiddlewareHandler } from "hono";

/** Source: CSP Level 3. Only own files run, nothing is framed, forms stay here. */
const POLICY = [
  "default-src 'none'",
  "script-src 'self'",
  "style-src 'self'",
  "img-src 'self'",
  "connect-src 'self'",
  "form-action 'self'",
  "base-uri 'none'",
  "frame-ancestors 'none'",
].join("; ");

/** Sets the headers. */
export function secureHeaders(): MiddlewareHandler {
  return async function setSecureHeaders(context, next) {
    await next();
    const { headers } = context.res;
    headers.set("content-security-policy", POLICY);
    headers.set("x-frame-options", "DENY");
    headers.set("x-content-type-options", "nosniff");
    // With `no-referrer` a form's Origin would be null, which is how foreign pages look.
    headers.set("referrer-policy", "same-origin");
    headers.set("cross-origin-resource-policy", "same-origin");
    if (!headers.has("cache-control")) headers.set("cache-control", "no-store");
  };
}
