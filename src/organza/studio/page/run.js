// One run: watch it learn, steer it, take its generator away.
import { get, path, post } from "./api.js";
import { Charts, smoothed } from "./charts.js";
import { code, count, digits, doing, duration, fill, h, many, say, segments, sentence, state, tell } from "./dom.js";
import { listen, runs } from "./live.js";
import { progressOf } from "./runs.js";
import { Sheet } from "./sheet.js";
import { takeAway } from "./take.js";

const READINGS = ["D(x)", "D(G(z))", "D accuracy"];
const PACE = ["images", "seconds", "rate"];
const ENDED = ["finished", "ended early"];
const SLOW = /gradient|step$/;

/** The series of every chart, from points and evaluations. */
export function series(points, checks, unit, strength) {
  const clock = points.map((point) => [point.images, point.seconds]);
  const timed = (images) => {
    let at = clock.findIndex(([seen]) => seen >= images);
    if (at < 0) at = clock.length - 1;
    return clock[at]?.[1] ?? 0;
  };
  const place = (one) => (unit === "seconds" ? one.seconds ?? timed(one.images) : one.images);
  const curve = (name, label = name) => {
    const some = points.filter((point) => point[name] !== undefined);
    return { name: label, x: some.map(place), y: smoothed(some.map((point) => point[name]), strength) };
  };
  const measured = (name, label) => {
    const some = checks.filter((check) => Array.isArray(check[name]));
    return { name: label, x: some.map(place), y: some.map((check) => check[name][0]), errors: some.map((check) => check[name][1]), points: true };
  };
  const names = [...new Set(points.flatMap((point) => Object.keys(point)))].filter((name) => !PACE.includes(name) && !READINGS.includes(name));
  const has = (one) => one.x.length > 0;
  return {
    distance: [measured("mmd", "distance")].filter(has),
    diversity: [measured("variety", "diversity")].filter(has),
    reality: READINGS.map((name) => curve(name)).filter(has),
    losses: names.filter((name) => !SLOW.test(name)).map((name) => curve(name)),
    rate: [speed(points, place, strength)].filter(has),
    gradients: names.filter((name) => SLOW.test(name)).map((name) => curve(name)),
  };
}

function speed(points, place, strength) {
  const x = [];
  const y = [];
  for (let at = 1; at < points.length; at += 1) {
    const took = points[at].seconds - points[at - 1].seconds;
    if (took > 0) {
      x.push(place(points[at]));
      y.push((points[at].images - points[at - 1].images) / took);
    }
  }
  return { name: "images a second", x, y: smoothed(y, strength) };
}

/** Images that a run sees in its whole budget. A budget of time ends by the clock: by the speed until now. */
function expected(run) {
  return run.seconds_planned && run.seconds > 10 && run.images ? Math.round((run.images / run.seconds) * run.seconds_planned) : run.planned;
}

/** Why a run whose budget was a time saw other images than were planned; null if it did not. */
function difference(run) {
  if (run.state !== "finished" || !run.seconds_planned || run.seconds < 0.98 * run.seconds_planned || Math.abs(run.images / run.planned - 1) < 0.05) return null;
  return h("p", { class: "small", id: "difference" }, `The budget was a time, ${run.budget}, and ended the run by the clock: ${count(run.images)} images were seen in it. The ${count(run.planned)} that were expected are an estimate, from the speed measured before the run.`);
}

function pulse(run) {
  const item = (name, value, more = "") => h("div", {}, h("dt", {}, name), h("dd", {}, value, more ? h("span", { class: "small" }, ` ${more}`) : null));
  const all = expected(run);
  return [h("dl", { class: "pulse" },
    item(`${{ vectors: "Vectors", volumes: "Volumes" }[run.unit] ?? "Images"} seen`, count(run.images), all > run.images && !ENDED.includes(run.state) ? `of ${run.seconds_planned ? "about " : ""}${count(all)}` : ""),
    item("Time", duration(run.seconds), run.seconds_planned ? `of ${duration(run.seconds_planned)}` : ""),
    run.state === "training" ? item("Time left", run.left === null ? "–" : duration(run.left)) : null,
    item("Speed", digits(run.rate), `${run.unit ?? "images"}/s`)), difference(run)];
}

function healthBox(run, checks) {
  const findings = run.health?.findings ?? [];
  const last = checks.at(-1);
  if (!last) return h("p", { class: "small" }, ["starting", "training"].includes(run.state) ? "The first evaluation says how the run is doing." : "No evaluation was made.");
  const best = run.best ? h("p", { class: "small" }, `Best checkpoint: ${run.best.why ?? run.best.checkpoint} (${count(run.best.images)} images).`) : null;
  if (!findings.length) return h("div", { class: "health" }, h("p", { class: "well" }, "✓ Well: no fault was found at the last evaluation."), best);
  return h("div", { class: "health" }, findings.map((one) => h("div", { class: one.grave ? "finding grave" : "finding" }, h("p", {}, h("b", {}, one.name), `: ${one.text}.`), h("p", { class: "small" }, `Try ${one.advice}.`))), best);
}

function eventList(events) {
  if (!events.length) return h("p", { class: "small" }, "Nothing yet.");
  return h("ol", { class: "events", tabindex: "0", "aria-label": "Events, the latest first" }, [...events].reverse().slice(0, 100).map((event) =>
    h("li", {}, h("time", { datetime: event.time ?? "" }, (event.time ?? "").slice(11, 16)), h("span", {}, h("b", {}, event.event), event.images ? ` at ${count(event.images)} images` : "", event.text ? `: ${event.text}` : ""))));
}

function about(run, command) {
  const rows = [
    ["Recipe", run.recipe], [run.unit === "vectors" ? "Rows" : "Images", `${count(run.count)} from ${run.data}, ${count(run.held_out)} held out`],
    ["Size", run.unit === "vectors" ? run.size : `${run.size}, ${many(run.shape?.[0], "channel")}`],
    ["Budget", run.budget], ["Labels", run.labels?.join(", ")],
  ].filter(([, value]) => value);
  return [h("dl", { class: "facts" }, rows.map(([name, value]) => [h("dt", {}, name), h("dd", {}, value)])),
    run.reasons?.length ? h("div", {}, h("h3", {}, "Why this recipe"), h("ul", { class: "stack small" }, run.reasons.map((reason) => h("li", { class: "check-line" }, reason)))) : null,
    command ? h("div", { class: "stack" }, h("h3", {}, "The same in a terminal"), code(command)) : null];
}

class Controls {
  constructor(name) {
    this.name = name;
    this.element = h("div", { class: "row controls" });
    this.asked = 0;
  }

  show(run) {
    const sign = `${run.state}${run.playable}${this.asked ? "!" : ""}`;
    if (sign === this.sign) return;
    this.sign = sign;
    const play = run.playable && run.unit !== "vectors" ? h("a", { class: ENDED.includes(run.state) ? "button main" : "button", href: `/play/${path(this.name)}` }, "Play") : null;
    if (run.state === "training" || run.state === "starting") {
      fill(this.element, play, this.asked ? h("span", { class: "small", role: "status" }, "saving …") : h("button", { type: "button", class: "main", id: "stop", onclick: doing(() => this.stop()) }, "Pause"),
        this.asked && Date.now() - this.asked > 30000 ? h("button", { type: "button", class: "danger", onclick: doing(() => this.kill()) }, "End it at once") : null);
      return;
    }
    this.asked = 0;
    if (run.kind === "begun") {
      fill(this.element, h("a", { class: "button main", href: `/new?name=${encodeURIComponent(this.name)}` }, "Try again"));
      return;
    }
    fill(this.element, play,
      run.kind === "run" ? h("button", { type: "button", id: "extend", onclick: () => this.extend(run) }, "Train longer") : null,
      ENDED.includes(run.state) ? null : h("button", { type: "button", class: "main", id: "resume", onclick: doing(() => this.resume()) }, "Resume"));
  }

  async stop() {
    await post(`/api/runs/${path(this.name)}/stop`);
    this.asked = Date.now();
    say("The run saves itself and pauses.");
    this.show(runs.get(this.name));
    setTimeout(() => { this.sign = ""; if (runs.has(this.name)) this.show(runs.get(this.name)); }, 31000);
  }

  async kill() {
    await post(`/api/runs/${path(this.name)}/stop`, { force: true });
    tell("The process was ended. Nothing older than the last checkpoint is lost.");
  }

  async resume(budget) {
    await post(`/api/runs/${path(this.name)}/resume`, budget ? { budget } : {});
    say("The run resumes.");
  }

  extend(run) {
    const minutes = Math.max(10, Math.round(((run.seconds_planned ?? run.seconds) * 2) / 60 / 5) * 5);
    const input = h("input", { type: "text", id: "budget", value: run.seconds_planned || !run.budget.includes("img") ? `${minutes}m` : `${Math.round((run.planned * 2) / 1000)}kimg`, autocomplete: "off" });
    const problem = h("p", { class: "problem", role: "alert", hidden: true });
    const dialog = h("dialog", { class: "stack", "aria-labelledby": "extend-title" },
      h("form", { method: "dialog", class: "stack", onsubmit: async (event) => {
        event.preventDefault();
        try {
          await this.resume(input.value);
          dialog.close();
        } catch (error) {
          problem.textContent = error.message;
          problem.hidden = false;
        }
      } },
      h("h2", { id: "extend-title" }, "Train longer"),
      h("p", { class: "small" }, `The budget of the whole run, from its beginning; so far ${run.budget}. A time (40m, 2h), images (500kimg) or passes (20epochs).`),
      h("label", { class: "field" }, "Budget", input), problem,
      h("div", { class: "row" }, h("button", { class: "main", type: "submit" }, "Resume with this budget"), h("button", { type: "button", class: "quiet", onclick: () => dialog.close() }, "Cancel"))));
    document.body.append(dialog);
    dialog.addEventListener("close", () => dialog.remove());
    dialog.showModal();
    input.select();
  }
}

export async function open(body, [name]) {
  const address = `/api/runs/${path(name ?? "")}`;
  let found = await get(address);
  let run = found.state;
  let points = found.points ?? [];
  let checks = found.checks ?? [];
  let strength = 0.6;
  const charts = new Charts();
  const sheet = new Sheet(run);
  const controls = new Controls(name);
  const mark = h("span", {});
  const why = h("p", { class: "lead" });
  const line = h("div", { class: "progress-line" });
  const numbers = h("div", { class: "stack" });
  const health = h("div", {});
  const events = h("div", {});
  const details = h("div", { class: "stack" });
  const log = h("pre", { class: "log", tabindex: "0", "aria-label": "Output of the command" });
  const logBox = h("details", {}, h("summary", {}, "Output of the command"), log);
  const take = takeAway(name);

  const all = {
    distance: charts.chart("Distance to real images", "Smaller is better; bars are standard errors. Measured against held-out images."),
    diversity: charts.chart("Diversity", "1 is as varied as the real images.", { least: 0, levels: [{ at: 1, text: "real images" }] }),
    reality: charts.chart("D(x) and D(G(z))", "The discriminator's probability for real and generated images; at the equilibrium both are 0.5.", { least: 0, most: 1, levels: [{ at: 0.5, text: "equilibrium" }] }),
    losses: charts.chart("Losses", "Each term of both objectives."),
    rate: charts.chart("Speed", "Images a second, evaluations included.", { least: 0 }),
    gradients: charts.chart("Gradients and steps", "Norms of the gradients, and changes of the weights by a step."),
  };
  const smooth = h("input", { type: "range", min: 0, max: 0.97, step: 0.01, value: strength, "aria-label": "Smoothing of the curves", oninput: () => { strength = Number(smooth.value); draw(); } });
  const units = segments("Horizontal axis", [["images", "Images"], ["seconds", "Time"]], "images", (unit) => { charts.unit = unit; charts.zoom(null); draw(); });
  const kinds = segments("Images shown", [["generated", "Generated"], ["real", "Real"]], "generated", (kind) => sheet.turn(kind));
  const curves = h("section", { class: "card", "aria-label": "Curves" }, h("div", { class: "row spread" }, h("h2", {}, "Curves"), h("div", { class: "row" }, charts.tools(), units, h("label", { class: "row small smooth" }, "Smooth", smooth))),
    h("p", { class: "small" }, "Drag over a curve to zoom, double-click to see the whole run; hover for values."), h("div", { class: "chart-grid" }, Object.values(all).map((one) => one.element)));

  fill(body, h("div", { class: "head" }, h("div", {}, h("div", { class: "row" }, h("h1", {}, name), mark), why), controls.element),
    h("div", { class: "cols wide-first" },
      h("section", { class: "card", "aria-label": "Samples" }, h("div", { class: "row spread samples-head" }, h("h2", {}, "Samples"), kinds), sheet.element),
      h("div", { class: "stack gap" }, h("section", { class: "card", "aria-label": "Progress" }, line, numbers), h("section", { class: "card", "aria-label": "Health" }, h("h2", {}, "Health"), health),
        h("section", { class: "card", "aria-label": "Events" }, h("h2", {}, "Events"), events))),
    curves, take.element,
    h("section", { class: "card", "aria-label": "About the run" }, h("h2", {}, "About this run"), h("div", { class: "stack" }, details, logBox)));

  let waiting = false;
  function draw() {
    if (waiting) return;
    waiting = true;
    requestAnimationFrame(() => {
      waiting = false;
      const shown = series(points, checks, charts.unit, strength);
      for (const [key, chart] of Object.entries(all)) chart.show(shown[key]);
      curves.hidden = !points.length && !checks.length;
    });
  }

  function head() {
    fill(mark, state(run));
    why.textContent = run.state === "training" || run.state === "starting" ? [run.recipe, run.size, run.data && `from ${run.data}`].filter(Boolean).join(" · ") || sentence(run.why) : sentence(run.why);
    controls.show(run);
    line.hidden = run.kind !== "run";
    fill(line, h("progress", { max: 1, value: progressOf(run), "aria-label": "Progress" }));
    fill(numbers, run.kind === "run" ? pulse(run) : h("p", {}, run.state === "starting" ? "Reading the data and measuring this machine; this takes seconds to minutes." : sentence(run.why)));
    fill(health, healthBox(run, checks));
    logBox.hidden = !found.log;
    if (log.textContent !== found.log) log.textContent = found.log ?? "";
    if (run.state === "failed") logBox.open = true;
  }

  function slow() {
    fill(events, eventList(found.events ?? []));
    fill(details, run.kind === "run" ? about(run, found.command) : found.command ? code(found.command) : null);
    take.show(run, found.files ?? []);
  }

  async function again() {
    found = await get(address);
    run = found.state;
    points = found.points ?? [];
    checks = found.checks ?? [];
    head();
    slow();
    draw();
    await sheet.take(found.samples ?? [], run);
  }

  const refresh = () => again().catch((error) => tell(error.message, true));
  let later = null;
  const soon = () => { later ??= setTimeout(() => { later = null; refresh(); }, 300); };
  const end = listen((kind, message) => {
    if (kind === "all") soon();
    if (message.name !== name) return;
    if (kind === "run") {
      const before = run;
      run = message;
      head();
      if (before.state !== run.state) say(`The run is ${run.state}. ${sentence(run.why)}`);
      if (before.state === "training" && run.state === "finished" && run.report) take.reveal();
      if (before.state !== run.state || before.samples !== run.samples || before.report !== run.report || before.quiz !== run.quiz || JSON.stringify(before.health) !== JSON.stringify(run.health) || before.best?.images !== run.best?.images || run.kind !== "run") soon();
    } else if (kind === "points") {
      if (message.from > (found.at ?? 0)) soon();
      else if (message.to > (found.at ?? 0)) {
        found.at = message.to;
        const last = points.at(-1)?.images ?? -1;
        points.push(...message.points.filter((point) => point.images > last));
        if (points.length > 6000) soon();
        draw();
      }
    } else if (kind === "rewritten") soon();
    else if (kind === "gone") tell(`${name} was removed.`);
  });
  const listening = listen((kind, message) => { if (kind === "job" && message.about === name) { take.job(message); if (message.code !== null) soon(); } });
  head();
  slow();
  draw();
  await sheet.take(found.samples ?? [], run);
  return () => { end(); listening(); charts.end(); sheet.end(); clearTimeout(later); };
}
