/** The cache page: images by registry and repository, and the question before one is changed. */
import type { ShownImage, ShownPage } from "../admin/cached_images.ts";
import type { Status } from "../admin/overview.ts";
import { formatAgo, formatCount, formatSize, shortDigest } from "./format.ts";
import { Empty, Layout, type PageFrame, type View } from "./layout.tsx";
import { type Say, sayIn, type Word } from "./words.ts";

/** What can be done to an image. */
export type CacheAction = "purge" | "pin" | "unpin";

/** What is looked for. */
export interface CacheSearch {
  readonly search: string;
  readonly registry: string | null;
  readonly offset: number;
  readonly limit: number;
}

interface CachePageProps {
  frame: PageFrame;
  status: Status;
  query: CacheSearch;
  page: ShownPage;
  registries: readonly { readonly registry: string }[];
  /** What was done just now. */
  done: string | null;
  /** Milliseconds since the epoch. */
  now: number;
}

/** The page. */
export function CachePage(props: CachePageProps): View {
  const { frame, status: { cache }, query, page, done } = props;
  const say = sayIn(frame.language);
  const isFiltered = query.search !== "" || query.registry !== null;
  return (
    <Layout frame={frame} page="cache" title="cache">
      <h1>{say("cacheTitle")}</h1>
      <p class="lead">
        {say("cacheLead", {
          bytes: formatSize(cache.bytes),
          max: formatSize(cache.maxBytes),
          count: formatCount(page.total),
        })}
        <progress aria-label={say("cacheFill")} max={cache.maxBytes} value={cache.bytes} />
      </p>
      {done !== null && <p class="notice" role="status">{done}</p>}
      <Filters {...props} />
      {page.images.length === 0
        ? (
          <Empty
            title={say(isFiltered ? "nothingFound" : "cacheEmpty")}
            hint={isFiltered ? "" : say("cacheEmptyHint")}
          />
        )
        : [...Map.groupBy(page.images, ({ registry, repository }) => `${registry}/${repository}`)]
          .map(([name, images]) => (
            <Repository name={name} images={images} say={say} now={props.now} />
          ))}
      <Pager query={query} total={page.total} say={say} />
    </Layout>
  );
}

function Filters({ frame, query, registries }: CachePageProps) {
  const say = sayIn(frame.language);
  return (
    <form class="filters" method="get" action="/cache" role="search">
      <div>
        <label for="search">{say("search")}</label>
        <input id="search" name="search" type="search" value={query.search} />
      </div>
      <div>
        <label for="registry">{say("registry")}</label>
        <select id="registry" name="registry">
          <option value="">{say("allRegistries")}</option>
          {registries.map(({ registry }) => (
            <option value={registry} selected={registry === query.registry}>{registry}</option>
          ))}
        </select>
      </div>
      <button class="button" type="submit">{say("search")}</button>
    </form>
  );
}

function Repository(
  { name, images, say, now }: {
    name: string;
    images: readonly ShownImage[];
    say: Say;
    now: number;
  },
) {
  return (
    <section class="card">
      <h2 class="wrap">{name}</h2>
      <table class="stacked even">
        <thead>
          <tr>
            <th>{say("tag")}</th>
            <th>{say("platforms")}</th>
            <th class="number">{say("size")}</th>
            <th class="number">{say("pulls")}</th>
            <th class="number">{say("lastUse")}</th>
            <th class="number">{say("actions")}</th>
          </tr>
        </thead>
        <tbody>{images.map((image) => <Row image={image} say={say} now={now} />)}</tbody>
      </table>
    </section>
  );
}

function Row({ image, say, now }: { image: ShownImage; say: Say; now: number }) {
  const change = image.isPinned ? "unpin" : "pin";
  const label = image.tag ?? shortDigest(image.digest);
  return (
    <tr>
      <td class="whole">
        <strong class="wrap">{label}</strong>{" "}
        {image.tag !== null && (
          <code class="muted" title={image.digest}>{shortDigest(image.digest)}</code>
        )} {image.isPinned && <span class="badge">{say("pinned")}</span>}
      </td>
      <td class="whole">
        <span class="badges">
          {image.platforms.map(({ name, isCached }) => (
            <span class={isCached ? "badge here" : "badge absent"}>
              {isCached ? name : `${name}, ${say("notHere")}`}
            </span>
          ))}
        </span>
      </td>
      <td class="number" data-name={say("size")}>{formatSize(image.bytes)}</td>
      <td class="number" data-name={say("pulls")}>{formatCount(image.pulls)}</td>
      <td class="number" data-name={say("lastUse")}>{formatAgo(image.usedAt, now, say)}</td>
      <td class="whole">
        <span class="row-actions">
          <ActionLink action={change} image={image} say={say} />
          <ActionLink action="purge" image={image} say={say} />
        </span>
      </td>
    </tr>
  );
}

function ActionLink({ action, image, say }: { action: CacheAction; image: ShownImage; say: Say }) {
  const query = new URLSearchParams({ action, image: image.name });
  return (
    <a
      class="button quiet small"
      href={`/cache/confirm?${query}`}
      aria-label={`${say(action)}: ${image.name}`}
    >
      {say(action)}
    </a>
  );
}

function Pager({ query, total, say }: { query: CacheSearch; total: number; say: Say }) {
  const { offset, limit } = query;
  const link = (to: number): string =>
    `/cache?${new URLSearchParams({
      search: query.search,
      registry: query.registry ?? "",
      offset: String(to),
    })}`;
  if (total <= limit && offset === 0) return null;
  return (
    <p class="buttons">
      {offset > 0 && (
        <a class="button quiet" href={link(Math.max(0, offset - limit))}>{say("previous")}</a>
      )}
      {offset + limit < total && (
        <a class="button quiet" href={link(offset + limit)}>{say("next")}</a>
      )}
    </p>
  );
}

const QUESTIONS: Readonly<Record<CacheAction, readonly [Word, Word]>> = {
  purge: ["confirmPurge", "confirmPurgeText"],
  pin: ["confirmPin", "confirmPinText"],
  unpin: ["confirmUnpin", "confirmUnpinText"],
};

/** The question before an image is changed. */
export function ConfirmPage(
  { frame, action, image, formToken }: {
    frame: PageFrame;
    action: CacheAction;
    image: string;
    formToken: string;
  },
): View {
  const say = sayIn(frame.language);
  const [title, text] = QUESTIONS[action];
  return (
    <Layout frame={frame} page="cache" title={title}>
      <div class="card narrow">
        <h1>{say(title)}</h1>
        <p class="wrap mono">{image}</p>
        <p>{say(text)}</p>
        <form method="post" action="/cache/change">
          <input type="hidden" name="csrf" value={formToken} />
          <input type="hidden" name="action" value={action} />
          <input type="hidden" name="image" value={image} />
          <div class="buttons">
            <button class={action === "purge" ? "button danger" : "button"} type="submit">
              {say(action)}
            </button>
            <a class="button quiet" href="/cache">{say("cancel")}</a>
          </div>
        </form>
      </div>
    </Layout>
  );
}
