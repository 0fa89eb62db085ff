"use strict";
// What is drawn: maps with coastlines, histograms, and the scatter of all features. Each canvas also says in words what it shows.
aurorascope.charts = (() => {
  const { number, unpack } = aurorascope;
  // Viridis, at nine places: even in lightness, told apart without colour vision.
  const STOPS = [[68, 1, 84], [72, 40, 120], [62, 74, 137], [49, 104, 142], [38, 130, 142], [31, 158, 137], [53, 183, 121], [110, 206, 88], [253, 231, 37]];
  const colours = Array.from({ length: 256 }, (_, i) => {
    const at = (i / 255) * (STOPS.length - 1), low = Math.min(Math.floor(at), STOPS.length - 2);
    return STOPS[low].map((value, c) => Math.round(value + (STOPS[low + 1][c] - value) * (at - low)));
  });
  const style = (name) => getComputedStyle(document.documentElement).getPropertyValue(name).trim();

  // A canvas's context, with as many dots as the screen has, sized in its own units; on the page at most as wide, or as `most`.
  function context(canvas, width, height, most = 0) {
    const ratio = window.devicePixelRatio || 1;
    canvas.width = Math.round(width * ratio);
    canvas.height = Math.round(height * ratio);
    canvas.style.aspectRatio = `${width} / ${height}`;
    canvas.style.maxWidth = `${most || width}px`;
    const found = canvas.getContext("2d");
    found.scale(ratio, ratio);
    found.font = "11px sans-serif";
    return found;
  }

  // For each dot between two ends, the cell that it lies in.
  function cells(edges, from, to, n) {
    const rising = edges[edges.length - 1] > edges[0], found = new Int32Array(n);
    for (let i = 0, at = 0; i < n; i++) {
      const value = from + ((to - from) * (i + 0.5)) / n;
      while (at < edges.length - 2 && (rising ? value >= edges[at + 1] : value < edges[at + 1])) at++;
      found[i] = at;
    }
    return found;
  }

  // Draw bytes of a plane of tokens. `box` is west, east, south, north; west may lie below 0, columns go around the globe.
  function map(canvas, bytes, grid, box, mark = null) {
    const [west, east, south, north] = box, width = 360, height = Math.round((width * (north - south)) / (east - west));
    const drawn = context(canvas, width, height, 720), columns = grid.lon.length - 1, image = new ImageData(width, height);
    const wrapped = [...grid.lon.map((x) => x - 360), ...grid.lon.slice(1), ...grid.lon.slice(1).map((x) => x + 360)];
    const column = cells(wrapped, west, east, width), row = cells(grid.lat, north, south, height);
    const [top, bottom] = [grid.lat[0], grid.lat[grid.lat.length - 1]];
    for (let y = 0, at = 0; y < height; y++) {
      const lat = north + ((south - north) * (y + 0.5)) / height;
      for (let x = 0; x < width; x++, at += 4) {
        const value = lat <= top && lat >= bottom ? bytes[row[y] * columns + (column[x] % columns)] : 0;
        image.data.set(value ? [...colours[value], 255] : [0, 0, 0, 0], at);
      }
    }
    const layer = document.createElement("canvas");
    layer.width = width;
    layer.height = height;
    layer.getContext("2d").putImageData(image, 0, 0);
    drawn.imageSmoothingEnabled = false;
    drawn.drawImage(layer, 0, 0, width, height);
    const x = (lon) => ((lon - west) / (east - west)) * width, y = (lat) => ((north - lat) / (north - south)) * height;
    // Dark on light is seen on every colour.
    for (const [colour, thick] of [["rgb(255 255 255 / 0.75)", 2.2], ["black", 0.8]]) {
      drawn.strokeStyle = colour;
      drawn.lineWidth = thick;
      drawn.beginPath();
      for (const line of aurorascope.store().coast || []) {
        for (const shift of [-360, 0, 360]) {
          for (let i = 0; i < line.length; i += 2) drawn[i ? "lineTo" : "moveTo"](x(line[i] / 10 + shift), y(line[i + 1] / 10));
        }
      }
      drawn.stroke();
    }
    if (mark) {
      const [lon, lat] = mark;
      for (const [colour, thick] of [["white", 3.5], ["black", 1.5]]) {
        drawn.strokeStyle = colour;
        drawn.lineWidth = thick;
        for (const shift of [-360, 0, 360]) {
          drawn.beginPath();
          drawn.arc(x(lon + shift), y(lat), 6, 0, 2 * Math.PI);
          drawn.stroke();
        }
      }
    }
  }

  // Where the largest byte of some is, as longitude and latitude, and that byte.
  function largest(bytes, grid) {
    let at = 0;
    for (let i = 1; i < bytes.length; i++) if (bytes[i] > bytes[at]) at = i;
    const columns = grid.lon.length - 1, row = Math.floor(at / columns), column = at % columns;
    return { lon: (grid.lon[column] + grid.lon[column + 1]) / 2, lat: (grid.lat[row] + grid.lat[row + 1]) / 2, byte: bytes[at] };
  }

  function bar() {
    return `linear-gradient(to right, ${STOPS.map((each) => `rgb(${each.join(" ")})`).join(", ")})`;
  }

  // Ticks within two ends that are logarithms: powers of ten, and where they are few, twice and five times as much.
  function ticks(low, high) {
    const step = Math.max(1, Math.ceil((high - low) / 5)), found = [];
    for (let power = Math.floor(low); power <= high; power += step) {
      found.push(power, ...(high - low < 2.5 ? [power + Math.log10(2), power + Math.log10(5)] : []));
    }
    return found.filter((each) => each >= low && each <= high);
  }

  function frame(drawn, box, x, y, xTitle, yTitle) {
    drawn.fillStyle = style("--text");
    drawn.strokeStyle = style("--line");
    drawn.lineWidth = 1;
    const tick = (power) => (power >= -3 && power <= 4 ? String(Number((10 ** power).toPrecision(2))) : `1e${Math.round(power)}`);
    drawn.textAlign = "center";
    for (const power of x.ticks) {
      drawn.beginPath(); drawn.moveTo(x.at(power), box.top); drawn.lineTo(x.at(power), box.bottom); drawn.stroke();
      drawn.fillText(tick(power), x.at(power), box.bottom + 14);
    }
    drawn.textAlign = "right";
    for (const power of y.ticks) {
      drawn.beginPath(); drawn.moveTo(box.left, y.at(power)); drawn.lineTo(box.right, y.at(power)); drawn.stroke();
      drawn.fillText(tick(power), box.left - 5, y.at(power) + 4);
    }
    drawn.textAlign = "center";
    drawn.fillText(xTitle, (box.left + box.right) / 2, box.bottom + 29);
    drawn.save();
    drawn.translate(12, (box.top + box.bottom) / 2);
    drawn.rotate(-Math.PI / 2);
    drawn.fillText(yTitle, 0, 0);
    drawn.restore();
  }

  function scale(low, high, from, to) {
    return { at: (value) => from + ((to - from) * (value - low)) / (high - low || 1), ticks: ticks(low, high) };
  }

  function histogram(canvas, { edges, bars }) {
    const width = Math.min(480, canvas.parentElement.clientWidth || 480), height = 190, drawn = context(canvas, width, height);
    const box = { left: 60, right: width - 10, top: 8, bottom: height - 36 }, bytes = unpack(bars);
    const [low, high] = edges.map(Math.log10), step = (high - low) / (bytes.length - 1);
    const x = scale(low - step, high, box.left, box.right), y = scale(-9, 0, box.bottom, box.top);
    frame(drawn, box, x, y, "value (units of the block's output)", "share of area");
    drawn.fillStyle = style("--accent");
    bytes.forEach((byte, bin) => {
      if (!byte) return;
      const from = x.at(low + (bin - 1) * step), to = x.at(low + bin * step), up = y.at(-9 + (9 * byte) / 255);
      drawn.fillRect(from, up, Math.max(1, to - from - 0.5), box.bottom - up);
    });
    return `Histogram of values: from ${number(edges[0])} to ${number(edges[1])}, evenly in the logarithm; the first bar is all below.`;
  }

  // Density against strength; returns what finds the nearest feature to a click.
  function scatter(canvas, points, listed) {
    const width = Math.min(760, canvas.parentElement.clientWidth), height = Math.round(Math.min(380, width * 0.75)), drawn = context(canvas, width, height);
    const box = { left: 60, right: width - 10, top: 8, bottom: height - 38 };
    const ends = (key) => points.reduce(([low, high], each) => [Math.min(low, each[key]), Math.max(high, each[key])], [Infinity, -Infinity]);
    const [west, east] = points.length ? ends("x") : [-4, 0], [low, high] = points.length ? ends("y") : [-1, 1];
    const x = scale(west - 0.1, east + 0.1, box.left, box.right), y = scale(low - 0.1, high + 0.1, box.bottom, box.top);
    frame(drawn, box, x, y, "density (share of the area)", "strength");
    for (const solid of [false, true]) {
      for (const { row, x: along, y: up, labelled } of points) {
        if (listed.has(row) !== solid) continue;
        drawn.fillStyle = drawn.strokeStyle = labelled ? style("--accent-2") : style("--accent");
        drawn.globalAlpha = solid ? 0.8 : 0.25;
        drawn.beginPath();
        if (labelled) drawn.rect(x.at(along) - 4, y.at(up) - 4, 8, 8);
        else drawn.arc(x.at(along), y.at(up), 2.5, 0, 2 * Math.PI);
        if (solid) drawn.fill(); else drawn.stroke();
      }
    }
    drawn.globalAlpha = 1;
    return (event) => {
      const seen = canvas.getBoundingClientRect(), left = ((event.clientX - seen.left) / seen.width) * width, top = ((event.clientY - seen.top) / seen.height) * height;
      let best = null, least = 20 ** 2;
      for (const point of points) {
        const apart = (x.at(point.x) - left) ** 2 + (y.at(point.y) - top) ** 2;
        if (listed.has(point.row) && apart < least) [best, least] = [point.row, apart];
      }
      return best;
    };
  }

  return { map, largest, bar, histogram, scatter };
})();
