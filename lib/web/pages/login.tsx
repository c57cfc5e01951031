/** The login form, and the page for what went wrong. */
import { Layout, type PageFrame, type View } from "./layout.tsx";
import { sayIn } from "./words.ts";

/** The form. Without a token there is none, only what would open the page. */
export function LoginPage(
  { frame, hasToken, next, wrong }: {
    frame: PageFrame;
    hasToken: boolean;
    /** Where to go then: a path. */
    next: string;
    /** Why the last try failed, or null. */
    wrong: string | null;
  },
): View {
  const say = sayIn(frame.language);
  return (
    <Layout frame={frame} page="other" title="loginTitle">
      <div class="card narrow">
        <h1>{say("loginTitle")}</h1>
        <p>{say(hasToken ? "loginLead" : "noToken")}</p>
        {wrong !== null && <p class="notice wrong" role="alert">{wrong}</p>}
        {hasToken && (
          <form method="post" action="/login">
            <input type="hidden" name="next" value={next} />
            <div>
              <label for="token">{say("token")}</label>
              <input
                id="token"
                name="token"
                type="password"
                autocomplete="current-password"
                required
              />
            </div>
            <div>
              <button class="button" type="submit">{say("logIn")}</button>
            </div>
          </form>
        )}
      </div>
    </Layout>
  );
}

/** A page that says what went wrong. */
export function ProblemPage({ frame, message }: { frame: PageFrame; message: string }): View {
  const say = sayIn(frame.language);
  return (
    <Layout frame={frame} page="other" title="problem">
      <div class="card narrow">
        <h1>{say("problem")}</h1>
        <p class="wrap">{message}</p>
        <p>
          <a href="/">{say("backToStart")}</a>
        </p>
      </div>
    </Layout>
  );
}
