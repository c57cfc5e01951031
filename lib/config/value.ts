/**
 * Parsers of single values. Each returns undefined where the text is not of its kind; the advice
 * that a person then reads stands beside the key in the schema.
 */
import { Cron } from "croner";
import { parseCidr } from "../address.ts";
import { splitImageName } from "../image_name.ts";
import type { RedirectRule, TagTtl } from "./config.ts";
import { parseDuration } from "./units.ts";

const LABEL = "[a-z0-9_](?:[a-z0-9_-]{0,61}[a-z0-9_])?";
const HOST_NAME = new RegExp(`^(?=.{1,253}$)${LABEL}(?:\\.${LABEL})*$`);

export function parseBoolean(text: string): boolean | undefined {
  switch (text.toLowerCase()) {
    case "true":
    case "yes":
    case "on":
    case "1":
      return true;
    case "false":
    case "no":
    case "off":
    case "0":
      return false;
    default:
      return undefined;
  }
}

/** A TCP port; 0 lets the system choose. */
export function parsePort(text: string): number | undefined {
  const port = /^\d{1,5}$/.test(text) ? Number(text) : NaN;
  return port <= 65_535 ? port : undefined;
}

/** A host name or IP address to listen on, without brackets. */
export function parseListenHost(text: string): string | undefined {
  const bare = text.replace(/^\[(.*)\]$/, "$1");
  return parseHostName(bare) ??
    (parseCidr(bare) !== undefined && !bare.includes("/") ? bare : undefined);
}

/** `:5002`, `127.0.0.1:5002` or `[::1]:5002`; the host is null where all addresses are meant. */
export function parseListenAddress(
  text: string,
): { host: string | null; port: number } | undefined {
  const [, written, digits = ""] = /^(\[[^\]]*\]|[^:]*):(\d+)$/.exec(text) ?? [];
  const port = parsePort(digits);
  if (written === undefined || port === undefined) return undefined;
  if (written === "") return { host: null, port };
  const host = parseListenHost(written);
  return host === undefined ? undefined : { host, port };
}

/** A host name in lower case, without final dot and without port. */
export function parseHostName(text: string): string | undefined {
  const host = text.toLowerCase().replace(/\.$/, "");
  return HOST_NAME.test(host) ? host : undefined;
}

/** A host name, with or without a leading `*.`. */
export function parseHostPattern(text: string): string | undefined {
  const [, wild = "", rest = ""] = /^(\*\.)?(.*)$/s.exec(text) ?? [];
  const host = parseHostName(rest);
  return host === undefined ? undefined : wild + host;
}

/** An IP address or range in CIDR form; a single address gets its full prefix length. */
export function parseCidrText(text: string): string | undefined {
  const range = parseCidr(text);
  return range === undefined ? undefined : `${range.network.toString()}/${range.prefixLength}`;
}

/** A CIDR or a host pattern. */
export function parseTarget(text: string): string | undefined {
  return parseCidrText(text) ?? (/^[\d./]+$/.test(text) ? undefined : parseHostPattern(text));
}

/** A rule such as `sha-*=30d`: how long tags of a pattern stay fresh. */
export function parseTagTtl(value: string): TagTtl | undefined {
  const [, pattern, text] = /^([\w.*-]{1,128})=(.+)$/.exec(value) ?? [];
  const seconds = text === undefined ? undefined : parseDuration(text);
  return pattern === undefined || seconds === undefined ? undefined : { pattern, seconds };
}

/** A registry's name in references: a host with or without a port. */
export function parseRegistryName(text: string): string | undefined {
  const [, name = "", port = "0"] = /^(.*?)(?::(\d+))?$/s.exec(text.toLowerCase()) ?? [];
  const isHost = parseHostName(name) === name || /^\[[0-9a-f:.]+\]$/.test(name);
  return isHost && parsePort(port) !== undefined ? text.toLowerCase() : undefined;
}

export function parseRedirectRule(text: string): RedirectRule | undefined {
  const [, pattern = "", mode] = /^([^=]*?)\s*=\s*(stream|pass)$/i.exec(text) ?? [];
  const host = parseHostPattern(pattern.trim());
  if (host === undefined || mode === undefined) return undefined;
  return { host, mode: mode.toLowerCase() === "pass" ? "pass" : "stream" };
}

/** Why a text is no base URL of a registry, as advice; undefined where it is one. */
export function faultOfBaseUrl(text: string): string | undefined {
  const url = URL.parse(text);
  if (url === null || !/^https?:\/\//i.test(text)) {
    return "write an http or https URL such as https://registry.example.com";
  }
  if (url.username !== "" || url.password !== "") {
    return "leave the credentials out of the URL; use UPSTREAM_<ALIAS>_USERNAME and _PASSWORD";
  }
  if (url.search !== "" || url.hash !== "" || /[?#]/.test(text)) {
    return "leave out the query and the fragment";
  }
  if (/\/v[12]\/?$/.test(url.pathname)) return "leave out the final /v2, which is added";
  return undefined;
}

/** The URL without final slashes in its path. */
export function toBaseUrl(text: string): URL {
  const url = new URL(text);
  url.pathname = url.pathname.replace(/\/+$/, "");
  return url;
}

/** Returns an image's name, in whose tag `*` may stand for any characters. */
export function parseImagePattern(text: string): string | undefined {
  const split = splitImageName(text);
  const isTag = split?.tag === null || /^[\w*][\w.*-]*$/.test(split?.tag ?? "");
  return split !== undefined && isTag ? text : undefined;
}

/** Returns `linux/arm64` or `linux/arm/v7`, or `all`. */
export function parsePlatform(text: string): string | undefined {
  return /^(all|[a-z0-9]+\/[a-z0-9]+(\/[a-z0-9.]+)?)$/.test(text) ? text : undefined;
}

/** Returns a time as cron writes it, where it ever comes. */
export function parseCron(text: string): string | undefined {
  try {
    return new Cron(text, { paused: true }).nextRun() === null ? undefined : text;
  } catch (error) {
    if (error instanceof Error) return undefined;
    throw error;
  }
}
