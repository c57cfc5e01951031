/**
 * Scopes of registry tokens, such as `repository:library/nginx:pull`.
 * Source: distribution "Token Scope Documentation".
 */

/** What a token is asked to allow. */
export interface Scope {
  /** `repository`, `registry`, … */
  readonly type: string;
  /** The resource class, in parentheses after the type: `repository(plugin)`. */
  readonly class?: string;
  /** The resource; a repository's may begin with a registry's host and port. */
  readonly name: string;
  /** `pull`, `push`, `delete`, `*`; none is allowed. */
  readonly actions: readonly string[];
}

const TYPE = /^([A-Za-z0-9_-]+)(?:\(([A-Za-z0-9_-]+)\))?$/;
const NAME = /^[^\s"\\]+$/;
const ACTIONS = /^[A-Za-z0-9_*,-]*$/;

/**
 * Reads a scope; undefined where it does not name a resource, as the `aws` of Amazon's registry. The
 * name lies between the first and the last colon, for it may hold a port.
 */
export function parseScope(text: string): Scope | undefined {
  const first = text.indexOf(":");
  const last = text.lastIndexOf(":");
  if (first === last) return undefined;
  const [, type, resourceClass] = TYPE.exec(text.slice(0, first)) ?? [];
  const name = text.slice(first + 1, last);
  const actions = text.slice(last + 1);
  if (type === undefined || !NAME.test(name) || !ACTIONS.test(actions)) return undefined;
  return {
    type,
    ...(resourceClass === undefined ? {} : { class: resourceClass }),
    name,
    actions: actions.split(",").filter((action) => action !== ""),
  };
}

/** The text of a scope. */
export function formatScope(scope: Scope): string {
  const resourceClass = scope.class === undefined ? "" : `(${scope.class})`;
  return `${scope.type}${resourceClass}:${scope.name}:${scope.actions.join(",")}`;
}

/**
 * The scopes of a token request, each once and in order: `scope` may be repeated (GET) and may hold
 * several with spaces between (OAuth2 POST).
 */
export function splitScopes(values: readonly string[]): string[] {
  return [...new Set(values.flatMap((value) => value.split(/\s+/)))].filter((text) => text !== "");
}
