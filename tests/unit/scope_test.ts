import { formatScope, parseScope, splitScopes } from "../../lib/auth/scope.ts";
import { assertEquals } from "../support/assert.ts";

Deno.test("a scope is split at its first and last colon, for a name may hold a port", () => {
  assertEquals(parseScope("repository:ghcr.io/x/y:pull,push"), {
    type: "repository",
    name: "ghcr.io/x/y",
    actions: ["pull", "push"],
  });
  assertEquals(parseScope("repository:localhost:5000/x:pull")?.name, "localhost:5000/x");
  assertEquals(parseScope("registry:catalog:*"), {
    type: "registry",
    name: "catalog",
    actions: ["*"],
  });
});

Deno.test("a resource class is kept apart from the type", () => {
  assertEquals(parseScope("repository(plugin):a/b:pull"), {
    type: "repository",
    class: "plugin",
    name: "a/b",
    actions: ["pull"],
  });
});

Deno.test("a scope may allow nothing, and empty actions are none", () => {
  assertEquals(parseScope("repository:a:")?.actions, []);
  assertEquals(parseScope("repository:a:pull,,push,")?.actions, ["pull", "push"]);
});

Deno.test("what names no resource is no scope", () => {
  for (
    const text of [
      ...["", "aws", "a:b", ":", "::", "repository::pull", ":a:pull", "repository: :pull"],
      ...["re po:a:pull", "repository():a:pull", "repository(x:a:pull", 'repository:a":pull'],
      ...[
        "repository:a\\b:pull",
        "repository:a:pull push",
        "repository:a\n:pull",
        'repository:a:pu"ll',
      ],
    ]
  ) assertEquals(parseScope(text), undefined, JSON.stringify(text));
});

Deno.test("formatting a parsed scope gives it back", () => {
  const types = ["repository", "repository(plugin)", "registry"];
  const names = ["a", "a/b", "ghcr.io/x/y", "localhost:5000/x", "catalog", "h:1/v2:x", "library/a"];
  const actions = ["", "pull", "pull,push", "*", "pull,push,delete"];
  for (const type of types) {
    for (const name of names) {
      for (const action of actions) {
        const text = `${type}:${name}:${action}`;
        const scope = parseScope(text);
        assertEquals(scope === undefined ? undefined : formatScope(scope), text);
      }
    }
  }
});

Deno.test("scopes may be repeated, joined by spaces, or both, and each counts once", () => {
  assertEquals(splitScopes([]), []);
  assertEquals(splitScopes(["", "  "]), []);
  assertEquals(splitScopes(["a:b:c d:e:f", "a:b:c", "\tg:h:i\n"]), ["a:b:c", "d:e:f", "g:h:i"]);
});
