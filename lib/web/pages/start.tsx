/** The start page: from an engine and an image to lines that can be copied. */
import { Layout, type PageFrame, type View } from "./layout.tsx";
import { type Recipe, type Step, type Way, WAYS, type Wish } from "./recipe.ts";
import { type Say, sayIn, type Word } from "./words.ts";

const WAY_WORDS: Readonly<Record<Way, Word>> = {
  "docker-mirror": "dockerMirror",
  "docker-prefix": "dockerPrefix",
  containerd: "containerd",
  podman: "podman",
  buildkit: "buildkit",
  k3s: "k3s",
};

/** The page. */
export function StartPage(
  { frame, wish, recipe, registries }: {
    frame: PageFrame;
    wish: Wish;
    recipe: Recipe;
    registries: readonly string[];
  },
): View {
  const say = sayIn(frame.language);
  return (
    <Layout frame={frame} page="start" title="start">
      <h1>{say("startTitle")}</h1>
      <p class="lead">{say("startLead")}</p>
      <div class="start">
        <form method="get" action="/" data-live="true">
          <fieldset>
            <legend>{say("engine")}</legend>
            <div class="choices">
              {WAYS.map((way) => (
                <label>
                  <input type="radio" name="engine" value={way} checked={way === wish.way} />
                  {say(WAY_WORDS[way])}
                </label>
              ))}
            </div>
          </fieldset>
          <div>
            <label for="registry">{say("registry")}</label>
            <select id="registry" name="registry">
              {registries.map((registry) => (
                <option value={registry} selected={registry === wish.registry}>{registry}</option>
              ))}
            </select>
          </div>
          <div>
            <label for="image">{say("image")}</label>
            <input
              id="image"
              name="image"
              type="text"
              value={wish.image}
              placeholder={say("imageHint")}
              autocomplete="off"
              autocapitalize="none"
              spellcheck={false}
            />
          </div>
          <div>
            <button class="button" type="submit">{say("show")}</button>
          </div>
        </form>
        <section id="result" class="card" aria-live="polite">
          {recipe.kind === "refused"
            ? <p class="notice wrong">{`${say("badImage")} ${recipe.why}`}</p>
            : recipe.steps.map((step) => <StepView step={step} say={say} />)}
        </section>
      </div>
    </Layout>
  );
}

function StepView({ step, say }: { step: Step; say: Say }) {
  switch (step.kind) {
    case "note":
      return <p class="muted">{say(step.word)}</p>;
    case "file":
      return (
        <div class="step">
          <h2>
            {`${say("writeFile")} `}
            <code>{step.path}</code>
          </h2>
          <Code text={step.text.trimEnd()} name={step.path} say={say} />
        </div>
      );
    case "run":
      return (
        <div class="step">
          <h2>{say(step.title)}</h2>
          <Code text={step.text} name={say(step.title)} say={say} />
        </div>
      );
    default:
      return step satisfies never;
  }
}

function Code({ text, name, say }: { text: string; name: string; say: Say }) {
  return (
    <div class="code">
      <pre tabindex={0} role="region" aria-label={name}><code>{text}</code></pre>
      <button
        class="button quiet small copy"
        type="button"
        hidden
        data-copied={say("copied")}
        aria-label={`${say("copy")}: ${name}`}
      >
        {say("copy")}
      </button>
    </div>
  );
}
