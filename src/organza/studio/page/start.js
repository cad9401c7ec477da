// A new run in three steps: images, settings, start.
import { get, path, post } from "./api.js";
import { code, count, doing, fill, h, many, say, segments, sentence, tell } from "./dom.js";
import { asName, copy, dropZone, dropped, freeName, sorted } from "./dropped.js";
import { finished, listen, runs } from "./live.js";

const BUDGETS = [["1m", "1 min"], ["5m", "5 min"], ["20m", "20 min"], ["1h", "1 h"], ["4h", "4 h"], ["12h", "12 h"]];
const TABLE = /\.(csv|tsv|npy)$/i;
const thumb = (root, place) => `/api/data/thumbnail?root=${encodeURIComponent(root)}&path=${encodeURIComponent(place)}`;
const goTo = (address) => dispatchEvent(new CustomEvent("organza-go", { detail: address }));

const line = (text, warn = false) => h("li", { class: warn ? "check-line warn" : "check-line" }, h("span", {}, text));

function title(number, text) {
  return h("div", { class: "step-title" }, h("span", { "aria-hidden": "true" }, number), h("h2", {}, text));
}

class DataStep {
  /** `chosen` receives {root, path, found}, or null when another choice begins; `waits` what the page waits for. */
  constructor(studio, chosen, waits) {
    Object.assign(this, { studio, chosen, waits, typed: false, left: false, copying: null, busy: false, filled: false });
    this.place = { root: Object.keys(studio.data)[0] ?? "", path: "" };
    this.work = h("div", { class: "stack", role: "status" });
    this.list = h("div", { class: "stack" });
    this.found = h("div", { class: "stack" });
    this.number = h("input", { type: "number", id: "made-count", min: 60, max: 100000, step: 1, value: 5000 });
    this.side = h("input", { type: "number", id: "made-size", min: 16, max: 256, step: 8, value: 64 });
    this.folder = h("input", { type: "text", id: "new-folder", autocomplete: "off", placeholder: "my-images", oninput: () => { this.typed = Boolean(this.folder.value.trim()); } });
    const sets = h("div", { class: "options" }, studio.built_in.map((set) => h("button", { type: "button", class: "option", "data-set": set.kind, onclick: doing(() => this.make(set)) }, h("b", {}, set.kind), h("span", { class: "small" }, set.about))));
    const panels = {
      folder: this.list,
      drop: h("div", { class: "stack" }, dropZone("Drop images or a folder here: they are copied at once into a new folder of your data; the originals stay as they are.", (given) => this.upload(given), true, true),
        h("label", { class: "field" }, "Name of the new folder", this.folder, h("span", { class: "small" }, "Without one: that of the dropped folder. More images dropped here are added to it."))),
      made: h("div", { class: "stack" }, h("p", { class: "small" }, "No images at hand? These are drawn on this machine, without a download."), h("div", { class: "fields" }, h("label", { class: "field" }, "How many", this.number), h("label", { class: "field" }, "Pixels on each side", this.side)), sets),
    };
    const box = h("div", {}, panels.folder);
    const turn = (kind) => {
      fill(box, panels[kind]);
      if (kind === "folder" && !this.copying) this.look(this.place.root, this.place.path);
      else this.ask(kind === "drop" ? "Drop or choose your images above." : "Choose a built-in set above.");
    };
    const kinds = segments("Where the images are", [["folder", "A folder"], ["drop", "Drop images"], ["made", "Built-in"]], "folder", turn);
    this.drop = (event) => dropped(event, (given) => { // anywhere on the page
      kinds.mark("drop");
      turn("drop");
      this.upload(given);
    });
    this.element = h("section", { class: "card" }, title(1, "Images, or a table of numbers"), h("div", { class: "stack" }, kinds, box, this.work, this.found));
    this.look();
  }

  async look(root = this.place.root, place = "") {
    if (!root) {
      fill(this.list, h("p", { class: "problem" }, "The studio has no data folder. Start it with: organza studio --data FOLDER"));
      return;
    }
    try {
      const seen = await get(`/api/data?root=${encodeURIComponent(root)}&path=${encodeURIComponent(place)}`);
      this.place = { root, path: place };
      this.ask(seen.images || seen.file ? `To train on ${seen.file ? "this file" : many(seen.images, "image")}, press “Use this ${seen.file && TABLE.test(place) ? "table" : seen.file ? "file" : "folder"}” above.` : "Choose images or a table above.");
      const parts = place.split("/").filter(Boolean);
      const crumbs = [h("button", { type: "button", class: "quiet", onclick: () => this.look(root, "") }, root), ...parts.map((part, at) => ["/", h("button", { type: "button", class: "quiet", onclick: () => this.look(root, parts.slice(0, at + 1).join("/")) }, part)])];
      const roots = Object.keys(this.studio.data).length > 1 ? segments("Data folder", Object.keys(this.studio.data).map((name) => [name, name]), root, (name) => this.look(name, "")) : null;
      const inner = seen.folders.map((name) => h("button", { type: "button", onclick: () => this.look(root, [...parts, name].join("/")) }, `${/\.(zip|npz)$/i.test(name) ? "🗜" : TABLE.test(name) ? "▦" : "▸"} ${name}`));
      const use = seen.images || seen.file || parts.length ? h("button", { type: "button", class: "main", id: "use", onclick: doing(() => this.check(root, place)) }, seen.file ? `Use this ${TABLE.test(place) ? "table" : "file"}` : `Use this folder${seen.images ? ` (${count(seen.images)} images)` : ""}`) : null;
      fill(this.list, roots, h("div", { class: "crumbs", "aria-label": "Folder" }, crumbs), inner.length ? h("div", { class: "folders" }, inner) : null,
        this.preview = h("div", { class: "stack" }, seen.shown.length ? h("div", { class: "thumbs" }, seen.shown.slice(0, 12).map((name) => h("img", { src: thumb(root, [...parts, name].join("/")), alt: "", loading: "lazy" }))) : null,
        !inner.length && !seen.images && !seen.file ? h("p", { class: "small" }, "There are no images and no tables here.") : null, use ? h("div", {}, use) : null));
    } catch (error) {
      fill(this.list, h("p", { class: "problem" }, error.message), h("button", { type: "button", onclick: () => this.look(Object.keys(this.studio.data)[0], "") }, "Back to the data folder"));
    }
  }

  /** Say what to do next, unless images are chosen or on their way. */
  ask(text) {
    if (!this.copying && !this.busy) this.waits(text, false);
  }

  async make(set) {
    const base = set.kind;
    for (let number = 1; number < 50; number += 1) {
      const name = number === 1 ? base : `${base}-${number}`;
      try {
        const job = await post("/api/data/make", { kind: set.kind, name, count: Number(this.number.value) || set.count, size: Number(this.side.value) || set.size });
        await this.follow(job);
        return;
      } catch (error) {
        if (!error.message.includes("exists already")) throw error;
        // a set that was made before serves as well
        await this.check(Object.keys(this.studio.data)[0], name);
        return;
      }
    }
  }

  async follow(job) {
    const bar = h("progress", { "aria-label": "Drawing the images" });
    this.busy = true;
    this.chosen(null);
    this.waits(`Drawing ${job.about} …`);
    fill(this.work, h("p", { class: "hint" }, `Drawing ${job.about} …`), bar, h("p", { class: "small" }, job.command));
    const ended = await finished(job);
    this.busy = false;
    fill(this.work);
    if (ended.code !== 0) throw new Error(ended.lines.at(-1) ?? "The images were not made.");
    await this.look(job.root, job.path);
    await this.check(job.root, job.path);
  }

  /** Copy what was dropped or chosen, {file, path} each, into a folder of its own. */
  async upload(given) {
    const { folder, images, others } = sorted(given);
    if (!images.length) {
      tell(given.some(({ file }) => TABLE.test(file.name)) ? "A table of numbers is not copied: choose it under “A folder”, in one of your data folders." : "There is no image among these files.", true);
      return;
    }
    if (this.copying) {
      tell("Wait until the images before these are copied, or stop that.", true);
      return;
    }
    const root = Object.keys(this.studio.data)[0];
    if (!root) {
      tell("The studio has no data folder. Start it with: organza studio --data FOLDER", true);
      return;
    }
    try {
      if (!this.typed && (folder || !this.filled)) this.folder.value = await freeName(root, folder ? asName(folder) : "my-images");
      await this.copy(root, this.folder.value.trim(), images, others);
    } catch (error) {
      tell(error.message, true);
    }
  }

  async copy(root, name, images, others) {
    const bar = h("progress", { max: images.length, value: 0, "aria-label": "Copying images" });
    const told = h("p", { class: "hint" });
    this.copying = new AbortController();
    this.chosen(null);
    fill(this.found);
    fill(this.work, told, bar, h("div", {}, h("button", { type: "button", id: "stop-copy", onclick: () => this.copying?.abort() }, "Stop copying")));
    const { stored, refused, rest, problem } = await copy(name, images, (done, all) => {
      Object.assign(bar, { value: done, max: all });
      told.textContent = `${count(done)} of ${many(all, "image")} copied into ${root}/${name}`;
      this.waits(`Copying your images: ${count(done)} of ${count(all)} …`);
    }, this.copying.signal);
    this.copying = null;
    this.filled ||= stored > 0;
    if (this.left) {
      tell(`${many(stored, "image")} copied into ${root}/${name}${rest.length ? `; ${count(rest.length)} are missing` : ""}.`, rest.length > 0);
      return;
    }
    const more = rest.length ? h("button", { type: "button", class: "main", id: "copy-rest", onclick: () => this.copy(root, name, rest, 0).catch((error) => tell(error.message, true)) }, `Copy the other ${count(rest.length)}`) : null;
    fill(this.work, problem ? h("p", { class: "problem" }, problem) : null, more ? h("p", {}, `${many(stored, "image")} copied; ${count(rest.length)} are missing.`) : null, more ? h("div", {}, more) : null,
      others ? h("p", { class: "small" }, `${many(others, "other file")} left out.`) : null,
      refused.length ? h("div", { class: "problem" }, h("p", {}, `${many(refused.length, "file")} not used:`), h("ul", {}, refused.slice(0, 5).map((text) => h("li", {}, text)))) : null);
    if (stored) await this.check(root, name);
    else this.waits(problem ?? "None of these files can be used.");
  }

  async check(root, place) {
    const about = `${root}/${place}`;
    const bar = h("progress", { "aria-label": "Looking at the images" });
    const told = h("p", { class: "small" }, "Looking at the images …");
    fill(this.found, told, bar);
    this.busy = true;
    this.chosen(null);
    this.waits("Looking at the images …");
    const stop = listen((kind, message) => {
      if (kind === "progress" && message.about === about) {
        bar.max = message.total;
        bar.value = message.done;
        told.textContent = `${message.task}: ${count(message.done)} of ${count(message.total)}`;
      }
    });
    try {
      const found = await post("/api/data/check", { root, path: place });
      this.show(root, place, found);
      if (this.preview && this.place.root === root && this.place.path === place) this.preview.hidden = true; // the check shows more of the same
      this.chosen({ root, path: place, found });
    } catch (error) {
      fill(this.found, h("p", { class: "problem" }, error.message));
      this.waits("These cannot be trained on: see above.");
    } finally {
      this.busy = false;
      stop();
    }
  }

  /** The check of a table: rows, the range of each column, what is wrong. */
  table(root, place, found) {
    const columns = h("table", { class: "small num" }, h("thead", {}, h("tr", {}, ["column", "least", "greatest"].map((text) => h("th", { scope: "col" }, text)))),
      h("tbody", {}, found.columns.map((row) => h("tr", {}, row.map((text) => h("td", {}, text))))));
    fill(this.found, h("h3", {}, `${place || root}: ${many(found.rows, "row")} of ${found.size}`),
      h("ul", { class: "stack" }, found.usable ? line("every value is a number") : null, found.problems.map((text) => line(text, true)), found.duplicates ? line(`${many(found.duplicates, "row")} repeat an earlier one`, true) : null, found.notes.map((text) => line(text, !found.usable))),
      h("details", { open: found.columns.length < 9 }, h("summary", {}, "Columns"), h("div", { class: "table", tabindex: "0", role: "region", "aria-label": "Columns" }, columns)));
    say(found.usable ? `${many(found.rows, "row")}.` : "This table cannot be trained on.");
  }

  show(root, place, found) {
    if (found.columns) {
      this.table(root, place, found);
      return;
    }
    const seen = (name) => (/\.(png|jpe?g|webp|bmp|gif|tiff?|heic|avif|ppm|pgm)$/i.test(name) && !/\.(zip|npz|npy)(\/|$)/i.test(place) ? h("img", { src: thumb(root, `${place}/${name}`), alt: "", loading: "lazy" }) : null);
    const formats = Object.entries(found.formats).map(([name, number]) => `${count(number)} ${name}`).join(", ");
    fill(this.found, h("h3", {}, `${place || root}: ${count(found.usable)} usable images`), h("div", { class: "thumbs" }, found.shown.map(seen)),
      h("ul", { class: "stack" }, line(`${formats}; ${found.smallest === found.largest ? `all of ${found.smallest}` : `sizes from ${found.smallest} to ${found.largest}`}`),
        found.usable < 500 ? line(`${count(found.usable)} images are few: the generator will tend to repeat them; 500 or more are better`, true) : null,
        found.broken_count ? line(`${many(found.broken_count, "file")} cannot be used: ${found.broken.slice(0, 3).map(([name, why]) => `${name} (${why})`).join("; ")}${found.broken_count > 3 ? " …" : ""}`, true) : null,
        found.copies_count ? line(`${many(found.copies_count, "group")} of identical images`, true) : null,
        found.alike_count ? line(`${many(found.alike_count, "group")} of images that are nearly the same`, true) : null,
        found.enlarged ? line(`${count(found.enlarged)} images are smaller than ${found.size} and will be enlarged`, true) : null,
        found.classes.length ? line(`classes: ${found.classes.slice(0, 12).map(([name, number]) => `${name} (${count(number)})`).join(", ")}`) : null,
        found.labels.length ? line(`labels.csv has the columns ${found.labels.join(", ")}`) : null,
        found.notes.map((note) => line(note))));
    say(`${count(found.usable)} usable images.`);
  }
}

export async function open(body, _, query) {
  const studio = await get("/api/studio");
  const wishes = { budget: "20m" };
  let data = null;
  let named = query.get("name") ?? "";
  const start = h("button", { type: "button", class: "main", id: "start", disabled: true }, "Start training");
  const summary = h("p", { class: "small", id: "summary" });
  let wanted = "Choose images or a table above.";
  const name = h("input", { type: "text", id: "name", autocomplete: "off", value: named });
  const size = h("input", { type: "text", id: "size", autocomplete: "off", placeholder: "chosen from the images" });
  const labels = h("input", { type: "text", id: "labels", autocomplete: "off", placeholder: "none" });
  const budget = h("input", { type: "text", id: "budget", value: "20m", autocomplete: "off", "aria-describedby": "budget-about" });
  const recipe = h("select", { id: "recipe" }, h("option", { value: "" }, "auto: chosen by images, budget and machine"));
  const from = h("select", { id: "from" });
  const sources = (table) => {
    const chosen = from.value;
    const fitting = [...runs.values()].filter((run) => run.playable && (run.unit === "vectors") === table);
    fill(from, h("option", { value: "" }, "fresh weights"), fitting.map((run) => h("option", { value: run.name }, run.name)));
    from.value = fitting.some((run) => run.name === chosen) ? chosen : "";
  };
  sources(false);
  const expect = h("p", { class: "small", id: "expect" });
  const about = h("div", { class: "stack small" });
  const more = h("details", { hidden: true }, h("summary", {}, "More about this recipe"), about);
  const settings = h("input", { type: "text", id: "settings", autocomplete: "off", placeholder: "batch=32 generator.width=48" });
  const seed = h("input", { type: "text", id: "seed", inputmode: "numeric", autocomplete: "off", placeholder: "0" });
  const proposal = h("div", { class: "stack" });
  const command = h("div", {});
  const field = (text, input, about = "") => h("label", { class: "field" }, text, input, about ? h("span", { class: "small" }, about) : null);
  let known = [];
  get("/api/recipes").then((found) => {
    known = found;
    for (const group of new Set(found.map((one) => one.group))) {
      recipe.append(h("optgroup", { label: group }, found.filter((one) => one.group === group).map((one) => h("option", { value: one.name }, one.name))));
    }
    if (query.get("recipe")) recipe.value = query.get("recipe");
  }).catch((error) => tell(error.message, true));

  const given = () => ({
    root: data.root, path: data.path, start: from.value || null, recipe: recipe.value || null, budget: budget.value.trim() || null, size: size.value.trim() || null,
    labels: labels.value.trim() || null, seed: seed.value.trim() || null, settings: settings.value.trim() ? settings.value.trim().split(/\s+/) : null,
  });

  function update() {
    start.disabled = !data?.found.usable;
    const found = known.find((one) => one.name === recipe.value);
    more.hidden = !found;
    fill(about, found ? [h("p", {}, found.expect), h("p", {}, `Source: ${found.source}`)] : null);
    expect.textContent = found ? `${found.name}: ${found.group[0].toLowerCase()}${found.group.slice(1)}. ${sentence(found.expect.split(/[;.](?: |$)/)[0])}` : recipe.value ? "" : from.value ? `The recipe and the networks of ${from.value} learn these images from where they are.` : "Without a choice, organza decides by the number and kind of the images, the budget and the speed of this machine, and says why.";
    if (!data) {
      summary.textContent = wanted;
      fill(command);
      return;
    }
    const place = `${studio.data[data.root]}${data.path ? `/${data.path}` : ""}`;
    const quoted = (text) => (/^[\w./:=,+-]+$/.test(text) ? text : `'${text.replaceAll("'", "'\"'\"'")}'`);
    const words = ["organza train", quoted(place), "--run", quoted(`${studio.runs}/${name.value.trim() || "NAME"}`)];
    if (from.value) words.push("--from", quoted(`${studio.runs}/${from.value}`));
    for (const [key, input] of [["recipe", recipe], ["budget", budget], ["size", size], ["labels", labels], ["seed", seed]]) if (input.value.trim()) words.push(`--${key}`, quoted(input.value.trim()));
    if (settings.value.trim()) words.push("--set", settings.value.trim());
    fill(command, code(words.join(" ")));
    if (!data.found.usable) {
      summary.textContent = "Nothing here can be trained on: see above.";
      return;
    }
    summary.textContent = `${many(data.found.usable, data.found.columns ? "row" : "image")}, ${budget.value}, ${recipe.value || "recipe chosen automatically"}${from.value ? `, from the weights of ${from.value}` : ""}`;
  }

  const step = new DataStep(studio, (chosen) => {
    data = chosen;
    if (!chosen) {
      update();
      return;
    }
    if (!named) {
      const base = (chosen.path.split("/").filter(Boolean).at(-1) ?? chosen.root).replace(/\.(zip|npz|npy|csv|tsv)$/i, "").replace(/^-+/, "");
      let free = base;
      for (let number = 2; runs.has(free); number += 1) free = `${base}-${number}`;
      name.value = free;
    }
    const table = Boolean(chosen.found.columns);
    if (table !== size.disabled) { // the recipe for vectors has a budget of its own, in vectors
      budget.value = table ? "500kimg" : "20m";
      quick.mark(budget.value);
    }
    for (const input of [size, labels]) {
      input.disabled = table;
      if (table) input.value = "";
    }
    sources(table);
    size.placeholder = table ? chosen.found.size : `${chosen.found.size}, from the images`;
    labels.placeholder = chosen.found.labels.length ? `none; columns: ${chosen.found.labels.slice(0, 3).join(", ")}` : chosen.found.classes.length ? "subfolders" : "none";
    fill(proposal);
    update();
    settingsCard.scrollIntoView({ behavior: "smooth", block: "nearest" });
  }, (text, strong = true) => {
    if (strong || !data) wanted = text;
    update();
  });

  const quick = segments("Usual times", BUDGETS, "20m", (value) => { budget.value = value; update(); });
  budget.addEventListener("input", () => quick.mark(budget.value.trim()));
  const propose = h("button", { type: "button", id: "propose", onclick: doing(async () => {
    if (!data) throw new Error("Choose images first.");
    const job = await post("/api/propose", given());
    fill(proposal, h("p", { class: "hint", role: "status" }, "Measuring this machine with your images: ten seconds when it is idle, a minute or two when it is busy. You can start without waiting."), h("progress", { "aria-label": "Measuring" }));
    const ended = await finished(job);
    const lines = ended.lines;
    if (ended.code !== 0) {
      fill(proposal, h("p", { class: "problem" }, lines.at(-1) ?? "This did not work."));
      return;
    }
    const after = lines.slice(lines.lastIndexOf("}") + 1).filter((one) => one && !/^run folder|^Nothing was written/.test(one));
    const rows = after.map((one) => one.match(/^(data|generator|discriminator|cost|device|speed|memory|budget) {2,}(.*)$/));
    fill(proposal, h("h3", {}, "What will happen"), h("ul", { class: "stack" }, after.filter((_, at) => !rows[at]).map((one) => h("li", { class: "check-line" }, h("span", {}, one)))),
      h("dl", { class: "facts" }, rows.filter(Boolean).map(([, key, value]) => [h("dt", {}, key), h("dd", {}, value)])));
  }) }, "Show the choice and its cost");

  start.addEventListener("click", doing(async () => {
    if (!name.value.trim()) throw new Error("Give the run a name.");
    const made = await post("/api/runs", { name: name.value.trim(), ...given() });
    goTo(`/run/${path(made.name)}`);
  }));
  const settingsCard = h("section", { class: "card" }, title(2, "How to train"), h("div", { class: "stack" },
    h("div", { class: "fields" }, h("div", { class: "field" }, h("label", { for: "budget" }, "Budget"), quick, budget, h("span", { class: "small", id: "budget-about" }, "A time, such as 90s, 10m or 1h30m; images (500kimg) or passes (20epochs)")), field("Recipe", recipe)), expect, more,
    h("div", { class: "fields" }, field("Size in pixels", size), field("Labels", labels, "for a generator that draws what you ask for"), field("Start from", from, "fine-tune a generator you have")),
    h("details", {}, h("summary", {}, "More settings"), h("div", { class: "fields" }, field("Seed", seed), field("Changes to the recipe", settings, "as after --set in a terminal"))),
    h("div", {}, propose), proposal));
  for (const input of [name, size, labels, budget, recipe, from, settings, seed]) input.addEventListener("input", () => { if (input === name) named = name.value; update(); });
  update();
  fill(body, h("div", { class: "head" }, h("div", {}, h("h1", {}, "New run"), h("p", { class: "lead" }, "From a folder of images to a generator. It trains in a process of its own: you can close this page."))),
    h("div", { class: "stack gap steps" }, step.element, settingsCard,
      h("section", { class: "card" }, title(3, "Start"), h("div", { class: "stack" }, h("div", { class: "fields" }, field("Name of the run", name)), command)),
      h("div", { class: "start-bar" }, summary, start)));
  document.addEventListener("drop", step.drop);
  return () => {
    step.left = true;
    document.removeEventListener("drop", step.drop);
  };
}
