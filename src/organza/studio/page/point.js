// A point in the space of latents, in the form of the studio, of an address, and of a line of code.

export const start = (seed = 0, index = 0) => ({ seed, index, kept: "", toward: [], moves: [], psi: 1, labels: {}, codes: {}, mix: [] });

const trimmed = (moves) => {
  const kept = moves.map((value) => Math.round(value * 100) / 100);
  while (kept.length && !kept.at(-1)) kept.pop();
  return kept;
};

/** The fields to send, without those that change nothing. */
export function fields(point) {
  const sent = point.kept ? { kept: point.kept } : { seed: point.seed, index: point.index };
  if (point.kept) Object.assign(sent, { seed: point.seed, index: point.index });
  if (point.toward.length) sent.toward = point.toward;
  const moves = trimmed(point.moves);
  if (moves.length) sent.moves = moves;
  if (point.psi !== 1) sent.psi = point.psi;
  if (Object.keys(point.labels).length) sent.labels = point.labels;
  if (Object.keys(point.codes).length) sent.codes = point.codes;
  if (point.mix.length) sent.mix = point.mix;
  return sent;
}

const pairs = (table) => Object.entries(table).map(([name, value]) => `${encodeURIComponent(name)}:${encodeURIComponent(value)}`).join(",");
const unpaired = (text, convert = (value) => value) => Object.fromEntries((text || "").split(",").filter(Boolean).map((one) => one.split(":").map(decodeURIComponent)).map(([name, value]) => [name, convert(value)]));

/** The address of a point: ?at=7.3&toward=9.0.0.3&moves=1.5,0,-2&psi=0.8&labels=hair:long&codes=code-1:0.5&mix=4.0.1 */
export function query(point) {
  const parts = [`at=${point.kept ? point.kept : `${point.seed}.${point.index}`}`];
  if (point.toward.length) parts.push(`toward=${point.toward.map(([seed, index, share]) => `${seed}.${index}@${Math.round(share * 1000) / 1000}`).join(",")}`);
  const moves = trimmed(point.moves);
  if (moves.length) parts.push(`moves=${moves.join(",")}`);
  if (point.psi !== 1) parts.push(`psi=${point.psi}`);
  if (Object.keys(point.labels).length) parts.push(`labels=${pairs(point.labels)}`);
  if (Object.keys(point.codes).length) parts.push(`codes=${pairs(point.codes)}`);
  if (point.mix.length) parts.push(`mix=${point.mix.join(".")}`);
  return parts.join("&");
}

const whole = (text) => (/^\d{1,15}$/.test(text ?? "") ? Number(text) : 0);

export function parsed(given) {
  const at = given.get("at") ?? "0.0";
  const point = start();
  if (/^[0-9a-f]{16}$/.test(at)) point.kept = at;
  else [point.seed, point.index] = at.split(".").map(whole).concat(0).slice(0, 2);
  point.toward = (given.get("toward") ?? "").split(",").filter(Boolean).slice(0, 8).map((one) => {
    const [place, share] = one.split("@");
    const [seed, index] = place.split(".").map(whole);
    return [seed, index ?? 0, Math.min(1, Math.max(0, Number(share) || 0))];
  });
  point.moves = (given.get("moves") ?? "").split(",").filter(Boolean).map((value) => Math.min(8, Math.max(-8, Number(value) || 0)));
  point.psi = given.has("psi") ? Math.min(2, Math.max(0, Number(given.get("psi")) || 0)) : 1;
  point.labels = unpaired(given.get("labels"));
  point.codes = unpaired(given.get("codes"), Number);
  point.mix = given.has("mix") ? given.get("mix").split(".").map(whole).slice(0, 3) : [];
  if (point.mix.length !== 3) point.mix = [];
  return point;
}

export const same = (a, b) => query(a) === query(b);
export const copy = (point) => structuredClone(point);

/** A name for people. */
export function title(point) {
  const base = point.kept ? "your image" : `seed ${point.seed}, image ${point.index + 1}`;
  const more = [];
  if (point.toward.length) more.push("varied");
  if (trimmed(point.moves).length) more.push("moved");
  if (point.mix.length) more.push("mixed");
  return [base, ...more].join(", ");
}
