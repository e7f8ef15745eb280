// Draws one fan at the chosen origin. Every text goes through textContent.
(() => {
  "use strict";
  const space = "http://www.w3.org/2000/svg";
  const format = new Intl.NumberFormat("en", { minimumFractionDigits: 2, maximumFractionDigits: 2 });
  const day = (days) => new Date(days * 864e5).toLocaleDateString("en-GB", { day: "numeric", month: "short", year: "numeric", timeZone: "UTC" });
  const make = (name, css, attributes, text) => {
    const node = document.createElementNS(space, name);
    if (css) node.setAttribute("class", css);
    for (const [key, value] of Object.entries(attributes)) node.setAttribute(key, value);
    if (text !== undefined) node.textContent = text;
    return node;
  };
  const path = (points) => "M" + points.map(([x, y]) => `${x.toFixed(1)} ${y.toFixed(1)}`).join("L");

  const draw = (svg, data, index) => {
    const [at, ...numbers] = data.origins[index];
    const fan = data.steps.map((step, k) => ({ step, name: data.names[k], point: numbers[4 * k], low: numbers[4 * k + 1], high: numbers[4 * k + 2], actual: numbers[4 * k + 3] }));
    const first = Math.max(0, at - data.history), longest = Math.max(...data.steps), last = Math.min(data.closes.length - 1, at + longest);
    const closes = data.closes.slice(first, last + 1);
    const all = [...closes, ...fan.flatMap((f) => [f.low, f.high])];
    const low = Math.min(...all), high = Math.max(...all), pad = 0.06 * (high - low);
    const x = (bar) => 66 + (bar - first) / (at + longest - first) * 690;
    const y = (price) => 320 - (price - low + pad) / (high - low + 2 * pad) * 290;
    const parts = [];
    const rough = (high - low) / 5, power = 10 ** Math.floor(Math.log10(rough)), step = [1, 2, 2.5, 5, 10].find((m) => m * power >= rough) * power;
    for (let v = Math.ceil((low - pad) / step) * step; v <= high + pad; v += step)
      parts.push(make("line", "grid", { x1: 66, x2: 756, y1: y(v), y2: y(v) }), make("text", "tick", { x: 58, y: y(v) + 4, "text-anchor": "end" }, v.toLocaleString("en", { maximumFractionDigits: 2 })));
    parts.push(make("text", "unit", { x: 66, y: 18 }, "price"), make("line", "axis", { x1: 66, x2: 756, y1: 320, y2: 320 }));
    for (const bar of [first, at, last])
      parts.push(make("text", "tick", { x: x(bar), y: 340, "text-anchor": bar === first ? "start" : "middle" }, day(data.days[bar])));
    const current = data.closes[at];
    const upper = [[x(at), y(current)], ...fan.map((f) => [x(at + f.step), y(f.high)])];
    const lower = [[x(at), y(current)], ...fan.map((f) => [x(at + f.step), y(f.low)])].reverse();
    parts.push(make("path", "area c-model", { d: `${path(upper)}L${path(lower).slice(1)}Z` }));
    parts.push(make("path", "line c-model", { d: path([[x(at), y(current)], ...fan.map((f) => [x(at + f.step), y(f.point)])]) }));
    parts.push(make("line", "marker", { x1: x(at), x2: x(at), y1: 26, y2: 320 }));
    parts.push(make("path", "line c-actual", { d: path(closes.map((c, k) => [x(first + k), y(c)])) }));
    fan.forEach((f, k) => {
      const inside = f.low <= f.actual && f.actual <= f.high;
      parts.push(make("circle", inside ? "hit" : "miss", { cx: x(at + f.step), cy: y(f.actual), r: 5 }));
      const top = 44 + 84 * k;
      parts.push(make("text", "strong", { x: 776, y: top }, `in ${f.name}`));
      parts.push(make("text", "c-model", { x: 776, y: top + 18 }, `${format.format(f.low)} to ${format.format(f.high)}`));
      parts.push(make("text", inside ? "good" : "bad", { x: 776, y: top + 36 }, `came ${format.format(f.actual)}, ${inside ? "inside" : "outside"}`));
    });
    svg.replaceChildren(...parts);
    return `${day(data.days[at])}, close ${format.format(current)}`;
  };

  for (const block of document.querySelectorAll("script.explorer")) {
    const data = JSON.parse(block.textContent), svg = block.previousElementSibling, root = svg.closest(".needs-script");
    const slider = root.querySelector("input"), told = root.querySelector("output");
    const show = () => { const said = draw(svg, data, Number(slider.value)); told.textContent = said; slider.setAttribute("aria-valuetext", said); };
    slider.oninput = show;
    for (const button of root.querySelectorAll("button"))
      button.onclick = () => { slider.value = button.dataset.go === "last" ? data.origins.length - 1 : data.surprise; show(); };
    show();
  }
})();
