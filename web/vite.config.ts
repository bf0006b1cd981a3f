// One page, a first script and three that load later, one style sheet, a file of texts for each language, each with its
// hash in its name: the same input gives the same bytes.
import { readFile } from "node:fs/promises";
import { defineConfig, transformWithOxc, type Plugin } from "vite";

const LANGUAGES = ["en", "es"];

/** Make a JSON file of each language, and a module that has their addresses. */
function textsPlugin(): Plugin {
  return {
    name: "texts",
    resolveId: (id) => (id === "virtual:texts" ? "\0texts" : undefined),
    async load(id) {
      if (id !== "\0texts") return undefined;
      const lines: string[] = [];
      for (const name of LANGUAGES) {
        const path = new URL(`src/texts/${name}.ts`, import.meta.url).pathname;
        const { code } = await transformWithOxc(await readFile(path, "utf8"), path);
        const module = (await import(`data:text/javascript,${encodeURIComponent(code)}`)) as Record<string, unknown>;
        const reference = this.emitFile({ type: "asset", name: `texts-${name}.json`, source: JSON.stringify(module[name]) });
        lines.push(`${name}: import.meta.ROLLUP_FILE_URL_${reference}`);
      }
      return `export default { ${lines.join(", ")} };`;
    },
  };
}

const UNUSED = `
  join rangeLog rangeAsinh logAxisSplits asinhAxisSplits log10AxisValsFilt log2AxisValsFilt snapLogY snapAsinhY
  timeAxisStamps timeAxisVals timeAxisVal timeSeriesStamp timeSeriesVal fmtDate legendStroke legendFill numSeriesVal
`;

/**
 * Leave out of uPlot what these charts don't use: its legend, logarithmic scales, own dates, other paths than lines.
 * A third of its bytes. uPlot's version is pinned; the build fails when it has another form.
 */
function slimPlot(): Plugin {
  const cut = (code: string, what: RegExp, by: string): string => {
    if (!what.test(code)) throw new Error(`uPlot has another form (${what}): see slimPlot in vite.config.ts`);
    return code.replace(what, by);
  };
  return {
    name: "slim-uplot",
    transform(code, id) {
      if (!id.endsWith("uPlot.esm.js")) return undefined;
      let slim = cut(code, /const showLegend = legend\.show;/, "const showLegend = false;");
      slim = cut(slim, /\nuPlot\.assign = assign;[\s\S]*(?=\nexport \{)/, "\nuPlot.tzDate = tzDate;\n");
      // One mode (aligned columns) and one kind of scale (linear): what asks for others is never so.
      slim = slim.replace(/\b(?:\w+\.)?distr\s*(?:==\s*(?:2|3|4|100)|>= 3)/g, "false").replace(/\bmode == (1|2)/g, (_, mode) => String(mode === "1"));
      for (const name of UNUSED.split(/\s+/).filter(Boolean)) slim = cut(slim, new RegExp(`^function ${name}\\([\\s\\S]*?^}`, "m"), `function ${name}() {}`);
      return { code: slim, map: null };
    },
  };
}

const SHARED = [
  { name: "charts", test: /uPlot\.esm|src\/(charts|device\/(charts|range_bar|tail))/ },
  { name: "lists", test: /src\/lib\/(pages|range|zones)/ },
  { name: "actions", test: /src\/(commands\/(list|details|course|form|dialog|follow)|admin\/life|ui\/(place_picker|facts))/ },
];

export default defineConfig({
  base: "/",
  plugins: [textsPlugin(), slimPlot()],
  oxc: { jsx: { runtime: "classic", pragma: "h", pragmaFrag: "Fragment" }, jsxInject: 'import { h, Fragment } from "preact";' },
  build: {
    outDir: "../pages/static",
    emptyOutDir: true,
    target: "es2022",
    cssTarget: ["chrome125", "firefox128", "safari18"],
    cssCodeSplit: false,
    modulePreload: false, // its helper is larger than the one more round trip of a page that loads later
    assetsInlineLimit: 0,
    reportCompressedSize: false,
    // The first script has the shell, the overview and the list; each file of src/later is one more. What several of those
    // need is in SHARED instead of a small file for each set of them: fewer files pack better.
    rolldownOptions: { output: { minify: true, codeSplitting: { includeDependenciesRecursively: false, groups: SHARED } } },
  },
});
