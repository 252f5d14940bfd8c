// A line chart over time as SVG: its colours follow the style sheet, by light and by dark.
import { el, keyed, look, text } from "./dom.js";

const NAMESPACE = "http://www.w3.org/2000/svg";
const HEIGHT = 180, LEFT = 44, BOTTOM = 20, TOP = 8, RIGHT = 8;
const COLOURS = 6;
// The server keeps a point every ten seconds, and sends so many at most.
const POINT_SECONDS = 10, POINTS = 360;
// So many points may be missing within a line.
const GAP = 4;

function svg(name, attributes = {}) {
  const node = document.createElementNS(NAMESPACE, name);
  for (const [key, value] of Object.entries(attributes)) node.setAttribute(key, value);
  return node;
}

// 7 becomes 10, 23 becomes 25: the top of the axis.
function ceiling(most) {
  if (most <= 0) return 1;
  const unit = 10 ** Math.floor(Math.log10(most));
  return [1, 2, 2.5, 5, 10].map((one) => one * unit).find((one) => one >= most);
}

export const short = (value) =>
  value >= 1e6 ? `${+(value / 1e6).toFixed(1)}M` : value >= 1e3 ? `${+(value / 1e3).toFixed(1)}k` : `${+value.toFixed(2)}`;

export class Chart {
  constructor(figure, clock, empty) {
    Object.assign(this, { figure, clock, empty, hidden: new Set(), data: { at: [], lines: {} }, cursor: null });
    this.svg = figure.appendChild(svg("svg", { role: "img", tabindex: "0" }));
    this.legend = figure.appendChild(el("div", { class: "legend" }));
    this.svg.addEventListener("pointermove", (event) => this.point(event.clientX));
    this.svg.addEventListener("pointerleave", () => this.move(null));
    this.svg.addEventListener("keydown", (event) => this.key(event));
    new ResizeObserver(() => this.draw()).observe(figure);
  }

  show(data) {
    this.data = data;
    if (this.cursor !== null) this.cursor = Math.min(this.cursor, data.at.length - 1);
    this.draw();
  }

  key(event) {
    const step = { ArrowLeft: -1, ArrowRight: 1 }[event.key];
    if (!step || !this.data.at.length) return;
    event.preventDefault();
    const last = this.data.at.length - 1;
    this.move(Math.max(0, Math.min(last, (this.cursor ?? last + 1) + step)));
  }

  point(x) {
    const { at } = this.data;
    if (!at.length) return;
    const wanted = this.start + ((x - this.svg.getBoundingClientRect().left - LEFT) / this.width) * (this.end - this.start);
    this.move(at.reduce((best, one, index) => (Math.abs(one - wanted) < Math.abs(at[best] - wanted) ? index : best), 0));
  }

  move(cursor) {
    this.cursor = cursor;
    this.draw();
  }

  draw() {
    const { at, lines } = this.data;
    const names = Object.keys(lines), shown = names.filter((name) => !this.hidden.has(name));
    this.width = Math.max(50, this.figure.clientWidth - LEFT - RIGHT);
    [this.start, this.end] = at.length ? [at[0], Math.max(at.at(-1), at[0] + 1)] : [0, 1];
    const most = ceiling(Math.max(0, ...shown.flatMap((name) => lines[name].map((value) => value ?? 0))));
    const x = (moment) => LEFT + (this.width * (moment - this.start)) / (this.end - this.start);
    const y = (value) => TOP + (HEIGHT - TOP - BOTTOM) * (1 - value / most);
    const parts = [0, 0.5, 1].flatMap((share) => this.level(share * most, y(share * most)));
    if (at.length) parts.push(...this.moments(x));
    for (const name of shown) parts.push(this.line(lines[name], at, x, y, names.indexOf(name) % COLOURS));
    if (this.cursor !== null && at.length) {
      const there = x(at[this.cursor]);
      parts.push(svg("line", { class: "cursor", x1: there, x2: there, y1: TOP, y2: HEIGHT - BOTTOM }));
    }
    if (!at.length) parts.push(this.label(LEFT + 8, HEIGHT / 2, this.empty(), "start"));
    this.svg.replaceChildren(...parts);
    this.keys(names);
  }

  level(value, y) {
    const line = svg("line", { class: "grid", x1: LEFT, x2: LEFT + this.width, y1: y, y2: y });
    return [line, this.label(LEFT - 6, y + 4, short(value), "end")];
  }

  moments(x) {
    const middle = (this.start + this.end) / 2;
    const places = [[this.start, "start"], [middle, "middle"], [this.end, "end"]];
    return places.map(([moment, anchor]) => this.label(x(moment), HEIGHT - 5, this.clock(moment), anchor));
  }

  label(x, y, words, anchor) {
    const node = svg("text", { x, y, "text-anchor": anchor });
    node.textContent = words;
    return node;
  }

  // A gap in the figures, or a time without any, is a gap in the line; a point alone is a dot.
  line(values, at, x, y, colour) {
    const longest = GAP * Math.max(POINT_SECONDS, (this.end - this.start) / POINTS);
    let before = -Infinity, path = "";
    values.forEach((value, index) => {
      if (value == null) return;
      const place = `${x(at[index]).toFixed(1)} ${y(value).toFixed(1)}`;
      const joined = values[index - 1] != null && at[index] - before <= longest;
      path += joined ? `L${place}` : `M${place}h.01`;
      before = at[index];
    });
    return svg("path", { class: `line line-${colour}`, d: path });
  }

  keys(names) {
    const { at, lines } = this.data, place = this.cursor ?? at.length - 1;
    keyed(this.legend, names, (name) => name, (name) => this.button(name), (button, name) => {
      look(button, `ink-${names.indexOf(name) % COLOURS}`);
      button.setAttribute("aria-pressed", String(!this.hidden.has(name)));
      text(button, `${name} ${lines[name][place] == null ? "-" : short(lines[name][place])}`);
    });
    this.svg.setAttribute("aria-label", [...this.legend.children].map((one) => one.textContent).join(", "));
  }

  button(name) {
    const node = el("button", { type: "button" });
    node.onclick = () => {
      if (!this.hidden.delete(name)) this.hidden.add(name);
      this.draw();
    };
    return node;
  }
}
