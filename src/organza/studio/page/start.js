// A new run in three steps: images, settings, start.
import { get, path, post, send } from "./api.js";
import { ask, code, count, doing, fill, h, many, say, segments, tell } from "./dom.js";
import { finished, listen, runs } from "./live.js";

const BUDGETS = [["5m", "5 min"], ["20m", "20 min"], ["1h", "1 h"], ["4h", "4 h"], ["12h", "12 h"]];
const TABLE = /\.(csv|tsv|npy)$/i;
const thumb = (root, place) => `/api/data/thumbnail?root=${encodeURIComponent(root)}&path=${encodeURIComponent(place)}`;
const goTo = (address) => dispatchEvent(new CustomEvent("organza-go", { detail: address }));

const line = (text, warn = false) => h("li", { class: warn ? "check-line warn" : "check-line" }, h("span", {}, text));

function title(number, text) {
  return h("div", { class: "step-title" }, h("span", { "aria-hidden": "true" }, number), h("h2", {}, text));
}

/** Files of a drop, folders included. */
async function filesOf(transfer) {
  const entries = [...transfer.items].map((item) => item.webkitGetAsEntry?.()).filter(Boolean);
  if (!entries.length) return [...transfer.files];
  const files = [];
  const walk = async (entry) => {
    if (entry.isFile) files.push(await new Promise((yes, no) => entry.file(yes, no)));
    else {
      const reader = entry.createReader();
      for (;;) {
        const some = await new Promise((yes, no) => reader.readEntries(yes, no));
        if (!some.length) break;
        for (const inner of some) await walk(inner);
      }
    }
  };
  for (const entry of entries) await walk(entry);
  return files;
}

/** A place to drop files, or to choose them. */
export function dropZone(text, take, many = true) {
  const input = h("input", { type: "file", accept: "image/*", class: "unseen", tabindex: "-1", "aria-hidden": "true" });
  input.multiple = many;
  const zone = h("div", { class: "drop" }, h("p", {}, text), h("button", { type: "button", onclick: () => input.click() }, many ? "Choose images" : "Choose an image"), input);
  input.addEventListener("change", () => { if (input.files.length) take([...input.files]); input.value = ""; });
  zone.addEventListener("dragover", (event) => { event.preventDefault(); zone.classList.add("over"); });
  zone.addEventListener("dragleave", () => zone.classList.remove("over"));
  zone.addEventListener("drop", async (event) => {
    event.preventDefault();
    zone.classList.remove("over");
    take(await filesOf(event.dataTransfer));
  });
  return zone;
}

class DataStep {
  constructor(studio, chosen) {
    this.studio = studio;
    this.chosen = chosen;
    this.place = { root: Object.keys(studio.data)[0] ?? "", path: "" };
    this.work = h("div", { class: "stack", role: "status" });
    this.list = h("div", { class: "stack" });
    this.found = h("div", { class: "stack" });
    this.number = h("input", { type: "number", id: "made-count", min: 60, max: 100000, step: 1, value: 5000 });
    this.side = h("input", { type: "number", id: "made-size", min: 16, max: 256, step: 8, value: 64 });
    const sets = h("div", { class: "options" }, studio.built_in.map((set) => h("button", { type: "button", class: "option", "data-set": set.kind, onclick: doing(() => this.make(set)) }, h("b", {}, set.kind), h("span", { class: "small" }, set.about))));
    const panels = {
      folder: this.list,
      drop: dropZone("Drop images or a folder here. Copies are kept in your data folder; the originals stay as they are.", (files) => this.upload(files)),
      made: h("div", { class: "stack" }, h("p", { class: "small" }, "No images at hand? These are drawn on this machine, without a download."), h("div", { class: "fields" }, h("label", { class: "field" }, "How many", this.number), h("label", { class: "field" }, "Pixels on each side", this.side)), sets),
    };
    const box = h("div", {}, panels.folder);
    const kinds = segments("Where the images are", [["folder", "A folder"], ["drop", "Drop images"], ["made", "Built-in"]], "folder", (kind) => fill(box, panels[kind]));
    this.kinds = kinds;
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
    fill(this.work, h("p", { class: "hint" }, `Drawing ${job.about} …`), bar, h("p", { class: "small" }, job.command));
    const ended = await finished(job);
    fill(this.work);
    if (ended.code !== 0) throw new Error(ended.lines.at(-1) ?? "The images were not made.");
    await this.look(job.root, job.path);
    await this.check(job.root, job.path);
  }

  async upload(files) {
    const images = files.filter((file) => file.type.startsWith("image/") || /\.(png|jpe?g|webp|bmp|gif|tiff?|heic|avif)$/i.test(file.name));
    if (!images.length) {
      tell("There is no image among these files.", true);
      return;
    }
    const others = files.length - images.length;
    const given = await ask(`${many(images.length, "image")}${others ? `, and ${many(others, "other file")} left out` : ""}`, "A name for this data set", "my-images", "Copy them");
    if (!given) return;
    const bar = h("progress", { max: images.length, value: 0, "aria-label": "Copying images" });
    const told = h("p", { class: "hint" });
    const refused = [];
    fill(this.work, told, bar);
    let done = 0;
    const waiting = [...images];
    const copy = async () => {
      for (let file = waiting.shift(); file; file = waiting.shift()) {
        try {
          await send(`/api/data/upload?name=${encodeURIComponent(given)}&file=${encodeURIComponent(file.name)}`, file);
        } catch (error) {
          refused.push(`${file.name}: ${error.message}`);
          if (error.status === 0 || /exists already|not a name|is full|no data folder/.test(error.message)) waiting.length = 0;
        }
        done += 1;
        bar.value = done;
        told.textContent = `${count(done)} of ${count(images.length)} images copied`;
      }
    };
    await copy();
    fill(this.work, refused.length ? h("div", { class: "problem" }, h("p", {}, `${refused.length} not used:`), h("ul", {}, refused.slice(0, 5).map((text) => h("li", {}, text)))) : null);
    if (refused.length < done) await doing(() => this.check(Object.keys(this.studio.data)[0], given))();
  }

  async check(root, place) {
    const about = `${root}/${place}`;
    const bar = h("progress", { "aria-label": "Looking at the images" });
    const told = h("p", { class: "small" }, "Looking at the images …");
    fill(this.found, told, bar);
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
    } finally {
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
  const summary = h("p", { class: "small" }, "Choose images or a table first.");
  const name = h("input", { type: "text", id: "name", autocomplete: "off", value: named });
  const size = h("input", { type: "text", id: "size", autocomplete: "off", placeholder: "chosen from the images" });
  const labels = h("input", { type: "text", id: "labels", autocomplete: "off", placeholder: "none" });
  const budget = h("input", { type: "text", id: "budget", value: "20m", autocomplete: "off" });
  const recipe = h("select", { id: "recipe" }, h("option", { value: "" }, "auto: chosen by images, budget and machine"));
  const from = h("select", { id: "from" });
  const sources = (table) => {
    const chosen = from.value;
    const fitting = [...runs.values()].filter((run) => run.playable && (run.unit === "vectors") === table);
    fill(from, h("option", { value: "" }, "fresh weights"), fitting.map((run) => h("option", { value: run.name }, run.name)));
    from.value = fitting.some((run) => run.name === chosen) ? chosen : "";
  };
  sources(false);
  const expect = h("p", { class: "small" });
  const settings = h("input", { type: "text", id: "settings", autocomplete: "off", placeholder: "batch=32 generator.width=48" });
  const seed = h("input", { type: "text", id: "seed", inputmode: "numeric", autocomplete: "off", placeholder: "0" });
  const proposal = h("div", { class: "stack" });
  const command = h("div", {});
  const field = (text, input, about = "") => h("label", { class: "field" }, text, input, about ? h("span", { class: "small" }, about) : null);
  let known = [];
  get("/api/recipes").then((found) => {
    known = found;
    for (const one of found) recipe.append(h("option", { value: one.name }, one.name));
    if (query.get("recipe")) recipe.value = query.get("recipe");
  }).catch((error) => tell(error.message, true));

  const given = () => ({
    root: data.root, path: data.path, start: from.value || null, recipe: recipe.value || null, budget: budget.value.trim() || null, size: size.value.trim() || null,
    labels: labels.value.trim() || null, seed: seed.value.trim() || null, settings: settings.value.trim() ? settings.value.trim().split(/\s+/) : null,
  });

  function update() {
    start.disabled = !data?.found.usable;
    const found = known.find((one) => one.name === recipe.value);
    expect.textContent = found ? `${found.expect} ${found.source}` : recipe.value ? "" : from.value ? `The recipe and the networks of ${from.value} learn these images from where they are.` : "Without a choice, organza decides by the number and kind of the images, the budget and the speed of this machine, and says why.";
    if (!data) return;
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
  });

  const quick = segments("Budget", BUDGETS, "20m", (value) => { budget.value = value; update(); });
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
    h("div", { class: "fields" }, field("Budget", h("div", { class: "stack" }, quick, budget), "a time, images (500kimg) or passes (20epochs)"), field("Recipe", recipe)), expect,
    h("div", { class: "fields" }, field("Size in pixels", size), field("Labels", labels, "for a generator that draws what you ask for"), field("Start from", from, "fine-tune a generator you have")),
    h("details", {}, h("summary", {}, "More settings"), h("div", { class: "fields" }, field("Seed", seed), field("Changes to the recipe", settings, "as after --set in a terminal"))),
    h("div", {}, propose), proposal));
  for (const input of [name, size, labels, budget, recipe, from, settings, seed]) input.addEventListener("input", () => { if (input === name) named = name.value; update(); });
  update();
  fill(body, h("div", { class: "head" }, h("div", {}, h("h1", {}, "New run"), h("p", { class: "lead" }, "From a folder of images to a generator. It trains in a process of its own: you can close this page."))),
    h("div", { class: "stack gap steps" }, step.element, settingsCard,
      h("section", { class: "card" }, title(3, "Start"), h("div", { class: "stack" }, h("div", { class: "fields" }, field("Name of the run", name)), command)),
      h("div", { class: "start-bar" }, summary, start)));
}
