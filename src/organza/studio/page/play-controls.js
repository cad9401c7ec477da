// Sliders along directions with images at their ends, truncation, labels, codes and style mixing.
import { get, path, post } from "./api.js";
import { add, digits, doing, fill, h } from "./dom.js";
import { finished, runs } from "./live.js";
import { copy, start } from "./point.js";

const REACH = 3;

function slider(label, low, high, step, value, change, told = (number) => digits(number)) {
  const out = h("span", { class: "num small", "aria-hidden": "true" }, told(value));
  const input = h("input", { type: "range", min: low, max: high, step, value, "aria-label": label, "aria-valuetext": told(value) });
  const set = (number) => {
    input.value = number;
    out.textContent = told(number);
    input.setAttribute("aria-valuetext", told(number));
  };
  input.addEventListener("input", () => { set(Number(input.value)); change(Number(input.value)); });
  return { input, out, set };
}

const signed = (value) => (Math.abs(value) < 0.005 ? "0" : `${value > 0 ? "+" : "−"}${Math.abs(value).toFixed(1)}`);

/** The name of a direction: the user's, kept in the browser, or the run's own. */
const nameOf = (session, at, direction) => localStorage.getItem(`direction ${session.run} ${at}`) || direction.name || `direction ${at + 1}`;

function directions(session, tiles, found) {
  const rows = found.map((direction, at) => {
    const control = slider(nameOf(session, at, direction), -REACH, REACH, 0.05, session.point.moves[at] ?? 0, (value) => {
      const moves = found.map((_, other) => session.point.moves[other] ?? 0);
      moves[at] = value;
      session.change({ moves }, "moves");
    }, signed);
    const ends = [h("span", { class: "end" }), h("span", { class: "end" })];
    const name = h("input", { type: "text", class: "name", value: nameOf(session, at, direction), "aria-label": `Name of direction ${at + 1}`, maxlength: 30, onchange: () => { localStorage.setItem(`direction ${session.run} ${at}`, name.value.trim()); name.value = nameOf(session, at, direction); control.input.setAttribute("aria-label", name.value); } });
    return { control, ends, element: h("li", { class: "direction" }, h("div", { class: "row spread" }, name, control.out), h("div", { class: "ends" }, ends[0], control.input, ends[1])) };
  });
  let later = null;
  const draw = async () => {
    const base = copy(session.point);
    const points = rows.flatMap((_, at) => [-REACH, REACH].map((value) => {
      const moves = found.map((_, other) => base.moves[other] ?? 0);
      moves[at] = value;
      return { ...base, moves };
    }));
    try {
      const drawn = await tiles(await session.images(points));
      rows.forEach((row, at) => row.ends.forEach((end, side) => fill(end, drawn[2 * at + side])));
    } catch {
      // the large image shows the reason
    }
  };
  const watch = (point, from) => {
    rows.forEach((row, at) => row.control.set(point.moves[at] ?? 0));
    clearTimeout(later);
    later = setTimeout(draw, from === "moves" ? 700 : 250);
  };
  session.watchers.add(watch);
  watch(session.point, "");
  const reset = h("button", { type: "button", class: "quiet", onclick: () => session.change({ moves: [] }) }, "Reset");
  return h("div", {}, h("div", { class: "row spread" }, h("h3", {}, "Directions"), reset), h("p", { class: "small" }, "Ways in which images change most, found in the network without labels. Rename them as you like."), h("ul", { class: "directions" }, rows.map((row) => row.element)));
}

function labelField(session, field) {
  const { name, values, several, shares } = field;
  const put = (value) => {
    const labels = { ...session.point.labels };
    if (value === null) delete labels[name];
    else labels[name] = value;
    session.change({ labels }, "labels");
  };
  const now = session.point.labels[name];
  if (several) {
    const boxes = values.map((value) => h("input", { type: "checkbox", value, checked: (now ?? "").split(";").includes(value) }));
    const change = () => put(boxes.filter((box) => box.checked).map((box) => box.value).join(";") || "none");
    boxes.forEach((box) => box.addEventListener("change", change));
    return h("fieldset", { class: "stack" }, h("legend", {}, name), h("div", { class: "row" }, boxes.map((box) => h("label", { class: "tick small" }, box, box.value)), h("button", { type: "button", class: "quiet", onclick: () => { boxes.forEach((box) => { box.checked = false; }); put(null); } }, "as in the data")));
  }
  if (values.length) {
    const select = h("select", { onchange: () => put(select.value || null) }, h("option", { value: "" }, "as in the data"), values.map((value) => h("option", { value }, value)));
    select.value = now ?? "";
    return h("label", { class: "field" }, name, select);
  }
  const [mean, spread] = shares;
  const control = slider(name, mean - 2 * spread, mean + 2 * spread, spread / 50, Number(now ?? mean), (value) => put(String(Math.round(value * 1000) / 1000)));
  return h("label", { class: "field" }, h("span", { class: "row spread" }, name, control.out), control.input);
}

function codes(session, { categories, continuous }) {
  const put = (name, value) => session.change({ codes: { ...session.point.codes, [name]: value } }, "codes");
  const menus = categories.map((number, at) => {
    const name = `category-${at + 1}`;
    const select = h("select", { onchange: () => put(name, Number(select.value)) }, Array.from({ length: number }, (_, value) => h("option", { value }, value + 1)));
    select.value = session.point.codes[name] ?? 0;
    return h("label", { class: "field" }, `Category ${at + 1}`, select);
  });
  const sliders = Array.from({ length: continuous }, (_, at) => {
    const name = `code-${at + 1}`;
    const control = slider(`Code ${at + 1}`, -2, 2, 0.05, session.point.codes[name] ?? 0, (value) => put(name, value), signed);
    return h("label", { class: "field" }, h("span", { class: "row spread" }, `Code ${at + 1}`, control.out), control.input);
  });
  return h("div", { class: "stack" }, h("h3", {}, "Codes"), h("div", { class: "fields" }, menus, sliders));
}

function mixing(session, levels) {
  const seed = h("input", { type: "number", min: 0, step: 1, value: session.point.mix[0] ?? 1, "aria-label": "Seed of the other image" });
  const level = h("select", { "aria-label": "Level" }, h("option", { value: "" }, "no mixing"), Array.from({ length: levels - 1 }, (_, at) => h("option", { value: at + 1 }, at === 0 ? "all but the shapes" : at === levels - 2 ? "finest details only" : `from level ${at + 1}`)));
  level.value = session.point.mix[2] ?? "";
  const change = () => session.change({ mix: level.value === "" ? [] : [Math.max(0, Math.round(Number(seed.value)) || 0), 0, Number(level.value)] }, "mix");
  seed.addEventListener("input", change);
  level.addEventListener("change", change);
  return h("div", { class: "stack" }, h("h3", {}, "Style mixing"), h("p", { class: "small" }, "The coarse levels of this image, the fine ones of another."), h("div", { class: "fields" }, h("label", { class: "field" }, "Seed of the other", seed), h("label", { class: "field" }, "Take from it", level)));
}

/** A button that has `organza directions` find directions with names, from the labels of the data. */
function search(session, again) {
  const told = h("div", { role: "status" });
  const button = h("button", { type: "button", class: "quiet words", onclick: doing(async () => {
    const job = await post(`/api/runs/${path(session.run)}/make`, { kind: "directions" });
    fill(told, h("p", { class: "small" }, `${job.command}: this takes a minute or two.`), h("progress", { "aria-label": "Finding directions" }));
    const ended = await finished(job);
    fill(told, ended.code ? h("p", { class: "problem" }, ended.lines.at(-1) ?? "None were found.") : null);
    if (!ended.code) await again();
  }) }, "Find directions with names, from labels");
  return h("div", {}, button, told);
}

export function controls(session, tiles) {
  const { known } = session;
  const truncation = slider("Truncation", 0, 1.5, 0.05, session.point.psi, (psi) => session.change({ psi }, "psi"), (value) => value.toFixed(2));
  session.watchers.add((point) => truncation.set(point.psi));
  const place = h("div", {}, h("p", { class: "small", role: "status" }, "Looking for directions …"), h("progress", { "aria-label": "Looking for directions" }));
  const look = () => post(`/api/play/${path(session.run)}/directions`).then((found) => {
    if (found.directions.length) fill(place, directions(session, tiles, found.directions));
    else fill(place, h("p", { class: "small" }, "No direction stands out: the generator is young, or changes equally in all."));
    if (runs.get(session.run)?.kind === "run" && found.directions.every((one) => one.source === "axis")) add(place, search(session, look));
  }).catch((error) => fill(place, h("p", { class: "problem" }, error.message)));
  look();
  const element = h("section", { class: "card stack", "aria-label": "Change it" }, h("h2", {}, "Change it"),
    known.labels.length ? h("div", { class: "stack" }, h("h3", {}, "Labels"), h("div", { class: "fields" }, known.labels.map((field) => labelField(session, field)))) : null,
    known.codes ? codes(session, known.codes) : null, place,
    h("label", { class: "field" }, h("span", { class: "row spread" }, "Truncation", truncation.out), truncation.input, h("span", { class: "small" }, "Below 1: more usual and more alike. Above 1: stranger.")),
    known.levels > 1 ? mixing(session, known.levels) : null);
  return { element, end: () => {} };
}
