// Images of the user's own: inversion and edits, translation, and the discriminator as a judge.
import { path, send } from "./api.js";
import { digits, fill, h, say, segments, tell } from "./dom.js";
import { dropZone } from "./dropped.js";
import { filling } from "./filling.js";
import { listen } from "./live.js";
import { start } from "./point.js";

const LARGEST = 32 * 2 ** 20;

/** Two images side by side of one answer, as two canvases. */
async function pair({ blob, facts }) {
  const image = await createImageBitmap(blob);
  return [0, 1].map((side) => {
    const canvas = h("canvas", { width: facts.width, height: facts.height });
    canvas.getContext("2d").drawImage(image, -side * facts.width, 0);
    return canvas;
  });
}

function figure(canvas, text) {
  canvas.setAttribute("role", "img");
  canvas.setAttribute("aria-label", text);
  return h("figure", {}, canvas, h("figcaption", { class: "small" }, text));
}

function inversion(session, result) {
  return async ([file]) => {
    const bar = h("progress", { "aria-label": "Searching for the latent" });
    fill(result, h("p", { class: "hint", role: "status" }, "Searching for the latent whose image is nearest …"), bar);
    const stop = listen((kind, message) => { if (kind === "progress" && message.about === `play/${session.run}`) Object.assign(bar, { max: message.total, value: message.done }); });
    try {
      const found = await send(`${session.address}/invert`, file);
      const [original, made] = await pair(found);
      const { psnr, psnr_of_mean: mean, kept } = found.facts;
      const verdict = psnr > mean + 3 ? "The generator can draw something like it." : "The generator can hardly draw it: it is unlike its training images, or the generator is young.";
      fill(result, h("div", { class: "pairs" }, figure(original, "Your image"), figure(made, "The nearest generated image")),
        h("p", {}, verdict, h("span", { class: "small" }, ` PSNR ${digits(psnr)} dB; the mean of the samples has ${digits(mean)} dB.`)),
        h("div", {}, h("button", { type: "button", class: "main", id: "edit", onclick: () => { session.set({ ...start(), kept }, "own"); document.querySelector(".stage").scrollIntoView({ behavior: "smooth", block: "center" }); } }, "Change it with the sliders")));
      say(`Found. PSNR ${digits(psnr)} decibels.`);
    } catch (error) {
      fill(result, h("p", { class: "problem" }, error.message));
    } finally {
      stop();
    }
  };
}

function translation(session, result) {
  let to = session.known.translates.includes("b") ? "b" : session.known.translates[0];
  let last = null;
  const take = async (files) => {
    last = files;
    fill(result, h("p", { class: "hint", role: "status" }, "Translating …"));
    try {
      const rows = [];
      for (const file of files.slice(0, 12)) {
        const { blob } = await send(`${session.address}/translate?to=${to}`, file);
        const url = URL.createObjectURL(blob);
        rows.push(h("div", { class: session.known.factor > 1 ? "pairs wide" : "pairs" }, h("figure", {}, h("img", { src: URL.createObjectURL(file), alt: `Original: ${file.name}` }), h("figcaption", { class: "small" }, file.name)),
          h("figure", {}, h("img", { src: url, alt: `Translation of ${file.name}`, class: "translated" }), h("figcaption", { class: "small" }, h("a", { href: url, download: `${file.name.replace(/\.\w+$/, "")}-translated.png` }, "Save")))));
        fill(result, rows);
      }
    } catch (error) {
      fill(result, h("p", { class: "problem" }, error.message));
    }
  };
  const ways = session.known.translates.length > 1 ? segments("Direction", session.known.translates.map((way) => [way, way === "b" ? "a to b, as trained" : "b back to a"]), to, (way) => { to = way; if (last) take(last); }) : null;
  return { take, ways };
}

function judgement(session, result) {
  const rows = [];
  return async (files) => {
    if (files.length > 200) tell("The first 200 images are judged.");
    const told = h("p", { class: "hint", role: "status" });
    const list = h("ol", { class: "judged" });
    fill(result, told, list);
    let done = 0;
    for (const file of files.slice(0, 200)) {
      const url = URL.createObjectURL(file);
      try {
        const query = Object.entries(session.point?.labels ?? {}).map(([name, value]) => `label.${encodeURIComponent(name)}=${encodeURIComponent(value)}`).join("&");
        rows.push({ url, name: file.name, ...(await send(`${session.address}/judge${query ? `?${query}` : ""}`, file)) });
      } catch (error) {
        rows.push({ url, name: file.name, error: error.message });
        if (error.status === 0) break;
      }
      done += 1;
      told.textContent = `${done} of ${Math.min(files.length, 200)} images judged; the least authentic first.`;
      rows.sort((a, b) => (a.probability ?? 2) - (b.probability ?? 2));
      fill(list, rows.map((row) => h("li", {}, h("img", { src: row.url, alt: "", loading: "lazy" }), h("div", {}, h("p", {}, row.name), row.error ? h("p", { class: "small warn" }, row.error) : [h("meter", { min: 0, max: 1, value: row.probability, "aria-label": `Probability that ${row.name} is authentic` }), h("p", { class: "small num" }, `${Math.round(row.probability * 100)} % authentic${row.as ? `, as ${row.as}` : ""}`)]))));
    }
  };
}

export function ownImages(session) {
  const { known } = session;
  const result = h("div", { class: "stack" });
  const options = [];
  let translator = null;
  if (known.translates.length) {
    translator = translation(session, result);
    const enlarges = known.factor > 1;
    if (known.fills) options.push(["translate", "Fill", "Drop an image here, then paint over what should be filled; transparent pixels are filled as well.", filling(session, result), false]);
    else options.push(["translate", enlarges ? "Enlarge" : "Translate", enlarges ? `Drop images here; they become ${known.factor} times as wide and high.` : "Drop images here to translate them.", translator.take, true, translator.ways]);
  }
  if (known.draws && known.shape.length === 3) options.push(["invert", "Find it in the generator", "Drop an image here; the generator draws the nearest that it can, and you change that.", inversion(session, result), false]);
  if (!known.judges && known.shape.length === 3) options.push(["judge", "Ask the discriminator", "Drop images here; the discriminator sorts them by how authentic they look to it.", judgement(session, result), true]);
  const zone = h("div", { class: "stack" });
  const small = (take) => (given) => {
    const files = given.map(({ file }) => file);
    const fit = files.filter((file) => file.size <= LARGEST);
    if (fit.length < files.length) tell("Images of more than 32 MB are left out.", true);
    if (fit.length) take(fit);
  };
  const choose = (kind) => {
    const [, , text, take, many, extra] = options.find(([name]) => name === kind);
    fill(result);
    fill(zone, extra, dropZone(text, small(take), many));
  };
  const element = h("section", { class: "card stack", "aria-label": "Your own images" }, h("h2", {}, "Your own images"), options.length ? [segments("What to do", options.map(([kind, text]) => [kind, text]), options[0][0], choose), zone, result] : h("p", { class: "small" }, known.judges || "This run takes no images."));
  if (options.length) choose(options[0][0]);
  return { element, end: () => {} };
}
