// The numbers of the page, and small tools to build elements from text (never from markup).
const data = JSON.parse(document.getElementById("data").textContent);
const SVG = "http://www.w3.org/2000/svg";
const DASH = "–";
const byId = (id) => document.getElementById(id);

function element(name, attributes = {}, ...children) {
  const node = document.createElement(name);
  return fill(node, attributes, children);
}

function drawn(name, attributes = {}, ...children) {
  const node = document.createElementNS(SVG, name);
  return fill(node, attributes, children);
}

function fill(node, attributes, children) {
  for (const [key, value] of Object.entries(attributes)) node.setAttribute(key, value);
  node.append(...children.filter((child) => child !== null));
  return node;
}

function isolated(text, attributes = {}) {
  return element("bdi", attributes, text);
}

function shown(value, digits = 2) {
  if (value === null || value === undefined) return DASH;
  const size = Math.abs(value);
  const small = value !== 0 && (size < 10 ** -digits || size >= 1e5);
  const text = small ? Number(value.toPrecision(digits)).toString() : value.toFixed(digits);
  return text.replace("-", "−");
}

function shownP(value) {
  if (value === null) return DASH;
  if (value < 0.005) return value <= 0 ? "0" : "<0.01";
  return value > 0.995 && value < 1 ? ">0.99" : value.toFixed(2);
}

// A predicted number, with thousands apart; "218,108" as everywhere else.
function shownNumber(value) {
  if (value === null || value === undefined) return DASH;
  return value.toLocaleString("en-US", { maximumSignificantDigits: Math.abs(value) < 1e5 ? 6 : 15, maximumFractionDigits: 6 }).replace("-", "−");
}

function isSwitch(before, after) {
  return before >= -0.1 && before <= 1.1 && after >= -0.6 && after <= 1.6;
}

function isBeyond(before, after) {
  const held = (value) => Math.min(1, Math.max(0, value));
  return isSwitch(before, after) && (after < 0 || after > 1) && Math.abs(held(after) - held(before)) < 0.05;
}

// The words of one change, as Python writes them in the gallery.
function changeWords(variable, before, after) {
  const up = after > before !== variable.negated;
  if (isBeyond(before, after)) {
    return `Even ${up ? "more" : "less"} ${variable.subject.slice(0, 1).toLowerCase()}${variable.subject.slice(1)}`;
  }
  const crosses = before < 0.5 !== after < 0.5;
  const verb = isSwitch(before, after) && crosses ? (up ? "added" : "removed") : up ? "increased" : "reduced";
  return `${variable.subject} ${verb}`;
}

function changeValues(variable, first, second) {
  const [before, after] = variable.negated ? [1 - first, 1 - second] : [first, second];
  if (isSwitch(before, after)) return `${before.toFixed(2)} → ${after.toFixed(2)}`.replaceAll("-", "−");
  return `${shown(before)} → ${shown(after)}`;
}

// A change with its numbers, where there are any.
function withValues(change) {
  return change.values ? `${change.words} (${change.values})` : change.words;
}

// The changes of member i of a front, strongest first.
function changes(front, i) {
  const left = front.left?.[i] ?? 0;
  const rest = left ? [{ words: `and ${left} more`, values: "", named: true }] : [];
  if (front.words) return [...front.words[i].map((words) => ({ words, values: "", named: true })), ...rest];
  const space = data.spaces[front.space];
  const flat = front.z[i];
  const found = [];
  for (let k = 0; k < flat.length; k += 2) {
    const variable = space.variables[flat[k]];
    const before = front.start[flat[k]];
    const step = flat[k + 1] * (front.scale ? front.scale[flat[k]] : 1);
    const after = before + step;
    found.push({ words: changeWords(variable, before, after), values: changeValues(variable, before, after), named: !isSwitch(before, after) || Math.abs(step) >= 0.01 });
  }
  return [...found, ...rest];
}

const STATES = {
  g: { name: "genuine", text: "genuine ✓", long: "verified, and flips on the true re-render" },
  a: { name: "artefact", text: "artefact of the generator", long: "flips here, but not on the true re-render" },
  d: { name: "may be the generator’s", text: "may be the generator’s", long: "flips here, but not clear of the generator’s own error" },
  v: { name: "verified", text: "verified", long: "verified in the stored form" },
  u: { name: "no flip", shape: "unverified", text: "no flip", long: "does not flip the model" },
};

function mark(state, radius) {
  if (state === "a" || state === "d") {
    const r = radius * 1.2;
    return drawn("path", { class: "dot", d: `M0${-r} ${r} ${r * 0.8}H${-r}Z` });
  }
  if (state === "u") {
    const r = radius * 0.85;
    return drawn("rect", { class: "dot", x: -r, y: -r, width: 2 * r, height: 2 * r });
  }
  return drawn("circle", { class: "dot", r: radius });
}

// Everything that an axis can show of a front: objectives, and three more.
function measures(front) {
  const space = data.spaces[front.space];
  const wanted = space.labels[space.wanted];
  const objectives = space.objectives.map((name, c) => ({
    id: name,
    label: space.units[c] ? `${name} (${space.units[c]})` : name,
    values: front.f[c],
    objective: true,
  }));
  const size = front.size ?? front.z.map((flat) => Math.hypot(...flat.filter((_, k) => k % 2)));
  const repeated = objectives.some((m) => m.values.every((v, i) => v !== null && Math.abs(v - size[i]) < 0.005 * (1 + size[i])));
  return [
    ...objectives,
    front.predicted ? { id: "p", label: "predicted", values: front.predicted } : { id: "p", label: `p(${wanted})`, values: front.p, fixed: [0, 1] },
    { id: "#changed", label: "changed variables", values: front.changed ?? front.z.map((flat) => flat.length / 2), whole: true },
    ...(repeated ? [] : [{ id: "#size", label: "size of the change (L2)", values: size }]),
  ];
}
