/**
 * A reverse proxy that writes down every request, and can misbehave on demand.
 * It stands before a registry or a token server. Storage needs none: a signed request covers
 * its Host, so the S3 stand-in keeps its own record.
 */
import { createHash } from "node:crypto";
import { sleep } from "./process.ts";
import { Forwarder, type ListenOptions, requestHost, requestTarget, TestServer } from "./serve.ts";

/** One request, and what became of it. */
export interface RecordedRequest {
  method: string;
  path: string;
  /** With its question mark, or empty. */
  query: string;
  host: string;
  /** All headers but Authorization. */
  headers: Headers;
  /** The scheme and a hash of the credentials; null for a request without. */
  authorization: { scheme: string; hash: string } | null;
  /** 0 until it is answered; 502 also when the server could not be asked. */
  status: number;
  /** Bytes of the response's body that were taken so far. */
  bytes: number;
  /** Whether the whole body was taken. */
  isComplete: boolean;
}

/** Answers in place of the server; `forward` asks it. Undefined leaves it to the recorder. */
export type Interceptor = (
  request: Request,
  forward: () => Promise<Response>,
) => Promise<Response | undefined> | Response | undefined;

/** How a recorder is started. */
export interface RecorderOptions extends ListenOptions {
  target: string;
  /** Certificate to trust at the target. */
  targetCa?: string;
  intercept?: Interceptor;
}

/** A running recorder. */
export class Recorder extends TestServer {
  /** In order of arrival. */
  readonly requests: RecordedRequest[];
  readonly #forwarder: Forwarder;
  readonly #settings: { intercept: Interceptor | undefined };

  constructor(options: RecorderOptions) {
    const requests: RecordedRequest[] = [];
    const settings = { intercept: options.intercept };
    const forwarder = new Forwarder(options.target, options.targetCa);
    super(async (request) => {
      const record = recordOf(request);
      requests.push(record);
      const forward = () => forwarder.forward(request);
      try {
        const response = await settings.intercept?.(request, forward) ?? await forward();
        record.status = response.status;
        return watched(response, record);
      } catch {
        record.status = 502;
        return new Response("recorder: the server could not be asked\n", { status: 502 });
      }
    }, options);
    this.requests = requests;
    this.#forwarder = forwarder;
    this.#settings = settings;
  }

  /** Sets what happens to requests from now on; undefined: nothing special. */
  set intercept(interceptor: Interceptor | undefined) {
    this.#settings.intercept = interceptor;
  }

  /** Requests by method and a pattern of the path. */
  matching(method: string, path: RegExp | string): RecordedRequest[] {
    return this.requests.filter((request) =>
      request.method === method &&
      (typeof path === "string" ? request.path === path : path.test(request.path))
    );
  }

  /** Forgets what was recorded. */
  clear(): void {
    this.requests.length = 0;
  }

  override async [Symbol.asyncDispose](): Promise<void> {
    await super[Symbol.asyncDispose]();
    this.#forwarder[Symbol.dispose]();
  }
}

/** Starts a recorder before `options.target`. */
export function startRecorder(options: RecorderOptions): Recorder {
  return new Recorder(options);
}

/** Ends a response's transfer with an error after so many bytes: a connection that drops. */
export function cutAfter(response: Response, bytes: number): Response {
  const reader = response.body?.getReader();
  let left = bytes;
  const body = new ReadableStream<Uint8Array>({
    async pull(controller) {
      const part = left > 0 ? await reader?.read() : undefined;
      if (part?.value === undefined) {
        // What was sent already shall arrive: an error at once would overtake it.
        await sleep(50);
        await reader?.cancel();
        return controller.error(new Error("cut on purpose"));
      }
      controller.enqueue(part.value.subarray(0, left));
      left -= part.value.length;
    },
    async cancel() {
      await reader?.cancel();
    },
  }, { highWaterMark: 0 });
  return new Response(body, response);
}

function recordOf(request: Request): RecordedRequest {
  const target = requestTarget(request);
  const [path = "", ...query] = target.split("?");
  const headers = new Headers(request.headers);
  headers.delete("authorization");
  return {
    method: request.method,
    path,
    query: query.length > 0 ? `?${query.join("?")}` : "",
    host: requestHost(request),
    headers,
    authorization: describeAuthorization(request.headers.get("authorization")),
    status: 0,
    bytes: 0,
    isComplete: false,
  };
}

/** What may be kept of a credential: enough to see that two are the same. */
export function describeAuthorization(
  value: string | null,
): { scheme: string; hash: string } | null {
  if (value === null) return null;
  const [scheme = "", ...rest] = value.split(" ");
  return { scheme, hash: createHash("sha256").update(rest.join(" ")).digest("hex").slice(0, 16) };
}

function watched(response: Response, record: RecordedRequest): Response {
  if (response.body === null) {
    record.isComplete = true;
    return response;
  }
  const body = response.body.pipeThrough(
    new TransformStream<Uint8Array<ArrayBuffer>, Uint8Array<ArrayBuffer>>({
      transform(chunk, controller) {
        record.bytes += chunk.length;
        controller.enqueue(chunk);
      },
      flush() {
        record.isComplete = true;
      },
    }),
  );
  return new Response(body, response);
}
