"use strict";
// A block's page: the table of its features with search and filters, the scatter, and the feature that the address names.
(() => {
  const { element: el, number, percent, called, link, named, charts } = aurorascope;
  const data = aurorascope.store()[document.body.dataset.block], columns = data.columns, n = columns.feature.length;
  const by = (id) => document.getElementById(id);
  const word = (name) => (row) => columns[name].words[columns[name].codes[row]];
  const [label, verdict, reason, badges] = ["label", "verdict", "reason", "badges"].map(word);
  const name = (row) => columns.name[row] || "", top = (row) => (columns.top_label ? word("top_label")(row) : "");
  const level = (row) => data.levels[columns.level[row]] || "";
  const column = (key) => (row) => columns[key][row];
  const id = (row) => called(columns.feature[row], columns.sign[row], data.signed);
  const titles = (row) => [label(row), name(row) && `“${name(row)}”`].filter(Boolean).join(", ");
  const places = new Map(columns.feature.map((feature, row) => [`${feature} ${columns.sign[row]}`, row]));
  const scored = "f1_test" in columns;

  const shown = [
    { key: "feature", title: "Feature", value: (row) => row, cell: (row) => el("a", { href: link("", columns.feature[row], columns.sign[row], data.signed), "data-row": row }, id(row)) },
    { key: "label", title: scored ? "Label" : "Name", value: titles, cell: (row) => titles(row) || "–" },
    ...(scored ? [{ key: "top", title: "Best label", value: top, cell: (row) => top(row) || "–" }] : []),
    ...(scored ? [{ key: "f1_test", title: "F1", numeric: true, value: column("f1_test"), cell: (row) => number(columns.f1_test[row]) }] : []),
    { key: "verdict", title: "Verdict", value: verdict, cell: (row) => [verdict(row), reason(row)].filter((each, at, all) => each !== "labelled" && all.indexOf(each) === at).join(", ") },
    ...(scored ? [
      { key: "gain", title: "Gain", numeric: true, wide: true, value: column("gain"), cell: (row) => number(columns.gain[row]) },
    ] : []),
    { key: "density", title: "Density", numeric: true, wide: scored, value: column("density"), cell: (row) => percent(columns.density[row]) },
    { key: "strength", title: "Strength", numeric: true, wide: true, value: column("strength"), cell: (row) => number(columns.strength[row]) },
    { key: "level", title: "Strongest on", wide: true, value: level, cell: (row) => level(row) || "–" },
    { key: "scale_km", title: "Scale (km)", numeric: true, wide: true, value: column("scale_km"), cell: (row) => number(columns.scale_km[row]) },
    { key: "badges", title: "Badges", wide: true, value: badges, cell: (row) => badges(row).replaceAll(",", ", ") || "–" },
  ];
  const order = scored ? { by: "f1_test", falls: true } : { by: "strength", falls: true };
  const table = aurorascope.table(by("table"), { caption: "Features of this block", columns: shown, order });

  for (const each of shown) for (const [way, text] of each.numeric ? [["falls", "largest first"], ["rises", "smallest first"]] : [["rises", "a to z"], ["falls", "z to a"]]) {
    by("sort").append(el("option", { value: `${each.key} ${way}`, selected: each.key === order.by && way === "falls" }, `${each.title}, ${each.key === "feature" ? (way === "rises" ? "lowest first" : "highest first") : text}`));
  }
  by("sort").addEventListener("change", () => { const [key, way] = by("sort").value.split(" "); table.sort(key, way === "falls"); });
  // Whichever way the table was sorted, the choice says how.
  by("table").addEventListener("click", () => { const { by: key, falls } = table.order(); by("sort").value = `${key} ${falls ? "falls" : "rises"}`; });

  function chosen() {
    const text = by("search").value.trim().toLowerCase(), value = (key) => (by(key) ? by(key).value : "");
    const [alive, wanted, said, badge, where] = ["alive", "label", "verdicts", "badge", "level"].map(value);
    const [from, to] = ["density-from", "density-to"].map((key) => (value(key) === "" ? null : Number(value(key)) / 100));
    const is = (row) => {
      const density = columns.density[row], on = density > 0;
      return (!alive || on === (alive === "alive")) && (!wanted || (wanted === "*" ? label(row) !== "" : label(row) === wanted)) && (!said || verdict(row) === said)
        && (!badge || (badge === "-" ? badges(row) === "" : badges(row).split(",").includes(badge))) && (!where || level(row) === where)
        && (from === null || density >= from) && (to === null || density <= to)
        && (!text || String(columns.feature[row]) === text || `${titles(row)} ${top(row)} ${reason(row)}`.toLowerCase().includes(text));
    };
    return Array.from({ length: n }, (_, row) => row).filter(is);
  }

  const points = columns.strength.map((strength, row) => ({ row, x: Math.log10(columns.density[row]), y: Math.log10(strength), labelled: label(row) !== "" }))
    .filter((point) => Number.isFinite(point.x) && Number.isFinite(point.y));
  let nearest = () => null, listed = new Set(), soon = 0;
  function draw() {
    nearest = charts.scatter(by("scatter"), points, listed);
    by("scatter").setAttribute("aria-label", `Density against strength of ${points.length} features; the table above has the same numbers.`);
  }
  function filter() {
    const rows = chosen();
    table.set(rows);
    by("count").textContent = `${rows.length} of ${n} features`;
    listed = new Set(rows);
    draw();
  }
  by("scatter").addEventListener("click", (event) => { const row = nearest(event); if (row !== null) location.hash = link("", columns.feature[row], columns.sign[row], data.signed); });
  by("filters").addEventListener("submit", (event) => event.preventDefault());
  by("filters").addEventListener("reset", () => setTimeout(() => { by("alive").value = ""; table.sort(order.by, order.falls); filter(); }));
  by("filters").addEventListener("input", (event) => { if (event.target.id !== "sort") { clearTimeout(soon); soon = setTimeout(filter, 120); } });

  let open = null;
  async function openNamed(focus = true) {
    const found = named(), section = by("feature");
    open = found ? places.get(`${found.feature} ${found.sign}`) ?? null : null;
    if (open === null) {
      section.hidden = !found;
      if (found) section.replaceChildren(el("h2", { id: "feature-heading", tabindex: "-1" }, `There is no feature ${found.feature} in this block`));
    } else {
      const row = open, what = { feature: columns.feature[row], sign: columns.sign[row], label: label(row), name: name(row), reason: reason(row), verdict: verdict(row),
        badges: badges(row).replaceAll(",", ", "), density: columns.density[row], strength: columns.strength[row], scale_km: columns.scale_km[row] };
      try {
        await aurorascope.feature.show(section, data, what, row);
      } catch (error) {
        section.hidden = false;
        section.replaceChildren(el("h2", { id: "feature-heading", tabindex: "-1" }, `Feature ${id(row)}`), el("p", { class: "notice" }, error.message));
      }
      // Another feature may have been asked for while this one's script was loading.
      if (open !== row) return openNamed(focus);
      by("back")?.addEventListener("click", () => back(row));
    }
    document.title = `${data.block}${open === null ? "" : ` feature ${id(open)}`}: atlas of features`;
    if (found && focus) { by("feature-heading").focus({ preventScroll: true }); section.scrollIntoView(); }
  }
  function back(row) {
    table.reveal(row);
    const target = document.querySelector(`a[data-row="${row}"]`) || by("search");
    target.focus();
    target.scrollIntoView({ block: "center" });
  }
  addEventListener("hashchange", () => openNamed());
  matchMedia("(prefers-color-scheme: dark)").addEventListener("change", () => { draw(); openNamed(false); });
  let width = innerWidth;
  addEventListener("resize", () => { if (innerWidth !== width) { width = innerWidth; draw(); } });
  filter();
  openNamed();
})();
