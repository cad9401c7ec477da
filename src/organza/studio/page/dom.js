// Elements, numbers and times in words. Text is always inserted as text, never as HTML.

/** An element: h("p", {class: "small", onclick: f}, "text", child). Properties with null are left out. */
export function h(tag, props = {}, ...children) {
  const svg = tag === "svg" || tag === "path" || tag === "use";
  const element = svg ? document.createElementNS("http://www.w3.org/2000/svg", tag) : document.createElement(tag);
  for (const [name, value] of Object.entries(props)) {
    if (value === null || value === undefined || value === false) continue;
    if (name.startsWith("on")) element.addEventListener(name.slice(2), value);
    else if (name === "style") for (const [key, part] of Object.entries(value)) element.style.setProperty(key, part);
    else if (name === "value" && !svg) element.value = value;
    else if (name in element && typeof value === "boolean") element[name] = value;
    else element.setAttribute(name, value === true ? "" : value);
  }
  add(element, ...children);
  return element;
}

export function add(element, ...children) {
  for (const child of children.flat(Infinity)) {
    if (child !== null && child !== undefined && child !== false) element.append(child);
  }
  return element;
}

export function fill(element, ...children) {
  element.replaceChildren();
  return add(element, ...children);
}

export function icon(path) {
  return h("svg", { viewBox: "0 0 24 24", "aria-hidden": "true", fill: "none", stroke: "currentColor", "stroke-width": "1.9", "stroke-linecap": "round", "stroke-linejoin": "round" }, h("path", { d: path }));
}

const plain = new Intl.NumberFormat("en-US", { maximumFractionDigits: 0 });
export const count = (value) => plain.format(value ?? 0);

/** A number with its noun: 1 image, 2 images. */
export const many = (number, noun) => `${count(number)} ${noun}${number === 1 ? "" : "s"}`;

/** A measurement with three digits. */
export function digits(value) {
  if (value === null || value === undefined || !Number.isFinite(value)) return "–";
  const size = Math.abs(value);
  if (size >= 1000) return count(value);
  if (size !== 0 && size < 0.001) return value.toExponential(1);
  return value.toLocaleString("en-US", { maximumSignificantDigits: 3 });
}

export function short(value) {
  if (value >= 1e6) return `${digits(value / 1e6)} M`;
  return value >= 1e4 ? `${digits(value / 1e3)} k` : count(value);
}

/** A duration in words, as the terminal says it. */
export function duration(seconds) {
  if (seconds === null || seconds === undefined) return "";
  if (seconds < 90) return `${Math.round(seconds)} s`;
  const minutes = Math.round(seconds / 60);
  return minutes < 90 ? `${minutes} min` : `${Math.floor(minutes / 60)} h ${minutes % 60} min`;
}

export function ago(stamp) {
  const past = Date.now() / 1000 - stamp;
  if (past < 60) return "just now";
  if (past < 36 * 3600) return `${duration(past)} ago`;
  return new Date(stamp * 1000).toLocaleDateString("en-GB", { day: "numeric", month: "short", year: "numeric" });
}

export const bytes = (size) => (size > 1e6 ? `${digits(size / 1e6)} MB` : `${digits(size / 1e3)} kB`);

/** A note in the corner; errors stay until closed. */
export function tell(text, bad = false) {
  const close = h("button", { "aria-label": "Close this note", onclick: () => note.remove() }, "✕");
  const note = h("div", { class: bad ? "note bad" : "note" }, h("span", {}, text), close);
  document.getElementById("notes").append(note);
  setTimeout(() => note.remove(), bad ? 15000 : 5000);
}

/** Say something to screen readers only; it is gone after a while, so that nobody finds it beside what happens later. Nothing is said for "". */
export function say(text) {
  const said = h("p", {}, text);
  fill(document.getElementById("said"), text ? said : null);
  setTimeout(() => said.remove(), 8000);
}

/** A text as a sentence: with a capital, and a full stop. */
export const sentence = (text) => (text ? text[0].toUpperCase() + text.slice(1) + (/[.!?…]$/.test(text) ? "" : ".") : "");

/** A handler that shows its errors as notes, and disables its button meanwhile. */
export function doing(action) {
  return async (event) => {
    const button = event?.currentTarget instanceof HTMLButtonElement ? event.currentTarget : null;
    if (button) button.disabled = true;
    try {
      await action(event);
    } catch (error) {
      tell(error.message, true);
    } finally {
      if (button) button.disabled = false;
    }
  };
}

export function code(text, about = "command") {
  const copy = h("button", { class: "quiet", "aria-label": `Copy the ${about}`, onclick: async () => {
    await navigator.clipboard.writeText(text);
    copy.textContent = "Copied";
    setTimeout(() => { copy.textContent = "Copy"; }, 1500);
  } }, "Copy");
  return h("pre", { class: "code", tabindex: "0", "aria-label": about }, text, copy);
}

export function state(run) {
  return h("span", { class: `state ${run.state.replace(" ", "-")}` }, run.state);
}

/** Buttons of which one is chosen; its function `mark` shows another value, or none, as chosen. */
export function segments(label, options, chosen, pick) {
  const buttons = options.map(([value, text]) => h("button", { type: "button", "aria-pressed": String(value === chosen), onclick: () => { mark(value); pick(value); } }, text));
  const mark = (value) => buttons.forEach((button, at) => button.setAttribute("aria-pressed", String(options[at][0] === value)));
  return Object.assign(h("div", { class: "segments", role: "group", "aria-label": label }, buttons), { mark });
}

/** Ask for a text in a dialog; null if it was closed. */
export function ask(title, label, value, action = "Use it") {
  return new Promise((yes) => {
    let answer = null;
    const input = h("input", { type: "text", value, autocomplete: "off" });
    const dialog = h("dialog", { "aria-label": title }, h("form", { method: "dialog", class: "stack", onsubmit: () => { answer = input.value.trim() || null; } }, h("h2", {}, title), h("label", { class: "field" }, label, input),
      h("div", { class: "row" }, h("button", { class: "main", type: "submit" }, action), h("button", { type: "button", class: "quiet", onclick: () => dialog.close() }, "Cancel"))));
    dialog.addEventListener("close", () => { dialog.remove(); yes(answer); });
    document.body.append(dialog);
    dialog.showModal();
    input.select();
  });
}
