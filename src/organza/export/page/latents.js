// Latents: drawn by the law that the generator was trained with. Python's seeds and the page's are not the same series.
function stream(...position) { // sfc32 (Chris Doty-Humphrey), seeded by FNV-1a of the position
  let hash = 2166136261;
  for (const letter of position.join("/")) hash = Math.imul(hash ^ letter.charCodeAt(0), 16777619) >>> 0;
  let [a, b, c, d] = [hash, hash ^ 0x9e3779b9, hash ^ 0x243f6a88, 1];
  const next = () => {
    const sum = (((a + b) | 0) + d) | 0;
    d = (d + 1) | 0;
    a = b ^ (b >>> 9);
    b = (c + (c << 3)) | 0;
    c = ((c << 21) | (c >>> 11)) + sum | 0;
    return (sum >>> 0) / 4294967296;
  };
  for (let i = 0; i < 16; i += 1) next();
  return next;
}

function normal(next) { // Box and Muller 1958
  return Math.sqrt(-2 * Math.log(1 - next())) * Math.cos(2 * Math.PI * next());
}

const size = (facts.prior || []).reduce((sum, part) => sum + part.size, 0);

function drawn(series, index) {
  const next = stream("z", series, index);
  const z = new Float32Array(size);
  let at = 0;
  for (const part of facts.prior) {
    const chosen = part.law === "one-hot" ? at + Math.floor(next() * part.size) : -1;
    for (let i = 0; i < part.size; i += 1, at += 1) {
      if (part.law === "normal") z[at] = part.mean + part.deviation * normal(next);
      else if (part.law === "uniform") z[at] = part.low + (part.high - part.low) * next();
      else z[at] = at === chosen ? 1 : 0;
    }
  }
  return z;
}

// Uniform numbers stay within their law.
function limit(z) {
  let at = 0;
  for (const part of facts.prior) {
    for (let i = 0; i < part.size; i += 1, at += 1) {
      if (part.law === "uniform") z[at] = Math.max(part.low, Math.min(part.high, z[at]));
    }
  }
}

// The way between two latents. Of normal ones the length is kept, which a straight line would lose: points near 0 are drawn by nobody.
function between(first, last, share) {
  const z = new Float32Array(size);
  let at = 0;
  for (const part of facts.prior) {
    let [a, b] = [1 - share, share];
    if (part.law === "normal") {
      let [one, other, both] = [0, 0, 0];
      for (let i = at; i < at + part.size; i += 1) { one += first[i] ** 2; other += last[i] ** 2; both += first[i] * last[i]; }
      const angle = Math.acos(Math.max(-1, Math.min(1, both / Math.sqrt(one * other || 1))));
      if (Math.sin(angle) > 1e-4) [a, b] = [Math.sin((1 - share) * angle) / Math.sin(angle), Math.sin(share * angle) / Math.sin(angle)];
    }
    for (let i = 0; i < part.size; i += 1, at += 1) z[at] = a * first[i] + b * last[i];
  }
  return z;
}

// Labels: a row of numbers, each field as often as the data has it but for those that are wanted.
function row(wanted, series, index) {
  if (!facts.labels) return null;
  const next = stream("label", series, index);
  const numbers = [];
  for (const field of facts.labels) {
    const choice = wanted[field.name];
    if (!field.values.length) {
      const drawnNumber = Math.max(-2, Math.min(2, normal(next)));
      numbers.push(choice === undefined ? drawnNumber : (choice - field.shares[0]) / field.shares[1]);
    } else if (field.several) {
      for (let i = 0; i < field.values.length; i += 1) {
        const had = next() < field.shares[i];
        numbers.push((choice === undefined ? had : choice.includes(i)) ? 1 : 0);
      }
    } else {
      let [chance, kind] = [next(), 0];
      while (kind < field.values.length - 1 && (chance -= field.shares[kind]) >= 0) kind += 1;
      for (let i = 0; i < field.values.length; i += 1) numbers.push(i === (choice === undefined ? kind : choice) ? 1 : 0);
    }
  }
  return Float32Array.from(numbers);
}
