// The classroom: a game on points in the plane, seen from above, as it is played by the same training step as every run.
import { get, post } from "./api.js";
import { Charts } from "./charts.js";
import { count, digits, doing, fill, h, say, segments } from "./dom.js";

const REACH = 1.25;
const SHAPES = [["ring", "Ring"], ["grid", "Grid"], ["moons", "Moons"], ["spiral", "Spiral"], ["drawn", "Your drawing"]];
const LOSSES = ["minimax", "nonsaturating", "lsgan", "hinge", "wasserstein", "relativistic"];
const PENALTIES = ["none", "R1", "R1 and R2", "gradient penalty"];
const START = { shape: "ring", loss: "nonsaturating", penalty: "none", weight: 1, optimizer: "Adam", rate_g: 0.001, rate_d: 0.001, turns: 1, warmup: 0, width: 64, batch: 128, seed: 0 };
const SPEEDS = [["2", "Slow"], ["10", "Fast"], ["60", "Fastest"]];

const named = (name) => getComputedStyle(document.documentElement).getPropertyValue(name).trim();
const fresh = () => `l-${Date.now().toString(36)}-${Math.floor(Math.random() * 1e9).toString(36)}`;

/** Settings in an address, those that differ from the start. */
export function query(settings) {
  const given = Object.entries(settings).filter(([name, value]) => value !== START[name]);
  return given.length ? `?${new URLSearchParams(given)}` : "";
}

export function parsed(given) {
  const settings = { ...START };
  for (const [name, value] of given) {
    if (!(name in START)) continue;
    settings[name] = typeof START[name] === "number" ? Number(value) : value;
  }
  return settings;
}

/** The line of Python that plays the same. */
export function python(settings) {
  const given = Object.entries(settings).filter(([name, value]) => value !== START[name]).map(([name, value]) => `${name}=${JSON.stringify(value)}`);
  return `from organza.classroom.lesson import Lesson, Settings\nlesson = Lesson(Settings(${given.join(", ")}))\nlesson.advance(1000, seconds=60)\nlesson.view()["readings"]`;
}

class Board {
  constructor(draw) {
    this.canvas = h("canvas", { class: "board", width: 960, height: 960, role: "img", tabindex: "0", "aria-label": "Real and generated points, and the discriminator's surface" });
    this.pad = document.createElement("canvas");
    this.view = null;
    this.drawing = [];
    this.open = false;
    const put = (event) => {
      if (!this.open || !event.buttons) return;
      const box = this.canvas.getBoundingClientRect();
      const x = ((event.clientX - box.left) / box.width * 2 - 1) * REACH;
      const y = (1 - (event.clientY - box.top) / box.height * 2) * REACH;
      if (Math.abs(x) > 1 || Math.abs(y) > 1 || this.drawing.length >= 2000) return;
      this.drawing.push([Math.round(x * 1e4) / 1e4, Math.round(y * 1e4) / 1e4]);
      this.show(this.view);
      draw();
    };
    this.canvas.addEventListener("pointerdown", put);
    this.canvas.addEventListener("pointermove", put);
    this.scheme = matchMedia("(prefers-color-scheme: dark)");
    this.again = () => this.show(this.view);
    this.scheme.addEventListener("change", this.again);
  }

  close() {
    this.scheme.removeEventListener("change", this.again);
  }

  show(view) {
    this.view = view;
    const { width } = this.canvas;
    const ink = this.canvas.getContext("2d");
    const at = ([x, y]) => [(x / REACH + 1) / 2 * width, (1 - y / REACH) / 2 * width];
    const dark = this.scheme.matches;
    ink.fillStyle = named("--card");
    ink.fillRect(0, 0, width, width);
    if (view) this.surface(ink, view.surface, dark);
    const points = (list, colour, size) => {
      ink.fillStyle = colour;
      for (const point of list) {
        const [x, y] = at(point);
        ink.beginPath();
        ink.arc(x, y, size, 0, 7);
        ink.fill();
      }
    };
    const real = named("--line2");
    const fake = named("--line1");
    if (this.open) points(this.drawing, real, 5);
    else if (view) points(view.real, real, 4);
    if (!view || this.open) return;
    ink.strokeStyle = named("--ink");
    ink.lineWidth = 2;
    ink.globalAlpha = 0.65;
    const longest = Math.max(1e-9, ...view.arrows.map(([, , dx, dy]) => Math.hypot(dx, dy)));
    const scale = 0.22 / Math.max(longest, 0.4);
    for (const [x, y, dx, dy] of view.arrows) {
      const from = at([x, y]);
      const to = at([x + dx * scale, y + dy * scale]);
      ink.beginPath();
      ink.moveTo(...from);
      ink.lineTo(...to);
      const turn = Math.atan2(to[1] - from[1], to[0] - from[0]);
      if (Math.hypot(to[0] - from[0], to[1] - from[1]) > 9) {
        for (const side of [2.6, -2.6]) {
          ink.moveTo(...to);
          ink.lineTo(to[0] + 9 * Math.cos(turn + side), to[1] + 9 * Math.sin(turn + side));
        }
      }
      ink.stroke();
    }
    ink.globalAlpha = 1;
    points(view.made, fake, 4.5);
  }

  /** D's probability: towards the colour of the real points where it says real, of the fakes where it says fake. */
  surface(ink, rows, dark) {
    const side = rows.length;
    this.pad.width = this.pad.height = side;
    const brush = this.pad.getContext("2d");
    const picture = brush.createImageData(side, side);
    const [low, even, high] = dark ? [[92, 40, 26], [34, 33, 31], [18, 78, 62]] : [[248, 205, 188], [250, 248, 244], [178, 226, 207]];
    rows.forEach((row, y) => row.forEach((p, x) => {
      const place = 4 * ((side - 1 - y) * side + x);
      const [a, share] = p < 0.5 ? [low, 1 - 2 * p] : [high, 2 * p - 1];
      for (let part = 0; part < 3; part += 1) picture.data[place + part] = even[part] + (a[part] - even[part]) * share;
      picture.data[place + 3] = 255;
    }));
    brush.putImageData(picture, 0, 0);
    ink.imageSmoothingEnabled = true;
    ink.drawImage(this.pad, 0, 0, this.canvas.width, this.canvas.height);
  }
}

export async function open(body, _, given) {
  const presets = await get("/api/classroom/presets");
  let settings = parsed(given);
  let lesson = fresh();
  let running = false;
  let speed = 10;
  let ended = false;
  const history = { steps: [], loss_d: [], loss_g: [], real: [], fake: [] };
  const charts = new Charts();
  charts.unit = "steps";
  const losses = charts.chart("Losses", "What each player minimises. Neither has to fall: each depends on the other.");
  const opinion = charts.chart("The detective's opinion", "D(x) for real points, D(G(z)) for fakes.", { least: 0, most: 1, levels: [{ at: 0.5, text: "equilibrium" }] });
  const facts = h("dl", { class: "pulse" });
  const said = h("p", { class: "small", role: "status" });
  const opening = h("p", { class: "hint", role: "status", hidden: true }, "Opening the classroom: a few seconds …");
  const trouble = h("div", {});
  const story = h("div", { class: "story" });
  const line = h("div", {});
  const board = new Board(() => restart(false));

  const start = h("button", { type: "button", class: "main", id: "play", onclick: () => (running ? pause() : play()) }, "Play");
  const one = h("button", { type: "button", id: "one", onclick: doing(async () => { pause(); await step(1); }) }, "One step");
  const anew = h("button", { type: "button", id: "anew", onclick: () => restart() }, "Begin anew");

  function field(name, label, input, about) {
    return h("label", { class: "field" }, h("span", {}, label), input, about ? h("span", { class: "small" }, about) : null);
  }
  const choose = (name, options) => h("select", { id: `set-${name}`, onchange: (event) => change(name, event.target.value) }, options.map((option) => h("option", { value: option, selected: option === settings[name] }, option)));
  const number = (name, least, most, stepped) => h("input", { id: `set-${name}`, type: "number", min: least, max: most, step: stepped, value: settings[name], onchange: (event) => change(name, Number(event.target.value)) });

  const controls = h("div", { class: "fields" });
  const shapes = h("div", {});

  function drawControls() {
    fill(shapes, segments("Data", SHAPES, settings.shape, (value) => change("shape", value)));
    fill(controls,
      field("loss", "Loss", choose("loss", LOSSES)),
      field("penalty", "Penalty on D", choose("penalty", PENALTIES)),
      field("weight", "Weight of the penalty", number("weight", 0, 100, "any")),
      field("optimizer", "Optimizer of G", choose("optimizer", ["Adam", "SGD"])),
      field("rate_g", "Learning rate of G", number("rate_g", 0.000001, 1, "any")),
      field("rate_d", "Learning rate of D", number("rate_d", 0.000001, 1, "any")),
      field("turns", "Turns of D for one of G", number("turns", 1, 20, 1)),
      field("warmup", "Steps of D alone at first", number("warmup", 0, 2000, 1)),
      field("seed", "Seed", number("seed", 0, 1e6, 1)));
  }

  function change(name, value) {
    settings = { ...settings, [name]: value };
    restart();
  }

  function restart(show = true) {
    pause();
    lesson = fresh();
    for (const list of Object.values(history)) list.length = 0;
    board.open = settings.shape === "drawn";
    globalThis.history.replaceState(null, "", `/classroom${query(settings)}`);
    fill(trouble);
    fill(line, h("p", { class: "small" }, "The same in Python"), h("pre", { class: "code", tabindex: "0", "aria-label": "Python" }, settings.shape === "drawn" ? "A drawing stays on this page." : python(settings)));
    drawCurves();
    if (!show) return;
    if (board.open) {
      fill(said, "Draw on the board with the mouse or a finger, then play.", " ", h("button", { type: "button", class: "quiet", onclick: () => { board.drawing = []; restart(); } }, "Wipe"));
      board.show(null);
    } else {
      fill(said);
      step(0).catch((error) => fill(trouble, h("p", { class: "problem" }, error.message)));
    }
  }

  function drawCurves() {
    curves.hidden = !history.steps.length;
    losses.show([{ name: "discriminator", x: [...history.steps], y: [...history.loss_d] }, { name: "generator", x: [...history.steps], y: [...history.loss_g] }]);
    opinion.show([{ name: "D(x)", x: [...history.steps], y: [...history.real] }, { name: "D(G(z))", x: [...history.steps], y: [...history.fake] }]);
  }

  async function step(steps) {
    const mine = lesson;
    const late = setTimeout(() => { opening.hidden = false; }, 400); // the first step starts a process
    const view = await post("/api/classroom/step", { lesson, settings, points: board.drawing, steps }).finally(() => {
      clearTimeout(late);
      opening.hidden = true;
    });
    if (ended || mine !== lesson) return;
    board.open = false;
    board.show(view);
    const told = view.readings;
    if (steps && view.steps) {
      const last = history.steps.at(-1) ?? 0;
      if (view.steps < last) {
        say("The process ended and begins anew.");
        for (const list of Object.values(history)) list.length = 0;
      }
      history.steps.push(view.steps);
      history.loss_d.push(told.discriminator ?? null);
      history.loss_g.push(told.generator ?? null);
      history.real.push(told["D(x)"] ?? null);
      history.fake.push(told["D(G(z))"] ?? null);
      drawCurves();
    }
    const arrows = view.arrows.reduce((sum, [, , dx, dy]) => sum + Math.hypot(dx, dy), 0) / view.arrows.length;
    const entry = (name, value, more) => h("div", {}, h("dt", {}, name), h("dd", {}, value, more ? h("span", { class: "small" }, ` ${more}`) : null));
    fill(facts, entry("Steps", count(view.steps)),
      view.covered ? entry("Places covered", `${view.covered[0]} of ${view.covered[1]}`) : null,
      entry("D(x)", digits(told["D(x)"])), entry("D(G(z))", digits(told["D(G(z))"])), entry("Mean arrow", digits(arrows)));
    fill(trouble, view.failed ? h("p", { class: "problem" }, view.failed) : null);
    if (view.failed) pause();
  }

  async function play() {
    running = true;
    start.textContent = "Pause";
    while (running && !ended) {
      const begun = performance.now();
      try {
        await step(speed);
      } catch (error) {
        fill(trouble, h("p", { class: "problem" }, error.message));
        pause();
      }
      const rest = 60 - (performance.now() - begun);
      if (rest > 0) await new Promise((next) => { setTimeout(next, rest); });
    }
  }

  function pause() {
    running = false;
    start.textContent = "Play";
  }

  function tellStory(preset) {
    const cure = presets.find((other) => other.name === preset?.cure);
    fill(story, preset ? [h("h3", {}, preset.title), h("p", {}, preset.text), cure ? h("button", { type: "button", id: "cure", onclick: () => use(cure) }, `The cure: ${cure.title.toLowerCase()}`) : null] : h("p", { class: "small" }, "Settings of your own."));
  }

  function use(preset) {
    settings = { ...START, ...preset.settings };
    for (const button of chosen.querySelectorAll("button")) button.setAttribute("aria-pressed", String(button.dataset.name === preset.name));
    drawControls();
    tellStory(preset);
    restart();
    play();
  }

  const curves = h("section", { class: "card", "aria-label": "Curves", hidden: true }, h("div", { class: "row spread" }, h("h2", {}, "Curves"), charts.tools()), h("div", { class: "chart-grid" }, losses.element, opinion.element));
  const chosen = h("div", { class: "row presets", role: "group", "aria-label": "Presets" }, presets.map((preset) => h("button", { type: "button", "data-name": preset.name, "aria-pressed": "false", onclick: () => use(preset) }, preset.title)));

  fill(body, h("div", { class: "head" }, h("div", {}, h("h1", {}, "Classroom"), h("p", { class: "lead" }, "The game made visible: the counterfeiter (generator) sends its points, the detective (discriminator) colours the plane, and the arrows show what each fake is told. The losses, penalties, optimizers and the training step are those of every run."))),
    h("section", { class: "card", "aria-label": "Presets" }, h("h2", {}, "What to look at"), chosen, story),
    h("div", { class: "cols lesson" },
      h("section", { class: "card", "aria-label": "Board" }, board.canvas,
        h("p", { class: "legend" }, h("span", { class: "dot real" }, "real"), h("span", { class: "dot fake" }, "generated"), h("span", {}, "arrows: where the loss pushes G's points"), h("span", {}, "surface: green where D says real")),
        h("div", { class: "row" }, start, one, anew, segments("Speed", SPEEDS, String(speed), (value) => { speed = Number(value); })), opening, said, trouble, facts),
      h("section", { class: "card stack", "aria-label": "Settings" }, h("h2", {}, "Settings"), shapes, controls, line)),
    curves);
  drawControls();
  const first = presets.find((preset) => query({ ...START, ...preset.settings }) === query(settings)) ?? (given.size ? null : presets[0]);
  if (first) settings = { ...START, ...first.settings };
  drawControls();
  tellStory(first);
  for (const button of chosen.querySelectorAll("button")) button.setAttribute("aria-pressed", String(button.dataset.name === first?.name));
  restart();
  return () => {
    ended = true;
    running = false;
    board.close();
    charts.end?.();
  };
}
