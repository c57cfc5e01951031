/** The live page: transfers under way. */
import type { TransferState } from "../../transfers.ts";
import { formatSize, shortDigest } from "./format.ts";
import { Empty, Layout, type PageFrame, Tile, type View } from "./layout.tsx";
import { type Language, type Say, sayIn } from "./words.ts";

/** The page. */
export function LivePage(
  { frame, transfers }: { frame: PageFrame; transfers: readonly TransferState[] },
): View {
  const say = sayIn(frame.language);
  return (
    <Layout frame={frame} page="live" title="live">
      <h1>{say("liveTitle")}</h1>
      <p class="lead">{say("liveLead")}</p>
      <noscript>
        <p class="notice">{say("noScript")}</p>
      </noscript>
      <div data-events="/live/events">
        <LiveRows language={frame.language} transfers={transfers} />
      </div>
    </Layout>
  );
}

/** What changes from moment to moment. */
export function LiveRows(
  { language, transfers }: { language: Language; transfers: readonly TransferState[] },
): View {
  const say = sayIn(language);
  const fills = transfers.filter(({ kind }) => kind === "fill");
  const incoming = fills.reduce((sum, { bytesPerSecond }) => sum + (bytesPerSecond ?? 0), 0);
  const clients = new Set(transfers.flatMap(({ client }) => client ?? []));
  return (
    <>
      <dl class="tiles">
        <Tile name={say("activeFills")} value={String(fills.length)} />
        <Tile name={say("totalIn")} value={`${formatSize(incoming)}/s`} />
        <Tile name={say("clientsNow")} value={String(clients.size)} />
      </dl>
      {transfers.length === 0
        ? <Empty title={say("liveEmpty")} hint={say("liveEmptyHint")} />
        : (
          <div class="card">
            <table class="stacked">
              <thead>
                <tr>
                  <th>{say("what")}</th>
                  <th>{say("who")}</th>
                  <th>{say("progress")}</th>
                  <th class="number">{say("size")}</th>
                  <th class="number">{say("speed")}</th>
                </tr>
              </thead>
              <tbody>{transfers.map((transfer) => <Row transfer={transfer} say={say} />)}</tbody>
            </table>
          </div>
        )}
    </>
  );
}

function Row({ transfer, say }: { transfer: TransferState; say: Say }) {
  const { bytes, total, bytesPerSecond } = transfer;
  const name = `${transfer.upstream}/${transfer.repository}`;
  return (
    <tr>
      <td class="whole wrap">
        {name} <code class="muted">{shortDigest(transfer.digest)}</code>
      </td>
      <td>
        {transfer.kind === "fill"
          ? `↓ ${say("incoming")}`
          : `↑ ${transfer.client ?? say("outgoing")}`}
      </td>
      <td class="whole">
        {bytes === null ? <span class="muted">{say("sending")}</span> : (
          <progress
            aria-label={`${say("progress")}: ${name}`}
            {...(total === null ? {} : { max: total, value: bytes })}
          />
        )}
      </td>
      <td class="number">{sizeOf(bytes, total)}</td>
      <td class="number">{bytesPerSecond === null ? "" : `${formatSize(bytesPerSecond)}/s`}</td>
    </tr>
  );
}

function sizeOf(bytes: number | null, total: number | null): string {
  const all = total === null ? "?" : formatSize(total);
  return bytes === null ? all : `${formatSize(bytes)} / ${all}`;
}
