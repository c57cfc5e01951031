/**
 * The assertions of every test, with types: `deno check` would otherwise see `any`.
 */
// @ts-types="./assert_types.d.ts"
export * from "@std/assert";
