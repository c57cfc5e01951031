/**
 * A certificate authority of the test's own, and the certificates that it signs.
 */
import { runOk } from "./process.ts";
import { type TempDir, tempDir } from "./temp.ts";

/** A certificate with its key, as PEM text and as files. */
export interface Certificate {
  /** The certificate followed by its issuer's, where it has one. */
  cert: string;
  /** PKCS #8. */
  key: string;
  certFile: string;
  keyFile: string;
}

const NEW_KEY = ["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes"];

/** Makes a self-signed certificate; `extensions` are openssl's, one a line. */
export async function selfSigned(
  folder: TempDir,
  name: string,
  extensions: string[] = [],
): Promise<Certificate> {
  const certFile = folder.join(`${name}.crt`);
  const keyFile = folder.join(`${name}.key`);
  await runOk("openssl", [
    ...["req", "-x509", ...NEW_KEY, "-days", "30", "-subj", `/CN=${name}`],
    ...["-keyout", keyFile, "-out", certFile],
    ...extensions.flatMap((extension) => ["-addext", extension]),
  ]);
  return await read(certFile, keyFile);
}

async function read(certFile: string, keyFile: string): Promise<Certificate> {
  const [cert, key] = await Promise.all([certFile, keyFile].map((f) => Deno.readTextFile(f)));
  return { cert: cert ?? "", key: key ?? "", certFile, keyFile };
}

/** A local certificate authority. */
export class CertificateAuthority implements AsyncDisposable {
  readonly #folder: TempDir;
  readonly #own: Certificate;
  #issued = 0;

  constructor(folder: TempDir, own: Certificate) {
    this.#folder = folder;
    this.#own = own;
  }

  /** The certificate that clients have to trust, as PEM. */
  get cert(): string {
    return this.#own.cert;
  }

  /** The same in a file, for `DENO_CERT`, `--cert-dir` or `ca =`; its folder holds `ca.crt`. */
  get certFile(): string {
    return this.#own.certFile;
  }

  /** Signs a certificate for the given host names and IP addresses. */
  async issue(...names: string[]): Promise<Certificate> {
    const id = `leaf-${++this.#issued}`;
    const file = (suffix: string) => this.#folder.join("leaves", `${id}.${suffix}`);
    const alternatives = names.map((name) => `${isAddress(name) ? "IP" : "DNS"}:${name}`);
    await this.#folder.write(
      `leaves/${id}.ext`,
      `subjectAltName=${
        alternatives.join(",")
      }\nextendedKeyUsage=serverAuth\nbasicConstraints=CA:FALSE\n`,
    );
    await runOk("openssl", [
      ...["req", "-new", ...NEW_KEY, "-subj", `/CN=${names[0] ?? id}`],
      ...["-keyout", file("key"), "-out", file("csr")],
    ]);
    await runOk("openssl", [
      ...["x509", "-req", "-in", file("csr"), "-days", "30", "-extfile", file("ext")],
      ...["-CA", this.#own.certFile, "-CAkey", this.#own.keyFile, "-CAcreateserial"],
      ...["-out", file("crt")],
    ]);
    await Deno.writeTextFile(file("crt"), this.#own.cert, { append: true });
    return await read(file("crt"), file("key"));
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#folder[Symbol.asyncDispose]();
  }
}

function isAddress(name: string): boolean {
  return name.includes(":") || /^[\d.]+$/.test(name);
}

/** Makes a certificate authority, with a key of its own each time. */
export async function createCa(): Promise<CertificateAuthority> {
  const folder = await tempDir("ca");
  const own = await selfSigned(folder, "ca", [
    "basicConstraints=critical,CA:TRUE",
    "keyUsage=critical,keyCertSign,cRLSign",
  ]);
  return new CertificateAuthority(folder, own);
}
