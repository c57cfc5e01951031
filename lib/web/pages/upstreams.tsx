/** The upstreams page: how each registry is configured and fares. */
import { ANONYMOUS_HOLDER, isOwnHolder, type Quota } from "../../upstream/quota.ts";
import { maskName, type UpstreamOverview } from "../admin/overview.ts";
import { formatAgo, formatCount, formatDurationMs } from "./format.ts";
import { Layout, type PageFrame, type View } from "./layout.tsx";
import { type Say, sayIn, type Word } from "./words.ts";

const STATES: Readonly<Record<UpstreamOverview["state"], Word>> = {
  up: "stateUp",
  down: "stateDown",
  resting: "stateResting",
  unknown: "stateUnknown",
};

const REDIRECTS: Readonly<Record<UpstreamOverview["redirect"], Word>> = {
  stream: "redirectStream",
  pass: "redirectPass",
  auto: "redirectAuto",
};

/** The page. `now` is in milliseconds since the epoch. */
export function UpstreamsPage(
  { frame, upstreams, now }: {
    frame: PageFrame;
    upstreams: readonly UpstreamOverview[];
    now: number;
  },
): View {
  const say = sayIn(frame.language);
  const isAsked = ({ hosts, isDefault }: UpstreamOverview) => isDefault || hosts.length > 0;
  const others = upstreams.filter((upstream) => !isAsked(upstream));
  return (
    <Layout frame={frame} page="upstreams" title="upstreams">
      <h1>{say("upstreamsTitle")}</h1>
      <p class="lead">{say("upstreamsLead")}</p>
      {upstreams.filter(isAsked).map((upstream) => (
        <Card
          upstream={upstream}
          say={say}
          now={now}
        />
      ))}
      {others.length > 0 && <Others upstreams={others} say={say} />}
    </Layout>
  );
}

function Card({ upstream, say, now }: { upstream: UpstreamOverview; say: Say; now: number }) {
  const { state, connections, quota } = upstream;
  return (
    <section class="card">
      <div class="upstream-head">
        <h2>{upstream.registry}</h2>
        {upstream.isDefault && <span class="badge">{say("isDefault")}</span>}
        <span class={`state ${state}`}>{say(STATES[state])}</span>
      </div>
      <dl class="facts">
        <dt>URL</dt>
        <dd class="mono">{upstream.url}</dd>
        <dt>{say("auth")}</dt>
        <dd>{credentialsOf(upstream, say)}</dd>
        <dt>{say("redirects")}</dt>
        <dd>{say(REDIRECTS[upstream.redirect])}</dd>
        {connections !== null && (
          <>
            <dt>{say("connections")}</dt>
            <dd>{`${connections.active} / ${connections.max}`}</dd>
          </>
        )}
        {quota.map((known) => <QuotaFact quota={known} say={say} />)}
      </dl>
      {upstream.hosts.length > 0 && <Hosts upstream={upstream} say={say} now={now} />}
    </section>
  );
}

function QuotaFact({ quota, say }: { quota: Quota; say: Say }): View | null {
  const { holder, remaining, limit } = quota;
  if (remaining === null || !isOwnHolder(holder)) return null;
  const name = holder === ANONYMOUS_HOLDER
    ? say("anonymous")
    : maskName(holder.replace(/^account:/, ""));
  const left = formatCount(remaining);
  return (
    <>
      <dt>{`${say("quota")}, ${name}`}</dt>
      <dd>{limit === null ? left : say("quotaOf", { left, limit: formatCount(limit) })}</dd>
    </>
  );
}

function Hosts({ upstream, say, now }: { upstream: UpstreamOverview; say: Say; now: number }) {
  return (
    <table class="stacked">
      <thead>
        <tr>
          <th>{say("host")}</th>
          <th>{say("state")}</th>
          <th class="number">{say("hostLatency")}</th>
          <th>{say("lastError")}</th>
        </tr>
      </thead>
      <tbody>
        {upstream.hosts.map((host) => (
          <tr>
            <td class="mono wrap">{host.host}</td>
            <td>
              <span class={`state ${host.state}`}>{say(STATES[host.state])}</span>
            </td>
            <td class="number" data-name={say("hostLatency")}>
              {host.latencyMs === null ? "–" : formatDurationMs(host.latencyMs)}
            </td>
            <td class="whole wrap" data-name={say("lastError")}>
              {host.lastError === null || host.lastFailureAt === null
                ? say("none")
                : `${host.lastError} (${formatAgo(host.lastFailureAt, now, say)})`}
            </td>
          </tr>
        ))}
      </tbody>
    </table>
  );
}

function Others({ upstreams, say }: { upstreams: readonly UpstreamOverview[]; say: Say }) {
  return (
    <section class="card">
      <h2>{say("notAsked")}</h2>
      <table class="stacked">
        <thead>
          <tr>
            <th>{say("registry")}</th>
            <th>URL</th>
            <th>{say("auth")}</th>
            <th>{say("redirects")}</th>
          </tr>
        </thead>
        <tbody>
          {upstreams.map((upstream) => (
            <tr>
              <td class="whole">{upstream.registry}</td>
              <td class="whole mono wrap">{upstream.url}</td>
              <td class="whole">{credentialsOf(upstream, say)}</td>
              <td class="whole">{say(REDIRECTS[upstream.redirect])}</td>
            </tr>
          ))}
        </tbody>
      </table>
    </section>
  );
}

function credentialsOf({ auth, accounts }: UpstreamOverview, say: Say): string {
  return auth === "relay" ? say("authRelay") : `${say("authAccount")}: ${accounts.join(", ")}`;
}
