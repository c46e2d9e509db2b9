// Writes the libraries of the console as one file, and their licences, into a directory: by default the site's.

import { readFileSync, readdirSync, writeFileSync } from "node:fs";
import { fileURLToPath } from "node:url";

import { build } from "esbuild";

const here = (path) => fileURLToPath(new URL(path, import.meta.url));
const target = process.argv[2] ?? here("../site");

const { metafile, outputFiles } = await build({
  absWorkingDir: here("."),
  entryPoints: ["entry.js"],
  bundle: true,
  minify: true,
  format: "esm",
  target: "es2022",
  legalComments: "none",
  metafile: true,
  write: false,
});

function licence(name) {
  const directory = here(`node_modules/${name}`);
  const { version, license } = JSON.parse(readFileSync(`${directory}/package.json`, "utf8"));
  const file = readdirSync(directory).find((entry) => /^licen[cs]e/i.test(entry));
  const text = file ? readFileSync(`${directory}/${file}`, "utf8").trim() : "";
  return `${name} ${version} under ${license.replace(/^\((.*)\)$/, "$1")}\n\n${text}`.trim();
}

const bundled = Object.keys(metafile.inputs).map((path) => /^node_modules\/((?:@[^/]+\/)?[^/]+)\//.exec(path)?.[1]);
const names = [...new Set(bundled.filter(Boolean))].sort();
const notice = "/*! The libraries of the console; their licences are in licenses.txt. Made by ../libraries/build.js. */\n";
writeFileSync(`${target}/libraries.js`, notice + outputFiles[0].text);
writeFileSync(`${target}/licenses.txt`, `${names.map(licence).join(`\n\n${"-".repeat(80)}\n\n`)}\n`);
