// One page, a first script and three that load later, one style sheet, a file of texts for each language, each with its
// hash in its name: the same input gives the same bytes.
import { readFile } from "node:fs/promises";
import { defineConfig, transformWithOxc, type Plugin } from "vite";

const LANGUAGES = ["en", "es"];
// Texts that only parts need which load later (src/later): each language has one more file for them.
const LATER_TEXTS = ["rules", "registration", "management", "gateways", "retention", "erasure", "storage", "auditActions", "details"];

/** Make two JSON files of each language, and a module that has their addresses: the first texts, then the later ones. */
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
        const texts = Object.entries(module[name] as Record<string, unknown>);
        const files = [false, true].map((isLater) => {
          const source = JSON.stringify(Object.fromEntries(texts.filter(([key]) => LATER_TEXTS.includes(key) === isLater)));
          return `import.meta.ROLLUP_FILE_URL_${this.emitFile({ type: "asset", name: `texts-${isLater ? "later-" : ""}${name}.json`, source })}`;
        });
        lines.push(`${name}: [${files.join(", ")}]`);
      }
      return `export default { ${lines.join(", ")} };`;
    },
  };
}

const UNUSED = `
  join rangeLog rangeAsinh logAxisSplits asinhAxisSplits log10AxisValsFilt log2AxisValsFilt snapLogY snapAsinhY
  timeAxisStamps timeAxisVals timeAxisVal timeSeriesStamp timeSeriesVal fmtDate legendStroke legendFill numSeriesVal numAxisVals
  seriesPointsShow rangeNum _rangeNum
`;

// Inside the chart: its legend, series and bands that come and go, and the focus on one of several series.
const UNUSED_INSIDE = `
  initLegendRow setLegend setLegendValues syncLegend toggleDOM setSeries setFocus addSeries delSeries addBand delBand
`;
const namesOf = (text: string) => text.split(/\s+/).filter(Boolean);

/**
 * Leave out of uPlot what these charts don't use: its legend, logarithmic scales, own dates, other paths than lines.
 * A third of its bytes. uPlot's version is pinned; the build fails when it has another form.
 */
function slimPlot(): Plugin {
  const cut = (code: string, what: RegExp, by: string | ((found: string, part: string) => string)): string => {
    if (code.search(what) < 0) throw new Error(`uPlot has another form (${what}): see slimPlot in vite.config.ts`);
    return code.replace(what, by as string);
  };
  return {
    name: "slim-uplot",
    transform(code, id) {
      if (!id.endsWith("uPlot.esm.js")) return undefined;
      let slim = cut(code, /const showLegend = legend\.show;/, "const showLegend = false;");
      slim = cut(slim, /\nuPlot\.assign = assign;[\s\S]*(?=\nexport \{)/, "\nuPlot.tzDate = tzDate;\n");
      // One mode (aligned columns) and one kind of scale (linear): what asks for others is never so.
      slim = slim.replace(/\b(?:\w+\.)?distr\s*(?:==\s*(?:2|3|4|100)|>= 3)/g, "false").replace(/\bmode == (1|2)/g, (_, mode) => String(mode === "1"));
      slim = cut(slim, /const cursorFocus = focus\.prox >= 0;/, "const cursorFocus = false;");
      slim = cut(slim, /const _timeAxisStamps = \[[\s\S]*?\n\t\];/, "const _timeAxisStamps = [];");
      slim = cut(slim, /\bscaleX\.dir \* \(scaleX\.ori == 0 \? 1 : -1\)/g, "1");
      slim = cut(slim, /\b(?:scaleX|sx)\.ori == (0|1)/g, (_, ori) => String(ori === "0")); // the axis of times is never upright
      slim = cut(slim, /\blegend\.live\b/g, "false");
      slim = cut(slim, /const cursorOnePt = .*;/, "const cursorOnePt = false;");
      slim = cut(slim, /getBBox = points\.bbox;/, "getBBox = null;");
      slim = cut(slim, /let withProx = .*;/, "const withProx = false;");
      slim = cut(slim, /skip\.has\(yValues\[cursorIdx\]\)/, "false");
      slim = cut(slim, /let shouldAlpha = .*;/, "const shouldAlpha = false;");
      slim = cut(slim, /let uni = drag\.uni;/, "const uni = null;");
      slim = cut(slim, /dragY = drag\.y && rawDY >= drag\.dist;/, "dragY = false;");
      slim = cut(slim, /else if \(drag\.x && drag\.y && \(dragX \|\| dragY\)\)/, "else if (false)");
      slim = cut(slim, /const \[ timeIncrsMs.*genTimeStuffs\(1\);/, "const timeIncrsMs = [], timeAxisSplitsMs = () => noop, _timeAxisStampsMs = [];");
      slim = cut(slim, /\bms == 1 \?/g, "false ?");
      for (const name of namesOf(UNUSED)) slim = cut(slim, new RegExp(`^function ${name}\\([\\s\\S]*?^}`, "m"), `function ${name}() {}`);
      for (const name of namesOf(UNUSED_INSIDE)) slim = cut(slim, new RegExp(`^\\tfunction ${name}\\([\\s\\S]*?^\\t}`, "m"), `\tfunction ${name}() {}`);
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
