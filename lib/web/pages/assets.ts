/** The pages' files. They are imported as text, so that they are inside a compiled program too. */
import { createHash } from "node:crypto";
import { Hono } from "hono";
import uplotStyle from "uplot/dist/uPlot.min.css" with { type: "text" };
import uplotScript from "uplot/dist/uPlot.iife.min.js" with { type: "text" };
import type { WebEnv } from "../admin/gate.ts";
import appStyle from "./assets/app.css" with { type: "text" };
import appScript from "./assets/app.js" with { type: "text" };
import icon from "./assets/icon.svg" with { type: "text" };
import trafficScript from "./assets/traffic.js" with { type: "text" };

const SCRIPT = "text/javascript; charset=utf-8";
const STYLE = "text/css; charset=utf-8";

const FILES: readonly (readonly [name: string, type: string, text: string])[] = [
  ["app.css", STYLE, appStyle],
  ["app.js", SCRIPT, appScript],
  ["traffic.js", SCRIPT, trafficScript],
  ["uplot.css", STYLE, uplotStyle],
  ["uplot.js", SCRIPT, uplotScript],
  ["icon.svg", "image/svg+xml", icon],
];

/** Makes the app for what is under `/assets`. Files are asked for again, and found unchanged. */
export function createAssets(): Hono<WebEnv> {
  const app = new Hono<WebEnv>();
  for (const [name, type, text] of FILES) {
    const etag = `"${createHash("sha256").update(text).digest("base64url").slice(0, 20)}"`;
    app.get(`/${name}`, (context) => {
      context.header("etag", etag);
      context.header("cache-control", "no-cache");
      if (context.req.header("if-none-match")?.includes(etag)) return context.body(null, 304);
      context.header("content-type", type);
      return context.body(text);
    });
  }
  return app;
}
