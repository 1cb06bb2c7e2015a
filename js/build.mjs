/**
 * Builds the client (dist/) and the live page (../src/jitterbug/console/), and prints what they weigh compressed.
 *
 * Ends with status 1 when the types do not hold, a source of the page is missing, or a client or the page is over its
 * budget.
 */
import { execFileSync } from "node:child_process";
import {
  copyFileSync,
  existsSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  rmSync,
  writeFileSync,
} from "node:fs";
import { basename } from "node:path";
import { fileURLToPath } from "node:url";
import { gzipSync } from "node:zlib";
import { build } from "esbuild";
import { minify } from "terser";

const CLIENT = "dist";
const PAGE = "page";
const CONSOLE = "../src/jitterbug/console";
const PAGE_BUDGET_BYTES = 60_000;
/** What README.md promises of a client, bytes compressed. */
const CLIENT_BUDGETS_BYTES = { index: 18_000, tabs: 22_000, worker: 20_000, react: 1_000 };
const BROWSERS = "es2022";

process.chdir(fileURLToPath(new URL(".", import.meta.url)));
const { name, version, license } = JSON.parse(readFileSync("package.json", "utf8"));

await buildClient();
await buildPage();

async function buildClient() {
  rmSync(CLIENT, { recursive: true, force: true });
  const bundled = ["canonicalize", "eventsource-parser"];
  await build({
    // Each is whole by itself: an application takes one of the first two, and serves the worker as it is.
    entryPoints: {
      index: "src/index.ts",
      tabs: "src/tabs/index.ts",
      worker: "src/tabs/worker.ts",
      react: "src/react.ts",
    },
    outdir: CLIENT,
    bundle: true,
    external: ["react"],
    format: "esm",
    target: BROWSERS,
    minify: true,
    sourcemap: true,
    legalComments: "none",
    banner: { js: banner(bundled) },
  });
  writeFileSync(`${CLIENT}/LICENSES.txt`, licences(bundled));
  emitTypes();
  for (const [entry, budget] of Object.entries(CLIENT_BUDGETS_BYTES)) {
    await squeeze(`${CLIENT}/${entry}.js`);
    const bytes = weigh([`${CLIENT}/${entry}.js`], entry);
    if (bytes > budget) fail(`${entry}.js is over its budget of ${budget} bytes.`);
  }
}

function emitTypes() {
  const tsc = "node_modules/typescript/bin/tsc";
  execFileSync(process.execPath, [tsc, "-p", "tsconfig.build.json"], { stdio: "inherit" });
  // The sources import each other as .ts; beside the bundle there are only declarations.
  for (const file of readdirSync(`${CLIENT}/types`, { recursive: true })) {
    const path = `${CLIENT}/types/${file}`;
    if (!path.endsWith(".ts")) continue;
    writeFileSync(path, readFileSync(path, "utf8").replace(/(["']\.{1,2}\/[\w/-]+)\.ts(["'])/g, "$1.js$2"));
  }
}

async function buildPage() {
  const missing = ["main.ts", "style.css", "index.html"].filter((file) => !existsSync(`${PAGE}/${file}`));
  if (missing.length > 0) {
    fail(`The live page was not built: ${missing.map((file) => `js/${PAGE}/${file}`).join(", ")} missing.`);
    return;
  }
  mkdirSync(CONSOLE, { recursive: true });
  const bundled = ["canonicalize", "eventsource-parser", "uplot"];
  await build({
    entryPoints: [`${PAGE}/main.ts`, `${PAGE}/style.css`],
    outdir: CONSOLE,
    bundle: true,
    format: "esm",
    target: BROWSERS,
    minify: true,
    legalComments: "none",
    banner: { js: banner(bundled), css: banner(["uplot"]) },
  });
  await squeeze(`${CONSOLE}/main.js`);
  writeFileSync(`${CONSOLE}/LICENSES.txt`, licences(bundled));
  const copied = readdirSync(PAGE).filter((file) => file === "index.html" || file.endsWith(".svg"));
  for (const file of copied) copyFileSync(`${PAGE}/${file}`, `${CONSOLE}/${file}`);
  const bytes = weigh(
    ["main.js", "style.css", ...copied].map((file) => `${CONSOLE}/${file}`),
    "live page",
  );
  if (bytes > PAGE_BUDGET_BYTES) fail(`The live page is over its budget of ${PAGE_BUDGET_BYTES} bytes.`);
}

/** Minifies a second time, by a tool that takes longer and looks further: a twentieth less on the wire. */
async function squeeze(file) {
  const hasMap = existsSync(`${file}.map`);
  const { code, map } = await minify(readFileSync(file, "utf8"), {
    compress: { passes: 3 },
    ecma: 2022,
    module: true,
    format: { comments: /^!/ },
    sourceMap: hasMap && { content: readFileSync(`${file}.map`, "utf8"), url: `${basename(file)}.map` },
  });
  writeFileSync(file, code);
  if (hasMap) writeFileSync(`${file}.map`, map);
}

/** One comment that names what a bundle holds; the whole texts stand in LICENSES.txt beside it. */
function banner(packages) {
  const holds = packages
    .map((each) => `${each} ${manifest(each).version} (${manifest(each).license})`)
    .join(", ");
  return `/*! ${name} ${version} (${license}). Contains ${holds}: see LICENSES.txt */`;
}

function licences(packages) {
  return packages
    .map((each) => {
      const { version, license, author, contributors } = manifest(each);
      const by = [author, ...(contributors ?? [])].map((person) => person?.name ?? person).filter(Boolean);
      const text = readFileSync(`node_modules/${each}/LICENSE`, "utf8").trim();
      return `${each} ${version} (${license}), by ${by.join(", ")}\n\n${text}\n`;
    })
    .join(`\n${"-".repeat(80)}\n\n`);
}

function manifest(each) {
  return JSON.parse(readFileSync(`node_modules/${each}/package.json`, "utf8"));
}

/** Prints the compressed size of each file, and returns their sum in bytes. */
function weigh(files, title) {
  const sizes = files.map((file) => gzipSync(readFileSync(file), { level: 9 }).length);
  for (const [index, file] of files.entries()) console.log(`${String(sizes[index]).padStart(8)}  ${file}`);
  const sum = sizes.reduce((total, size) => total + size, 0);
  console.log(`${String(sum).padStart(8)}  ${title}, bytes compressed`);
  return sum;
}

function fail(why) {
  console.error(why);
  process.exitCode = 1;
}
