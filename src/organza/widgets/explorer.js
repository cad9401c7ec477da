// Sliders over a generator. The state is one text, the address of an image: at=7.3&moves=1.5,-2&psi=0.8&labels=hair:long

function element(tag, properties = {}, ...children) {
  const made = Object.assign(document.createElement(tag), properties);
  made.append(...children);
  return made;
}

function parsed(address) {
  const found = new URLSearchParams(address);
  const [seed, index] = (found.get("at") ?? "0.0").split(".");
  return {
    seed: Number(seed) || 0, index: Number(index) || 0, moves: (found.get("moves") ?? "").split(",").filter(Boolean).map(Number), psi: Number(found.get("psi") ?? 1),
    labels: Object.fromEntries((found.get("labels") ?? "").split(",").filter(Boolean).map((one) => one.split(":").map(decodeURIComponent))),
  };
}

function written({ seed, index, moves, psi, labels }) {
  const parts = [`at=${seed}.${index}`];
  if (moves.some(Boolean)) parts.push(`moves=${moves.join(",")}`);
  if (psi !== 1) parts.push(`psi=${psi}`);
  const pairs = Object.entries(labels).filter(([, value]) => value);
  if (pairs.length) parts.push(`labels=${pairs.map((pair) => pair.map(encodeURIComponent).join(":")).join(",")}`);
  return parts.join("&");
}

function render({ model, el }) {
  const state = parsed(model.get("address"));
  const image = element("img", { alt: "Generated image" });
  const told = element("code");
  const problem = element("p", { className: "problem" });
  problem.setAttribute("role", "alert");
  let url = "";
  const send = () => {
    model.set("address", written(state));
    model.save_changes();
  };
  const slider = (name, least, most, step, value, take) => {
    const out = element("output", {}, String(value));
    const input = element("input", { type: "range", min: least, max: most, step, value });
    input.setAttribute("aria-label", name);
    input.addEventListener("input", () => { out.textContent = input.value; take(Number(input.value)); send(); });
    return element("label", {}, element("span", {}, name), input, out);
  };
  const seed = element("input", { type: "number", min: 0, step: 1, value: state.seed });
  seed.addEventListener("input", () => { state.seed = Math.max(0, Math.round(Number(seed.value)) || 0); send(); });
  const controls = element("div", { className: "controls" }, element("label", {}, element("span", {}, "seed"), seed));
  model.get("directions").forEach((name, at) => {
    state.moves[at] ??= 0;
    controls.append(slider(name, -3, 3, 0.1, state.moves[at], (value) => { state.moves[at] = value; }));
  });
  controls.append(slider("truncation", 0, 1.5, 0.05, state.psi, (value) => { state.psi = value; }));
  for (const field of model.get("fields")) {
    const select = element("select", {}, element("option", { value: "" }, "as in the data"), ...field.values.map((value) => element("option", { value }, value)));
    select.value = state.labels[field.name] ?? "";
    select.addEventListener("change", () => { state.labels[field.name] = select.value; send(); });
    controls.append(element("label", {}, element("span", {}, field.name), select));
  }
  const show = () => {
    URL.revokeObjectURL(url);
    url = URL.createObjectURL(new Blob([model.get("image")], { type: "image/png" }));
    image.src = url;
    told.textContent = model.get("address");
    problem.textContent = model.get("problem");
  };
  for (const name of ["image", "problem", "address"]) model.on(`change:${name}`, show);
  show();
  el.append(element("div", { className: "organza-explorer" }, image, element("div", { className: "controls" }, controls, told, problem)));
  return () => URL.revokeObjectURL(url);
}

export default { render };
