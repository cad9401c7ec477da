// The line of Python, and of the shell, that makes the current image.
import { code, fill, h } from "./dom.js";
import { query } from "./point.js";

const text = (value) => JSON.stringify(value);
const quoted = (value) => (/^[\w./:=,+-]+$/.test(value) ? value : `'${value.replaceAll("'", "'\"'\"'")}'`);

const python = (table) => `{${Object.entries(table).map(([name, value]) => `${text(name)}: ${text(value)}`).join(", ")}}`;

const untouched = (point) => !point.kept && !point.toward.length && !point.moves.some(Boolean) && !point.mix.length && !Object.keys(point.codes).length;

/** The command that writes samples of a run. */
export const sampling = (run, number, out) => `organza sample ${quoted(run)} --count ${number} --out ${quoted(out)}`;

export function shell(run, point) {
  if (!untouched(point) || point.psi !== 1 || point.index) return `organza sample ${quoted(run)} --at ${quoted(query(point))}`;
  const labels = Object.entries(point.labels).map(([name, value]) => quoted(`${name}=${value}`));
  return `organza sample ${quoted(run)} --count 1 --seed ${point.seed}${labels.length ? ` --set ${labels.join(" ")}` : ""}`;
}

export function pythonLine(run, point) {
  if (!untouched(point)) return `organza.studio.picture(${text(run)}, ${text(query(point))})`;
  const more = [];
  if (point.index) more.push(`first=${point.index}`);
  if (Object.keys(point.labels).length) more.push(`labels=${python(point.labels)}`);
  if (point.psi !== 1) more.push(`truncate=${point.psi}`);
  return `organza.load(${text(run)}).sample(${["1", `seed=${point.seed}`, ...more].join(", ")})[0]`;
}

export function lines(session) {
  const place = h("div", { class: "stack" });
  const show = (point) => fill(place, h("h3", {}, "Python"), code(pythonLine(session.place, point), "Python"), h("h3", {}, "Shell"), code(shell(session.place, point), "shell command"));
  session.watchers.add(show);
  show(session.point);
  return place;
}
