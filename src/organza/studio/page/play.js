// Play with a generator: choose an image, change it, walk between several, try images of your own.
import { draw, get, newest, path, post } from "./api.js";
import { code, count, digits, doing, fill, h, say, segments, tell } from "./dom.js";
import { runs, stateOf } from "./live.js";
import { controls } from "./play-controls.js";
import { lines, sampling } from "./play-lines.js";
import { ownImages } from "./play-own.js";
import { between } from "./play-way.js";
import { copy, fields, parsed, query, start, title } from "./point.js";

const GRID = 24;
const VARIED = 12;
const goTo = (address) => dispatchEvent(new CustomEvent("organza-go", { detail: address }));
const playable = (run) => run.playable && run.unit !== "vectors";

/** A sheet of images as canvases, one for each. */
export async function tiles({ blob, facts }) {
  const image = await createImageBitmap(blob);
  return Array.from({ length: facts.count }, (_, at) => {
    const canvas = h("canvas", { width: facts.width, height: facts.height });
    canvas.getContext("2d").drawImage(image, -(at % facts.columns) * facts.width, -Math.floor(at / facts.columns) * facts.height);
    return canvas;
  });
}

/** What the parts of the page share: the run, its controls, the point, and the images of points. */
class Session {
  constructor(run, known, point) {
    Object.assign(this, { run, known, point, pins: [], watchers: new Set(), turn: null, place: known.place });
    this.address = `/api/play/${path(run)}`;
  }

  images(points, columns = 8, signal = undefined) {
    const given = { points: points.map(fields), columns };
    if (this.turn !== null) given.azimuth = this.turn;
    return draw(`${this.address}/images`, given, signal);
  }

  /** Take another point, or a change of it; the address follows. */
  set(point, from = "") {
    this.point = point;
    history.replaceState(null, "", `/play/${path(this.run)}?${query(point)}`);
    for (const watcher of this.watchers) watcher(point, from);
  }

  change(more, from = "") {
    this.set({ ...copy(this.point), ...more }, from);
  }
}

function button(canvas, label, action) {
  canvas.setAttribute("aria-hidden", "true");
  return h("button", { type: "button", class: "tile", "aria-label": label, onclick: action }, canvas);
}

/** The large image of the current point. */
function stage(session) {
  const canvas = h("canvas", { class: "large", role: "img", width: 64, height: 64 });
  const caption = h("p", { class: "small num", role: "status" });
  const problem = h("p", { class: "problem", hidden: true });
  let blob = null;
  const paint = newest(async (point) => {
    const began = performance.now();
    try {
      const found = await session.images([point], 1);
      blob = found.blob;
      const image = await createImageBitmap(blob);
      if (canvas.width !== image.width || canvas.height !== image.height) Object.assign(canvas, { width: image.width, height: image.height });
      canvas.getContext("2d").drawImage(image, 0, 0);
      canvas.setAttribute("aria-label", `Generated image: ${title(session.point)}`);
      const took = Math.round(performance.now() - began);
      caption.textContent = took < 1000 ? `${title(session.point)} · ${took} ms` : title(session.point);
      canvas.dataset.query = query(point);
      problem.hidden = true;
    } catch (error) {
      problem.textContent = error.message;
      problem.hidden = false;
    }
  });
  session.watchers.add(paint);
  paint(session.point);
  const save = () => {
    if (!blob) return;
    const link = h("a", { href: URL.createObjectURL(blob), download: `${session.run}-${query(session.point).replaceAll(/[^\w.-]+/g, "-").slice(0, 60)}.png` });
    link.click();
    setTimeout(() => URL.revokeObjectURL(link.href), 1000);
  };
  const smooth = h("input", { type: "checkbox", checked: true, onchange: () => canvas.classList.toggle("pixels", !smooth.checked) });
  const share = h("button", { type: "button", onclick: doing(async () => { await navigator.clipboard.writeText(location.href); tell("The address of this image was copied. It opens here while the studio runs at this port."); }) }, "Copy address");
  const another = h("button", { type: "button", class: "main", id: "another", onclick: () => session.set({ ...start(Math.floor(Math.random() * 1e6)), labels: session.point.labels, psi: session.point.psi }) }, "Another ", h("kbd", {}, "N"));
  const pin = h("button", { type: "button", id: "pin", onclick: () => session.pin() }, "Pin ", h("kbd", {}, "P"));
  const element = h("section", { class: "card stage", "aria-label": "The image" }, h("h2", { class: "unseen" }, "The image"), canvas, caption, problem, h("div", { class: "row" }, another, pin, h("button", { type: "button", onclick: save }, "Save ", h("kbd", {}, "S"))),
    h("div", { class: "row spread" }, share, h("label", { class: "tick small" }, smooth, "smooth")));
  const turning = session.known.shape.length === 4 ? turntable(session, () => paint(session.point)) : null;
  if (turning) element.insertBefore(turning.element, problem);
  const drawn = () => (canvas.dataset.query === query(session.point) ? canvas : null);
  return { element, save, drawn, end: () => turning?.end() };
}

function turntable(session, paint) {
  session.turn = 35;
  const slider = h("input", { type: "range", min: 0, max: 360, value: 35, "aria-label": "Turn the shape", oninput: () => { session.turn = Number(slider.value); paint(); } });
  let timer = null;
  const turn = h("button", { type: "button", "aria-pressed": "false", onclick: () => {
    if (timer) {
      clearInterval(timer);
      timer = null;
    } else timer = setInterval(() => { slider.value = (Number(slider.value) + 6) % 360; session.turn = Number(slider.value); paint(); }, 120);
    turn.setAttribute("aria-pressed", String(Boolean(timer)));
  } }, "Turn");
  return { element: h("div", { class: "row moment" }, turn, slider), end: () => clearInterval(timer) };
}

/** A grid to choose from: samples of a series, or variations of the current image. */
function choice(session) {
  let kind = "samples";
  let seed = session.point.kept ? 0 : session.point.seed;
  let amount = 0.35;
  let round = 1;
  let shown = [];
  const grid = h("div", { class: "tiles", role: "group" });
  const strength = h("input", { type: "range", min: 0.05, max: 1, step: 0.05, value: amount, "aria-label": "Strength of the variations", oninput: () => { amount = Number(strength.value); fresh(); } });
  const strong = h("label", { class: "row small", hidden: true }, "Strength", strength);
  const more = h("button", { type: "button", onclick: () => { if (kind === "samples") seed += 1; else round += 1; fresh(); } }, "Others");
  const fresh = newest(async () => {
    const { labels, psi } = session.point;
    const now = kind; // another may be chosen while these are drawn
    const points = now === "samples" ? Array.from({ length: GRID }, (_, index) => ({ ...start(seed, index), labels, psi }))
      : Array.from({ length: VARIED }, (_, index) => ({ ...copy(session.point), toward: [...session.point.toward.slice(0, 7), [7000 + round, index, amount]] }));
    grid.setAttribute("aria-label", now === "samples" ? `Samples of seed ${seed}` : "Variations of the current image");
    try {
      const drawn = await tiles(await session.images(points));
      if (now !== kind) return;
      shown = points;
      const names = points.map((_, at) => (now === "samples" ? `Sample ${at + 1} of seed ${seed}` : `Variation ${at + 1}`));
      if (grid.querySelectorAll("canvas").length !== drawn.length) {
        fill(grid, drawn.map((canvas, at) => button(canvas, names[at], () => session.set(shown[at], "choice"))));
        return;
      }
      drawn.forEach((canvas, at) => { // into the same buttons, so that neither a click nor the focus is lost
        const held = grid.children[at].querySelector("canvas");
        Object.assign(held, { width: canvas.width, height: canvas.height });
        held.getContext("2d").drawImage(canvas, 0, 0);
        grid.children[at].setAttribute("aria-label", names[at]);
      });
    } catch (error) {
      fill(grid, h("p", { class: "problem" }, error.message));
    }
  });
  const pick = segments("Images to choose from", [["samples", "Samples"], ["variations", "Variations of this one"]], kind, (value) => { kind = value; strong.hidden = kind !== "variations"; fresh(); });
  let labels = JSON.stringify([session.point.labels, session.point.psi]);
  let later = null;
  session.watchers.add((point) => {
    const now = JSON.stringify([point.labels, point.psi]);
    if (now === labels && kind === "samples") return;
    labels = now;
    clearTimeout(later);
    later = setTimeout(fresh, 250);
  });
  fill(grid, h("p", { class: "small" }, "Drawing samples …"));
  fresh();
  return h("section", { class: "card", "aria-label": "Choose" }, h("h2", { class: "unseen" }, "Choose an image"), h("div", { class: "row spread head-row" }, pick, h("div", { class: "row" }, strong, more)), grid);
}

function picker(name, which) {
  const select = h("select", { "aria-label": "Run", onchange: () => goTo(`/play/${path(select.value)}`) }, [...runs.values()].filter(playable).map((run) => h("option", { value: run.name }, run.name)));
  select.value = name;
  return select;
}

export async function open(body, [name], given) {
  const first = [...runs.values()].filter(playable).sort((a, b) => (b.changed ?? 0) - (a.changed ?? 0))[0];
  if (!name && first) {
    history.replaceState(null, "", `/play/${path(first.name)}`);
    name = first.name;
  }
  if (!name) {
    fill(body, h("div", { class: "empty" }, h("h1", {}, "Nothing to play with yet"), h("p", {}, "A run can be played with as soon as it saved its first checkpoint."), h("a", { class: "button main", href: "/new" }, "Train one")));
    return null;
  }
  if ((await stateOf(name))?.unit === "vectors") {
    const studio = await get("/api/studio");
    fill(body, h("div", { class: "empty" }, h("h1", {}, `${name} generates numbers`), h("p", {}, "Play is for images. The page of the run shows its points; this command writes more of them:"),
      code(sampling(`${studio.runs}/${name}`, 1000, "samples.csv")), h("a", { class: "button main", href: `/run/${path(name)}` }, "Show its points")));
    return null;
  }
  const waiting = h("p", { class: "hint", role: "status" }, `Opening ${name} …`, h("progress", { "aria-label": "Opening" }));
  const lead = h("p", { class: "lead" }, "Choose an image, change it with the sliders, pin a few and walk between them. Each state has an address of its own.");
  const head = h("div", { class: "head" }, h("div", {}, h("h1", {}, "Play"), lead), h("div", { class: "row" }, picker(name)));
  fill(body, head, waiting);
  const known = await post(`/api/play/${path(name)}/describe`);
  const session = new Session(name, known, parsed(given));
  const notes = known.notes.map((note) => h("p", { class: "hint" }, note));
  if (!known.draws) {
    const own = ownImages(session);
    fill(lead, `Drop images of your own: the generator ${known.fills ? "fills" : known.factor > 1 ? "enlarges" : "translates"} them.`);
    const command = `organza translate runs/${name} IMAGE OUT.png${known.fills ? " --mask MASK.png" : ""}`;
    fill(body, head, notes, own.element, h("section", { class: "card", "aria-label": "The same in code" }, h("h2", {}, "The same in code"), code(command)));
    return own.end;
  }
  const large = stage(session);
  const way = between(session, tiles);
  session.pin = () => way.pin(copy(session.point), large.drawn());
  const grid = choice(session); // before the controls: the search for directions takes seconds, and calls are answered in turn
  const panel = controls(session, tiles);
  const own = ownImages(session);
  const said = h("section", { class: "card", "aria-label": "The same in code" }, h("h2", {}, "The same in code"), lines(session));
  fill(body, head, notes, h("div", { class: "cols play-cols" }, large.element, h("div", { class: "stack gap" }, panel.element, grid)), way.element, own.element, said);
  const keys = (event) => {
    if (event.target.closest("input[type=text], select, dialog, textarea") || event.metaKey || event.ctrlKey || event.altKey) return;
    const action = { n: () => document.getElementById("another").click(), p: () => session.pin(), s: () => large.save() }[event.key.toLowerCase()];
    if (action) action();
  };
  document.addEventListener("keydown", keys);
  return () => { document.removeEventListener("keydown", keys); large.end(); way.end(); own.end(); panel.end(); };
}
