/** Types of the functions used from `@std/path`, whose npm form has none. */
export function dirname(path: string): string;
export function join(...paths: string[]): string;
export function resolve(...paths: string[]): string;
