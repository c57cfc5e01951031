/** Types of what is used of the S3 server, which has none. */

/** A request and its answer. */
export interface Context {
  readonly method: string;
  readonly path: string;
  readonly query: Readonly<Record<string, string>>;
  readonly headers: Readonly<Record<string, string>>;
  status: number;
  type: string;
  body: string;
}

/** The server. */
export default class S3rver {
  constructor(options: {
    port: number;
    address: string;
    silent: boolean;
    directory: string;
    configureBuckets: { name: string }[];
    vhostBuckets: boolean;
  });
  readonly store: {
    getResourcePath(bucket: string, key: string | undefined, resource: string): string;
  };
  readonly middleware: ((context: Context, next: () => Promise<void>) => Promise<void>)[];
  run(): Promise<unknown>;
  close(): Promise<void>;
}
