// The front explorer: choose a picture, a model, two axes and a member; the address remembers it.
const explorer = byId("explore");

function setUpExplorer() {
  const [groupSelect, modelSelect, xSelect, ySelect, sizeSelect] = ["pick-group", "pick-model", "pick-x", "pick-y", "pick-size"].map(byId);
  const state = { front: 0, i: 0, x: null, y: null, size: null };

  const current = () => data.fronts[state.front];
  const options = (select, entries, value) => {
    select.replaceChildren(...entries.map(([id, text]) => fill(element("option", { value: id }, text), String(id) === String(value) ? { selected: "" } : {}, [])));
    select.disabled = entries.length < 2;
  };

  function usual(front) {
    const picks = front.picks;
    const member = picks.sparsest ?? picks.knee ?? picks.closest ?? front.index[0];
    return Math.max(0, front.index.indexOf(member));
  }

  function axes() {
    const all = measures(current());
    const named = (id, otherwise) => all.find((m) => m.id === id) || all.find((m) => m.id === otherwise) || all[0];
    const objectives = all.filter((m) => m.objective);
    const chosen = { all, x: named(state.x, ["intensity", "gower"].find((id) => objectives.some((m) => m.id === id)) ?? "#size"), y: named(state.y, "p") };
    // a third objective in the size of the dots, so that it is not hidden: plausibility where there is one
    const free = objectives.filter((m) => m.id !== chosen.x.id && m.id !== chosen.y.id);
    const usualSize = free.find((m) => m.id === "plausibility") ?? free.find((m) => m.id !== "adversarial") ?? null;
    return { ...chosen, size: state.size === "" ? null : all.find((m) => m.id === state.size) ?? usualSize };
  }

  function draw({ focus = false } = {}) {
    const front = current();
    const { all, x, y, size } = axes();
    const siblings = data.fronts.map((f, k) => [k, f]).filter(([, f]) => f.group === front.group);
    options(groupSelect, data.groups.map((name, g) => [g, name]), front.group);
    options(modelSelect, siblings.map(([k, f]) => [k, f.model]), state.front);
    const others = (taken) => all.filter((m) => m.id !== taken.id).map((m) => [m.id, m.label]);
    options(xSelect, others(y), x.id);
    options(ySelect, others(x), y.id);
    options(sizeSelect, [["", "all alike"], ...all.map((m) => [m.id, m.label])], size?.id ?? "");
    const svg = byId("scatter");
    if (front.index.length) {
      drawScatter(svg, { front, across: x, up: y, size, chosen: state.i, onChoose: choose });
    } else {
      svg.replaceChildren(drawn("text", { x: 20, y: 40 }, "No member on this front."));
    }
    drawKey(front, size);
    drawMember(front, all);
    drawTable(front, all);
    if (focus) svg.querySelector(".point.chosen")?.focus({ preventScroll: true });
  }

  function choose(i, focus) {
    state.i = i;
    draw({ focus });
    remember();
  }

  function remember() {
    const front = current();
    const { x, y, size } = axes();
    const query = new URLSearchParams({ front: front.key, member: front.index[state.i] ?? "", x: x.id, y: y.id, size: size?.id ?? "" });
    try {
      history.replaceState(null, "", `#${query}`);
    } catch {
      // some viewers forbid it; the selection still works
    }
  }

  function recall(scroll) {
    const text = location.hash.slice(1);
    if (!text.startsWith("front=")) return false;
    const query = new URLSearchParams(text);
    const front = data.fronts.findIndex((f) => f.key === query.get("front"));
    if (front < 0) return false;
    state.front = front;
    const i = query.has("member") ? data.fronts[front].index.indexOf(Number(query.get("member"))) : -1;
    state.i = i >= 0 ? i : usual(data.fronts[front]);
    state.x = query.get("x") || state.x;
    state.y = query.get("y") || state.y;
    state.size = query.get("size") ?? state.size;
    draw();
    if (scroll) byId("explorer").scrollIntoView();
    return true;
  }

  function drawKey(front, size) {
    const present = [..."gavu"].filter((s) => front.status.includes(s));
    byId("scatter-key").replaceChildren(
      ...present.map((s) => element("span", { class: "keyed" }, drawn("svg", { viewBox: "-7 -7 14 14", "aria-hidden": "true" }, drawn("g", { class: `point ${s}` }, mark(s, 5))), STATES[s].long)),
      ...(size ? [element("span", { class: "keyed" }, "larger dot: smaller ", isolated(size.label))] : []),
    );
  }

  function picture(source, text) {
    const node = source ? element("img", { src: source, alt: text }) : element("span", { class: "nopicture" }, "no picture on this page");
    return element("figure", {}, node, element("figcaption", {}, text));
  }

  function drawMember(front, all) {
    const card = byId("member");
    if (!front.index.length) return card.replaceChildren(element("p", {}, "No member on this front."));
    const space = data.spaces[front.space];
    const member = front.index[state.i];
    const status = STATES[front.status[state.i]];
    const wanted = space.labels[space.wanted];
    const held = (id) => byId(id)?.getAttribute("src");
    const own = front.pictures[member];
    const again = held(`t${state.front}-${member}`);
    const heat = held(`h${state.front}-${member}`);
    const faces = [
      picture(held(`o${front.group}`), "Original"),
      picture(own ? `data:image/${data.kind};base64,${own}` : held(`p${state.front}-${member}`), "Counterfactual"),
    ];
    if (again) faces.push(picture(again, "True re-render"));
    if (heat) faces.push(picture(heat, "Difference"));
    const shownFaces = data.thing && !data.pictured ? [] : [element("div", { class: "faces" }, ...faces)];
    const badge = element("span", { class: "badge" }, fill(drawn("svg", { class: `shape ${status.shape || status.name}`, viewBox: "-7 -7 14 14", "aria-hidden": "true" }), {}, [mark(front.status[state.i], 5)]), status.text);
    const picks = Object.entries(front.picks).filter(([, m]) => m === member).map(([way]) => element("span", { class: "pick" }, way));
    const every = changes(front, state.i);
    const tiny = every.filter((c) => !c.named).length;
    const words = every.filter((c) => c.named).map((c) => element("li", {}, isolated(c.words), ...(c.values ? [" ", isolated(`(${c.values})`, { class: "vals" })] : [])));
    const rows = all.map((m) => [element("dt", {}, isolated(m.label)), element("dd", {}, shown(m.values[state.i], m.whole ? 0 : 3))]).flat();
    if (tiny) words.push(element("li", { class: "vals" }, `${tiny} smaller than 0.01`));
    const answers = front.predicted
      ? [`predicted ${shownNumber(front.before)} → ${shownNumber(front.predicted[state.i])}`]
      : ["p(", isolated(wanted), `) ${shownP(front.before)} → ${shownP(front.p[state.i])}`];
    const p = element("p", {}, ...answers, `; the model ${front.now[state.i] === front.source ? "still" : "now"} says `, isolated(space.labels[front.now[state.i]]), ".");
    const origin = [element("dt", {}, "found by"), element("dd", {}, isolated(space.origins[front.origin[state.i]]))];
    card.replaceChildren(
      element("h3", {}, `Member ${member}`), ...shownFaces, element("p", { class: "badges" }, badge, ...picks), p,
      element("ul", {}, ...(words.length ? words : [element("li", {}, "nothing changed")])), element("dl", {}, ...rows, ...origin),
    );
  }

  function drawTable(front, all) {
    const table = byId("front-table");
    byId("front-caption").replaceChildren(isolated(data.groups[front.group]), ", ", isolated(front.model), front.index.length < front.total ? `: ${front.index.length} of ${front.total} members` : "");
    if (!table.open) return;
    const heads = ["Member", "State", ...all.map((m) => m.label), "Changes"];
    table.querySelector("thead").replaceChildren(element("tr", {}, ...heads.map((h) => element("th", { scope: "col" }, isolated(h)))));
    const names = (member) => Object.entries(front.picks).filter(([, m]) => m === member).map(([way]) => ` ${way}`).join(",");
    table.querySelector("tbody").replaceChildren(
      ...front.index.map((member, i) => {
        const open = element("button", { type: "button", "aria-label": `Show member ${member}` }, String(member));
        open.addEventListener("click", () => choose(i, false));
        const cells = all.map((m) => element("td", { class: "num" }, shown(m.values[i], m.whole ? 0 : 3)));
        const words = changes(front, i).filter((c) => c.named).map(withValues).join("; ");
        return element("tr", i === state.i ? { class: "chosen" } : {}, element("th", { scope: "row" }, open, names(member)), element("td", {}, STATES[front.status[i]].name), ...cells, element("td", {}, isolated(words)));
      }),
    );
  }

  const turnTo = (front) => {
    state.front = front;
    state.i = usual(current());
    draw();
    remember();
  };
  groupSelect.addEventListener("change", () => {
    const model = current().model;
    const inside = data.fronts.map((f, k) => [k, f]).filter(([, f]) => f.group === Number(groupSelect.value));
    turnTo((inside.find(([, f]) => f.model === model) || inside[0])[0]);
  });
  modelSelect.addEventListener("change", () => turnTo(Number(modelSelect.value)));
  for (const [select, axis] of [[xSelect, "x"], [ySelect, "y"], [sizeSelect, "size"]]) {
    select.addEventListener("change", () => {
      state[axis] = select.value;
      draw();
      remember();
    });
  }
  byId("front-table").addEventListener("toggle", () => drawTable(current(), axes().all));
  addEventListener("hashchange", () => recall(true));
  let width = 0;
  new ResizeObserver(([entry]) => {
    if (Math.abs(entry.contentRect.width - width) > 1) {
      width = entry.contentRect.width;
      draw();
    }
  }).observe(byId("scatter"));

  explorer.hidden = false;
  state.front = Math.max(0, data.fronts.findIndex((f) => Object.keys(f.picks).length));
  state.i = usual(current());
  if (!recall(true)) draw();
}

if (explorer && data.fronts.length) setUpExplorer();
