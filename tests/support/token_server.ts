/**
 * A token server as the distribution specification describes it, with users of its own.
 * It grants what {@linkcode grant} says, signs with ES256, and remembers everything it was asked.
 */
import { importPKCS8, SignJWT } from "jose";
import { X509Certificate } from "node:crypto";
import { type Certificate, selfSigned } from "./ca.ts";
import type { Credentials } from "./push.ts";
import { type ListenOptions, TestServer } from "./serve.ts";
import { type TempDir, tempDir } from "./temp.ts";
import type { TokenAuth } from "./registry.ts";

/** Owns everything: may pull, push and delete. */
export const ALICE: Credentials = { username: "alice", password: "alicepw" };
/** May pull `private/*`, and what everybody may. */
export const BOB: Credentials = { username: "bob", password: "bobpw" };

const USERS = [ALICE, BOB];

/** How a token server is started. */
export interface TokenServerOptions extends ListenOptions {
  /** Life of a token in seconds. Default 300. */
  ttlSeconds?: number;
  /** The member that carries the token. Default `both`. */
  field?: "token" | "access_token" | "both";
  /** Answers POST with 405, as many registries do. */
  noPost?: boolean;
  /** Gives refresh tokens to those who ask. */
  refresh?: boolean;
  service?: string;
}

/** One request to the token server. */
export interface TokenRequest {
  method: string;
  path: string;
  query: URLSearchParams;
  /** A POST's form. */
  form: URLSearchParams;
  service: string;
  scopes: string[];
  /** `Basic`, `Bearer`, `password`, `refresh_token`, or null for an anonymous request. */
  scheme: string | null;
  /** The name that was given, whether or not the password was right. */
  user: string | null;
  /** Whether the credentials were right; null without any. */
  isRight: boolean | null;
  userAgent: string;
  status: number;
}

/** One entry of a token's `access` claim. */
export interface Access {
  type: string;
  name: string;
  actions: string[];
}

/** What a user (null: anybody) gets of a scope; null for text that is no scope. */
export function grant(user: string | null, scope: string): Access | null {
  const match = /^([a-z]+)(?:\([^)]*\))?:(.+):([^:]*)$/.exec(scope);
  if (match === null) return null;
  const [, type = "", name = "", wanted = ""] = match;
  const allowed = (action: string) => {
    if (user === ALICE.username) return true;
    if (type !== "repository" || action !== "pull") return false;
    return /^(public|library)\//.test(name) || (user !== null && name.startsWith("private/"));
  };
  return { type, name, actions: wanted.split(",").filter((a) => a !== "" && allowed(a)) };
}

/** A running token server. */
export class TokenServer extends TestServer {
  readonly requests: TokenRequest[];
  readonly service: string;
  /** The token endpoint. */
  readonly realm: string;
  readonly #folder: TempDir;
  readonly #signer: Certificate;

  constructor(
    options: TokenServerOptions,
    issuer: TokenIssuer,
    signer: Certificate,
    folder: TempDir,
  ) {
    const requests: TokenRequest[] = [];
    super((request) => answer(request, options, issuer, requests), options);
    this.requests = requests;
    this.service = options.service ?? "test-registry";
    this.realm = `${this.url}/token`;
    this.#signer = signer;
    this.#folder = folder;
  }

  /** What a registry has to know; `realm` may name a recorder in front. */
  auth(realm = this.realm): TokenAuth {
    return { realm, service: this.service, issuer: ISSUER, bundle: this.#signer.certFile };
  }

  override async [Symbol.asyncDispose](): Promise<void> {
    await super[Symbol.asyncDispose]();
    await this.#folder[Symbol.asyncDispose]();
  }
}

const ISSUER = "test-issuer";

/** Signs tokens and remembers whose refresh tokens it gave. */
interface TokenIssuer {
  sign: (user: string | null, service: string, access: Access[]) => Promise<string>;
  refreshTokens: Map<string, string>;
}

/** Starts a token server with a key of its own. */
export async function startTokenServer(options: TokenServerOptions = {}): Promise<TokenServer> {
  const folder = await tempDir("token");
  const signer = await selfSigned(folder, "token-signer");
  const key = await importPKCS8(signer.key, "ES256");
  const x5c = [new X509Certificate(signer.cert).raw.toString("base64")];
  const sign: TokenIssuer["sign"] = (user, service, access) => {
    const now = Math.floor(Date.now() / 1000);
    return new SignJWT({ access: access.map((entry) => ({ ...entry })) })
      .setProtectedHeader({ alg: "ES256", typ: "JWT", x5c })
      .setIssuer(ISSUER).setSubject(user ?? "").setAudience(service)
      .setIssuedAt(now).setNotBefore(now - 5).setExpirationTime(now + (options.ttlSeconds ?? 300))
      .setJti(crypto.randomUUID()).sign(key);
  };
  return new TokenServer(options, { sign, refreshTokens: new Map() }, signer, folder);
}

async function answer(
  request: Request,
  options: TokenServerOptions,
  issuer: TokenIssuer,
  requests: TokenRequest[],
): Promise<Response> {
  const url = new URL(request.url);
  const form = new URLSearchParams(request.method === "POST" ? await request.text() : "");
  const parameters = request.method === "POST" ? form : url.searchParams;
  const caller = identify(request, form, issuer.refreshTokens);
  const record: TokenRequest = {
    method: request.method,
    path: url.pathname,
    query: url.searchParams,
    form,
    service: parameters.get("service") ?? "",
    scopes: parameters.getAll("scope").flatMap((s) => s.split(" ")).filter((s) => s !== ""),
    ...caller,
    userAgent: request.headers.get("user-agent") ?? "",
    status: 0,
  };
  requests.push(record);
  const response = await decide(record, options, issuer);
  record.status = response.status;
  return response;
}

function identify(
  request: Request,
  form: URLSearchParams,
  refreshTokens: Map<string, string>,
): Pick<TokenRequest, "scheme" | "user" | "isRight"> {
  const authorization = request.headers.get("authorization");
  if (request.method === "POST" && form.has("grant_type")) {
    const scheme = form.get("grant_type");
    if (scheme === "refresh_token") {
      const user = refreshTokens.get(form.get("refresh_token") ?? "") ?? null;
      return { scheme, user, isRight: user !== null };
    }
    const user = form.get("username");
    return { scheme, user, isRight: isUser(user ?? "", form.get("password") ?? "") };
  }
  if (authorization === null) return { scheme: null, user: null, isRight: null };
  const [scheme = "", value = ""] = authorization.split(" ");
  if (scheme !== "Basic") return { scheme, user: null, isRight: false };
  const [user = "", ...password] = atob(value).split(":");
  return { scheme, user, isRight: isUser(user, password.join(":")) };
}

function isUser(username: string, password: string): boolean {
  return USERS.some((user) => user.username === username && user.password === password);
}

async function decide(
  record: TokenRequest,
  options: TokenServerOptions,
  issuer: TokenIssuer,
): Promise<Response> {
  if (record.path !== "/token") return new Response("not found\n", { status: 404 });
  const isPost = record.method === "POST";
  if ((record.method !== "GET" && !isPost) || (isPost && options.noPost)) {
    return new Response("method not allowed\n", { status: 405 });
  }
  if (isPost && record.scheme !== "password" && record.scheme !== "refresh_token") {
    return Response.json({ error: "unsupported_grant_type" }, { status: 400 });
  }
  if (record.isRight === false) {
    const errors = [{ code: "UNAUTHORIZED", message: "incorrect username or password" }];
    const headers = { "www-authenticate": 'Basic realm="test"' };
    return Response.json({ errors }, { status: 401, headers });
  }
  const access = record.scopes.flatMap((scope) => grant(record.user, scope) ?? [])
    .filter(({ actions }) => actions.length > 0);
  const token = await issuer.sign(record.user, record.service, access);
  const field = isPost ? "access_token" : options.field ?? "both";
  return Response.json({
    ...(field === "access_token" ? {} : { token }),
    ...(field === "token" ? {} : { access_token: token }),
    expires_in: options.ttlSeconds ?? 300,
    issued_at: new Date().toISOString(),
    ...(options.refresh && wantsRefresh(record)
      ? { refresh_token: refreshToken(record, issuer.refreshTokens) }
      : {}),
  });
}

function wantsRefresh({ query, form, user }: TokenRequest): boolean {
  if (user === null) return false;
  return query.get("offline_token") === "true" || form.get("access_type") === "offline" ||
    form.has("refresh_token");
}

function refreshToken({ form, user }: TokenRequest, given: Map<string, string>): string {
  const token = form.get("refresh_token") ?? crypto.randomUUID();
  if (user !== null) given.set(token, user);
  return token;
}
