"use strict";
// A table of many rows, a page of them at a time, that sorts by any column. Rows are numbers; columns say what stands in them.
aurorascope.table = (where, { caption, columns, order = null, size = 50 }) => {
  const { element } = aurorascope;
  let rows = [], sorted = [], page = 0, by = order ? order.by : null, falls = order ? order.falls : false;
  const looks = (column) => [column.key, column.wide && "wide", column.numeric && "number"].filter(Boolean).join(" ");
  const heads = new Map(), body = element("tbody"), label = element("span");
  const head = element("tr", {}, columns.map((column) => {
    const button = element("button", { type: "button", onclick: () => sort(column.key) }, column.title, element("span", { class: "arrow", "aria-hidden": "true" }));
    const cell = element("th", { scope: "col", class: looks(column) }, button);
    heads.set(column.key, cell);
    return cell;
  }));
  const table = element("table", {}, element("caption", {}, caption), element("thead", {}, head), body);
  const turn = (title, to) => element("button", { type: "button", onclick: () => show(to()) }, title);
  const last = () => Math.max(0, Math.ceil(sorted.length / size) - 1);
  const buttons = [turn("First", () => 0), turn("Previous", () => page - 1), turn("Next", () => page + 1), turn("Last", last)];
  const pages = element("div", { class: "pages" }, buttons.slice(0, 2), label, buttons.slice(2));
  where.replaceChildren(element("div", { class: "scrolls", tabindex: "0", role: "region", "aria-label": caption }, table), pages);

  // What has no value comes last either way; equal rows keep their order.
  function compare(column) {
    const sign = falls ? -1 : 1;
    return (a, b) => {
      const one = column.value(a), other = column.value(b);
      const none = one === null || one === undefined || one === "", never = other === null || other === undefined || other === "";
      if (none || never) return none - never || a - b;
      return (one < other ? -sign : one > other ? sign : 0) || a - b;
    };
  }

  function arrange() {
    const column = columns.find((each) => each.key === by);
    sorted = column ? [...rows].sort(compare(column)) : rows;
    for (const [key, cell] of heads) {
      if (key === by) cell.setAttribute("aria-sort", falls ? "descending" : "ascending");
      else cell.removeAttribute("aria-sort");
      cell.querySelector(".arrow").textContent = key === by ? (falls ? " ▼" : " ▲") : "";
    }
    show(0);
  }

  // A column of numbers starts with the largest; once more turns it round.
  function sort(key, way = null) {
    const column = columns.find((each) => each.key === key);
    falls = way === null ? (key === by ? !falls : Boolean(column.numeric)) : way;
    by = key;
    arrange();
  }

  function show(to) {
    page = Math.min(Math.max(0, to), last());
    const here = sorted.slice(page * size, (page + 1) * size);
    body.replaceChildren(...here.map((row) => element("tr", {}, columns.map((column, at) => element(at ? "td" : "th", {
      scope: at ? null : "row", class: looks(column),
    }, column.cell(row))))));
    label.textContent = sorted.length ? ` ${page * size + 1} to ${page * size + here.length} of ${sorted.length} ` : " none ";
    const held = document.activeElement;
    buttons.forEach((button, at) => { button.disabled = at < 2 ? page === 0 : page === last(); });
    // A button that is switched off loses the keyboard.
    if (buttons.includes(held) && held.disabled) buttons.find((button) => !button.disabled)?.focus();
    pages.hidden = sorted.length <= size;
  }

  return {
    set: (numbers) => { rows = numbers; arrange(); },
    sort,
    order: () => ({ by, falls }),
    shown: () => sorted,
    // The page that a row is on, so that its link is there to be focused.
    reveal: (row) => { const at = sorted.indexOf(row); if (at >= 0) show(Math.floor(at / size)); return at >= 0; },
  };
};
