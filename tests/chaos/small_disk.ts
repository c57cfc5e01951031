/** File systems of a few megabytes that can be filled, and made to fail. Takes root. */
import { join } from "node:path";
import { runOk } from "../support/process.ts";
import { type TempDir, tempDir } from "../support/temp.ts";

const MIB = 1 << 20;

/** A mounted file system. */
export class SmallDisk implements AsyncDisposable {
  /** Where it is mounted. */
  readonly path: string;
  readonly #folder: TempDir;
  readonly #image: string | undefined;

  constructor(folder: TempDir, path: string, image: string | undefined) {
    this.#folder = folder;
    this.path = path;
    this.#image = image;
  }

  /** Leaves no more than so many bytes free. */
  async fill(leftBytes = 0): Promise<void> {
    using file = await Deno.open(join(this.path, "ballast"), { append: true, create: true });
    const piece = new Uint8Array(MIB);
    for (let left = await this.freeBytes(); left > leftBytes; left = await this.freeBytes()) {
      try {
        await file.write(piece.subarray(0, Math.min(piece.length, left - leftBytes)));
      } catch {
        // Full: somebody else was quicker.
        return;
      }
    }
  }

  /** Frees what {@linkcode fill} took. */
  async empty(): Promise<void> {
    await Deno.remove(join(this.path, "ballast"));
  }

  async freeBytes(): Promise<number> {
    const text = await runOk("stat", ["-f", "-c", "%a %S", this.path]);
    const [blocks = 0, size = 0] = text.trim().split(" ").map(Number);
    return blocks * size;
  }

  /** Makes it fail as the kernel does after an error: read-only, whoever has files open. */
  async failWrites(): Promise<void> {
    await runOk("mount", ["-o", "remount,abort", this.path]);
  }

  /** Repairs it and mounts it anew. Nobody may have files open. */
  async repair(): Promise<void> {
    if (this.#image === undefined) throw new TypeError("there is nothing to repair in memory");
    await runOk("umount", [this.path]);
    await runOk("sh", ["-c", 'e2fsck -f -y "$1" >/dev/null; test $? -le 1', "sh", this.#image]);
    await runOk("mount", ["-o", "loop", this.#image, this.path]);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await runOk("umount", ["-l", this.path]);
    await this.#folder[Symbol.asyncDispose]();
  }
}

/** Mounts one in memory, or on a file as a disk that can fail. */
export async function mountSmallDisk(kind: "memory" | "file", bytes: number): Promise<SmallDisk> {
  const folder = await tempDir("disk");
  const path = await folder.makeDir("mounted");
  if (kind === "memory") {
    await runOk("mount", ["-t", "tmpfs", "-o", `size=${bytes}`, "tmpfs", path]);
    return new SmallDisk(folder, path, undefined);
  }
  const image = folder.join("image");
  await Deno.writeFile(image, new Uint8Array());
  await Deno.truncate(image, bytes);
  await runOk("mkfs.ext4", ["-q", "-m", "0", image]);
  await runOk("mount", ["-o", "loop", image, path]);
  return new SmallDisk(folder, path, image);
}
