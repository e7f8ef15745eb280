// Crosshair and tooltip for charts with hover data; arrow keys move it. Text is set as text, never as markup.
(() => {
  "use strict";
  document.documentElement.classList.add("js");
  const element = (name, css, text) => {
    const node = document.createElement(name);
    if (css) node.className = css;
    if (text !== undefined) node.textContent = text;
    return node;
  };

  window.arthaflowHover = (svg, points) => {
    const plot = svg.closest(".plot"), tip = plot.querySelector(".tip"), cross = svg.querySelector(".crosshair");
    let at = -1;
    const hide = () => { svg.classList.remove("on"); tip.hidden = true; at = -1; };
    const show = (index) => {
      at = Math.max(0, Math.min(points.length - 1, index));
      const point = points[at], box = svg.getBoundingClientRect(), outer = plot.getBoundingClientRect();
      cross.setAttribute("x1", point.x); cross.setAttribute("x2", point.x);
      svg.classList.add("on");
      const rows = point.r.map(([name, value, css]) => {
        const row = element("span");
        row.append(element("i", css), element("span", "", name), element("em", "", value));
        return row;
      });
      tip.replaceChildren(element("b", "", point.t), ...rows);
      tip.hidden = false;
      const x = point.x / svg.viewBox.baseVal.width * box.width + box.left - outer.left + plot.scrollLeft;
      const right = x + tip.offsetWidth + 18 < plot.scrollLeft + outer.width;
      tip.style.transform = `translate(${Math.max(0, right ? x + 14 : x - tip.offsetWidth - 14)}px, 12px)`;
    };
    const nearest = (event) => {
      const box = svg.getBoundingClientRect();
      const x = (event.clientX - box.left) / box.width * svg.viewBox.baseVal.width;
      let low = 0, high = points.length - 1;
      while (high - low > 1) { const middle = (low + high) >> 1; if (points[middle].x < x) low = middle; else high = middle; }
      return Math.abs(points[low].x - x) <= Math.abs(points[high].x - x) ? low : high;
    };
    svg.onpointermove = (event) => show(nearest(event));
    svg.onpointerdown = svg.onpointermove;
    svg.onpointerleave = hide;
    svg.onblur = hide;
    svg.onfocus = () => { if (at < 0 && svg.matches(":focus-visible")) show(points.length - 1); };
    svg.onkeydown = (event) => {
      const step = { ArrowLeft: -1, ArrowRight: 1, PageUp: -20, PageDown: 20, Home: -1e9, End: 1e9 }[event.key];
      if (event.key === "Escape") hide();
      if (step === undefined) return;
      event.preventDefault();
      show(at + step);
    };
  };

  for (const data of document.querySelectorAll("script.hover")) {
    const points = JSON.parse(data.textContent).sort((a, b) => a.x - b.x);
    if (points.length) window.arthaflowHover(data.previousElementSibling, points);
  }

  const links = [...document.querySelectorAll("nav a[href^='#']")];
  if (links.length && "IntersectionObserver" in window) {
    const seen = new IntersectionObserver((entries) => {
      for (const entry of entries) if (entry.isIntersecting)
        for (const link of links) link.classList.toggle("here", link.hash === `#${entry.target.id}`);
    }, { rootMargin: "-15% 0px -75% 0px" });
    for (const link of links) { const target = document.querySelector(link.hash); if (target) seen.observe(target); }
  }
})();
