// Bytes to a canvas, and a canvas to a PNG file that says what it is.
function paint(canvas, bytes, height, width, channels) {
  canvas.width = width;
  canvas.height = height;
  const image = new ImageData(width, height);
  const grey = channels < 3;
  for (let from = 0, to = 0; to < image.data.length; from += channels, to += 4) {
    image.data[to] = bytes[from];
    image.data[to + 1] = bytes[grey ? from : from + 1];
    image.data[to + 2] = bytes[grey ? from : from + 2];
    image.data[to + 3] = channels === 4 || channels === 2 ? bytes[from + channels - 1] : 255;
  }
  canvas.getContext("2d").putImageData(image, 0, 0);
}

function crc(bytes) {
  let value = -1;
  for (const byte of bytes) {
    value ^= byte;
    for (let bit = 0; bit < 8; bit += 1) value = (value >>> 1) ^ (value & 1 ? 0xedb88320 : 0);
  }
  return ~value >>> 0;
}

// The statement of IPTC that a picture is synthetic, as an iTXt chunk behind the header: see media/provenance.py.
function marked(png) {
  const text = new TextEncoder();
  const body = new Uint8Array([...text.encode("iTXtXML:com.adobe.xmp"), 0, 0, 0, 0, 0, ...text.encode(facts.xmp)]);
  const chunk = new Uint8Array(body.length + 8);
  const view = new DataView(chunk.buffer);
  view.setUint32(0, body.length - 4);
  chunk.set(body, 4);
  view.setUint32(body.length + 4, crc(body));
  const header = 33; // signature and IHDR
  return new Blob([png.subarray(0, header), chunk, png.subarray(header)], { type: "image/png" });
}

async function save(canvas, name) {
  const blob = await new Promise((done) => canvas.toBlob(done, "image/png"));
  const link = document.createElement("a");
  link.href = URL.createObjectURL(marked(new Uint8Array(await blob.arrayBuffer())));
  link.download = `${name}.png`;
  link.click();
  setTimeout(() => URL.revokeObjectURL(link.href), 10000);
  tell(`Saved ${link.download}.`);
}
