// The pages and their addresses. Moving between them loads nothing anew.
import { h, fill, icon, say, tell } from "./dom.js";
import { begin } from "./live.js";
import { pages } from "./pages.js";

const main = document.getElementById("main");
let leave = null;

function named(path) {
  const [first, ...rest] = path.split("/").filter(Boolean).map(decodeURIComponent);
  return [pages.find((page) => page.name === (first ?? "")) ?? pages[0], rest];
}

export async function show(focus = true) {
  leave?.();
  leave = null;
  say(""); // what was said is about the page before
  const [page, rest] = named(location.pathname);
  for (const link of document.querySelectorAll("#nav a")) {
    if (link.dataset.page === (page.under ?? page.name)) link.setAttribute("aria-current", "page");
    else link.removeAttribute("aria-current");
  }
  document.title = `${rest[0] ? `${rest[0]} · ` : ""}${page.title} · Organza studio`;
  const body = h("div", { class: `page ${page.name || "runs"}` });
  fill(main, body);
  try {
    leave = (await page.open(body, rest, new URLSearchParams(location.search))) ?? null;
  } catch (error) {
    fill(body, h("h1", {}, page.title), h("p", { class: "problem" }, error.message));
  }
  if (focus) {
    main.focus({ preventScroll: true });
    scrollTo(0, 0);
  }
}

/** Go to an address of the studio. */
export function go(address, replace = false) {
  history[replace ? "replaceState" : "pushState"](null, "", address);
  show();
}

function navigation() {
  const links = pages.filter((page) => page.icon).map((page) => h("a", { href: `/${page.name}`, "data-page": page.name }, icon(page.icon), page.title));
  fill(document.getElementById("nav"), links);
}

document.addEventListener("click", (event) => {
  const link = event.target.closest("a[href]");
  if (!link || link.target || link.hasAttribute("download") || event.metaKey || event.ctrlKey || event.shiftKey) return;
  const address = new URL(link.href);
  if (address.origin !== location.origin || address.pathname.startsWith("/api/") || link.hash) return;
  event.preventDefault();
  go(address.pathname + address.search);
});
for (const kind of ["dragover", "drop"]) { // beside a place for it, a dropped file would be opened instead of the page
  addEventListener(kind, (event) => { if (event.dataTransfer?.types.includes("Files")) event.preventDefault(); });
}
addEventListener("popstate", () => show());
addEventListener("organza-go", (event) => go(event.detail));

navigation();
try {
  await begin();
} catch (error) {
  tell(error.message, true);
}
document.documentElement.dataset.state = "ready";
await show(false);
