// A sample grid: the images of fixed latents. Each can be opened and followed over the whole run.
import { path } from "./api.js";
import { add, count, fill, h } from "./dom.js";

/** The cells of a sheet: images of the run's size, or several side by side, with two pixels between them. */
export function geometry(width, height, run) {
  const [H, W] = { volumes: [96, 96], vectors: [320, 320] }[run.unit] ?? run.shape.slice(-2);
  for (const parts of [1, 2, 3, 4]) {
    const columns = (width + 2) / (parts * W + 2);
    const rows = (height + 2) / (H + 2);
    if (Number.isInteger(columns) && Number.isInteger(rows)) return { columns, rows, width: parts * W, height: H };
  }
  return { columns: 1, rows: 1, width, height };
}

const loaded = new Map();

/** An image that is decoded, so that it can be shown without a flash. */
export function ready(url) {
  if (!loaded.has(url)) {
    const image = new Image();
    image.src = url;
    loaded.set(url, image.decode().then(() => image));
    loaded.get(url).catch(() => loaded.delete(url));
    if (loaded.size > 400) loaded.delete(loaded.keys().next().value);
  }
  return loaded.get(url);
}

export const address = (run, name) => `/api/runs/${path(run.name)}/samples/${name}`;
export const seen = (name) => Number(name.split(".")[0]);

/** Place one cell of a sheet as the background of an element. */
export function cell(element, url, grid, at) {
  const [column, row] = [at % grid.columns, Math.floor(at / grid.columns)];
  const [all, high] = [grid.columns * (grid.width + 2) - 2, grid.rows * (grid.height + 2) - 2];
  const share = (offset, size, whole) => (whole > size ? `${(offset / (whole - size)) * 100}%` : "0%");
  element.style.backgroundImage = `url("${url}")`;
  element.style.backgroundSize = `${(all / grid.width) * 100}% ${(high / grid.height) * 100}%`;
  element.style.backgroundPosition = `${share(column * (grid.width + 2), grid.width, all)} ${share(row * (grid.height + 2), grid.height, high)}`;
  element.style.aspectRatio = `${grid.width} / ${grid.height}`;
}

/** The live sample grid of a run, with a slider over its history. */
export class Sheet {
  constructor(run) {
    this.run = run;
    this.names = [];
    this.at = -1;
    this.follow = true;
    this.kind = "generated";
    this.grid = null;
    this.cells = h("div", { class: "cells", role: "group", "aria-label": "Samples: arrow keys move, Enter opens one over time" });
    this.caption = h("output", { class: "num", for: "moment" });
    this.slider = h("input", { type: "range", id: "moment", min: 0, max: 0, step: 1, "aria-label": "Time: images seen" });
    this.slider.addEventListener("input", () => this.show(Number(this.slider.value), Number(this.slider.value) === this.names.length - 1));
    this.play = h("button", { type: "button", class: "quiet", onclick: () => this.toggle() }, "▶ Play");
    this.bar = h("div", { class: "row moment" }, this.play, this.slider, this.caption);
    this.element = h("div", { class: "sheet" }, this.cells, this.bar);
    this.cells.addEventListener("keydown", (event) => this.move(event));
    this.cells.addEventListener("click", (event) => {
      const button = event.target.closest("button");
      if (button) this.open(Number(button.dataset.at));
    });
  }

  async take(names, run = this.run) {
    this.run = run;
    this.names = names;
    this.slider.max = Math.max(0, names.length - 1);
    this.bar.hidden = names.length < 2;
    if (names.length && (this.follow || this.at >= names.length)) await this.show(names.length - 1, true);
    else if (!names.length) fill(this.cells, h("p", { class: "small wait" }, "The first samples appear in a moment."));
  }

  async show(at, follow = this.follow) {
    this.at = at;
    this.follow = follow;
    this.slider.value = at;
    const name = this.kind === "real" ? "real.png" : this.names[at];
    if (!name) return;
    const told = `${count(seen(this.names[at]))} ${this.run.unit ?? "images"} seen`;
    this.caption.textContent = told;
    this.slider.setAttribute("aria-valuetext", told);
    const url = address(this.run, name);
    try {
      const image = await ready(url);
      if (at !== this.at) return;
      this.draw(image, url);
    } catch {
      fill(this.cells, h("p", { class: "problem" }, `The sample grid ${name} cannot be read.`));
    }
  }

  draw(image, url) {
    const grid = geometry(image.naturalWidth, image.naturalHeight, this.run);
    const size = grid.columns * grid.rows;
    if (!this.grid || this.cells.children.length !== size || this.grid.columns !== grid.columns || !this.cells.firstElementChild?.matches("button")) {
      this.grid = grid;
      this.cells.style.setProperty("--columns", grid.columns);
      fill(this.cells, Array.from({ length: size }, (_, at) => h("button", { type: "button", class: "cell", "data-at": at, tabindex: at ? -1 : 0 })));
    }
    const kind = this.kind === "real" ? "Real image" : "Sample";
    for (const [at, button] of [...this.cells.children].entries()) {
      cell(button, url, grid, at);
      button.setAttribute("aria-label", `${kind} ${at + 1} of ${size}`);
    }
  }

  /** Show the real images, or the generated ones. */
  turn(kind) {
    this.kind = kind;
    if (this.names.length) this.show(this.at);
  }

  move(event) {
    const steps = { ArrowRight: 1, ArrowLeft: -1, ArrowDown: this.grid?.columns, ArrowUp: -(this.grid?.columns ?? 0), Home: -1e4, End: 1e4 };
    if (!(event.key in steps) || !event.target.dataset.at) return;
    event.preventDefault();
    const at = Math.min(this.cells.children.length - 1, Math.max(0, Number(event.target.dataset.at) + steps[event.key]));
    event.target.tabIndex = -1;
    this.cells.children[at].tabIndex = 0;
    this.cells.children[at].focus();
  }

  toggle() {
    if (this.timer) {
      this.halt();
      return;
    }
    let at = this.at >= this.names.length - 1 ? 0 : this.at;
    this.play.textContent = "❚❚ Pause";
    const pause = Math.max(90, Math.min(600, 9000 / this.names.length));
    this.timer = setInterval(() => {
      this.show(at, at === this.names.length - 1);
      at += 1;
      if (at >= this.names.length) this.halt();
    }, pause);
  }

  halt() {
    clearInterval(this.timer);
    this.timer = null;
    this.play.textContent = "▶ Play";
  }

  /** Open one sample and its whole history. */
  open(at) {
    const real = this.kind === "real";
    const large = h("div", { class: "large" });
    const strip = h("div", { class: "strip", role: "group", "aria-label": "This sample over time" });
    const told = h("p", { class: "small num", role: "status" });
    let chosen = at;
    let moment = Math.max(0, this.at);
    const step = Math.max(1, Math.ceil(this.names.length / 24));
    const shown = this.names.map((_, index) => index).filter((index) => index % step === 0 || index === this.names.length - 1);
    const draw = () => {
      const name = real ? "real.png" : this.names[moment];
      cell(large, address(this.run, name), this.grid, chosen);
      large.setAttribute("role", "img");
      large.setAttribute("aria-label", real ? `Real image ${chosen + 1}` : `Sample ${chosen + 1} at ${count(seen(name))} images seen`);
      told.textContent = real ? `Real image ${chosen + 1}` : `Sample ${chosen + 1} · ${count(seen(name))} images seen`;
      for (const button of strip.children) button.setAttribute("aria-pressed", String(Number(button.dataset.moment) === moment));
    };
    const build = () => {
      fill(strip, real ? [] : shown.map((index) => {
        const button = h("button", { type: "button", class: "cell", "data-moment": index, "aria-label": `At ${count(seen(this.names[index]))} images`, onclick: () => { moment = index; draw(); } });
        cell(button, address(this.run, this.names[index]), this.grid, chosen);
        return button;
      }));
      draw();
    };
    const size = this.cells.children.length;
    const other = (by) => { chosen = (chosen + by + size) % size; link(); build(); };
    const explore = h("a", { class: "button main" }, "Explore from here");
    const link = () => explore.setAttribute("href", `/play/${path(this.run.name)}?at=${this.run.seed ?? 0}.${chosen}`);
    link();
    explore.addEventListener("click", () => dialog.close());
    const keys = (event) => {
      if (event.key === "ArrowRight" && moment < this.names.length - 1) moment += 1;
      else if (event.key === "ArrowLeft" && moment > 0) moment -= 1;
      else return;
      event.preventDefault();
      draw();
    };
    const dialog = h("dialog", { class: "over-time", "aria-label": "One sample over time", onkeydown: keys },
      h("div", { class: "row spread" }, h("h2", {}, real ? "A real image" : "One latent over time"), h("button", { type: "button", class: "quiet", "aria-label": "Close", onclick: () => dialog.close() }, "✕")),
      large, told, strip,
      h("div", { class: "row spread" }, h("div", { class: "row" }, h("button", { type: "button", onclick: () => other(-1) }, "← Previous"), h("button", { type: "button", onclick: () => other(1) }, "Next →")), real || this.run.translates ? null : explore));
    document.body.append(dialog);
    dialog.addEventListener("close", () => dialog.remove());
    dialog.addEventListener("click", (event) => { if (event.target === dialog) dialog.close(); });
    build();
    dialog.showModal();
  }

  end() {
    this.halt();
  }
}

/** A picture of a run for its card: the first rows of its sample grid. */
export function cover(run) {
  const box = h("div", { class: "cover", "aria-hidden": "true" });
  if (!run.sample) return add(box, h("span", { class: "none" }));
  const url = address(run, run.sample);
  ready(url).then((image) => {
    const grid = geometry(image.naturalWidth, image.naturalHeight, run);
    const across = grid.columns >= 6 ? 6 : grid.columns;
    const down = Math.max(1, Math.min(grid.rows, Math.round((across * grid.width) / grid.height / 2)));
    box.style.setProperty("--columns", across);
    fill(box, Array.from({ length: across * down }, (_, at) => {
      const element = h("span", { class: "cell" });
      cell(element, url, grid, Math.floor(at / across) * grid.columns + (at % across));
      return element;
    }));
  }).catch(() => fill(box, h("span", { class: "none" })));
  return box;
}
