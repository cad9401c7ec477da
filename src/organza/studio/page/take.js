// Take away: report, quiz, exports and card of a run.
import { path, post } from "./api.js";
import { bytes, doing, fill, h } from "./dom.js";
import { jobs } from "./live.js";

const FORMS = [
  ["web", "Web page", "One HTML file that runs the generator offline, with sliders"],
  ["onnx", "ONNX", "For any program; compared with the run first"],
  ["folder", "Folder with card", "Safe weights and a model card to share; needs a licence"],
];

export function takeAway(name) {
  const links = h("div", { class: "row" });
  const work = h("div", { class: "stack", role: "status" });
  const files = h("ul", { class: "stack small" });
  const frame = h("div", {});
  const told = h("p", { class: "small" }, "The report says how good the generator is, and whether it copies. The quiz asks you to tell its images from real ones.");
  const licence = h("input", { type: "text", id: "licence", placeholder: "cc-by-4.0", autocomplete: "off", "aria-label": "Licence of the weights" });
  const ticks = FORMS.map(([form, title, text]) => {
    const box = h("input", { type: "checkbox", value: form, checked: form === "web" });
    return [box, h("label", { class: "tick" }, box, h("span", {}, h("b", {}, title), h("span", { class: "small" }, ` — ${text}`)))];
  });
  const begin = (kind, more = {}) => doing(async () => { show(await post(`/api/runs/${path(name)}/make`, { kind, ...more })); });
  const chosen = () => ticks.filter(([box]) => box.checked).map(([box]) => box.value);
  const button = h("button", { type: "button", id: "export", onclick: doing(async () => {
    const forms = chosen();
    if (!forms.length) throw new Error("Choose at least one form.");
    if (forms.includes("folder") && !licence.value.trim()) throw new Error("A folder needs the licence of its weights, such as cc-by-4.0.");
    show(await post(`/api/runs/${path(name)}/make`, { kind: "export", forms, license: licence.value.trim() || null }));
  }) }, "Export");
  const element = h("section", { class: "card", "aria-label": "Take it away" }, h("h2", {}, "Take it away"),
    h("div", { class: "cols even" }, h("div", { class: "stack" }, h("h3", {}, "Report and quiz"), told, links, frame),
      h("div", { class: "stack" }, h("h3", {}, "Export the generator"), ticks.map(([, label]) => label), h("div", { class: "row" }, h("label", { class: "field" }, "Licence, for the folder", licence), button), files)), work);

  function see(kind, title) {
    const place = `/api/runs/${path(name)}/pages/${kind}`;
    return [h("button", { type: "button", class: "main", onclick: () => {
      fill(frame, h("iframe", { class: "frame", src: place, title, sandbox: "allow-scripts allow-downloads" }));
    } }, `Show the ${title}`), h("a", { class: "button", href: place, target: "_blank", rel: "noopener" }, `The ${title} in a tab of its own`)];
  }

  function show(job) {
    let box = work.querySelector(`[data-number="${job.number}"]`);
    if (!box) {
      box = h("div", { class: "stack job", "data-number": job.number });
      work.prepend(box);
    }
    const running = job.code === null;
    fill(box, h("p", { class: job.code ? "problem" : "hint" }, running ? `Making the ${job.kind} … ${job.lines.at(-1) ?? ""}` : job.code ? job.lines.at(-1) ?? `The ${job.kind} failed.` : `The ${job.kind} is ready.`),
      running ? h("progress", { "aria-label": `Making the ${job.kind}` }) : null, h("p", { class: "small" }, job.command));
  }

  return {
    element,
    job: show,
    reveal() {
      see("report", "report")[0].click();
    },
    show(run, exported) {
      element.hidden = !run.playable || run.kind !== "run";
      const table = run.unit === "vectors";
      const [[web, webLabel]] = ticks;
      if (table && !webLabel.hidden) { // the page and the quiz show images
        web.checked = false;
        ticks[1][0].checked = true;
      }
      webLabel.hidden = table;
      told.textContent = table ? "The report says how good the generator is, and whether it copies." : told.textContent;
      fill(links, run.report ? see("report", "report") : null, h("button", { type: "button", id: "report", onclick: begin("report") }, run.report ? "Write it anew" : "Write the report"), run.quiz ? see("quiz", "quiz") : null,
        run.translates || table ? null : h("button", { type: "button", onclick: begin("quiz") }, run.quiz ? "New quiz" : "Make a quiz"));
      fill(files, exported.map((file) => h("li", { class: "row" }, h("a", { href: `/api/runs/${path(name)}/files/${path(file.name)}`, download: file.name }, file.name), h("span", {}, bytes(file.bytes)))),
        exported.some((file) => file.name === "index.html") ? h("li", {}, h("a", { href: `/api/runs/${path(name)}/pages/web`, target: "_blank", rel: "noopener" }, "Open the web page")) : null,
        exported.some((file) => file.name === "README.md") ? h("li", {}, h("a", { href: `/api/runs/${path(name)}/pages/card`, target: "_blank", rel: "noopener" }, "Read the model card")) : null);
      for (const job of jobs.values()) if (job.about === name && job.code === null) show(job);
    },
  };
}
