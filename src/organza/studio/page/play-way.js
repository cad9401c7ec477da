// Pinned images, the way between them, and its clip.
import { draw, newest, path } from "./api.js";
import { bytes, doing, fill, h, many, say, tell } from "./dom.js";
import { listen } from "./live.js";
import { copy, fields, query, same, title } from "./point.js";

const FRAMES = 24; // from one pinned image to the next

export function between(session, tiles) {
  const list = h("ol", { class: "pins" });
  const preview = h("div", { class: "clip" });
  const work = h("div", { role: "status" });
  const closed = h("input", { type: "checkbox", checked: true });
  const seconds = h("select", { "aria-label": "Seconds from one image to the next" }, [[12, "½ s"], [25, "1 s"], [50, "2 s"]].map(([frames, text]) => h("option", { value: frames }, text)));
  seconds.value = "25";
  const make = h("button", { type: "button", class: "main", id: "clip", onclick: doing(() => clip()) }, "Make a clip");
  const two = h("button", { type: "button", class: "quiet", onclick: () => { session.pins.length = 0; show(); } }, "Unpin all");
  const hint = h("p", { class: "small" }, "Pin two images or more (the button under the large image); the generator draws the way from one to the next, as a clip to save.");
  const bar = h("div", { class: "row" }, make, h("label", { class: "row small" }, "each", seconds), h("label", { class: "tick small" }, closed, "a loop that closes"), two);
  const element = h("section", { class: "card stack", "aria-label": "Between pinned images" }, h("h2", {}, "A clip between images"), hint, list, bar, work, preview);

  function arrow(at, by, text, label) {
    return h("button", { type: "button", class: "quiet", "aria-label": label, disabled: at + by < 0 || at + by >= session.pins.length, onclick: () => {
      const [one] = session.pins.splice(at, 1);
      session.pins.splice(at + by, 0, one);
      show();
    } }, text);
  }

  function show() {
    hint.hidden = session.pins.length > 1;
    bar.hidden = session.pins.length < 2;
    fill(list, session.pins.map((pin, at) => h("li", {}, h("button", { type: "button", class: "tile", "aria-label": `Go to pinned image ${at + 1}: ${title(pin.point)}`, onclick: () => session.set(copy(pin.point), "pin") }, pin.canvas),
      h("div", { class: "row" }, arrow(at, -1, "←", "Move it forward"), h("button", { type: "button", class: "quiet", "aria-label": `Unpin image ${at + 1}`, onclick: () => { session.pins.splice(at, 1); show(); } }, "✕"), arrow(at, 1, "→", "Move it back")))));
  }

  /** Pin a point. Its image is copied if it is drawn already, as calls are answered in turn. */
  async function pin(point, drawn = null) {
    if (session.pins.length >= 32) {
      tell("32 images are pinned; unpin one first.", true);
      return;
    }
    if (session.pins.some((one) => same(one.point, point))) {
      tell("This image is pinned already.");
      return;
    }
    const [canvas] = drawn ? [h("canvas", { width: drawn.width, height: drawn.height })] : await tiles(await session.images([point], 1));
    if (drawn) canvas.getContext("2d").drawImage(drawn, 0, 0);
    canvas.setAttribute("aria-hidden", "true");
    session.pins.push({ point, canvas });
    say(`Pinned: ${many(session.pins.length, "image")} now.`);
    show();
  }

  async function clip() {
    const ways = closed.checked ? session.pins.length : session.pins.length - 1;
    const frames = Math.min(480, ways * Number(seconds.value) + (closed.checked ? 0 : 1));
    const progress = h("progress", { max: frames, value: 0, "aria-label": "Drawing the clip" });
    say("");
    fill(work, h("p", { class: "hint" }, `Drawing ${frames} frames …`), progress);
    const stop = listen((kind, message) => { if (kind === "progress" && message.about === `play/${session.run}`) progress.value = message.done; });
    try {
      const { blob } = await draw(`${session.address}/clip`, { points: session.pins.map((one) => fields(one.point)), frames, closed: closed.checked, rate: 25 });
      const url = URL.createObjectURL(blob);
      fill(work);
      fill(preview, h("img", { src: url, alt: `A walk through ${session.pins.length} pinned images` }), h("a", { class: "button", id: "save-clip", href: url, download: `${session.run}-walk.webp` }, `Save the clip (WebP, ${bytes(blob.size)})`));
      say("The clip is ready.");
    } catch (error) {
      fill(work, h("p", { class: "problem" }, error.message));
    } finally {
      stop();
    }
  }
  show();
  return { element, pin: (point, drawn) => pin(point, drawn).catch((error) => tell(error.message, true)), end: () => {} };
}
