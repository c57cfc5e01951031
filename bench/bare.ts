/**
 * The runtime's own server with nothing to do: one constant answer from memory, of so many bytes on
 * such a port. What it reaches bounds whatever is built on it.
 */
const [port, bytes] = Deno.args.map(Number);
const body = new Uint8Array(bytes ?? 0);
const headers = { "content-type": "application/octet-stream", "content-length": String(bytes) };
Deno.serve({ hostname: "127.0.0.1", port: port ?? 0, onListen: () => {} }, () => {
  return new Response(body, { headers });
});
