"use strict";
const slider = document.querySelector("#moment");
if (slider) {
  const sheets = [...document.querySelectorAll("#sheets img")];
  const caption = document.querySelector("#moment-told");
  const play = document.querySelector("#play");
  let playing = 0;
  const show = (at) => {
    slider.value = at;
    sheets.forEach((sheet, index) => { sheet.hidden = index !== Number(at); });
    caption.textContent = sheets[at].dataset.told;
    slider.setAttribute("aria-valuetext", sheets[at].dataset.told);
  };
  const stop = () => { clearInterval(playing); playing = 0; play.textContent = "Play"; };
  slider.addEventListener("input", () => { stop(); show(slider.value); });
  play.addEventListener("click", () => {
    if (playing) { stop(); return; }
    let at = Number(slider.value) >= sheets.length - 1 ? 0 : Number(slider.value);
    show(at);
    play.textContent = "Pause";
    playing = setInterval(() => { at += 1; if (at >= sheets.length) { stop(); } else { show(at); } }, 700);
  });
  document.querySelector("#over-time").hidden = false;
  show(slider.value);
}
