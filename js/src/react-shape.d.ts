/** The part of React that react.ts uses, so that its types need not be installed to build this client. */
declare module "react" {
  export function useMemo<T>(make: () => T, from: readonly unknown[]): T;
  export function useSyncExternalStore<T>(
    subscribe: (changed: () => void) => () => void,
    get: () => T,
    getOnServer: () => T,
  ): T;
}
