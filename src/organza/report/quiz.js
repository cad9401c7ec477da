"use strict";
const at = (name) => document.getElementById(name);
const total = quiz.pictures.length;
const source = (index) => "data:image/png;base64," + quiz.pictures[index];
const isReal = (index) => {
  let value = 0x811c9dc5;
  for (const letter of quiz.pictures[index]) { value = Math.imul(value ^ letter.charCodeAt(0), 0x01000193) >>> 0; }
  return ((value >>> 16) & 1) !== Number(quiz.marks[index]);
};
const percent = (share) => Math.round(100 * share) + "%";
let order = [...quiz.pictures.keys()];
let said = [];

const show = () => {
  at("picture").src = source(order[said.length]);
  at("picture").alt = "Image " + (said.length + 1) + " of " + total;
  at("place").textContent = (said.length + 1) + " of " + total;
};
const answer = (real) => {
  if (said.length === total) { return; }
  said.push(real);
  if (said.length < total) { show(); } else { finish(); }
};
const finish = () => {
  const truth = order.map(isReal);
  const wrong = said.filter((word, index) => word !== truth[index]).length;
  const taken = said.filter((word, index) => word && !truth[index]).length;
  const doubted = said.filter((word, index) => !word && truth[index]).length;
  const [low, high] = quiz.wrong[wrong];
  const fooled = low <= 0.5 && high >= 0.5;
  at("result").className = "verdict " + (fooled ? "good" : high < 0.5 ? "fair" : "open");
  at("title").textContent = "You were wrong " + wrong + " times of " + total + ": " + percent(wrong / total);
  at("why").textContent = "Between " + percent(low) + " and " + percent(high) + " with 95% confidence; guessing is wrong half of the time. " +
    (fooled ? "You could not tell them apart: the counterfeiter wins."
      : high < 0.5 ? "You can tell them apart: the detective wins." : "You see the difference, and name it the wrong way round.");
  at("detail").textContent = "You took " + taken + " generated for real, and " + doubted + " real for generated.";
  at("all").replaceChildren(...order.map((index, place) => {
    const item = document.createElement("li");
    const picture = document.createElement("img");
    picture.className = "cell";
    picture.src = source(index);
    picture.alt = "Image " + (place + 1) + ", " + (truth[place] ? "real" : "generated");
    const told = document.createElement("p");
    const right = said[place] === truth[place];
    const kind = document.createElement("b");
    kind.textContent = truth[place] ? "real" : "generated";
    told.append(kind, right ? " ✓ as you said" : " ✗ you said " + (said[place] ? "real" : "generated"));
    item.append(picture, told);
    return item;
  }));
  at("play").hidden = true;
  at("end").hidden = false;
  at("end").focus();
};

at("real").addEventListener("click", () => answer(true));
at("fake").addEventListener("click", () => answer(false));
at("again").addEventListener("click", () => {
  for (let last = order.length - 1; last > 0; last -= 1) {
    const other = Math.floor(Math.random() * (last + 1));
    [order[last], order[other]] = [order[other], order[last]];
  }
  said = [];
  at("end").hidden = true;
  at("play").hidden = false;
  show();
});
document.addEventListener("keydown", (event) => {
  if (at("play").hidden || event.repeat || event.ctrlKey || event.metaKey || event.altKey) { return; }
  if (event.key === "ArrowLeft" || event.key.toLowerCase() === "r") { event.preventDefault(); answer(true); }
  if (event.key === "ArrowRight" || event.key.toLowerCase() === "g") { event.preventDefault(); answer(false); }
});
let touched = null;
at("play").addEventListener("touchstart", (event) => { touched = event.changedTouches[0].clientX; }, { passive: true });
at("play").addEventListener("touchend", (event) => {
  const way = event.changedTouches[0].clientX - touched;
  if (touched !== null && Math.abs(way) > 60) { answer(way < 0); }
  touched = null;
});
show();
