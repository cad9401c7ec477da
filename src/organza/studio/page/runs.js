// All runs, as cards.
import { path } from "./api.js";
import { ago, count, digits, duration, fill, h, sentence, state } from "./dom.js";
import { listen, runs } from "./live.js";
import { cover } from "./sheet.js";

const active = (run) => run.state === "training" || run.state === "starting";

export function progressOf(run) {
  if (run.seconds_planned) return Math.min(1, run.seconds / run.seconds_planned);
  return run.planned ? Math.min(1, run.images / run.planned) : 0;
}

function facts(run) {
  if (run.kind === "export") return "An exported generator";
  if (run.kind !== "run") return sentence(run.why);
  const parts = [run.recipe, run.size, `${count(run.images)} ${run.unit ?? "images"} seen`];
  return parts.filter(Boolean).join(" · ");
}

function below(run) {
  if (run.state === "training") {
    return [h("progress", { max: 1, value: progressOf(run), "aria-label": `Progress of ${run.name}` }), h("p", { class: "small num" }, `${digits(run.rate)} images/s`, run.left !== null ? ` · ${duration(run.left)} left` : "")];
  }
  if (run.state === "starting") return h("p", { class: "small" }, sentence(run.why || "getting ready"));
  if (run.kind === "run") {
    const health = run.health?.text && run.health.text !== "well" ? h("p", { class: "small warn" }, run.health.findings[0]?.name ?? run.health.text) : null;
    return [h("p", { class: "small" }, sentence(run.best ? run.best.why : run.why)), health];
  }
  return null;
}

function card(run) {
  const to = run.kind === "export" ? `/play/${path(run.name)}` : `/run/${path(run.name)}`;
  return h("li", { class: "card run-card", "data-name": run.name },
    cover(run),
    h("div", { class: "told" },
      h("div", { class: "row spread" }, h("h2", {}, h("a", { href: to, class: "whole" }, run.name)), state(run)),
      h("p", { class: "small" }, facts(run)), below(run),
      run.changed ? h("p", { class: "small faint" }, active(run) ? "" : ago(run.changed)) : null));
}

export function open(body) {
  const list = h("ul", { class: "run-list" });
  const about = h("p", { class: "lead" });
  const cards = new Map();
  fill(body, h("div", { class: "head" }, h("div", {}, h("h1", {}, "Runs"), about), h("a", { class: "button main", href: "/new" }, "Train a new one")), list);

  const order = () => [...runs.values()].sort((a, b) => active(b) - active(a) || (b.changed ?? 0) - (a.changed ?? 0) || a.name.localeCompare(b.name));

  function show() {
    const all = order();
    const training = all.filter(active).length;
    about.textContent = all.length ? `${all.length} ${all.length === 1 ? "run" : "runs"}${training ? `, ${training} in training` : ""}. Training goes on when this page, or the studio, is closed.` : "";
    if (!all.length) {
      cards.clear();
      fill(list, h("li", { class: "empty" }, h("img", { src: "/icon.svg", alt: "", width: 72, height: 72 }), h("h2", {}, "Teach a network to draw"),
        h("p", {}, "Choose a folder of images, or cartoon faces made on this machine. A first generator takes minutes on a laptop; you watch it learn, then play with what it learned."), h("a", { class: "button main", href: "/new" }, "Start the first run")));
      return;
    }
    list.querySelector(".empty")?.remove();
    for (const [name, known] of cards) {
      if (!runs.has(name)) {
        known.element.remove();
        cards.delete(name);
      }
    }
    all.forEach((run, at) => {
      const sign = JSON.stringify([run.state, run.images, run.sample, run.why, run.health, run.best, run.left]);
      const known = cards.get(run.name);
      let element = known?.element;
      if (!known || known.sign !== sign) {
        const held = element?.contains(document.activeElement);
        const fresh = card(run);
        if (known && known.sample === run.sample) fresh.replaceChild(element.querySelector(".cover"), fresh.querySelector(".cover"));
        element?.replaceWith(fresh);
        element = fresh;
        if (held) element.querySelector("a").focus();
        cards.set(run.name, { element, sign, sample: run.sample });
      }
      if (list.children[at] !== element) list.insertBefore(element, list.children[at] ?? null);
    });
  }
  show();
  return listen((kind) => { if (["all", "run", "gone"].includes(kind)) show(); });
}
