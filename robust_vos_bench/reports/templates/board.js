"use strict";
{
  const form = document.getElementById("filters");
  const rows = [...document.querySelectorAll("tr.result")];
  const told = new Map(rows.map((row) => [row, JSON.parse(row.dataset.told)]));
  const chart = document.querySelector("#plot svg");
  const marks = new Map([...(chart?.querySelectorAll("[data-row]") ?? [])].map((mark) => [mark.dataset.row, mark]));
  const words = (value) => (value === null || value === undefined ? "n/a" : (Math.round(value * 10) / 10 + 0).toFixed(1));
  const score = (row, family) => told.get(row).scores[family] ?? [null, null, null];

  // Rows open and close.
  function open(row, show) {
    const button = row.querySelector("button.open");
    const more = document.getElementById(`${row.id}-more`);
    button.setAttribute("aria-expanded", String(show));
    more.hidden = !show || row.hidden;
  }
  for (const row of rows) {
    open(row, false);
    row.querySelector("button.open").addEventListener("click", (event) => {
      open(row, event.currentTarget.getAttribute("aria-expanded") !== "true");
    });
  }
  for (const [id, mark] of marks) {
    const go = () => {
      const row = document.getElementById(id);
      open(row, true);
      row.scrollIntoView({ block: "center" });
    };
    mark.addEventListener("click", go);
    mark.addEventListener("keydown", (event) => { if (event.key === "Enter") go(); });
  }

  // Filters, kept in the address so that a choice can be linked to.
  const fields = form ? [...form.elements].filter((field) => field.name) : [];
  const chosen = () => Object.fromEntries(fields.map((field) => [field.name, field.value]));
  const shown = () => [...document.querySelectorAll("tr.result")].filter((row) => !row.hidden);
  function fits(row, want) {
    const is = told.get(row);
    const free = ["open", "none"].includes(is.access);
    return (!want.dataset || is.dataset === want.dataset) && (!want.preset || is.preset === want.preset)
      && (want.family in is.scores) && (!want.access || (want.access === "free" ? free : is.access === want.access))
      && is.model.toLowerCase().includes(want.model.trim().toLowerCase());
  }
  function place(mark, x, y) {
    const [low, high, left, right, top, bottom] = chart.dataset.frame.split(" ").map(Number);
    const along = (value) => (value - low) / (high - low || 1);
    mark.setAttribute("transform", `translate(${left + (right - left) * along(x)} ${bottom - (bottom - top) * along(y)})`);
  }
  const boards = [...new Set(rows.map((row) => told.get(row).board))];
  function inOrder(family) {
    const key = (row) => [boards.indexOf(told.get(row).board), -(score(row, family)[0] ?? -Infinity)];
    const less = ([a, b], [c, d]) => a - c || (b === d ? 0 : b - d);
    for (const row of [...rows].sort((one, other) => less(key(one), key(other)))) {
      row.parentNode.append(row, document.getElementById(`${row.id}-more`));
    }
  }
  function update() {
    const want = chosen();
    const all = want.family === "all";
    for (const row of rows) {
      const is = told.get(row);
      const [value, low, high] = score(row, want.family);
      row.hidden = !fits(row, want);
      open(row, row.querySelector("button.open").getAttribute("aria-expanded") === "true");
      const cell = row.querySelector(".score");
      cell.dataset.sort = words(value);
      cell.querySelector("b").textContent = words(value);
      const note = cell.querySelector(".note");
      if (note) note.textContent = low === null ? "" : `${words(low)} to ${words(high)}`;
      const bar = cell.querySelector(".iv");
      if (bar && low !== null) {
        bar.style.setProperty("--l", `${low}%`);
        bar.style.setProperty("--w", `${high - low}%`);
        bar.style.setProperty("--v", `${value}%`);
      }
      const known = value !== null && is.clean !== null;
      row.querySelector(".kept").textContent = known && is.clean ? words((100 * value) / is.clean) : "n/a";
      row.querySelector(".drop").textContent = known ? words(is.clean - value) : "n/a";
      const rank = row.querySelector(".rank");
      rank.dataset.words ??= rank.textContent;
      if (all) rank.textContent = rank.dataset.words;
      else {
        const rivals = rows.filter((other) => told.get(other).board === is.board && score(other, want.family)[0] !== null);
        rank.textContent = value === null ? "–" : String(1 + rivals.filter((other) => score(other, want.family)[0] > value).length);
      }
      rank.dataset.sort = parseInt(rank.textContent, 10) || "";
      const mark = marks.get(row.id);
      if (mark) {
        mark.style.display = row.hidden || !known ? "none" : "";
        if (known) {
          place(mark, is.clean, value);
          mark.dataset.tip = `${is.model}\n${is.dataset} · ${is.preset}\n${words(is.clean)} clean, ${words(value)}${low === null ? "" : ` (${words(low)} to ${words(high)})`} ${all ? "corrupted" : `under ${want.family}`}`;
        }
      }
    }
    if (!document.querySelector("#results th[aria-sort]")) inOrder(want.family);
    const head = document.getElementById("scored");
    (head.querySelector("button") ?? head).textContent = all ? "corrupted" : want.family;
    const count = shown().length;
    document.getElementById("count").textContent = count ? `${count} of ${rows.length} results` : "No result fits these filters.";
  }
  if (form) {
    const read = () => {
      const given = new URLSearchParams(location.hash.slice(1));
      for (const field of fields) {
        if (!given.has(field.name)) continue;
        field.value = given.get(field.name);
        if (field.tagName === "SELECT" && field.selectedIndex < 0) field.selectedIndex = 0;
      }
    };
    form.addEventListener("input", () => {
      update();
      const want = Object.entries(chosen()).filter(([name, value]) => value && !(name === "family" && value === "all"));
      history.replaceState(null, "", `#${new URLSearchParams(want)}`);
    });
    form.addEventListener("reset", () => setTimeout(() => { history.replaceState(null, "", "#"); update(); }));
    read();
    update();
    const linked = document.getElementById(decodeURIComponent(location.hash.slice(1)));
    if (linked?.classList.contains("result")) {
      open(linked, true);
      linked.scrollIntoView({ block: "center" });
    }
  }

  // Files of what is shown, in the order in which it is shown.
  const columns = ["rank", "model", "dataset", "preset", "clean", "corrupted", "low", "high", "kept", "drop", "weights", "weights_sha256", "run"];
  function records() {
    const family = chosen().family;
    return shown().map((row) => {
      const is = told.get(row);
      const [value, low, high] = score(row, family);
      const known = value !== null && is.clean !== null;
      return {
        rank: parseInt(row.querySelector(".rank").textContent, 10) || null, model: is.model, dataset: is.dataset, preset: is.preset, family,
        clean: is.clean, corrupted: value, low, high, kept: known && is.clean ? Math.round((1e6 * value) / is.clean) / 1e4 : null,
        drop: known ? Math.round(1e4 * (is.clean - value)) / 1e4 : null, severities: is.severities, weights: is.access, weights_sha256: is.weights,
        license: is.license, trained_on_test_data: is.trained_on_test_data, command: is.command, run: is.run,
      };
    });
  }
  const signs = /*signs*/, dashes = /*dashes*/;  // those of the LaTeX tables of whole boards
  const tex = (text) => [...[...String(text)].map((sign) => signs[sign] ?? sign).join("").replace(/-(?=-)/g, "-{}")].map((sign) => dashes[sign] ?? sign).join("");
  const quoted = (value) => {
    const text = value === null || value === undefined ? "" : String(value);
    return /[",\n\r]/.test(text) ? `"${text.replaceAll('"', '""')}"` : text;
  };
  const formats = {
    csv: ["CSV", "text/csv", (found) => [columns.concat("family"), ...found.map((one) => columns.concat("family").map((name) => one[name]))].map((line) => line.map(quoted).join(",")).join("\n") + "\n"],
    json: ["JSON", "application/json", (found) => JSON.stringify(found, null, 1) + "\n"],
    tex: ["LaTeX", "text/plain", (found) => {
      const boards = new Set(found.map((one) => `${one.dataset}\n${one.preset}`));
      const marked = (name, lower) => {
        const values = found.map((one) => words(one[name]));
        const known = [...new Set(values.filter((v) => v !== "n/a").map(Number))].sort((a, b) => (lower ? a - b : b - a));
        const single = boards.size !== 1 || values.filter((v) => v !== "n/a").length < 2; // other boards do not compare
        return values.map((v) => (single || v === "n/a" ? v : Number(v) === known[0] ? `\\textbf{${v}}` : known.length > 2 && Number(v) === known[1] ? `\\underline{${v}}` : v));
      };
      const [clean, corrupted, kept, drop] = [marked("clean"), marked("corrupted"), marked("kept"), marked("drop", true)];
      const lines = found.map((one, i) => [tex(one.model), ...(boards.size > 1 ? [tex(`${one.dataset} · ${one.preset}`)] : []), clean[i],
        corrupted[i] + (one.low === null ? "" : ` {\\scriptsize[${words(one.low)}, ${words(one.high)}]}`), kept[i], drop[i]].join(" & ") + " \\\\");
      return ["% needs \\usepackage{booktabs}", `\\begin{tabular}{l${boards.size > 1 ? "l" : ""}rrrr}`, "\\toprule",
        ["model", ...(boards.size > 1 ? ["board"] : []), "clean", tex(found[0]?.family === "all" ? "corrupted" : found[0]?.family ?? ""), "kept \\%", "drop"].join(" & ") + " \\\\", "\\midrule", ...lines, "\\bottomrule", "\\end{tabular}", ""].join("\n");
    }],
    md: ["Markdown", "text/markdown", (found) => {
      const cell = (value) => String(value ?? "–").replaceAll("\\", "\\\\").replaceAll("|", "\\|").replaceAll("<", "&lt;");
      const lines = found.map((one) => [one.rank, one.model, one.dataset, one.preset, words(one.clean), words(one.corrupted), one.low === null ? "n/a" : `${words(one.low)} to ${words(one.high)}`, words(one.kept), words(one.drop)]);
      return [["rank", "model", "data set", "preset", "clean", found[0]?.family === "all" ? "corrupted" : found[0]?.family ?? "", "95 % CI", "kept %", "drop"], Array(9).fill("---"), ...lines].map((line) => `| ${line.map(cell).join(" | ")} |`).join("\n") + "\n";
    }],
  };
  const bar = document.getElementById("export");
  for (const [ending, [title, kind, write]] of bar ? Object.entries(formats) : []) {
    const button = document.createElement("button");
    button.type = "button";
    button.className = "plain";
    button.textContent = title;
    button.dataset.format = ending;
    button.addEventListener("click", () => {
      const link = document.createElement("a");
      link.href = URL.createObjectURL(new Blob([write(records())], { type: kind }));
      link.download = `${location.pathname.split("/").pop().replace(/\.html$/, "") || "results"}.${ending}`;
      link.click();
      setTimeout(() => URL.revokeObjectURL(link.href), 1000);
    });
    bar.append(button, " ");
  }
  globalThis.rvosExport = (ending) => formats[ending][2](records());
}
