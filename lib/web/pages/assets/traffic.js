/** Draws the traffic page's charts. */
const page = document.querySelector("[data-traffic]");
if (page !== null) {
  const script = document.createElement("script");
  script.src = "/assets/uplot.js";
  script.addEventListener("load", start);
  document.head.append(script);
}

async function start() {
  const response = await fetch(page.dataset.traffic);
  if (!response.ok) return;
  const { points, stepSeconds } = await response.json();
  const times = points.map(({ at }) => at / 1000);
  const pick = (read) => points.map(read);
  const charts = {
    bytes: [["served", "--accent", pick((p) => p.servedBytes)], [
      "fetched",
      "--fetched",
      pick((p) => p.fetchedBytes),
    ]],
    requests: [["requests", "--accent", pick((p) => p.requests)], [
      "hits",
      "--good",
      pick((p) => p.hits),
    ]],
    latency: [[
      "latency",
      "--accent",
      pick((p) => p.requests === 0 ? null : p.durationMs / p.requests),
    ]],
    quota: [["quota", "--warn", pick((p) => p.quotaLeft)]],
  };
  for (const element of document.querySelectorAll("[data-chart]")) {
    draw(element, times, charts[element.dataset.chart], stepSeconds);
  }
}

function draw(element, times, series, stepSeconds) {
  const style = getComputedStyle(document.documentElement);
  // The canvas knows no light-dark(): the browser resolves it on an element.
  const colour = (name) => {
    element.style.color = `var(${name})`;
    const value = getComputedStyle(element).color;
    element.style.color = "";
    return value;
  };
  const axis = {
    stroke: colour("--soft"),
    grid: { stroke: colour("--line"), width: 1 },
    ticks: { stroke: colour("--line"), width: 1 },
    font: `12px ${style.fontFamily}`,
  };
  const size = () => ({ width: element.clientWidth, height: 200 });
  const plot = new uPlot(
    {
      ...size(),
      cursor: { points: { size: 6 } },
      legend: { live: true },
      scales: { y: { range: (_plot, _min, max) => [0, Math.max(max, 1) * 1.05] } },
      axes: [
        { ...axis, space: 70, values: (_plot, ticks) => ticks.map(timeOf(stepSeconds)) },
        { ...axis, size: 78, values: (_plot, ticks) => ticks.map(formatOf(element.dataset.unit)) },
      ],
      series: [
        {
          label: element.dataset.time,
          value: (_plot, time) => time === null ? "–" : timeOf(stepSeconds)(time),
        },
        ...series.map(([name, token]) => ({
          label: element.dataset[name],
          stroke: colour(token),
          width: 2,
          spanGaps: true,
          points: { show: false },
          value: (_plot, value) => value === null ? "–" : formatOf(element.dataset.unit)(value),
        })),
      ],
    },
    [times, ...series.map(([, , values]) => values)],
    element,
  );
  new ResizeObserver(() => plot.setSize(size())).observe(element);
}

function timeOf(stepSeconds) {
  const options = stepSeconds > 3600
    ? { month: "2-digit", day: "2-digit" }
    : { hour: "2-digit", minute: "2-digit", hour12: false };
  return (time) => new Date(time * 1000).toLocaleString(document.documentElement.lang, options);
}

function formatOf(unit) {
  if (unit === "ms") return (value) => `${Math.round(value)} ms`;
  if (unit !== "bytes") return (value) => String(Math.round(value * 10) / 10);
  return (value) => {
    const power = Math.min(5, value < 1 ? 0 : Math.floor(Math.log2(value) / 10));
    return `${Number((value / 1024 ** power).toPrecision(3))} ${
      ["B", "KiB", "MiB", "GiB", "TiB", "PiB"][power]
    }`;
  };
}
