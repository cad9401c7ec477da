// What changes in the runs. One stream serves all tabs of a browser, which allows six connections to a server:
// the tab that holds the lock listens and passes the messages on.
import { get, path } from "./api.js";
import { tell } from "./dom.js";

export const runs = new Map();
export const jobs = new Map();
const listeners = new Set();
const channel = "BroadcastChannel" in window ? new BroadcastChannel(`organza-${location.port}`) : null;
let lost = false;

/** Call back with (kind, message) for every change; returns a function that ends it. */
export function listen(callback) {
  listeners.add(callback);
  return () => listeners.delete(callback);
}

/** Wait for a job to end; returns it. One that ended before this call returns at once. */
export function finished(job) {
  return new Promise((yes) => {
    const ended = () => {
      const now = jobs.get(job.number) ?? job;
      if (now.code !== null) { stop(); yes(now); }
    };
    const stop = listen(ended);
    ended();
  });
}

function take(kind, message) {
  if (kind === "all") {
    runs.clear();
    for (const run of message) runs.set(run.name, run);
  } else if (kind === "run") runs.set(message.name, message);
  else if (kind === "gone") runs.delete(message.name);
  else if (kind === "job") jobs.set(message.number, message);
  else if (kind === "link") show(message.lost);
  for (const listener of [...listeners]) listener(kind, message);
}

function show(isLost) {
  const label = document.getElementById("link");
  if (lost === isLost && label.textContent) return;
  lost = isLost;
  label.className = isLost ? "link lost" : "link";
  label.textContent = isLost ? "not connected" : "live";
}

function pass(kind, message) {
  take(kind, message);
  channel?.postMessage([kind, message]);
}

function open() {
  const stream = new EventSource("/api/events");
  for (const kind of ["all", "run", "gone", "points", "rewritten", "job", "progress"]) {
    stream.addEventListener(kind, (event) => pass(kind, JSON.parse(event.data)));
  }
  stream.addEventListener("open", () => pass("link", { lost: false }));
  stream.addEventListener("error", () => {
    pass("link", { lost: true });
    if (stream.readyState === EventSource.CLOSED) setTimeout(again, 2000); // the server refused: it was started anew
  });
}

async function again() {
  try {
    await get("/api/studio");
  } catch (error) {
    if (error.status === 401) {
      tell("The studio was started anew: open the address that it printed.", true);
      return;
    }
  }
  open();
}

/** The state of a run. The studio looks for new runs from time to time: one that the list lacks is asked for; null if there is none. */
export async function stateOf(name) {
  if (runs.has(name)) return runs.get(name);
  try {
    return (await get(`/api/runs/${path(name)}`)).state;
  } catch (error) {
    if (error.status === 404) return null;
    throw error;
  }
}

export async function begin() {
  channel?.addEventListener("message", (event) => take(...event.data));
  for (const run of await get("/api/runs")) runs.set(run.name, run);
  for (const job of await get("/api/jobs")) jobs.set(job.number, job);
  show(false);
  if (navigator.locks && channel) navigator.locks.request(`organza-${location.port}`, () => new Promise(open));
  else open();
}
