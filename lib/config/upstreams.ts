/**
 * Upstreams: the built-in ones as the configuration changes them, the user's own, and the default.
 */
import { namesAccount, readAccounts } from "./accounts.ts";
import { BUILTIN_UPSTREAMS, type BuiltinUpstream } from "./builtin.ts";
import type { PushRight, RedirectMode, Upstream, UpstreamAuth } from "./config.ts";
import { type ConfigFault, suggestName } from "./fault.ts";
import { claimNames, type NameRequest } from "./names.ts";
import { type RawConfig, upstreamKey } from "./raw.ts";
import type { UpstreamFields } from "./schema.ts";

/** What upstreams are made of. */
export interface UpstreamSources {
  /** By alias: the fields that passed the schema. */
  readonly fields: ReadonlyMap<string, UpstreamFields>;
  readonly raw: RawConfig;
  /** The default upstream that was named, or null where none was. */
  readonly target: Target | null;
  readonly redirect: RedirectMode;
  readonly maxConnections: number;
  /** What PUSH says, where it is set. */
  readonly push: "allow" | "deny" | undefined;
  readonly readTextFile: (path: string) => string;
  readonly faults: ConfigFault[];
  readonly warnings: string[];
}

/** The default upstream as it was written. */
export interface Target {
  readonly url: URL;
  readonly label: string;
  /** Whether a scheme was written; a bare host may mean an upstream at any scheme. */
  readonly hasScheme: boolean;
}

/** The alias of a default upstream that is none of the others. */
const DEFAULT_ALIAS = "default";

/** An upstream before names are given out. */
interface Draft extends NameRequest {
  readonly fields: UpstreamFields;
  readonly builtin: BuiltinUpstream | undefined;
}

/** Returns all upstreams, and the one that the target names. Faults and warnings are added. */
export function buildUpstreams(
  sources: UpstreamSources,
): { upstreams: Upstream[]; targeted: Upstream | null } {
  const drafts = draftUpstreams(sources);
  const { target } = sources;
  let targeted = target === null ? undefined : findTarget(drafts, target);
  if (target !== null && targeted === undefined) {
    targeted = draftDefault(drafts, target, sources);
    if (targeted !== undefined) drafts.push(targeted);
  }
  const names = claimNames(drafts, sources.faults);
  const upstreams = drafts.map((draft): Upstream => {
    const auth = readAuth(draft, sources);
    return {
      alias: draft.alias,
      registry: draft.registry,
      names: names.get(draft.alias) ?? [],
      url: draft.url,
      hasLibrary: draft.fields.LIBRARY ?? draft.builtin?.hasLibrary ?? false,
      auth,
      realms: draft.fields.REALMS ?? draft.builtin?.realms ?? [],
      redirect: draft.fields.REDIRECT ?? sources.redirect,
      tagTtl: draft.fields.TAG_TTL ?? [],
      push: readPush(draft, auth, sources),
      maxConnections: draft.fields.MAX_CONNECTIONS ?? sources.maxConnections,
    };
  });
  return {
    upstreams,
    targeted: upstreams.find(({ alias }) => alias === targeted?.alias) ?? null,
  };
}

function draftUpstreams(sources: UpstreamSources): Draft[] {
  const drafts: Draft[] = [];
  for (const [alias, builtin] of Object.entries(BUILTIN_UPSTREAMS)) {
    const fields = sources.fields.get(alias) ?? {};
    const names = fields.REGISTRY === undefined ? builtin.names ?? [] : [];
    drafts.push({
      alias,
      builtin,
      fields,
      url: fields.URL ?? new URL(builtin.url),
      registry: fields.REGISTRY ?? builtin.registry,
      names: [...names, ...fields.NAMES ?? []],
      isBuiltin: true,
      label: labelOf(sources.raw, alias, "REGISTRY"),
    });
  }
  for (const [alias, fields] of sources.fields) {
    if (Object.hasOwn(BUILTIN_UPSTREAMS, alias)) continue;
    // The target may yet give this one its URL.
    if (alias === DEFAULT_ALIAS && fields.URL === undefined && sources.target !== null) continue;
    if (fields.URL !== undefined) drafts.push(draftOwn(alias, fields, fields.URL, sources.raw));
    else if (!sources.raw.upstreams.get(alias)?.has("URL")) addMissingUrl(alias, sources);
  }
  return drafts;
}

function draftOwn(alias: string, fields: UpstreamFields, url: URL, raw: RawConfig): Draft {
  const label = labelOf(raw, alias, fields.REGISTRY === undefined ? "URL" : "REGISTRY");
  return {
    alias,
    builtin: undefined,
    fields,
    url,
    registry: fields.REGISTRY ?? url.host,
    names: fields.NAMES ?? [],
    isBuiltin: false,
    label,
  };
}

function findTarget(drafts: readonly Draft[], target: Target): Draft | undefined {
  return drafts.find((draft) => {
    // A name that is no host, such as that of a second account, is nobody's target.
    const names = draft.builtin?.registry === draft.alias ? [] : [draft.registry, ...draft.names];
    if (draft.url.href === target.url.href && names.length > 0) return true;
    const known = names.length === 0 ? [] : [...names, draft.url.host];
    const isNamed = target.url.pathname === "/" &&
      (target.hasScheme ? names : known).includes(target.url.host);
    return isNamed && (!target.hasScheme || target.url.protocol === "https:");
  });
}

function draftDefault(
  drafts: readonly Draft[],
  target: Target,
  sources: UpstreamSources,
): Draft | undefined {
  if (drafts.some(({ alias }) => alias === DEFAULT_ALIAS)) {
    const key = upstreamKey(DEFAULT_ALIAS, "URL");
    const advice = `leave out either this or ${key}: both say where the upstream "default" is`;
    sources.faults.push({ key: target.label, received: null, advice });
    return undefined;
  }
  const fields = sources.fields.get(DEFAULT_ALIAS) ?? {};
  const draft = draftOwn(DEFAULT_ALIAS, fields, target.url, sources.raw);
  return fields.REGISTRY === undefined ? { ...draft, label: target.label } : draft;
}

function addMissingUrl(alias: string, { raw, faults }: UpstreamSources): void {
  const near = suggestName(alias, Object.keys(BUILTIN_UPSTREAMS));
  const hint = near === undefined ? "" : `, or did you mean the built-in upstream ${near}?`;
  const [first] = raw.upstreams.get(alias)?.values() ?? [];
  const advice = `${first?.label ?? alias} is of a new upstream, which needs a URL${hint}`;
  faults.push({ key: labelOf(raw, alias, "URL"), received: null, advice });
}

/** The key of a field as its author wrote it, or as it would be written beside the others. */
export function labelOf(raw: RawConfig, alias: string, field: string): string {
  const fields = raw.upstreams.get(alias);
  const written = fields?.get(field)?.label;
  if (written !== undefined) return written;
  const [sibling] = fields?.values() ?? [];
  const prefix = /^upstreams\..*\./.exec(sibling?.label ?? "")?.[0];
  return prefix === undefined ? upstreamKey(alias, field) : prefix + field.toLowerCase();
}

function readAuth(draft: Draft, sources: UpstreamSources): UpstreamAuth {
  const { alias, fields } = draft;
  const { raw, faults, warnings } = sources;
  const label = (field: string) => labelOf(raw, alias, field);
  const key = label("AUTH");
  if (fields.AUTH !== "account") {
    // Where AUTH is present but wrong, its own fault says enough.
    const isMeant = namesAccount(fields) &&
      (fields.AUTH !== undefined || !raw.upstreams.get(alias)?.has("AUTH"));
    if (isMeant) {
      warnings.push(
        `${alias}: the user name and password are not used, because every caller's own credentials ` +
          `are; to use the account for every caller, set ${key} to account`,
      );
    }
    return { kind: "relay" };
  }
  const names = [draft.registry, ...draft.names, draft.url.host];
  const faultsBefore = faults.length;
  const { readTextFile } = sources;
  const [first, ...others] = readAccounts({ fields, names, label, readTextFile, faults });
  if (first === undefined) {
    if (faults.length === faultsBefore) {
      const [userKey, passwordKey, fileKey] = ["USERNAME", "PASSWORD", "PASSWORD_FILE"].map(label);
      const advice = `account needs ${userKey} and ${passwordKey} (or ${fileKey})`;
      faults.push({ key, received: '"account"', advice });
    }
    return { kind: "relay" };
  }
  if (draft.url.protocol === "http:") {
    warnings.push(`${alias}: the account's password travels unencrypted, because its URL is http`);
  }
  return { kind: "account", ...first, others };
}

/**
 * Pushes are the caller's own right. Where callers read with the proxy's account they have shown no
 * right of their own, so that pushes have to be allowed on purpose.
 */
function readPush(draft: Draft, auth: UpstreamAuth, sources: UpstreamSources): PushRight {
  const wanted = draft.fields.PUSH;
  if (wanted === "account" && auth.kind !== "account") {
    const advice = `account needs ${labelOf(sources.raw, draft.alias, "AUTH")}=account`;
    const key = labelOf(sources.raw, draft.alias, "PUSH");
    sources.faults.push({ key, received: '"account"', advice });
  }
  if (wanted !== undefined) return wanted;
  if (auth.kind === "account") return "deny";
  return sources.push ?? "allow";
}
