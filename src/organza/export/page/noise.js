// A generator that draws from noise: a grid of images, one of them selected, sliders along directions, interpolation of kept ones.
let generate = null;
const [channels, ...sides] = facts.shape;
const each = facts.shape.reduce((a, b) => a * b, 1);
const noun = facts.unit === "volume" ? "shape" : "image";
const state = { series: 0, items: [], at: 0, wanted: {}, moved: [], kept: [], turn: 0.6, playing: 0, seen: null };

// Items [{z, y}] to bytes, all in one pass.
async function made(items) {
  const z = new Float32Array(items.length * size);
  items.forEach((item, index) => z.set(item.z, index * size));
  const inputs = { z: new ort.Tensor("float32", z, [items.length, size]) };
  if (facts.labels) {
    const width = items[0].y.length;
    const y = new Float32Array(items.length * width);
    items.forEach((item, index) => y.set(item.y, index * width));
    inputs.label = new ort.Tensor("float32", y, [items.length, width]);
  }
  const image = await timed(items.length, () => generate(inputs));
  return items.map((_, index) => image.data.subarray(index * each, (index + 1) * each));
}

function show(canvas, bytes, turn = 0.6) {
  if (facts.unit === "volume") render(canvas, bytes, sides[0], turn);
  else paint(canvas, bytes, sides[0], sides[1], channels);
}

const wantedNow = () => ({ ...state.wanted });
const item = (series, index) => ({ z: drawn(series, index), y: row(wantedNow(), series, index), name: `${series}-${index}` });

async function sheet(items, what) {
  const turn = (state.turnOfSheet = (state.turnOfSheet || 0) + 1);
  state.items = items;
  const tiles = [...$("sheet").children];
  tell(`Drawing ${what}...`);
  for (let start = 0, step = 1; start < items.length; start += step, step = 4) {
    const some = items.slice(start, start + step);
    const images = await made(some);
    if (turn !== state.turnOfSheet) return; // another sheet was asked for meanwhile
    images.forEach((bytes, index) => {
      some[index].bytes = bytes;
      const tile = tiles[start + index];
      show(tile.firstChild, bytes);
      tile.disabled = false;
      tile.setAttribute("aria-label", `Synthetic ${noun} ${start + index + 1} of ${items.length}: select it`);
    });
    if (start === 0) {
      document.documentElement.dataset.first ||= String(Math.round(performance.now()));
      choose(0);
    }
    await pause();
  }
  tell(`${items.length} ${noun}s: ${what}.`);
  document.documentElement.dataset.state = "ready";
}

function choose(index) {
  state.at = index;
  [...$("sheet").children].forEach((tile, other) => tile.setAttribute("aria-pressed", String(other === index)));
  state.moved = facts.directions.map(() => 0);
  document.querySelectorAll("#directions input").forEach((input) => { input.value = "0"; said(input); });
  const codes = document.querySelectorAll("#codes [data-at]");
  codes.forEach((control) => fromLatent(control, state.items[index].z));
  redraw();
}

// The selected item: its latent, moved along the directions.
function inHand() {
  const chosen = state.items[state.at];
  const z = Float32Array.from(chosen.z);
  facts.directions.forEach((direction, index) => {
    direction.step.forEach((value, place) => { z[place] += state.moved[index] * value; });
  });
  if (state.moved.some((amount) => amount)) limit(z);
  return { z, y: chosen.y, name: chosen.name };
}

async function redraw() {
  if (state.drawing) { state.again = true; return; }
  state.drawing = true;
  do {
    state.again = false;
    const hand = inHand();
    [state.seen] = await made([hand]);
    state.hand = hand;
    show($("large"), state.seen, state.turn);
  } while (state.again);
  state.drawing = false;
}

function said(input) {
  input.setAttribute("aria-valuetext", `${input.value > 0 ? "+" : ""}${Number(input.value).toFixed(1)}`);
}

function keep() {
  if (!state.hand) return;
  const canvas = document.createElement("canvas");
  show(canvas, state.seen);
  const tile = document.createElement("button");
  const kept = { ...state.hand, bytes: state.seen };
  tile.className = "tile";
  tile.append(canvas);
  tile.addEventListener("click", () => {
    const index = state.kept.indexOf(kept);
    state.kept.splice(index, 1);
    tile.remove();
    named();
    ($("kept").children[Math.max(0, index - 1)] || $("keep")).focus();
    tell("Removed.");
  });
  state.kept.push(kept);
  $("kept").append(tile);
  named();
  tell(`${state.kept.length} kept.`);
}

function named() {
  [...$("kept").children].forEach((tile, index) => tile.setAttribute("aria-label", `Kept ${noun} ${index + 1}: remove it`));
  $("way").hidden = state.kept.length < 2;
  $("keep-more").hidden = state.kept.length >= 2;
  if (state.kept.length < 2) halt();
  else onTheWay();
}

// The closed way through all kept items, by one number from 0 to 1.
async function onTheWay() {
  if (state.walking) { state.walkAgain = true; return; }
  state.walking = true;
  do {
    state.walkAgain = false;
    const stops = state.kept.length;
    if (stops < 2) break;
    const place = (Number($("along").value) % 1) * stops;
    const [from, to] = [state.kept[Math.floor(place) % stops], state.kept[(Math.floor(place) + 1) % stops]];
    const share = place - Math.floor(place);
    const y = from.y ? from.y.map((value, index) => value * (1 - share) + to.y[index] * share) : null;
    const [bytes] = await made([{ z: between(from.z, to.z, share), y }]);
    show($("walked"), bytes, state.turn);
  } while (state.walkAgain);
  state.walking = false;
}

function halt() {
  cancelAnimationFrame(state.playing);
  state.playing = 0;
  $("play").textContent = "Play";
}

function play() {
  if (state.playing) { halt(); return; }
  if (state.kept.length < 2) { tell("Keep two images first."); return; }
  $("play").textContent = "Stop";
  let last = performance.now();
  const step = async (now) => {
    const slider = $("along");
    slider.value = String((Number(slider.value) + (now - last) / 1000 / (3 * state.kept.length)) % 1);
    last = now;
    if (!state.walking) await onTheWay();
    if (state.playing) state.playing = requestAnimationFrame(step);
  };
  state.playing = requestAnimationFrame(step);
}

const COUNT = $("sheet") ? $("sheet").children.length : 0;
function anew() {
  state.series = Math.floor(Math.random() * 1e6) + 1;
  return sheet(Array.from({ length: COUNT }, (_, index) => item(state.series, index)), "new, drawn just now");
}

function ofReport() {
  const table = floats(facts.latents);
  const rows = facts.rows ? floats(facts.rows) : null;
  const width = rows ? rows.length / (table.length / size) : 0;
  const items = Array.from({ length: Math.min(COUNT, table.length / size) }, (_, index) => ({
    z: table.slice(index * size, (index + 1) * size),
    y: rows ? rows.slice(index * width, (index + 1) * width) : null,
    name: `report-${index}`,
  }));
  return sheet(items, "the first of the report's sample grids");
}

// The same with other labels: the latents stay, so that what changes is the label.
function relabelled() {
  const items = state.items.map((old, index) => ({ ...old, y: row(wantedNow(), state.series, index) }));
  return sheet(items, "the same latents, other labels");
}

function labelControls() {
  (facts.labels || []).forEach((field, number) => {
    const read = () => {
      const control = $(`label-${number}`);
      if (field.several) {
        const boxes = [...control.querySelectorAll("input")];
        if ($(`any-${number}`).checked) delete state.wanted[field.name];
        else state.wanted[field.name] = boxes.map((box, index) => (box.checked ? index : -1)).filter((index) => index >= 0);
      } else if (field.values.length) {
        if (control.value === "") delete state.wanted[field.name];
        else state.wanted[field.name] = Number(control.value);
      } else {
        state.wanted[field.name] = Number(control.value);
        said(control);
      }
      relabelled();
    };
    $(`label-${number}`).addEventListener(field.values.length ? "change" : "input", read);
    if (field.several) $(`any-${number}`).addEventListener("change", read);
  });
}

function fromLatent(control, z) {
  const at = Number(control.dataset.at);
  if (control.tagName === "SELECT") {
    const places = [...control.options].map((_, index) => z[at + index]);
    control.value = String(places.indexOf(Math.max(...places)));
  } else { control.value = String(z[at]); said(control); }
}

function codeControls() {
  document.querySelectorAll("#codes [data-at]").forEach((control) => {
    control.addEventListener("input", () => {
      const [z, at] = [state.items[state.at].z, Number(control.dataset.at)];
      if (control.tagName === "SELECT") [...control.options].forEach((_, index) => { z[at + index] = index === Number(control.value) ? 1 : 0; });
      else { z[at] = Number(control.value); said(control); }
      redraw();
    });
  });
}

function turning() {
  const slider = $("turn");
  if (!slider) return;
  const look = () => {
    state.turn = Number(slider.value);
    if (state.seen) show($("large"), state.seen, state.turn);
  };
  slider.addEventListener("input", () => { $("spin").checked = false; look(); });
  let last = performance.now();
  const step = (now) => {
    if ($("spin").checked && document.visibilityState === "visible" && now - last > 50) {
      slider.value = String((Number(slider.value) + (now - last) / 3000) % 6.283);
      last = now;
      look();
    } else if (!$("spin").checked) last = now;
    requestAnimationFrame(step);
  };
  if (matchMedia("(prefers-reduced-motion: reduce)").matches) $("spin").checked = false;
  requestAnimationFrame(step);
}

function byKeyboard(event) {
  if (event.ctrlKey || event.metaKey || event.altKey || event.target.tagName === "SELECT") return; // a menu takes letters; sliders and ticks do not
  const tiles = [...$("sheet").children];
  const here = tiles.indexOf(document.activeElement);
  const columns = getComputedStyle($("sheet")).gridTemplateColumns.split(" ").length;
  const step = { ArrowRight: 1, ArrowLeft: -1, ArrowDown: columns, ArrowUp: -columns }[event.key];
  if (here >= 0 && step && tiles[here + step]) { event.preventDefault(); tiles[here + step].focus(); return; }
  const verb = { n: "new", r: "report", k: "keep", s: "save", p: "play" }[event.key.toLowerCase()];
  if (verb && !$(verb).closest("[hidden]")) { event.preventDefault(); $(verb).click(); }
}

async function fromNoise() {
  [...$("sheet").children].forEach((tile, index) => tile.addEventListener("click", () => choose(index)));
  $("new").addEventListener("click", anew);
  $("report").addEventListener("click", ofReport);
  $("keep").addEventListener("click", keep);
  $("save").addEventListener("click", () => save($("large"), `${facts.name}-${state.hand ? state.hand.name : "image"}`));
  $("save-walked").addEventListener("click", () => save($("walked"), `${facts.name}-between`));
  $("play").addEventListener("click", play);
  $("along").addEventListener("input", () => { halt(); onTheWay(); });
  $("reset").addEventListener("click", () => choose(state.at));
  document.querySelectorAll("#directions input").forEach((input, index) => input.addEventListener("input", () => {
    state.moved[index] = Number(input.value);
    said(input);
    redraw();
  }));
  document.addEventListener("keydown", byKeyboard);
  labelControls();
  codeControls();
  turning();
  generate = await network("model-generator");
  await ofReport();
  const off = state.items[0].bytes.subarray(0, 8).reduce((most, value, index) => Math.max(most, Math.abs(value - facts.first[index])), 0);
  if (off > 1) tell(`This browser computes other images than Python does: its first values are ${off} levels off.`);
}

globalThis.organza = { made, item, size, facts };
