import { readdirSync, readFileSync } from "node:fs";
import { describe, expect, it } from "vitest";

const directory = new URL("../src/", import.meta.url);
const sources = readdirSync(directory).map(
  (file) => [file, readFileSync(new URL(file, directory), "utf8")] as const,
);

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

  it("need nothing of Node (O34), and nothing at install", () => {
    expect(filesWith(/from "node:|\bBuffer\b|\bprocess\b|require\(/)).toEqual([]);
    const manifest = JSON.parse(readFileSync(new URL("../package.json", import.meta.url), "utf8"));
    expect([manifest.dependencies, manifest.peerDependencies]).toEqual([undefined, undefined]);
  });

  it("neither evaluate text nor touch the page", () => {
    expect(filesWith(/\beval\(|new Function|innerHTML|\bdocument\b|\bwindow\b/)).toEqual([]);
  });

  it("compare no signature as text (R34, T6)", () => {
    expect(filesWith(/sig\s*[!=]==|[!=]==\s*(frame\.)?sig\b/)).toEqual([]);
  });
});
