/**
 * The requirements of the distribution specification, asked of a registry directly and through the
 * product in three ways: the product changes no outcome. The report is printed at the end.
 */
import { assert, assertEquals } from "../support/assert.ts";
import { noWorld } from "../integration/pulling.ts";
import { DOMAIN, startPushBench } from "../integration/pushing.ts";
import { Column } from "./column.ts";
import { DISCOVERY, MANAGEMENT } from "./discovery.ts";
import { MANIFESTS } from "./manifests.ts";
import { PULL } from "./pull.ts";
import { PUSH } from "./push.ts";
import { judge, type Outcome } from "./requirement.ts";

const REQUIREMENTS = [...PULL, ...PUSH, ...MANIFESTS, ...DISCOVERY, ...MANAGEMENT];

/** What a registry of an earlier specification gets wrong, and the product sets right. */
const IMPROVED = new Set(["pull-15"]);

Deno.test({
  name: "the distribution specification holds through the product as it does without",
  ignore: noWorld,
  async fn(t) {
    await using bench = await startPushBench();
    const { product, world } = bench;
    const realm = `${product.url}/v2/auth`;
    const columns = [
      new Column({ label: "direct", server: world.registry.url, realm: world.tokens.realm }),
      new Column({
        label: "host",
        server: product.url,
        host: `ghcr.${DOMAIN}:${product.port}`,
        realm,
      }),
      new Column({ label: "prefix", server: product.url, prefix: "ghcr.io/", realm }),
      new Column({ label: "ns", server: product.url, ns: "ghcr.io", realm }),
    ];
    const report: string[] = [];
    const passed = new Map(columns.map(({ label }) => [label, 0]));
    for (const requirement of REQUIREMENTS) {
      const outcomes: Outcome[] = [];
      await t.step(`${requirement.id}: ${requirement.title}`, async () => {
        for (const column of columns) outcomes.push(await judge(requirement, column));
        const [direct, ...proxied] = outcomes;
        assert(direct !== undefined);
        for (const [i, outcome] of proxied.entries()) {
          const label = `${requirement.id} by ${columns[i + 1]?.label}`;
          if (IMPROVED.has(requirement.id)) assert(outcome.isConformant, label);
          else assertEquals(outcome, direct, label);
        }
      });
      for (const [i, { isConformant }] of outcomes.entries()) {
        const label = columns[i]?.label ?? "";
        if (isConformant) passed.set(label, (passed.get(label) ?? 0) + 1);
      }
      const marks = outcomes.map(({ isConformant }) => (isConformant ? "pass" : "FAIL").padEnd(7));
      report.push(`${requirement.id.padEnd(13)} ${marks.join(" ")} ${outcomes[0]?.seen}`);
    }
    const head = columns.map(({ label }) => label.padEnd(7)).join(" ");
    const totals = columns.map(({ label }) =>
      `${passed.get(label)}/${REQUIREMENTS.length}`.padEnd(7)
    );
    const lines = [`${"".padEnd(13)} ${head} seen directly`, ...report];
    const text = [...lines, `${"in all".padEnd(13)} ${totals.join(" ")}`].join("\n");
    Deno.stdout.writeSync(new TextEncoder().encode(`\n${text}\n`));
  },
});
