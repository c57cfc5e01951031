import { createSessions, SESSION_SECONDS } from "../../lib/web/admin/session.ts";
import { createTries } from "../../lib/web/admin/tries.ts";
import { assert, assertEquals, assertFalse } from "../support/assert.ts";

const TOKEN = "correct-horse-battery";

Deno.test("a session ends with its time, and with the token that it was made from", () => {
  let now = 1_000_000;
  const sessions = createSessions(TOKEN, () => now);
  const session = sessions.issue();
  assert(sessions.isSession(session));
  assertFalse(session.includes(TOKEN));
  assertFalse(createSessions(`${TOKEN}2`, () => now).isSession(session));
  const [, mac] = session.split(".");
  assertFalse(sessions.isSession(`${now + 10 * SESSION_SECONDS * 1000}.${mac}`));
  now += SESSION_SECONDS * 1000;
  assertFalse(sessions.isSession(session));
});

Deno.test("without a token there is neither login nor session", () => {
  const sessions = createSessions(null, () => 0);
  assertFalse(sessions.isToken(""));
  assertFalse(sessions.isToken("null"));
  assertFalse(sessions.isSession(sessions.issue()));
});

Deno.test("a form's token is its session's own", () => {
  const sessions = createSessions(TOKEN, () => 0);
  const token = sessions.formToken("a");
  assert(sessions.isFormToken(token, "a"));
  assertFalse(sessions.isFormToken(token, "b"));
  assertFalse(sessions.isFormToken(token, null));
  assertFalse(sessions.isFormToken("", null));
});

Deno.test("wrong guesses are forgotten after a minute, and are each address's own", () => {
  let now = 0;
  const tries = createTries(() => now);
  for (let i = 0; i < 4; i++) tries.noteWrong("a");
  assertEquals(tries.waitSeconds("a"), 0);
  tries.noteWrong("a");
  assertEquals([tries.waitSeconds("a"), tries.waitSeconds("b")], [60, 0]);
  now = 59_001;
  assertEquals(tries.waitSeconds("a"), 1);
  now = 60_000;
  assertEquals(tries.waitSeconds("a"), 0);
});
