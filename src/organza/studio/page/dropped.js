// Files that are dropped or chosen, folders included, and their way into a data folder.
import { get, send } from "./api.js";
import { h, tell } from "./dom.js";

const IMAGE = /\.(png|jpe?g|webp|bmp|gif|tiff?|heic|avif)$/i;
const LABELS = "labels.csv";
const MOST_FILES = 64; // in one request: a request costs as much as decoding several small images
const MOST_BYTES = 4 * 2 ** 20;
const LARGEST = 32 * 2 ** 20;
const LANES = 3; // a browser keeps six connections to a server, one of which carries the events
const PATIENCE = 40; // attempts while the studio is busy

/** Files of a drop, folders included, as {file, path}: of a folder the path begins with its name. */
export async function filesOf(transfer) {
  const entries = [...transfer.items].map((item) => item.webkitGetAsEntry?.()).filter(Boolean); // before anything is awaited: a drop lasts no longer
  if (!entries.length) return [...transfer.files].map((file) => ({ file, path: file.name }));
  const found = [];
  const walk = async (entry, above) => {
    if (entry.name.startsWith(".")) return;
    if (entry.isFile) {
      found.push({ file: await new Promise((yes, no) => entry.file(yes, no)), path: `${above}${entry.name}` });
      return;
    }
    const reader = entry.createReader();
    for (;;) { // a reader gives a hundred entries at a time, and none at the end
      const some = await new Promise((yes, no) => reader.readEntries(yes, no));
      if (!some.length) return;
      for (const inner of some) await walk(inner, `${above}${entry.name}/`);
    }
  };
  for (const entry of entries) await walk(entry, "");
  return found;
}

/** A place to drop files, or to choose them; `take` receives [{file, path}]. */
export function dropZone(text, take, many = true, folders = false) {
  const input = (more) => {
    const made = h("input", { type: "file", class: "unseen", tabindex: "-1", "aria-hidden": "true", ...more });
    made.addEventListener("change", () => {
      if (made.files.length) take([...made.files].map((file) => ({ file, path: file.webkitRelativePath || file.name })));
      made.value = "";
    });
    return made;
  };
  const files = input({ accept: "image/*" });
  files.multiple = many;
  const folder = folders ? input({ webkitdirectory: true, "data-folder": true }) : null;
  const zone = h("div", { class: "drop" }, h("p", {}, text), h("div", { class: "row" }, h("button", { type: "button", onclick: () => files.click() }, many ? "Choose images" : "Choose an image"), folder ? h("button", { type: "button", onclick: () => folder.click() }, "Choose a folder") : null), files, folder);
  zone.addEventListener("dragover", (event) => { event.preventDefault(); zone.classList.add("over"); });
  zone.addEventListener("dragleave", () => zone.classList.remove("over"));
  zone.addEventListener("drop", (event) => {
    zone.classList.remove("over");
    dropped(event, take);
  });
  return zone;
}

/** Take the files of a drop. */
export async function dropped(event, take) {
  event.preventDefault();
  event.stopPropagation();
  try {
    take(await filesOf(event.dataTransfer));
  } catch (error) {
    tell(`The browser cannot read what was dropped: ${error.message}`, true);
  }
}

/** What of the files is copied, and under which folder: {folder, images, others}. A single dropped folder is the data set, and its subfolders are classes; of several, each is a class. */
export function sorted(given) {
  const tops = new Set(given.map(({ path }) => (path.includes("/") ? path.split("/")[0] : "")));
  const [top] = tops;
  const alone = tops.size === 1 && top ? top : "";
  const images = [];
  let others = 0;
  for (const { file, path } of given) {
    const parts = path.split("/").slice(alone ? 1 : 0, -1);
    if (file.name.startsWith(".") || path.split("/").includes("__MACOSX")) continue; // what systems add, not the user
    const labels = file.name === LABELS && !parts.length;
    if (labels || file.type.startsWith("image/") || IMAGE.test(file.name)) images.push({ file, folder: parts[0] ?? "" });
    else others += 1;
  }
  return { folder: alone, images, others };
}

/** A text as the name of a folder. */
export const asName = (text) => text.normalize("NFC").replaceAll(/[^\p{L}\p{N}._ -]+/gu, "-").replaceAll(/^[-._ ]+|[-._ ]+$/g, "").slice(0, 60) || "my-images";

/** A name for a folder of data that nothing in the first data folder has. */
export async function freeName(root, wanted) {
  const { folders } = await get(`/api/data?root=${encodeURIComponent(root)}&path=`);
  const taken = new Set(folders.map((name) => name.toLowerCase()));
  let free = wanted;
  for (let number = 2; taken.has(free.toLowerCase()); number += 1) free = `${wanted}-${number}`;
  return free;
}

function portions(images) {
  const made = [];
  let size = 0;
  for (const image of images) {
    if (!made.length || made.at(-1).length >= MOST_FILES || size + image.file.size > MOST_BYTES) {
      made.push([]);
      size = 0;
    }
    made.at(-1).push(image);
    size += image.file.size;
  }
  return made;
}

async function sent(name, portion) {
  const list = portion.map(({ file, folder }) => ({ folder, file: file.name, bytes: file.size }));
  const body = new Blob([`${JSON.stringify(list)}\n`, ...portion.map(({ file }) => file)]);
  for (let attempt = 0; ; attempt += 1) {
    try {
      return await send(`/api/data/upload?name=${encodeURIComponent(name)}`, body);
    } catch (error) {
      if (error.status !== 429 || attempt >= PATIENCE) throw error;
      await new Promise((yes) => { setTimeout(yes, 250); });
    }
  }
}

/** Copy images into a folder of data, several at once. What is there already is not copied again, so that a copy that was cut short can be repeated.
 *  Returns {stored: how many, refused: [text], rest: images that were not sent, problem: why not}. */
export async function copy(name, images, progress, signal) {
  const fit = images.filter(({ file }) => file.size <= LARGEST);
  const refused = images.filter(({ file }) => file.size > LARGEST).map(({ file }) => `${file.name}: larger than ${LARGEST / 2 ** 20} MB`);
  const waiting = portions(fit);
  const rest = [];
  let done = 0;
  let stored = 0;
  let problem = null;
  progress(0, fit.length);
  const lane = async () => {
    for (let portion = waiting.shift(); portion; portion = waiting.shift()) {
      if (problem || signal.aborted) {
        rest.push(...portion);
        continue;
      }
      try {
        const answers = await sent(name, portion);
        answers.forEach((answer, at) => { if (answer.error) refused.push(`${portion[at].file.name}: ${answer.error}`); });
        stored += answers.filter((answer) => answer.name).length;
        done += portion.length;
        progress(done, fit.length);
      } catch (error) {
        rest.push(...portion);
        problem ??= error.message;
      }
    }
  };
  await Promise.all(Array.from({ length: LANES }, lane));
  return { stored, refused, rest, problem };
}
