/**
 * The types of the assertions that the tests use; the package itself ships none.
 */

export class AssertionError extends Error {}

export function assert(value: unknown, message?: string): asserts value;
export function assertFalse(value: unknown, message?: string): void;
export function assertEquals<T>(actual: T, expected: NoInfer<T>, message?: string): void;
export function assertNotEquals<T>(actual: T, expected: NoInfer<T>, message?: string): void;
export function assertExists<T>(actual: T, message?: string): asserts actual is NonNullable<T>;
export function assertStringIncludes(actual: string, expected: string, message?: string): void;
export function assertMatch(actual: string, expected: RegExp, message?: string): void;
export function assertGreater<T>(actual: T, than: NoInfer<T>, message?: string): void;
export function assertGreaterOrEqual<T>(actual: T, than: NoInfer<T>, message?: string): void;
export function assertLess<T>(actual: T, than: NoInfer<T>, message?: string): void;
export function assertLessOrEqual<T>(actual: T, than: NoInfer<T>, message?: string): void;
export function fail(message?: string): never;

// `never` parameters admit the constructor of any signature.
type ErrorClass<E extends Error> = abstract new (...args: never[]) => E;

export function assertThrows<E extends Error>(
  fn: () => unknown,
  errorClass: ErrorClass<E>,
  messageIncludes?: string,
  message?: string,
): E;
export function assertThrows(fn: () => unknown, message?: string): unknown;

export function assertRejects<E extends Error>(
  fn: () => PromiseLike<unknown>,
  errorClass: ErrorClass<E>,
  messageIncludes?: string,
  message?: string,
): Promise<E>;
export function assertRejects(fn: () => PromiseLike<unknown>, message?: string): Promise<unknown>;
