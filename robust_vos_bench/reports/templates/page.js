"use strict";
const root = document.documentElement;
root.classList.add("scripted");
document.getElementById("theme")?.addEventListener("click", () => {
  const dark = root.dataset.theme ? root.dataset.theme === "dark" : matchMedia("(prefers-color-scheme: dark)").matches;
  root.dataset.theme = dark ? "light" : "dark";
});

// What a mark says when it is pointed at, focused or touched.
const tip = document.createElement("div");
tip.id = "tip";
tip.hidden = true;
document.body.append(tip);
function focusOn(element) {
  const mark = element?.closest?.("[data-m]");
  for (const old of document.querySelectorAll(".focus")) old.classList.remove("focus");
  if (mark) {
    for (const same of document.querySelectorAll(`[data-m="${mark.dataset.m}"]`)) same.classList.add("focus");
    document.body.dataset.focus = mark.dataset.m;
  } else delete document.body.dataset.focus;
  const said = element?.closest?.("[data-tip]");
  tip.hidden = !said;
  if (!said) return;
  tip.textContent = said.dataset.tip;
  const box = said.getBoundingClientRect();
  const left = Math.min(Math.max(box.left + box.width / 2 - tip.offsetWidth / 2, 6), innerWidth - tip.offsetWidth - 6);
  const above = box.top - tip.offsetHeight - 8;
  tip.style.left = `${Math.max(left, 6)}px`;
  tip.style.top = `${above > 6 ? above : box.bottom + 8}px`;
}
document.addEventListener("pointerover", (event) => focusOn(event.target));
document.addEventListener("pointerdown", (event) => focusOn(event.target));
document.addEventListener("focusin", (event) => focusOn(event.target));
document.addEventListener("scroll", () => { tip.hidden = true; }, { passive: true });

// Tables sort by a click on a heading; what is missing stays last.
function sortBy(table, column, first) {
  const heads = [...table.tHead.rows[0].cells];
  const other = first === "descending" ? "ascending" : "descending";
  const order = heads[column].getAttribute("aria-sort") === first ? other : first;
  heads.forEach((head) => head.removeAttribute("aria-sort"));
  heads[column].setAttribute("aria-sort", order);
  const key = (row) => {
    const cell = row.cells[column];
    const text = cell.dataset.sort ?? cell.textContent.trim();
    const number = parseFloat(text);
    return Number.isNaN(number) ? text : number;
  };
  const missing = (value) => value === "n/a" || value === "–" || value === "";
  const body = table.tBodies[0];
  const rows = [...body.rows].filter((row) => !row.classList.contains("opened"));
  const below = new Map(rows.map((row) => [row, row.nextElementSibling]));
  rows
    .map((row) => [key(row), row])
    .sort(([a], [b]) => {
      if (missing(a) || missing(b)) return missing(a) - missing(b);
      const difference = typeof a === "number" && typeof b === "number" ? a - b : String(a).localeCompare(String(b));
      return order === "descending" ? -difference : difference;
    })
    .forEach(([, row]) => {
      const more = below.get(row);
      body.append(row);
      if (more?.classList.contains("opened")) body.append(more);
    });
}
for (const table of document.querySelectorAll("table.sortable")) {
  [...table.tHead.rows[0].cells].forEach((head, column) => {
    const button = document.createElement("button");
    button.type = "button";
    button.append(...head.childNodes);
    head.replaceChildren(button);
    // The best value comes first.
    button.addEventListener("click", () => sortBy(table, column, head.dataset.best === "low" ? "ascending" : "descending"));
  });
}

// The contents show where one is.
const links = new Map([...document.querySelectorAll("nav.contents a")].map((a) => [a.hash.slice(1), a]));
if (links.size && "IntersectionObserver" in window) {
  const seen = new Set();
  const watch = new IntersectionObserver((entries) => {
    for (const entry of entries) seen[entry.isIntersecting ? "add" : "delete"](entry.target.id);
    const here = [...links.keys()].find((id) => seen.has(id));
    if (!here) return;
    for (const [id, a] of links) id === here ? a.setAttribute("aria-current", "true") : a.removeAttribute("aria-current");
  }, { rootMargin: "0px 0px -60% 0px" });
  for (const id of links.keys()) watch.observe(document.getElementById(id));
}
