/* The explorer: three curves drawn from softclip.js, anew with every move of a control. */
"use strict";

(() => {
  const SVG = "http://www.w3.org/2000/svg";
  const WIDTH = 640, HEIGHT = 220, LEFT = 56, RIGHT = 12, TOP = 12, BOTTOM = 28;
  const POINTS = 801, FLOOR = -60; // log f' is drawn down to there
  const DEFAULTS = { g: "sigmoid", other: "", x_min: -1, x_max: 1, bent: 0, slope: 1, softness: 0.2, at: 0.6, x: 0.5 };
  const PLOTS = [
    { id: "plot-f", key: "f", title: "f(x)" },
    { id: "plot-derivative", key: "derivative", title: "f′(x)" },
    { id: "plot-log", key: "logDerivative", title: "log f′(x)" },
  ];
  const element = (id) => document.getElementById(id);
  const state = { ...DEFAULTS };

  const isKnee = (g) => g.startsWith("knee ");

  function evaluate(g, key, x) {
    const f = softclip[g][state.bent ? "slope" : "plain"][key];
    return f(x, state.x_min, state.x_max, state.slope, isKnee(g) ? state.at : state.softness);
  }

  function domain() {
    const width = state.x_max - state.x_min;
    return [Math.min(-6, state.x_min - 0.5 * width), Math.max(6, state.x_max + 0.5 * width)];
  }

  function niceTicks(low, high, count) {
    const raw = (high - low) / count, power = 10 ** Math.floor(Math.log10(raw));
    const step = [1, 2, 5, 10].map((k) => k * power).find((k) => k >= raw);
    const ticks = [];
    for (let i = Math.ceil(low / step); i * step <= high + 1e-9 * step; i++) ticks.push(Number((i * step).toPrecision(6)));
    return ticks;
  }

  function make(parent, name, attributes, text) {
    const node = document.createElementNS(SVG, name);
    for (const [key, value] of Object.entries(attributes)) node.setAttribute(key, value);
    if (text !== undefined) node.textContent = text;
    parent.appendChild(node);
    return node;
  }

  function draw(plot) {
    const [left, right] = domain();
    const xs = Array.from({ length: POINTS }, (_, i) => left + ((right - left) * i) / (POINTS - 1));
    const curves = [{ g: state.g, kind: "curve" }];
    if (state.other) curves.unshift({ g: state.other, kind: "curve other" });
    for (const curve of curves) curve.ys = xs.map((x) => evaluate(curve.g, plot.key, x));
    const drawn = curves.flatMap((curve) => curve.ys).filter((y) => Number.isFinite(y) && (plot.key !== "logDerivative" || y >= FLOOR));
    let low = Math.min(...drawn), high = Math.max(...drawn);
    if (plot.key === "f") [low, high] = [state.x_min, state.x_max];
    if (plot.key === "derivative") low = 0;
    const pad = 0.06 * (high - low || 1);
    [low, high] = [low - pad, high + pad];
    const toX = (x) => LEFT + ((x - left) / (right - left)) * (WIDTH - LEFT - RIGHT);
    const toY = (y) => HEIGHT - BOTTOM - ((y - low) / (high - low)) * (HEIGHT - TOP - BOTTOM);

    const svg = element(plot.id);
    svg.replaceChildren();
    make(svg, "title", {}, `${plot.title} for g = ${state.g}`);
    for (const tick of niceTicks(left, right, 8)) {
      make(svg, "line", { class: "grid", x1: toX(tick), x2: toX(tick), y1: TOP, y2: HEIGHT - BOTTOM });
      make(svg, "text", { class: "tick", x: toX(tick), y: HEIGHT - 8, "text-anchor": "middle" }, tick);
    }
    for (const tick of niceTicks(low, high, 4)) {
      make(svg, "line", { class: "grid", x1: LEFT, x2: WIDTH - RIGHT, y1: toY(tick), y2: toY(tick) });
      make(svg, "text", { class: "tick", x: LEFT - 6, y: toY(tick) + 4, "text-anchor": "end" }, tick);
    }
    if (plot.key === "f") {
      for (const bound of [state.x_min, state.x_max]) {
        make(svg, "line", { class: "bound", x1: LEFT, x2: WIDTH - RIGHT, y1: toY(bound), y2: toY(bound) });
      }
    }
    for (const { ys, kind } of curves) {
      const parts = [];
      let pen = "M";
      ys.forEach((y, i) => {
        if (!(y >= low && y <= high)) { pen = "M"; return; } // log f' is -Infinity past a knee
        parts.push(`${pen}${toX(xs[i]).toFixed(2)} ${toY(y).toFixed(2)}`);
        pen = "L";
      });
      make(svg, "path", { class: kind, d: parts.join("") });
    }
    const y = evaluate(state.g, plot.key, state.x);
    if (y >= low && y <= high) make(svg, "circle", { class: "point", cx: toX(state.x), cy: toY(y), r: 4 });
  }

  const digits = (y) => (Number.isFinite(y) ? Number(y.toPrecision(6)).toString() : y < 0 ? "-inf" : "inf");

  function call() {
    const knee = isKnee(state.g) ? `knee("${state.g.slice(5)}", ${state.at})` : "";
    const g = state.g === "hinge" ? `hinge(${state.softness})` : knee || `"${state.g}"`;
    return `soft_clip(x, ${state.x_min}, ${state.x_max}, ${g}${state.bent ? `, slope=${state.slope}` : ""})`;
  }

  function redraw() {
    const [left, right] = domain();
    state.x = Math.min(Math.max(state.x, left), right);
    Object.assign(element("x"), { min: left, max: right });
    for (const name of Object.keys(DEFAULTS)) {
      const control = element(name);
      if (control.type === "checkbox") control.checked = Boolean(state[name]);
      else control.value = state[name];
      const output = element(`${name}-value`);
      if (output) output.textContent = digits(state[name]);
    }
    element("slope").disabled = !state.bent;
    element("softness").disabled = state.g !== "hinge" && state.other !== "hinge";
    element("at").disabled = !isKnee(state.g) && !isKnee(state.other);
    element("call").textContent = call();
    for (const plot of PLOTS) {
      draw(plot);
      element(`${plot.id}-value`).textContent = digits(evaluate(state.g, plot.key, state.x));
    }
    const changed = Object.keys(DEFAULTS).filter((name) => state[name] !== DEFAULTS[name]);
    const hash = new URLSearchParams(changed.map((name) => [name, state[name]])).toString();
    history.replaceState(null, "", hash ? `#${hash}` : location.pathname + location.search);
  }

  function change(event) {
    const { id, type, checked, value } = event.target;
    state[id] = type === "checkbox" ? Number(checked) : type === "range" ? Number(value) : value;
    if (state.x_min >= state.x_max) { // the bound that was moved pushes the other one
      if (id === "x_min") state.x_max = Number((state.x_min + 0.1).toFixed(1));
      else state.x_min = Number((state.x_max - 0.1).toFixed(1));
    }
    redraw();
  }

  function restore() {
    Object.assign(state, DEFAULTS);
    for (const [name, text] of new URLSearchParams(location.hash.slice(1))) {
      if (!(name in DEFAULTS)) continue;
      const value = typeof DEFAULTS[name] === "number" ? Number(text) : text;
      const known = name === "g" ? value in softclip : name === "other" ? value === "" || value in softclip : Number.isFinite(value);
      if (known) state[name] = value;
    }
    if (!(state.x_min < state.x_max)) Object.assign(state, { x_min: DEFAULTS.x_min, x_max: DEFAULTS.x_max });
    if (!(state.slope > 0)) state.slope = DEFAULTS.slope;
    if (!(state.at >= 0 && state.at < 1)) state.at = DEFAULTS.at;
    if (!(state.softness > 0)) state.softness = DEFAULTS.softness;
    redraw();
  }

  for (const name of Object.keys(softclip)) {
    element("g").add(new Option(name, name));
    element("other").add(new Option(name, name));
  }
  for (const name of Object.keys(DEFAULTS)) {
    for (const kind of ["input", "change"]) element(name).addEventListener(kind, change);
  }
  element("reset").addEventListener("click", () => { Object.assign(state, DEFAULTS); redraw(); });
  window.addEventListener("hashchange", restore);
  restore();
})();
