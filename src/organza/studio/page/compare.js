// Several runs side by side: curves over one another, and samples at the same moment.
import { get, path } from "./api.js";
import { Charts } from "./charts.js";
import { count, digits, doing, duration, fill, h, segments, state } from "./dom.js";
import { listen, runs } from "./live.js";
import { series } from "./run.js";
import { Sheet, seen } from "./sheet.js";

const MOST = 6;

export async function open(body, _, query) {
  let chosen = (query.get("runs") ?? "").split(",").filter((name) => runs.get(name)?.kind === "run").slice(0, MOST);
  if (!chosen.length) { // the latest run, and one of the same size, whose numbers can be compared with its
    const latest = [...runs.values()].filter((run) => run.kind === "run" && run.images).sort((a, b) => b.changed - a.changed);
    chosen = latest.filter((run) => run.size === latest[0].size).slice(0, 2).map((run) => run.name);
  }
  const known = new Map();
  const charts = new Charts();
  const sheets = new Map();
  const panel = h("div", { class: "side-by-side" });
  const table = h("div", { class: "wide" });
  const all = {
    distance: charts.chart("Distance to real images", "Smaller is better. Comparable where data and size are the same."),
    diversity: charts.chart("Diversity", "1 is as varied as the real images.", { least: 0, levels: [{ at: 1, text: "real images" }] }),
    real: charts.chart("D(x)", "The discriminator's probability for real images.", { least: 0, most: 1, levels: [{ at: 0.5, text: "equilibrium" }] }),
    fake: charts.chart("D(G(z))", "The same for generated images.", { least: 0, most: 1, levels: [{ at: 0.5, text: "equilibrium" }] }),
    loss: charts.chart("Loss of the generator", "Its adversarial term."),
    rate: charts.chart("Speed", "Images a second.", { least: 0 }),
  };
  const moment = h("input", { type: "range", min: 0, max: 1, step: 0.01, value: 1, id: "share", "aria-valuetext": "at the end", oninput: () => show() });
  const choice = h("div", { class: "row", role: "group", "aria-label": "Runs to compare" });
  const units = segments("Horizontal axis", [["images", "Images"], ["seconds", "Time"]], "images", (unit) => { charts.unit = unit; charts.zoom(null); draw(); });

  function draw() {
    const pick = Object.fromEntries(Object.keys(all).map((key) => [key, []]));
    for (const name of chosen) {
      const found = known.get(name);
      if (!found) continue;
      const shown = series(found.points ?? [], found.checks ?? [], charts.unit, 0.8);
      const put = (key, one) => { if (one) pick[key].push({ ...one, name }); };
      put("distance", shown.distance[0]);
      put("diversity", shown.diversity[0]);
      put("real", shown.reality.find((one) => one.name === "D(x)"));
      put("fake", shown.reality.find((one) => one.name === "D(G(z))"));
      put("loss", shown.losses.find((one) => one.name === "generator"));
      put("rate", shown.rate[0]);
    }
    for (const [key, chart] of Object.entries(all)) chart.show(pick[key]);
    const rows = chosen.filter((name) => known.has(name)).map((name) => {
      const run = runs.get(name) ?? known.get(name).state;
      const checks = known.get(name).checks ?? [];
      const best = checks.filter((check) => check.mmd).reduce((a, b) => (!a || b.mmd[0] < a.mmd[0] ? b : a), null);
      return h("tr", {}, h("th", { scope: "row" }, h("a", { href: `/run/${path(name)}` }, name)), h("td", {}, state(run)), h("td", {}, run.recipe), h("td", {}, run.size), h("td", {}, count(run.images)), h("td", {}, duration(run.seconds)),
        h("td", {}, best ? `${digits(best.mmd[0])} ± ${digits(best.mmd[1])}` : "–"), h("td", {}, best?.variety ? digits(best.variety[0]) : "–"));
    });
    fill(table, h("table", { class: "num" }, h("thead", {}, h("tr", {}, ["run", "state", "recipe", "size", "images", "time", "best distance", "diversity there"].map((text) => h("th", { scope: "col" }, text)))), h("tbody", {}, rows)));
  }

  function show() {
    const share = Number(moment.value);
    moment.setAttribute("aria-valuetext", `${Math.round(share * 100)} % of each run`);
    for (const [name, sheet] of sheets) {
      const names = known.get(name)?.samples ?? [];
      if (!names.length) continue;
      const wanted = share * seen(names.at(-1));
      let at = names.findIndex((one) => seen(one) >= wanted);
      if (at < 0) at = names.length - 1;
      sheet.show(at, share >= 1);
    }
  }

  async function load() {
    history.replaceState(null, "", `/compare?runs=${chosen.map(encodeURIComponent).join(",")}`);
    fill(choice, [...runs.values()].filter((run) => run.kind === "run").sort((a, b) => a.name.localeCompare(b.name)).map((run) =>
      h("button", { type: "button", "aria-pressed": String(chosen.includes(run.name)), onclick: doing(async () => {
        chosen = chosen.includes(run.name) ? chosen.filter((one) => one !== run.name) : [...chosen, run.name].slice(-MOST);
        await load();
      }) }, run.name)));
    await Promise.all(chosen.map(async (name) => known.set(name, await get(`/api/runs/${path(name)}`))));
    for (const name of sheets.keys()) if (!chosen.includes(name)) sheets.delete(name);
    for (const name of chosen) {
      if (!sheets.has(name)) {
        const sheet = new Sheet(known.get(name).state);
        sheet.bar.hidden = true;
        sheets.set(name, sheet);
      }
      await sheets.get(name).take(known.get(name).samples ?? [], known.get(name).state);
      sheets.get(name).bar.hidden = true;
    }
    fill(panel, chosen.map((name) => h("figure", { class: "card" }, h("figcaption", { class: "row spread" }, h("h2", {}, h("a", { href: `/run/${path(name)}` }, name)), sheets.get(name).caption), sheets.get(name).cells)));
    draw();
    show();
  }

  fill(body, h("div", { class: "head" }, h("div", {}, h("h1", {}, "Compare"), h("p", { class: "lead" }, "Up to six runs: samples at the same moment, curves over one another.")), choice),
    h("section", { class: "card", "aria-label": "Numbers" }, table), h("div", { class: "row moment card" }, h("label", { for: "share" }, "Moment"), moment), panel,
    h("section", { class: "card", "aria-label": "Curves" }, h("div", { class: "row spread" }, h("h2", {}, "Curves"), h("div", { class: "row" }, charts.tools(), units)), h("div", { class: "chart-grid" }, Object.values(all).map((one) => one.element))));
  if (!chosen.length) {
    fill(body, h("div", { class: "empty" }, h("h1", {}, "Nothing to compare yet"), h("p", {}, "Train two runs, for example the same images with two recipes."), h("a", { class: "button main", href: "/new" }, "Train one")));
    return null;
  }
  await load();
  let later = null;
  const end = listen((kind, message) => {
    if ((kind === "points" || kind === "run" || kind === "rewritten") && chosen.includes(message.name)) later ??= setTimeout(() => { later = null; load().catch(() => {}); }, 3000);
  });
  return () => { end(); charts.end(); clearTimeout(later); };
}
