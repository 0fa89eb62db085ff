"use strict";
// The page of all blocks: a table of blocks, and one of all features that have a label or a name.
(() => {
  const { element: el, number, called, link, store } = aurorascope;
  const blocks = store().index, by = (id) => document.getElementById(id);
  const of = (key) => (row) => blocks[row][key];
  const text = (key, title, more = {}) => ({ key, title, value: of(key), cell: (row) => String(blocks[row][key]), ...more });
  aurorascope.table(by("blocks"), { caption: "Blocks, in forward order", columns: [
    { key: "block", title: "Block", value: (row) => row, cell: (row) => el("a", { href: `${blocks[row].block}.html` }, blocks[row].block) },
    text("verdict", "Gate"),
    text("n", "Features", { numeric: true, wide: true }),
    text("n_alive", "On", { numeric: true, wide: true }),
    { key: "n_event", title: "Beyond both nulls", numeric: true, wide: true, value: of("n_event"), cell: (row) => number(blocks[row].n_event) },
    text("n_labelled", "Labelled", { numeric: true }),
    { key: "most", title: "Most often", wide: true, value: (row) => blocks[row].most.join(), cell: (row) => blocks[row].most.join(", ") || "–" },
  ] }).set(blocks.map((_, row) => row));

  const features = blocks.flatMap((block, depth) => block.features.map(([feature, sign, label, name, verdict, f1]) => ({
    depth, block: block.block, signed: block.signed, feature, sign, label, name, verdict, f1, title: [label, name && `“${name}”`].filter(Boolean).join(", "),
  })));
  const column = (key) => (row) => features[row][key];
  const table = aurorascope.table(by("features"), { caption: "Features with a label or a name", order: { by: "f1", falls: true }, columns: [
    { key: "feature", title: "Feature", value: (row) => row, cell: (row) => { const { block, feature, sign, signed } = features[row];
      return el("a", { href: link(block, feature, sign, signed) }, `${block} ${called(feature, sign, signed)}`); } },
    { key: "title", title: "Label", value: column("title"), cell: column("title") },
    { key: "verdict", title: "Verdict", wide: true, value: column("verdict"), cell: column("verdict") },
    { key: "f1", title: "F1", numeric: true, value: column("f1"), cell: (row) => number(features[row].f1) },
  ] });
  function filter() {
    const wanted = by("search").value.trim().toLowerCase();
    const rows = features.map((_, row) => row).filter((row) => {
      const { block, feature, title } = features[row];
      return !wanted || String(feature) === wanted || `${block} ${title}`.toLowerCase().includes(wanted);
    });
    table.set(rows);
    by("count").textContent = `${rows.length} of ${features.length} features`;
  }
  by("filters").addEventListener("submit", (event) => event.preventDefault());
  by("search").addEventListener("input", filter);
  filter();
})();
