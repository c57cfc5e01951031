/** Bodies that are small by nature, read whole and bounded. */

/**
 * Reads a body of at most `maxBytes` bytes; a longer one is cancelled and gives undefined.
 *
 * @throws what the body throws when its transfer breaks.
 */
export async function readBounded(
  message: Response | Request,
  maxBytes: number,
): Promise<Uint8Array<ArrayBuffer> | undefined> {
  const body: ReadableStream<Uint8Array> | null = message.body;
  if (body === null) return new Uint8Array();
  const chunks: Uint8Array[] = [];
  let length = 0;
  for await (const chunk of body) {
    length += chunk.length;
    if (length > maxBytes) return undefined;
    chunks.push(chunk);
  }
  const whole = new Uint8Array(length);
  let offset = 0;
  for (const chunk of chunks) {
    whole.set(chunk, offset);
    offset += chunk.length;
  }
  return whole;
}
