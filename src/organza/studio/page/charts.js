// Curves over images seen or time: uPlot draws them; all charts of a group share cursor and zoom. Below each
// stands its legend with the values under the cursor, and a table of the last values for those who see no canvas.
import { count, digits, duration, fill, h, short } from "./dom.js";

const colour = (number) => getComputedStyle(document.documentElement).getPropertyValue(`--line${number % 6}`).trim();
const named = (name) => getComputedStyle(document.documentElement).getPropertyValue(name).trim();
const DASHES = [[], [7, 3], [2, 3], [9, 3, 2, 3], [4, 4], [12, 4]];

/** A moving average that begins at the first value; strength 0 leaves values as they are. */
export function smoothed(values, strength) {
  if (!strength) return values;
  let mean = null;
  return values.map((value) => {
    if (value === null || value === undefined) return value;
    mean = mean === null ? value : mean * strength + value * (1 - strength);
    return mean;
  });
}

/** Several series over their own places, as columns over common ones. */
export function aligned(series) {
  const places = [...new Set(series.flatMap((one) => one.x))].sort((a, b) => a - b);
  const index = new Map(places.map((place, at) => [place, at]));
  return [places, ...series.map((one) => {
    const column = new Array(places.length).fill(null);
    one.x.forEach((place, at) => { column[index.get(place)] = one.y[at]; });
    return column;
  })];
}

function band(plot, number, errors) {
  const { ctx } = plot;
  ctx.save();
  ctx.strokeStyle = colour(number);
  ctx.lineWidth = 1.5 * devicePixelRatio;
  plot.data[0].forEach((place, at) => {
    const value = plot.data[number + 1][at];
    const error = errors[at];
    if (value === null || value === undefined || !error) return;
    const x = plot.valToPos(place, "x", true);
    ctx.beginPath();
    ctx.moveTo(x, plot.valToPos(value - error, "y", true));
    ctx.lineTo(x, plot.valToPos(value + error, "y", true));
    ctx.stroke();
  });
  ctx.restore();
}

/** A group of charts with one zoom and one cursor. */
export class Charts {
  constructor() {
    this.plots = [];
    this.key = `group-${Math.random()}`;
    this.range = null;
    this.unit = "images";
    this.setting = false;
    this.watch = new ResizeObserver(() => this.plots.forEach((one) => one.fit()));
    this.scheme = matchMedia("(prefers-color-scheme: dark)");
    this.recolour = () => this.plots.forEach((one) => one.rebuild());
    this.scheme.addEventListener("change", this.recolour);
  }

  /** A chart: {title, about, level, series: [{name, x, y, errors, points}], low, high}. Returns a card with a function `show`. */
  chart(title, about, options = {}) {
    const one = new Chart(this, title, about, options);
    this.plots.push(one);
    return one;
  }

  /** The places that all charts cover. */
  whole() {
    const ends = this.plots.flatMap((one) => (one.data?.[0].length ? [one.data[0][0], one.data[0].at(-1)] : []));
    return ends.length ? [Math.min(...ends), Math.max(...ends)] : null;
  }

  zoom(low, high) {
    this.range = low === null ? null : [low, high];
    this.setting = true;
    for (const one of this.plots) one.scale();
    this.setting = false;
    this.changed?.(this.range);
  }

  /** Zoom by a factor around the middle, or move by a share of the width. */
  step(factor, shift = 0) {
    const whole = this.whole();
    if (!whole) return;
    const [least, most] = whole;
    const [low, high] = this.range ?? [least, most];
    const half = ((high - low) / 2) * factor;
    const middle = (low + high) / 2 + shift * (high - low);
    const next = [Math.max(least, middle - half), Math.min(most, middle + half)];
    if (next[0] <= least && next[1] >= most) this.zoom(null);
    else this.zoom(...next);
  }

  tools() {
    const button = (text, label, action) => h("button", { type: "button", class: "quiet", "aria-label": label, onclick: action }, text);
    const reset = button("Whole run", "Show the whole run", () => this.zoom(null));
    this.changed = (range) => { reset.disabled = !range; };
    reset.disabled = true;
    return h("div", { class: "row tools", role: "group", "aria-label": "Zoom of the curves" },
      button("←", "Earlier", () => this.step(1, -0.3)), button("−", "Zoom out", () => this.step(2)),
      button("+", "Zoom in", () => this.step(0.5)), button("→", "Later", () => this.step(1, 0.3)), reset);
  }

  end() {
    this.watch.disconnect();
    this.scheme.removeEventListener("change", this.recolour);
    for (const one of this.plots) one.plot?.destroy();
  }
}

class Chart {
  constructor(group, title, about, options) {
    this.group = group;
    this.options = options;
    this.series = [];
    this.place = h("div", { class: "plot", role: "img", "aria-label": title });
    this.legend = h("ul", { class: "legend" });
    this.table = h("div", { class: "wide" });
    this.more = h("details", { class: "values" }, h("summary", {}, "Values"), this.table);
    this.element = h("figure", { class: "chart" }, h("figcaption", {}, h("h3", {}, title), about ? h("p", { class: "small" }, about) : null), this.place, this.legend, this.more);
    this.title = title;
    this.more.addEventListener("toggle", () => this.tabulate());
    group.watch.observe(this.element);
  }

  show(series) {
    const names = JSON.stringify(series.map((one) => one.name));
    this.series = series;
    this.data = aligned(series);
    this.errors = series.map((one) => {
      if (!one.errors) return null;
      const at = new Map(one.x.map((place, index) => [place, one.errors[index]]));
      return this.data[0].map((place) => at.get(place) ?? 0);
    });
    this.element.hidden = !series.some((one) => one.x.length);
    if (this.element.hidden) return;
    if (!this.plot || names !== this.names) {
      this.names = names;
      this.rebuild();
    } else {
      this.group.setting = true;
      this.plot.setData(this.data, false);
      this.group.setting = false;
      this.scale();
    }
    this.values(this.data[0].length - 1, true);
    if (this.more.open) this.tabulate();
    this.place.setAttribute("aria-label", `${this.title}. ${series.map((one) => `${one.name}: ${digits(one.y.at(-1))}`).join(", ")}.`);
  }

  rebuild() {
    this.plot?.destroy();
    this.plot = null;
    if (!this.data?.[0].length || !this.place.isConnected) return;
    const soft = named("--soft");
    const edge = named("--edge");
    const axis = { stroke: soft, grid: { stroke: edge, width: 1 }, ticks: { show: false }, font: "12px system-ui", gap: 6 };
    const time = () => this.group.unit === "seconds";
    this.plot = new uPlot({
      ...this.size(),
      legend: { show: false },
      padding: [8, 24, 0, 0],
      cursor: { sync: { key: this.group.key, setSeries: false }, drag: { x: true, y: false }, points: { size: 8 }, focus: { prox: 24 } },
      scales: { x: { time: false }, y: { range: (_, low, high) => this.limits(low, high) } },
      axes: [
        { ...axis, grid: { show: false }, values: (_, values) => values.map((value) => (time() ? duration(value) : short(value))), size: 30, space: 76 },
        { ...axis, values: (_, values) => values.map(digits), size: 54, space: 34 },
      ],
      series: [{}, ...this.series.map((one, number) => ({
        label: one.name, stroke: colour(number), width: 2, dash: DASHES[number % DASHES.length], spanGaps: true,
        points: { show: one.points === true || one.x.length < 3, size: 6, fill: colour(number) },
      }))],
      hooks: {
        setCursor: [(plot) => this.values(plot.cursor.idx ?? this.data[0].length - 1, plot.cursor.idx === null || plot.cursor.idx === undefined)],
        setScale: [(plot, key) => this.scaled(plot, key)],
        draw: [(plot) => {
          this.errors.forEach((errors, number) => { if (errors) band(plot, number, errors); });
          for (const level of this.options.levels ?? []) this.level(plot, level);
        }],
      },
    }, this.data, this.place);
    this.plot.over.addEventListener("dblclick", () => this.group.zoom(null));
    this.scale();
  }

  limits(low, high) {
    const { least, most } = this.options;
    if (low === null || high === null) return [0, 1];
    const [first, last] = this.group.range ?? [-Infinity, Infinity];
    this.errors.forEach((errors, number) => errors?.forEach((error, at) => { // bars stay inside of the plot
      const value = this.data[number + 1][at];
      if (value === null || value === undefined || this.data[0][at] < first || this.data[0][at] > last) return;
      low = Math.min(low, value - error);
      high = Math.max(high, value + error);
    }));
    const room = (high - low || Math.abs(high) || 1) * 0.08;
    return [least !== undefined ? Math.min(least, low) : low - room, most !== undefined ? Math.max(most, high) : high + room];
  }

  level(plot, { at, text }) {
    const { ctx, bbox } = plot;
    const y = plot.valToPos(at, "y", true);
    if (y < bbox.top || y > bbox.top + bbox.height) return;
    ctx.save();
    ctx.strokeStyle = named("--soft");
    ctx.fillStyle = named("--soft");
    ctx.setLineDash([3 * devicePixelRatio, 4 * devicePixelRatio]);
    ctx.beginPath();
    ctx.moveTo(bbox.left, y);
    ctx.lineTo(bbox.left + bbox.width, y);
    ctx.stroke();
    ctx.font = `${11 * devicePixelRatio}px system-ui`;
    ctx.textAlign = "right";
    ctx.fillText(text, bbox.left + bbox.width - 4, y - 5 * devicePixelRatio);
    ctx.restore();
  }

  scaled(plot, key) {
    if (key !== "x" || this.group.setting || !this.data[0].length) return;
    const { min, max } = plot.scales.x;
    const [least, most] = this.group.whole();
    if (min > least || max < most) this.group.zoom(min, max);
  }

  scale() {
    if (!this.plot || !this.data[0].length) return;
    const [min, max] = this.group.range ?? this.group.whole();
    const was = this.group.setting;
    this.group.setting = true;
    this.plot.batch(() => this.plot.setScale("x", { min, max: max > min ? max : min + 1 }));
    queueMicrotask(() => { this.group.setting = was; });
  }

  size() {
    return { width: Math.max(200, this.place.clientWidth || this.element.clientWidth - 2), height: innerWidth < 720 ? 170 : 210 };
  }

  fit() {
    if (!this.plot) {
      if (this.data) this.rebuild();
      return;
    }
    const size = this.size();
    if (size.width !== this.plot.width) this.plot.setSize(size);
  }

  values(at, last) {
    const place = this.data[0][at];
    fill(this.legend, this.series.map((one, number) => {
      let value = this.data[number + 1][at];
      if (last) value = one.y.at(-1);
      const error = this.errors[number]?.[at];
      const line = h("span", { class: `dash dash${number % 6}`, "aria-hidden": "true" });
      return h("li", {}, line, `${one.name} `, h("b", { class: "num" }, digits(value)), error && value !== null && value !== undefined ? h("span", { class: "small" }, ` ± ${digits(error)}`) : null);
    }), h("li", { class: "where num" }, this.group.unit === "seconds" ? duration(place) : `${count(place)} images`));
  }

  tabulate() {
    if (!this.more.open) return;
    const step = Math.max(1, Math.floor(this.data[0].length / 12));
    const rows = this.data[0].map((place, at) => at).filter((at) => at % step === 0 || at === this.data[0].length - 1);
    fill(this.table, h("table", { class: "num" }, h("thead", {}, h("tr", {}, h("th", { scope: "col" }, this.group.unit === "seconds" ? "time" : "images"), this.series.map((one) => h("th", { scope: "col" }, one.name)))),
      h("tbody", {}, rows.map((at) => h("tr", {}, h("th", { scope: "row" }, this.group.unit === "seconds" ? duration(this.data[0][at]) : count(this.data[0][at])), this.series.map((_, number) => h("td", {}, digits(this.data[number + 1][at]))))))));
  }
}
