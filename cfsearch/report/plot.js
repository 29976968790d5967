// The scatter chart of one front.
function niceTicks(low, high, count, whole) {
  const rough = Math.max((high - low) / count, 1e-9);
  const power = 10 ** Math.floor(Math.log10(rough));
  let step = [1, 2, 5, 10].map((s) => s * power).find((s) => s >= rough * 0.999);
  if (whole) step = Math.max(1, Math.round(step));
  const first = Math.ceil(low / step - 1e-9);
  const last = Math.floor(high / step + 1e-9);
  const ticks = [];
  for (let k = first; k <= last; k += 1) ticks.push(Number((k * step).toPrecision(10)));
  return ticks;
}

function range(measure) {
  const values = measure.values.filter((v) => v !== null);
  if (measure.fixed || !values.length) return measure.fixed || [0, 1];
  const low = Math.min(...values);
  const high = Math.max(...values);
  const pad = (high - low || Math.abs(high) || 1) * 0.06;
  return [low - pad, high + pad];
}

// Where a label of this width fits: beside its point, away from points and labels already set.
function place(x, y, width, taken, box) {
  const offsets = [[10, -10], [10, 20], [-10 - width, -10], [-10 - width, 20], [-width / 2, -14], [-width / 2, 26],
    [24, -30], [24, 40], [-24 - width, -30], [-24 - width, 40], [40, -54], [-40 - width, -54], [40, 64], [-40 - width, 64]];
  let best = null;
  for (const [dx, dy] of offsets) {
    const area = { x: x + dx - 2, y: y + dy - 12, w: width + 4, h: 16 };
    const outside = area.x < box.left || area.x + area.w > box.right + 8 || area.y < box.top - 8 || area.y + area.h > box.bottom;
    const hits = taken.filter((t) => area.x < t.x + t.w && t.x < area.x + area.w && area.y < t.y + t.h && t.y < area.y + area.h).length;
    const cost = hits * 10 + (outside ? 1000 : 0) + Math.hypot(dx, dy) / 100;
    if (!best || cost < best.cost) best = { cost, area, dx, dy };
  }
  taken.push(best.area);
  return best;
}

// Radius of a dot: the smaller its value, the larger; all alike without a measure or where all are the same.
function sized(measure, radius) {
  const values = measure ? measure.values.filter((v) => v !== null) : [];
  const [low, high] = [Math.min(...values), Math.max(...values)];
  if (!values.length || high === low) return () => radius;
  return (i) => (measure.values[i] === null ? radius : radius * (1.5 - 0.9 * ((measure.values[i] - low) / (high - low))));
}

function drawScatter(svg, { front, across, up, size, chosen, onChoose }) {
  const width = svg.clientWidth || 600;
  const height = svg.clientHeight || 560;
  const box = { left: 56, right: width - 12, top: 12, bottom: height - 46 };
  const [x0, x1] = range(across);
  const [y0, y1] = range(up);
  const px = (v) => box.left + ((v - x0) / (x1 - x0)) * (box.right - box.left);
  const py = (v) => box.bottom - ((v - y0) / (y1 - y0)) * (box.bottom - box.top);
  svg.setAttribute("viewBox", `0 0 ${width} ${height}`);
  svg.replaceChildren();

  for (const t of niceTicks(x0, x1, Math.max(3, width / 110), across.whole)) {
    svg.append(drawn("line", { class: "gridline", x1: px(t), x2: px(t), y1: box.top, y2: box.bottom }));
    svg.append(drawn("text", { x: px(t), y: box.bottom + 17, "text-anchor": "middle" }, shownTick(t)));
  }
  for (const t of niceTicks(y0, y1, 5, up.whole)) {
    svg.append(drawn("line", { class: "gridline", x1: box.left, x2: box.right, y1: py(t), y2: py(t) }));
    svg.append(drawn("text", { x: box.left - 7, y: py(t) + 4, "text-anchor": "end" }, shownTick(t)));
  }
  if (across.id === "p") svg.append(drawn("line", { class: "half", x1: px(0.5), x2: px(0.5), y1: box.top, y2: box.bottom }));
  if (up.id === "p") svg.append(drawn("line", { class: "half", x1: box.left, x2: box.right, y1: py(0.5), y2: py(0.5) }));
  svg.append(drawn("path", { class: "frame", d: `M${box.left} ${box.top}V${box.bottom}H${box.right}` }));
  svg.append(drawn("text", { class: "axis", x: (box.left + box.right) / 2, y: height - 8, "text-anchor": "middle" }, across.label));
  svg.append(drawn("text", { class: "axis", x: 0, y: 0, transform: `translate(13 ${(box.top + box.bottom) / 2}) rotate(-90)`, "text-anchor": "middle" }, up.label));

  const names = new Map();
  for (const [way, member] of Object.entries(front.picks)) names.set(member, [...(names.get(member) || []), way]);
  const points = [];
  front.index.forEach((member, i) => {
    const [vx, vy] = [across.values[i], up.values[i]];
    if (vx !== null && vy !== null) points.push({ i, member, x: px(vx), y: py(vy), picks: names.get(member) || [] });
  });
  points.sort((a, b) => a.x - b.x || b.y - a.y);
  const radius = points.length > 120 ? 4.5 : 6;
  const radiusOf = sized(size, radius);
  const late = points.filter((p) => p.picks.length || p.i === chosen);
  for (const p of [...points.filter((q) => !late.includes(q)), ...late]) {
    const state = front.status[p.i];
    const words = changes(front, p.i).filter((c) => c.named).slice(0, 3).map((c) => c.words).join(", ");
    const group = drawn(
      "g",
      {
        class: `point ${state}${p.picks.length ? " picked" : ""}${p.i === chosen ? " chosen" : ""}`,
        transform: `translate(${p.x.toFixed(1)} ${p.y.toFixed(1)})`,
        role: "button",
        tabindex: p.i === chosen ? "0" : "-1",
        "aria-pressed": String(p.i === chosen),
        "aria-label": `Member ${p.member}${p.picks.length ? `, ${p.picks.join(", ")}` : ""}, ${STATES[state].name}: ${words || "no change"}; ${across.label} ${shown(across.values[p.i])}, ${up.label} ${shown(up.values[p.i])}${size ? `, ${size.label} ${shown(size.values[p.i])}` : ""}`,
        "data-i": p.i,
      },
      drawn("circle", { class: "hit", r: 12 }),
      drawn("circle", { class: "ring", r: radiusOf(p.i) + 4 }),
      mark(state, radiusOf(p.i)),
    );
    group.addEventListener("click", () => onChoose(p.i, true));
    group.addEventListener("keydown", (event) => {
      const at = points.findIndex((q) => q.i === p.i);
      const to = { ArrowRight: at + 1, ArrowUp: at + 1, ArrowLeft: at - 1, ArrowDown: at - 1, Home: 0, End: points.length - 1, Enter: at, " ": at }[event.key];
      if (to === undefined) return;
      event.preventDefault();
      onChoose(points[Math.min(points.length - 1, Math.max(0, to))].i, true);
    });
    svg.append(group);
  }
  const taken = points.map((p) => ({ x: p.x - radius, y: p.y - radius, w: 2 * radius, h: 2 * radius }));
  for (const p of points.filter((q) => q.picks.length)) {
    const text = p.picks.join(", ");
    const spot = place(p.x, p.y, text.length * 6.9, taken, box);
    const [lx, ly] = [p.x + spot.dx, p.y + spot.dy];
    if (Math.hypot(spot.dx, spot.dy) > 30 && Math.abs(spot.dy) > 27) {
      svg.append(drawn("line", { class: "leader", x1: p.x, y1: p.y, x2: spot.dx < 0 ? lx + text.length * 6.9 : lx, y2: ly - 4 }));
    }
    svg.append(drawn("text", { class: "label", x: lx, y: ly }, text));
  }
}

function shownTick(value) {
  return String(value).replace("-", "−");
}
