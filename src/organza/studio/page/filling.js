// Fill: the user paints a hole into an image of their own, and the generator fills it.
import { send } from "./api.js";
import { fill, h, say, tell } from "./dom.js";

/** The image without the hole, as PNG: what is painted over is transparent, the soft edge of the brush too. */
function withHole(image, hole) {
  const canvas = new OffscreenCanvas(image.width, image.height);
  const context = canvas.getContext("2d");
  context.drawImage(image, 0, 0);
  const pixels = context.getImageData(0, 0, image.width, image.height);
  const marks = hole.getContext("2d").getImageData(0, 0, image.width, image.height).data;
  for (let k = 3; k < marks.length; k += 4) if (marks[k]) pixels.data[k] = 0;
  context.putImageData(pixels, 0, 0);
  return canvas.convertToBlob({ type: "image/png" });
}

/** Show the image with its hole marked. */
function show(canvas, image, hole) {
  const context = canvas.getContext("2d");
  context.clearRect(0, 0, canvas.width, canvas.height);
  context.drawImage(image, 0, 0);
  context.drawImage(hole, 0, 0);
}

export function filling(session, result) {
  return async ([file]) => {
    let image;
    try {
      image = await createImageBitmap(file);
    } catch {
      tell(`${file.name} cannot be read as an image; drop a PNG, JPEG or WebP file.`, true);
      return;
    }
    const { width, height } = image;
    const hole = new OffscreenCanvas(width, height);
    const pen = hole.getContext("2d");
    pen.fillStyle = pen.strokeStyle = "#e0218a";
    pen.lineCap = pen.lineJoin = "round";
    const canvas = h("canvas", { width, height, class: "paintable", role: "img", tabindex: "0", "aria-label": `${file.name}: paint over what should be filled; with the keyboard, arrows move a brush and Space paints` });
    const size = h("input", { type: "range", min: "2", max: "40", value: "10", id: "brush", "aria-label": "Width of the brush, in hundredths of the image" });
    const made = h("div");
    let last = null;
    let at = [width / 2, height / 2];
    const stroke = (x, y) => {
      pen.lineWidth = (Number(size.value) / 100) * Math.min(width, height);
      pen.beginPath();
      pen.moveTo(...(last || [x, y]));
      pen.lineTo(x, y + 0.01);
      pen.stroke();
      last = [x, y];
      show(canvas, image, hole);
    };
    const place = (event) => {
      const box = canvas.getBoundingClientRect();
      return [((event.clientX - box.left) / box.width) * width, ((event.clientY - box.top) / box.height) * height];
    };
    canvas.addEventListener("pointerdown", (event) => { canvas.setPointerCapture(event.pointerId); last = null; stroke(...place(event)); });
    canvas.addEventListener("pointermove", (event) => { if (event.buttons & 1) stroke(...place(event)); });
    canvas.addEventListener("keydown", (event) => {
      const move = { ArrowLeft: [-1, 0], ArrowRight: [1, 0], ArrowUp: [0, -1], ArrowDown: [0, 1] }[event.key];
      if (!move && event.key !== " ") return;
      event.preventDefault();
      if (move) at = [at[0] + (move[0] * width) / 40, at[1] + (move[1] * height) / 40];
      last = null;
      if (event.key === " ") return stroke(...at);
      show(canvas, image, hole);
      const context = canvas.getContext("2d");
      context.strokeStyle = "#e0218a";
      context.lineWidth = Math.max(1, width / 200);
      const side = (Number(size.value) / 100) * Math.min(width, height);
      context.strokeRect(at[0] - side / 2, at[1] - side / 2, side, side);
    });
    const work = async () => {
      fill(made, h("p", { class: "hint", role: "status" }, "Filling …"));
      try {
        const { blob } = await send(`${session.address}/translate?to=b`, await withHole(image, hole));
        const url = URL.createObjectURL(blob);
        fill(made, h("figure", {}, h("img", { src: url, alt: `${file.name}, filled`, class: "translated", id: "filled" }), h("figcaption", { class: "small" }, h("a", { href: url, download: `${file.name.replace(/\.\w+$/, "")}-filled.png` }, "Save"))));
        say("Filled.");
      } catch (error) {
        fill(made, h("p", { class: "problem" }, error.message));
      }
    };
    const again = () => { pen.clearRect(0, 0, width, height); show(canvas, image, hole); };
    show(canvas, image, hole);
    fill(result, h("div", { class: "row" }, h("label", { for: "brush" }, "Brush"), size, h("button", { type: "button", class: "main", id: "fill", onclick: work }, "Fill"), h("button", { type: "button", onclick: again }, "Clear")),
      h("div", { class: "pairs wide" }, h("figure", {}, canvas, h("figcaption", { class: "small" }, file.name)), made));
  };
}
