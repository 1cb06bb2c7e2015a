import { existsSync, readFileSync } from "node:fs";

/** One of the vector files at the root of the repository, which Python and TypeScript run alike. */
export function vectors<T>(name: string): T {
  const file = new URL(`../../../vectors/${name}.json`, import.meta.url);
  if (!existsSync(file)) {
    throw new Error(`vectors/${name}.json is missing: the vectors are part of the repository, not optional`);
  }
  return JSON.parse(readFileSync(file, "utf8")) as T;
}

/** Text of a case that is given as text or, where it is not UTF-8, as hexadecimal bytes. */
export function bytesOf(text: string | undefined, hex: string | undefined): Uint8Array {
  return hex === undefined ? new TextEncoder().encode(text) : Uint8Array.from(Buffer.from(hex, "hex"));
}
