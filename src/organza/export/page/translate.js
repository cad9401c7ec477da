// A translator: an image of the user's, which never leaves the page, and its translation beside it.
const ways = {};
const hand = { source: null, to: facts.ways ? facts.ways[0].to : "b", name: "image" };
const wayOf = (to) => facts.ways.find((way) => way.to === to);

// An image as the network takes it: bytes [1, H, W, C]. Transparency lies on white, and colours become grey where it knows no colours.
function fitted(bitmap, way, longest) {
  let [width, height] = [bitmap.width, bitmap.height];
  const scale = Math.min(1, longest / Math.max(width, height));
  [width, height] = [Math.max(way.least, Math.round(width * scale)), Math.max(way.least, Math.round(height * scale))];
  if (way.fixed) [height, width] = way.fixed;
  const canvas = $("original");
  [canvas.width, canvas.height] = [width, height];
  const context = canvas.getContext("2d", { willReadFrequently: true });
  context.imageSmoothingQuality = "high";
  context.fillStyle = "#fff";
  if (!way.mask) context.fillRect(0, 0, width, height);
  const cut = way.fixed ? Math.min(bitmap.width / width, bitmap.height / height) : 0; // the middle, where the size is given
  if (cut) context.drawImage(bitmap, (bitmap.width - cut * width) / 2, (bitmap.height - cut * height) / 2, cut * width, cut * height, 0, 0, width, height);
  else context.drawImage(bitmap, 0, 0, width, height);
  if (way.mask) {
    hand.hole ||= new OffscreenCanvas(width, height);
    context.globalCompositeOperation = "destination-out";
    context.drawImage(hand.hole, 0, 0, width, height);
  }
  const colours = way.mask ? way.channels - 1 : way.channels;
  const pixels = context.getImageData(0, 0, width, height).data;
  const bytes = new Uint8Array(width * height * way.channels);
  for (let from = 0, to = 0; from < pixels.length; from += 4) {
    const hole = way.mask && pixels[from + 3] < 255; // also the soft edge of the brush: grey, and marked in the last channel
    if (hole) for (let c = 0; c < colours; c += 1) bytes[to++] = 128;
    else if (colours < 3) bytes[to++] = Math.round(0.299 * pixels[from] + 0.587 * pixels[from + 1] + 0.114 * pixels[from + 2]);
    else for (let c = 0; c < 3; c += 1) bytes[to++] = pixels[from + c];
    if (way.mask) bytes[to++] = hole ? 255 : 0;
    else if (way.channels % 2 === 0) bytes[to++] = 255;
  }
  if (colours < 3 && !way.mask) paint(canvas, bytes, height, width, way.channels);
  return { bytes, height, width };
}

async function translated() {
  if (!hand.source) return;
  if (hand.busy) { hand.again = true; return; }
  hand.busy = true;
  try {
    do {
      hand.again = false;
      const way = wayOf(hand.to);
      const { bytes, height, width } = fitted(hand.source, way, Number($("longest").value));
      tell(`Translating ${width}x${height} pixels...`);
      await pause();
      ways[hand.to] ||= network(way.model);
      const run = await ways[hand.to];
      const image = await timed(1, () => run({ source: new ort.Tensor("uint8", bytes, [1, height, width, way.channels]) }));
      paint($("translation"), image.data, image.dims[1], image.dims[2], image.dims[3]);
      $("translation").setAttribute("aria-label", `The translation of ${hand.name}, a synthetic image`);
      $("save").disabled = false;
      hand.made = Array.from(image.data.subarray(0, 8));
      tell(`${hand.name}, ${width}x${height} pixels, translated.`);
      document.documentElement.dataset.first ||= String(Math.round(performance.now()));
      document.documentElement.dataset.state = "ready";
    } while (hand.again);
  } catch (error) {
    tell(`This image cannot be translated: ${error.message || error}. Try a smaller one.`);
  }
  hand.busy = false;
}

async function taken(file) {
  if (!file || !file.type.startsWith("image/")) { tell("That is no image; drop a PNG, JPEG or WebP file."); return; }
  try {
    hand.source = await createImageBitmap(file);
  } catch {
    tell(`${file.name || "That file"} cannot be read as an image; drop a PNG, JPEG or WebP file.`);
    return;
  }
  hand.name = file.name || "the image";
  hand.hole = null;
  await translated();
}

function example() {
  const way = wayOf(hand.to);
  const bytes = fromBase64(way.example);
  const [height, width] = way.exampleSides;
  const canvas = document.createElement("canvas");
  paint(canvas, bytes, height, width, way.channels);
  return createImageBitmap(canvas);
}

// A brush that takes pixels out of the original, for a network that fills them.
function brush(event) {
  const canvas = $("original");
  if (!wayOf(hand.to).mask || !hand.hole || !(event.buttons & 1)) return;
  event.preventDefault();
  const box = canvas.getBoundingClientRect();
  const [width, height] = [hand.hole.width, hand.hole.height];
  const pen = hand.hole.getContext("2d");
  pen.beginPath();
  pen.arc(((event.clientX - box.left) / box.width) * width, ((event.clientY - box.top) / box.height) * height, Math.max(2, Math.min(width, height) / 24), 0, 7);
  pen.fill();
  const context = canvas.getContext("2d");
  context.globalCompositeOperation = "destination-out";
  context.drawImage(hand.hole, 0, 0, canvas.width, canvas.height);
}

async function fromImages() {
  for (const name of ["pointerdown", "pointermove"]) $("original").addEventListener(name, brush);
  $("original").addEventListener("pointerup", () => { if (wayOf(hand.to).mask) translated(); });
  $("file").addEventListener("change", () => taken($("file").files[0]));
  $("longest").addEventListener("change", translated);
  document.querySelectorAll("[name=to]").forEach((radio) => radio.addEventListener("change", async () => {
    hand.to = radio.value;
    if (hand.drawn) hand.source = await example();
    await translated();
  }));
  $("save").addEventListener("click", () => save($("translation"), `${facts.name}-${hand.name.replace(/\.\w+$/, "")}`));
  const drop = $("drop");
  for (const name of ["dragover", "drop"]) document.addEventListener(name, (event) => event.preventDefault());
  drop.addEventListener("dragover", () => drop.classList.add("over"));
  drop.addEventListener("dragleave", () => drop.classList.remove("over"));
  document.addEventListener("drop", (event) => { drop.classList.remove("over"); hand.drawn = false; taken(event.dataTransfer.files[0]); });
  document.addEventListener("paste", (event) => { const file = [...event.clipboardData.files][0]; if (file) { hand.drawn = false; taken(file); } });
  document.addEventListener("keydown", (event) => {
    if (event.ctrlKey || event.metaKey || /INPUT|SELECT/.test(event.target.tagName)) return;
    if (event.key.toLowerCase() === "s" && !$("save").disabled) $("save").click();
    if (event.key.toLowerCase() === "o") $("file").click();
  });
  [hand.source, hand.name, hand.drawn] = [await example(), "a drawn pattern", true];
  await translated();
}
