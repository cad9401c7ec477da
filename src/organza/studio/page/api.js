// Requests to the studio, which answers with JSON or images.

export class Refusal extends Error {
  constructor(message, status) {
    super(message);
    this.status = status;
  }
}

async function answered(response) {
  if (response.ok) return response;
  let text = `The studio answered ${response.status}.`;
  const content = await response.text();
  try {
    text = JSON.parse(content).error ?? text;
  } catch {
    if (content && content.length < 300) text = content;
  }
  throw new Refusal(text, response.status);
}

async function reached(path, options) {
  try {
    return await answered(await fetch(path, { credentials: "same-origin", ...options }));
  } catch (error) {
    if (error instanceof Refusal || error.name === "AbortError") throw error;
    throw new Refusal("The studio does not answer. If it was ended, start it again; training goes on without it.", 0);
  }
}

export const get = async (path) => (await reached(path)).json();

export async function post(path, fields = {}) {
  return (await reached(path, { method: "POST", headers: { "Content-Type": "application/json" }, body: JSON.stringify(fields) })).json();
}

/** An image for a form: {url, facts, blob}. */
export async function draw(path, fields, signal) {
  return pictured(await reached(path, { method: "POST", headers: { "Content-Type": "application/json" }, body: JSON.stringify(fields), signal }));
}

/** The answer to a file, as JSON or as an image. */
export async function send(path, file) {
  const response = await reached(path, { method: "POST", headers: { "Content-Type": "application/octet-stream" }, body: file });
  return response.headers.get("content-type").startsWith("image/") ? pictured(response) : response.json();
}

async function pictured(response) {
  const facts = JSON.parse(response.headers.get("organza-facts") ?? "{}");
  const blob = await response.blob();
  return { blob, facts };
}

export const path = (...parts) => parts.map(encodeURIComponent).join("/");

/** A function that runs one call at a time, and then the newest of those that came meanwhile. */
export function newest(call) {
  let running = false;
  let waiting = null;
  return async function next(...given) {
    if (running) {
      waiting = given;
      return;
    }
    running = true;
    try {
      await call(...given);
    } finally {
      running = false;
      if (waiting) {
        const then = waiting;
        waiting = null;
        next(...then);
      }
    }
  };
}
