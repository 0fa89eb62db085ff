"use strict";
// The section on one feature: what is known of it, scores, maps, histogram, examples, neighbours, commands.
aurorascope.feature = (() => {
  const { load, element: el, unpack, number, percent, place, hour, called, link, charts } = aurorascope;
  const GLOBE = [-0.001, 359.999, -90, 90];

  function piece(starts, row) {
    let at = 0;
    while (at + 1 < starts.length && starts[at + 1] <= row) at++;
    return [at, row - starts[at]];
  }

  function table(caption, heads, rows, className = null) {
    const cells = (each) => el("tr", {}, each.map((cell, at) => el(at ? "td" : "th", { scope: at ? null : "row" }, cell)));
    return el("div", { class: "scrolls", tabindex: "0", role: "region", "aria-label": caption }, el("table", { class: className },
      el("caption", {}, caption), el("thead", {}, el("tr", {}, heads.map((head) => el("th", { scope: "col" }, head)))), el("tbody", {}, rows.map(cells))));
  }

  // One pair a column: on a narrow screen numbers stand below each other.
  function scores(pairs, held) {
    const p = (pair, kind) => `p ${number(pair[`p_${kind}`])}, q ${number(pair[`q_${kind}`])}, z ${number(pair[`z_${kind}`])}`;
    const lines = [
      ["Verdict", (pair) => pair.verdict],
      ["F1, test dates", (pair) => number(pair.f1_test)],
      ["F1, dates that chose", (pair) => number(pair.f1_select)],
      ...(held ? [["F1, held-out dates", (pair) => number(pair.f1_held_out)]] : []),
      ["Base rate (share of the area)", (pair) => percent(pair.base_rate)],
      ["Precision, recall of objects", (pair) => `${number(pair.precision)}, ${number(pair.recall)}`],
      ["AUROC, average precision", (pair) => `${number(pair.auroc)}, ${number(pair.ap)}`],
      ["Against shifts in longitude", (pair) => p(pair, "rotation")],
      ["Against other dates", (pair) => p(pair, "date_shift")],
      ["Gain over the best baseline", (pair) => `${number(pair.gain)}${pair.baseline ? ` (${pair.baseline})` : ""}`],
      ["Read on, from", (pair) => `${pair.level}, ${number(pair.threshold)}`],
      ["Correlation of anomalies (95 %)", (pair) => `${number(pair.ranom, 2)} (${number(pair.ranom_low, 2)} to ${number(pair.ranom_high, 2)})`],
    ];
    return table("Scores for its best labels", ["", ...pairs.map((pair) => pair.label)], lines.map(([title, text]) => [title, ...pairs.map(text)]));
  }

  function figure(canvas, caption, words) {
    canvas.setAttribute("role", "img");
    canvas.setAttribute("aria-label", words);
    return el("figure", {}, canvas, el("figcaption", {}, caption));
  }

  function legend(low, high, units) {
    const bar = el("span", { class: "bar" });
    bar.style.background = charts.bar();
    return el("p", { class: "legend" }, low, bar, `${high}${units ? ` ${units}` : ""}`);
  }

  function maps(data, found, strongest) {
    const n = (data.grid.lat.length - 1) * (data.grid.lon.length - 1), parts = [];
    const kinds = [["mean", "Mean at each position"], ["strongest", `At ${hour(found.time)}, where it is strongest`]];
    for (const [kind, title] of kinds) {
      const bytes = unpack(found[kind].values), figures = data.levels.map((level, at) => {
        const here = bytes.subarray(at * n, (at + 1) * n), canvas = el("canvas"), peak = charts.largest(here, data.grid);
        const words = peak.byte ? `at most ${number((found[kind].top * peak.byte) / 255, 2)}, at ${place(peak.lat, peak.lon)}` : "nowhere on";
        const mark = kind === "strongest" && strongest && strongest.level === level ? [strongest.lon, strongest.lat] : null;
        charts.map(canvas, here, data.grid, GLOBE, mark);
        return figure(canvas, `${level}: ${words}`, `${title}, ${level}: ${words}`);
      });
      parts.push(el("h3", {}, title), legend("0", number(found[kind].top), "units of the block's output"), el("div", { class: "maps" }, figures));
    }
    const square = data.grid.factor > 1 ? ` Each cell is the mean of ${data.grid.factor} × ${data.grid.factor} tokens.` : "";
    return [...parts, el("p", { class: "note" }, `Longitude 0° to 360° E. Cells where it is not on have no colour.${square}`)];
  }

  // The weather in a box around an example.
  async function weather(data, example, where) {
    const fields = await load(data.fields.at + example.time.slice(0, 13)), columns = data.grid.lon.length - 1;
    const half = [35, 25], south = Math.max(-90, example.lat - half[1]), north = Math.min(90, example.lat + half[1]);
    const box = [example.lon - half[0], example.lon + half[0], south, north];
    where.replaceChildren(...fields.map((field) => {
      const bytes = unpack(field.values), canvas = el("canvas"), byte = bytes[example.row * columns + example.column];
      const value = (at) => { const found = field.low + (at * (field.high - field.low)); return number(field.log ? 10 ** found : found); };
      charts.map(canvas, bytes, data.grid, box, [example.lon, example.lat]);
      const words = `${field.title}: ${byte ? value((byte - 1) / 254) : "missing"} ${field.units} there`;
      return el("div", {}, figure(canvas, words, `${words}; colours from ${value(0)} to ${value(1)}`), legend(value(0), value(1), `${field.units}${field.log ? ", log" : ""}`));
    }));
  }

  function examples(data, detail) {
    const known = new Set(data.fields.times);
    return el("ol", { class: "examples" }, detail.examples.map((example) => {
      const where = el("div", { class: "maps" });
      const shown = el("button", { type: "button", "aria-expanded": "false", onclick: async () => {
        const open = shown.getAttribute("aria-expanded") === "true";
        shown.setAttribute("aria-expanded", String(!open));
        if (open) return where.replaceChildren();
        try { await weather(data, example, where); } catch (error) { where.replaceChildren(el("p", { class: "notice" }, error.message)); }
      } }, "Weather around it");
      const words = `${hour(example.time)}, ${place(example.lat, example.lon)}, ${example.level}: ${number(example.value)}`;
      return el("li", {}, el("span", {}, words, example.labels ? ` (there: ${example.labels.replaceAll(",", ", ")})` : ""), " ", known.has(example.time) ? shown : null, where);
    }));
  }

  function others(data, found, title, score) {
    const rows = found.map((each) => [
      el("a", { href: link(each.block, each.feature, each.sign, data.signed) }, `${each.block} ${called(each.feature, each.sign, data.signed)}`), number(each[score]), each.label || "–",
    ]);
    return table(title, ["Feature", score === "cosine" ? "Cosine" : "Correlation", "Label"], rows);
  }

  const neighbours = (data, near) => others(data, near, "The feature of each other block of the stage whose direction is nearest", "cosine");
  const matches = (data, matched) => others(data, matched, "Features of blocks of other stages that do the same on the same dates", "correlation");

  function command({ title, text }, row, detail) {
    const date = detail.examples.length ? detail.examples[0].time.slice(0, 10) : "2022-06-03";
    const filled = text.replaceAll("{feature}", row.feature).replaceAll("{sign}", row.sign).replaceAll("{date}", date);
    const copied = el("span", { role: "status" });
    const copy = el("button", { type: "button", onclick: async () => {
      try { await navigator.clipboard.writeText(filled); copied.textContent = " copied"; } catch { copied.textContent = " select the text and copy it"; }
    } }, "Copy");
    return el("div", {}, el("h4", {}, title), el("pre", { tabindex: "0" }, el("code", {}, filled)), el("p", {}, copy, copied));
  }

  // Fill the section with one feature. `row` has what the table shows of it.
  async function show(section, data, row, at) {
    const [number_, offset] = piece(data.details, at);
    const detail = (await load(`${data.block}/details_${number_}`))[offset], group = data.maps.findIndex((each) => each.includes(at));
    const drawn = group < 0 ? null : (await load(`${data.block}/maps_${group}`))[at];
    const name = called(row.feature, row.sign, data.signed), facts = detail.facts;
    const title = [row.label, row.name && `“${row.name}”`].filter(Boolean).join(", ");
    const lines = [
      ["Label", row.label || `none: ${row.reason}`], ["Verdict", row.verdict], ["Badges", row.badges || "none"], ["Density", percent(row.density)],
      ["Strength", number(row.strength)], ["Scale", row.scale_km === null ? "–" : `${number(row.scale_km)} km`],
      ["Variance that is its place's", percent(facts.geo_r2, 2)],
      ["Tokens that two dates share", `${percent(facts.lock, 2)} (${percent(facts.lock_expected, 2)} by how often each is on, ${percent(facts.lock_random, 2)} anywhere)`],
      ["Means' variance by place in a window", percent(facts.window, 2)],
      ["Jump at the seam, in that elsewhere", number(facts.seam, 2)], ["Padded row over the row before", number(facts.padding_row, 2)],
      ["Daily means' variance by weekday", percent(facts.calendar, 2)], ["Lowest cosine with another", `${number(facts.antipode)} (latent ${facts.antipode_of})`],
      // Null where the block was not compared with other seeds.
      ...(facts.seeds_compared ? [["Found by other seeds", `${facts.seeds_matched} of ${facts.seeds_compared}, cosine ${number(facts.seed_match)} at most`]] : []),
      ...(detail.runner_up ? [["Next label", `${detail.runner_up}, F1 ${number(facts.margin)} lower`]] : []),
    ];
    const canvas = el("canvas");
    section.hidden = false;
    section.replaceChildren(
      el("h2", { id: "feature-heading", tabindex: "-1" }, `Feature ${name}${title ? `: ${title}` : ""}`),
      el("p", {}, el("button", { type: "button", id: "back" }, "Back to the table"), " ", el("a", { href: link("", row.feature, row.sign, data.signed) }, "Link to this feature")),
      el("dl", { class: "facts" }, lines.map(([term, text]) => el("div", {}, el("dt", {}, term), el("dd", {}, text)))),
      ...(detail.pairs.length ? [scores(detail.pairs, detail.pairs[0].f1_held_out !== undefined)] : []),
      ...(drawn ? maps(data, drawn, detail.examples[0]) : [el("p", {}, "Maps are drawn of features with a label and of the strongest ones; this is neither.")]),
      ...(detail.histogram ? [el("h3", {}, "Values"), el("div", {}, canvas)] : []),
      el("h3", {}, "Where it is strongest"), detail.examples.length ? examples(data, detail) : el("p", {}, "Nowhere: it is never on."),
      el("h3", {}, "In other blocks"), detail.near.length ? neighbours(data, detail.near) : el("p", {}, "There is no other block of this stage to compare with."),
      ...(detail.matched ? [matches(data, detail.matched)] : []),
      el("h3", {}, "Make it again, and use it"), el("p", { class: "note" }, "Snakemake also takes the --configfile and --config that this atlas was made with."),
      ...data.commands.map((each) => command(each, row, detail)),
    );
    if (detail.histogram) {
      canvas.setAttribute("role", "img");
      canvas.setAttribute("aria-label", charts.histogram(canvas, detail.histogram));
    }
  }

  return { show };
})();
