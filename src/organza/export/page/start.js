// What the page was given, and the runtime: unpacked once, then a function from inputs to bytes.
const $ = (name) => document.getElementById(name);
const facts = JSON.parse($("facts").textContent);
const status = $("status");
const tell = (text) => { status.textContent = text; };

function fromBase64(text) {
  const raw = atob(text);
  const bytes = new Uint8Array(raw.length);
  for (let i = 0; i < raw.length; i += 1) bytes[i] = raw.charCodeAt(i);
  return bytes;
}

function floats(text) { // base64 of float32, little-endian as every browser's machine is
  return new Float32Array(fromBase64(text).buffer);
}

async function unpacked(name) {
  const element = $(name);
  const stream = new Blob([fromBase64(element.textContent.trim())]).stream().pipeThrough(new DecompressionStream("gzip"));
  element.remove(); // megabytes of text that nobody needs any more
  return new Uint8Array(await new Response(stream).arrayBuffer());
}

let runtime = null;
async function ready() {
  if (!runtime) {
    runtime = (async () => {
      ort.env.wasm.wasmBinary = await unpacked("runtime");
      ort.env.wasm.numThreads = 1; // a page from the disk may have no more
      ort.env.logLevel = "error";
    })();
  }
  return runtime;
}

// One file's network. `run` waits its turn: the runtime computes one thing at a time.
async function network(name) {
  await ready();
  const session = await ort.InferenceSession.create(await unpacked(name));
  let before = Promise.resolve();
  return (inputs) => {
    const turn = before.then(() => session.run(inputs)).then((made) => made[session.outputNames[0]]);
    before = turn.catch(() => {});
    return turn;
  };
}

const clock = { images: 0, spent: 0 };
async function timed(count, work) {
  const begun = performance.now();
  const made = await work();
  clock.images += count;
  clock.spent += performance.now() - begun;
  const each = clock.spent / clock.images;
  $("speed").textContent = `${each < 10 ? each.toFixed(1) : Math.round(each)} ms ${facts.unit === "volume" ? "a shape" : "an image"} on this device.`;
  return made;
}

const pause = () => new Promise((done) => setTimeout(done)); // lets the browser draw and answer

function failed(error) {
  tell(`This browser cannot run the page: ${error.message || error}. A current Chrome, Edge, Firefox or Safari can.`);
  document.documentElement.dataset.state = "failed";
}
