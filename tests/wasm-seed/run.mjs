// Prints a line for each seed from 0 below the number given, as main.rs does: run.mjs MODULE COUNT
import { readFile } from "node:fs/promises";

const [path, count] = process.argv.slice(2);
const module = await WebAssembly.compile(await readFile(path));
const imports = WebAssembly.Module.imports(module);
if (imports.length > 0) {
  console.error("the module imports", imports, "and should need nothing of its host");
  process.exit(1);
}
const { exports } = await WebAssembly.instantiate(module);
for (let seed = 0n; seed < BigInt(count); seed++) {
  const hash = BigInt.asUintN(64, exports.trace_hash(seed));
  console.log(`${seed} ${hash.toString(16).padStart(16, "0")}`);
}
