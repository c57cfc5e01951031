/**
 * An answer's body whose end is seen, and that is a failure of the upstream where it stalls or breaks.
 * Reads go through into the reader's own buffer, so that nothing is copied.
 */
import { RegistryError } from "../errors.ts";
import { describeCause } from "../log.ts";

/** What is watched for. */
export interface BodyWatch {
  /** Called once or more when the body has ended, in whatever way. */
  readonly onEnd: () => void;
  /** The longest silence while somebody reads; null where its reader watches for that. */
  readonly idleSeconds: number | null;
  /** What messages call the other side. */
  readonly peer: string;
}

type Bytes = Uint8Array<ArrayBuffer>;

/** The same bytes. The body has to be a byte stream, as those of the runtime's answers are. */
export function watchBody(body: ReadableStream<Bytes>, watch: BodyWatch): ReadableStream<Bytes> {
  let reader: ReadableStreamBYOBReader | undefined;
  return new ReadableStream({
    type: "bytes",
    autoAllocateChunkSize: 64 * 1024,
    async pull(controller) {
      const request = controller.byobRequest;
      if (!(request?.view instanceof Uint8Array)) throw new TypeError("no buffer to read into");
      reader ??= body.getReader({ mode: "byob" });
      try {
        const { done, value } = await readInTime(reader, request.view, watch);
        if (done) {
          watch.onEnd();
          controller.close();
        }
        request.respondWithNewView(value ?? new Uint8Array());
      } catch (error) {
        watch.onEnd();
        reader.cancel(error).catch(() => undefined);
        throw error;
      }
    },
    async cancel(reason) {
      watch.onEnd();
      await (reader === undefined ? body.cancel(reason) : reader.cancel(reason));
    },
  });
}

async function readInTime(
  reader: ReadableStreamBYOBReader,
  view: Bytes,
  { idleSeconds, peer }: BodyWatch,
): Promise<ReadableStreamReadResult<Bytes>> {
  if (idleSeconds === null) return await reader.read(view);
  const { promise: silence, reject } = Promise.withResolvers<never>();
  const timer = setTimeout(
    () => reject(failure(504, `${peer} sent nothing for ${idleSeconds} s`)),
    idleSeconds * 1000,
  );
  const read = reader.read(view).catch((error: unknown) => {
    throw failure(502, `${peer} broke its answer off: ${describeCause(error)}`, error);
  });
  try {
    return await Promise.race([read, silence]);
  } finally {
    clearTimeout(timer);
    // Where silence was sooner, nobody is left to hear how the read ended.
    read.catch(() => undefined);
  }
}

function failure(status: number, message: string, cause?: unknown): RegistryError {
  return new RegistryError("UNAVAILABLE", message, { status, cause });
}
