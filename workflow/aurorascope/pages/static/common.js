"use strict";
// What all scripts share. Text goes into pages as text alone, never as markup.
window.aurorascope = (() => {
  const store = () => (window.AURORASCOPE_ATLAS = window.AURORASCOPE_ATLAS || {});
  const waiting = {};

  // A value of another script of the folder, which is loaded when it is first asked for.
  function load(key) {
    if (key in store()) return Promise.resolve(store()[key]);
    return waiting[key] = waiting[key] || new Promise((resolve, reject) => {
      const script = document.createElement("script");
      script.src = `pages/${key}.js`;
      script.onload = () => resolve(store()[key]);
      script.onerror = () => { delete waiting[key]; reject(new Error(`pages/${key}.js is not there: make the pages again`)); };
      document.head.append(script);
    });
  }

  // An element with attributes; `on...` are listeners, children are elements or text.
  function element(tag, attributes = {}, ...children) {
    const made = document.createElement(tag);
    for (const [name, value] of Object.entries(attributes)) {
      if (name.startsWith("on")) made.addEventListener(name.slice(2), value);
      else if (value !== null && value !== undefined && value !== false) made.setAttribute(name, value === true ? "" : value);
    }
    made.append(...children.flat().filter((child) => child !== null && child !== undefined));
    return made;
  }

  function unpack(text) {
    const raw = atob(text), bytes = new Uint8Array(raw.length);
    for (let i = 0; i < raw.length; i++) bytes[i] = raw.charCodeAt(i);
    return bytes;
  }

  // A number with so many digits that count, and a real minus sign.
  function number(value, digits = 3) {
    if (value === null || value === undefined) return "–";
    if (value === 0) return "0";
    const size = Math.abs(value);
    const text = size >= 1e5 || size < 1e-3 ? value.toExponential(digits - 1) : String(Number(value.toPrecision(digits)));
    return text.replaceAll("-", "−").replace("e+", "e");
  }

  function percent(share, digits = 3) {
    return share === null || share === undefined ? "–" : `${number(100 * share, digits)} %`;
  }

  function place(lat, lon) {
    const east = lon > 180 ? lon - 360 : lon;
    return `${Math.abs(lat).toFixed(1)}° ${lat < 0 ? "S" : "N"}, ${Math.abs(east).toFixed(1)}° ${east < 0 ? "W" : "E"}`;
  }

  function hour(time) {
    return `${time.slice(0, 10)} ${time.slice(11, 16)} UTC`;
  }

  // How a feature is called: its number, with its sign where signs are told apart.
  function called(feature, sign, signed) {
    return signed ? `${feature} ${sign < 0 ? "−" : "+"}` : String(feature);
  }

  function link(block, feature, sign, signed) {
    return `${block ? `${block}.html` : ""}#feature=${feature}${signed ? `&sign=${sign}` : ""}`;
  }

  // Feature and sign that the address names, or null.
  function named() {
    const found = new URLSearchParams(location.hash.slice(1));
    const feature = /^\d+$/.test(found.get("feature") || "") ? Number(found.get("feature")) : null;
    return feature === null ? null : { feature, sign: found.get("sign") === "-1" ? -1 : 1 };
  }

  return { load, element, unpack, number, percent, place, hour, called, link, named, store };
})();
