/** Public names of the client, and nothing else. */

export { connect } from "./client.ts";
export { JitterbugError, SecurityError } from "./errors.ts";
export type * from "./types.ts";
