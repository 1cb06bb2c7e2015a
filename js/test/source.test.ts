import { readdirSync, readFileSync } from "node:fs";
import { describe, expect, it } from "vitest";

const directory = new URL("../src/", import.meta.url);
const sources = readdirSync(directory, { recursive: true, encoding: "utf8" })
  .filter((file) => file.endsWith(".ts"))
  .map((file) => [file, readFileSync(new URL(file, directory), "utf8")] as const);

/** Source without comments, so that a file may speak of what it must not do. */
const code = (source: string) => source.replace(/\/\*[\s\S]*?\*\//g, "").replace(/^\s*\/\/.*$/gm, "");
const filesWith = (pattern: RegExp) =>
  sources.filter(([, source]) => pattern.test(code(source))).map(([file]) => file);

describe("the sources", () => {
  it("name no storage of the browser (R3)", () => {
    expect(filesWith(/localStorage|sessionStorage|indexedDB|\bcookie\b|\bcaches\b|serviceWorker/)).toEqual(
      [],
    );
  });

  it("touch subtle crypto in one file only", () => {
    expect(filesWith(/\bsubtle\b/)).toEqual(["signing.ts"]);
  });

  it("let no other code outlive a page but the tabs' worker, which ends with the last of them", () => {
    expect(filesWith(/\bSharedWorker\b/)).toEqual(["tabs/line.ts"]);
  });

  it("need nothing of Node (O34), and nothing at install", () => {
    expect(filesWith(/from "node:|\bBuffer\b|\bprocess\b|require\(/)).toEqual([]);
    const manifest = JSON.parse(readFileSync(new URL("../package.json", import.meta.url), "utf8"));
    expect(manifest.dependencies).toBeUndefined();
    expect(Object.keys(manifest.peerDependencies)).toEqual(["react"]);
    expect(manifest.peerDependenciesMeta).toEqual({ react: { optional: true } });
    expect(filesWith(/from "(?!\.)/)).toEqual(["canonical.ts", "react.ts", "sse.ts"]);
  });

  it("neither evaluate text nor touch the page", () => {
    expect(filesWith(/\beval\(|new Function|innerHTML|\bdocument\b|\bwindow\b/)).toEqual([]);
  });

  it("compare no signature as text (R34, T6)", () => {
    expect(filesWith(/sig\s*[!=]==|[!=]==\s*(frame\.)?sig\b/)).toEqual([]);
  });
});
