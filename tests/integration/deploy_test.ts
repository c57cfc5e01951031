/** What `deploy/` offers to operators fits what the product tells. */
import { join } from "node:path";
import { stringify } from "yaml";
import { assertEquals } from "../support/assert.ts";
import { has } from "../support/components.ts";
import { type Entrepot, PROJECT, startEntrepot } from "../support/entrepot.ts";
import { run, runOk } from "../support/process.ts";
import { tempDir } from "../support/temp.ts";
import { ask } from "./pulling.ts";

const PROMETHEUS = join(PROJECT, "deploy", "prometheus");
const DASHBOARD = join(PROJECT, "deploy", "grafana", "entrepot.json");
const noPromtool = !has("promtool");

interface Dashboard {
  panels: { type: string; title: string; targets?: { expr: string }[] }[];
}

async function dashboardQueries(): Promise<string[]> {
  const dashboard: Dashboard = JSON.parse(await Deno.readTextFile(DASHBOARD));
  return dashboard.panels.flatMap(({ targets = [] }) => targets.map(({ expr }) => expr));
}

async function scrape(product: Entrepot): Promise<string> {
  return (await ask(`${product.url}/metrics`)).text;
}

Deno.test({
  name: "the alert rules are well formed, and fire when they should",
  ignore: noPromtool,
  async fn() {
    await runOk("promtool", ["check", "rules", join(PROMETHEUS, "alerts.yml")]);
    await runOk("promtool", ["test", "rules", join(PROMETHEUS, "alerts_test.yml")]);
  },
});

Deno.test({
  name: "every query of the dashboard is PromQL",
  ignore: noPromtool,
  async fn() {
    await using folder = await tempDir("promql");
    const queries = await dashboardQueries();
    const rules = queries.map((expr, i) => ({
      record: `query:${i}`,
      expr: expr.replaceAll("$__rate_interval", "5m").replaceAll("$__range", "6h"),
    }));
    const file = await folder.write("rules.yml", stringify({ groups: [{ name: "all", rules }] }));
    const { code, stdout, stderr } = await run("promtool", ["check", "rules", file]);
    assertEquals(code, 0, stdout + stderr);
  },
});

Deno.test({
  name: "the metrics follow the conventions of Prometheus",
  ignore: noPromtool,
  async fn() {
    await using product = await startEntrepot();
    await using folder = await tempDir("scrape");
    const file = await folder.write("metrics", await scrape(product));
    const { stdout, stderr, code } = await run("sh", ["-c", `promtool check metrics <"${file}"`]);
    assertEquals([code, stdout + stderr], [0, ""]);
  },
});

Deno.test("dashboard and alerts name no metric that there is not", async () => {
  await using product = await startEntrepot();
  const told = new Set(
    [...(await scrape(product)).matchAll(/^# TYPE (\S+) /gm)].map(([, name = ""]) => name),
  );
  const alerts = await Deno.readTextFile(join(PROMETHEUS, "alerts.yml"));
  const named = [alerts, ...await dashboardQueries()].join("\n")
    .match(/\b(entrepot|process)_[a-z_]+/g) ?? [];
  const unknown = [...new Set(named)].map((name) => name.replace(/_bucket$/, ""))
    .filter((name) => !told.has(name));
  assertEquals(unknown, []);
});
