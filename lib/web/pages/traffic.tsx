/** The traffic page: sums as tiles, courses as charts, and the same as a table. */
import type { TrafficPoint } from "../../cache/traffic.ts";
import { type Period, PERIODS, type TrafficPeriod } from "../admin/traffic_view.ts";
import { formatCount, formatDurationMs, formatShare, formatSize } from "./format.ts";
import { Empty, Layout, type PageFrame, Tile, type View } from "./layout.tsx";
import { type Say, sayIn, type Word } from "./words.ts";

/** The page. `quotaLeft` is what is left now, or null where nobody has said. */
export function TrafficPage(
  { frame, period, traffic, quotaLeft }: {
    frame: PageFrame;
    period: Period;
    traffic: TrafficPeriod;
    quotaLeft: number | null;
  },
): View {
  const say = sayIn(frame.language);
  const { sum } = traffic;
  const latency = sum.requests === 0 ? "–" : formatDurationMs(sum.durationMs / sum.requests);
  return (
    <Layout
      frame={frame}
      page="traffic"
      title="traffic"
      styles={["/assets/uplot.css"]}
      scripts={["/assets/traffic.js"]}
    >
      <h1>{say("trafficTitle")}</h1>
      <nav class="tabs" aria-label={say("period")}>
        {Object.keys(PERIODS).map((name) => (
          <a
            href={`/traffic?period=${name}`}
            {...(name === period ? { "aria-current": "page" } : {})}
          >
            {say(periodWord(name))}
          </a>
        ))}
      </nav>
      <dl class="tiles">
        <Tile name={say("requests")} value={formatCount(sum.requests)} />
        <Tile name={say("hitRatio")} value={formatShare(sum.hits, sum.requests)} />
        <Tile name={say("served")} value={formatSize(sum.servedBytes)} />
        <Tile name={say("fetched")} value={formatSize(sum.fetchedBytes)} />
        <Tile name={say("latency")} value={latency} />
        <Tile name={say("errors")} value={formatCount(sum.errors)} />
        {quotaLeft !== null && <Tile name={say("quotaLeft")} value={formatCount(quotaLeft)} />}
      </dl>
      {sum.requests === 0
        ? <Empty title={say("trafficEmpty")} hint={say("trafficEmptyHint")} />
        : <Charts period={period} traffic={traffic} say={say} frame={frame} />}
    </Layout>
  );
}

function Charts(
  { period, traffic, say, frame }: {
    period: Period;
    traffic: TrafficPeriod;
    say: Say;
    frame: PageFrame;
  },
) {
  const busy = traffic.points.filter(({ requests }) => requests > 0);
  return (
    <>
      <div class="charts" data-traffic={`/api/v1/traffic?period=${period}`}>
        <Chart chart="bytes" unit="bytes" title="bytesChart" say={say} />
        <Chart chart="requests" unit="count" title="requestsChart" say={say} />
        <Chart chart="latency" unit="ms" title="latencyChart" say={say} />
        {traffic.points.some(({ quotaLeft }) => quotaLeft !== null) && (
          <Chart chart="quota" unit="count" title="quotaChart" say={say} />
        )}
      </div>
      <details>
        <summary>{say("asTable")}</summary>
        <div class="scroll card" tabindex={0} role="region" aria-label={say("asTable")}>
          <table>
            <thead>
              <tr>
                <th>{say("time")}</th>
                <th class="number">{say("requests")}</th>
                <th class="number">{say("hits")}</th>
                <th class="number">{say("served")}</th>
                <th class="number">{say("fetched")}</th>
                <th class="number">{say("latency")}</th>
              </tr>
            </thead>
            <tbody>{busy.toReversed().map((point) => <Row point={point} frame={frame} />)}</tbody>
          </table>
        </div>
      </details>
    </>
  );
}

function Chart(
  { chart, unit, title, say }: { chart: string; unit: string; title: Word; say: Say },
) {
  return (
    <section class="card">
      <h2>{say(title)}</h2>
      <div
        class="chart"
        role="img"
        aria-label={say(title)}
        data-chart={chart}
        data-unit={unit}
        data-time={say("time")}
        data-served={say("served")}
        data-fetched={say("fetched")}
        data-requests={say("requests")}
        data-hits={say("hits")}
        data-latency={say("latency")}
        data-quota={say("quotaLeft")}
      />
    </section>
  );
}

function Row({ point, frame }: { point: TrafficPoint; frame: PageFrame }) {
  const time = new Date(point.at);
  return (
    <tr>
      <td>
        <time datetime={time.toISOString()}>
          {time.toLocaleString(frame.language === "zh" ? "zh-CN" : "en-GB", {
            month: "2-digit",
            day: "2-digit",
            hour: "2-digit",
            minute: "2-digit",
          })}
        </time>
      </td>
      <td class="number">{formatCount(point.requests)}</td>
      <td class="number">{formatCount(point.hits)}</td>
      <td class="number">{formatSize(point.servedBytes)}</td>
      <td class="number">{formatSize(point.fetchedBytes)}</td>
      <td class="number">{formatDurationMs(point.durationMs / point.requests)}</td>
    </tr>
  );
}

function periodWord(name: string): Word {
  return name === "week" ? "week" : name === "day" ? "day" : "hour";
}
