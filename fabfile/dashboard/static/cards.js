// The hosts with their programs.
import { el, keyed, look, shown, text } from "./dom.js";
import { share, size, span, state, t } from "./words.js";

const RESTS = "stopped on purpose";
// More hosts than these begin folded, but for those with a program that is not well.
const OPEN_HOSTS = 8;
const COLUMNS = ["program", "state", "up", "cpu", "memory", "messages-s"];
const mayAct = document.documentElement.dataset.mode === "full";

export function cards(parent, hosts, filter, acts) {
  const wanted = filter.trim().toLowerCase();
  const has = (...names) => names.some((one) => one.toLowerCase().includes(wanted));
  const found = [];
  for (const host of hosts) {
    const programs = (host.programs ?? []).filter((one) => has(host.name, one.name, one.state, state(one.state)));
    if (programs.length || has(host.name)) found.push({ ...host, programs, all: host.programs ?? [] });
  }
  keyed(parent, found, (one) => one.name, (one) => card(one, hosts.length), (node, one) => renew(node, one, acts));
}

const ill = (host) => host.away || host.why || host.all.some((one) => one.state !== "RUNNING" && one.state !== RESTS);

function card(host, count) {
  const parts = ["name", "count", "cpu", "memory", "disk"].map((name) => el(name === "name" ? "b" : "span", { "data-part": name }));
  const node = el("details", {}, el("summary", {}, ...parts), el("p", { class: "bad" }));
  node.open = count <= OPEN_HOSTS || ill(host);
  return node;
}

function renew(node, host, acts) {
  const [name, count, cpu, memory, disk] = node.firstElementChild.children;
  const why = node.children[1];
  text(name, host.name);
  text(count, host.away ? t("away") : running(host.all));
  look(count, ill(host) ? "bad" : "good");
  text(cpu, host.cpu === undefined ? "" : `${t("cpu")} ${share(host.cpu)}`);
  text(memory, host.memory === undefined ? "" : `${t("memory")} ${size(host.memory)}/${size(host.memory_all)}`);
  text(disk, host.disk === undefined ? "" : `${t("disk")} ${share(host.disk)}`);
  text(why, host.why ?? "");
  shown(why, Boolean(host.why));
  // What is folded is not drawn: it is when somebody opens it.
  node.ontoggle = () => table(node, host, acts);
  table(node, host, acts);
}

function running(programs) {
  if (!programs.length) return t("no-programs");
  return t("running", { running: programs.filter((one) => one.state === "RUNNING").length, all: programs.length });
}

function table(node, host, acts) {
  const wanted = node.open && host.programs.length > 0;
  let found = node.querySelector("table");
  if (!wanted) return found?.remove();
  if (!found) found = node.appendChild(el("table", { class: "rows" }, el("thead", {}, el("tr")), el("tbody")));
  const [head, body] = found.children;
  const names = [...COLUMNS.map((one) => t(one)), ""];
  keyed(head.firstElementChild, names.map((name, index) => ({ name, index })), (one) => String(one.index), heading,
    (cell, one) => text(cell, one.name));
  keyed(body, host.programs, (one) => one.name, () => row(), (line, one) => fill(line, host, one, acts));
}

const heading = ({ index }) =>
  el("th", { scope: "col", class: index === COLUMNS.length ? "buttons" : index > 1 ? "number" : "" });

function row() {
  const cells = COLUMNS.map((_, index) => el("td", { class: index > 1 ? "number" : "" }));
  cells[1].append(el("span"), el("small"));
  const buttons = ["start", "restart", "stop", "logs"].map((name) => el("button", { type: "button", "data-do": name }));
  return el("tr", {}, ...cells, el("td", { class: "buttons" }, ...buttons));
}

function fill(line, host, one, acts) {
  const [name, said, up, cpu, memory, rate, buttons] = line.children;
  text(name, one.name);
  text(said.firstElementChild, state(one.state));
  look(said.firstElementChild, one.state === "RUNNING" ? "good" : one.state === RESTS ? "warn" : "bad");
  text(said.lastElementChild, one.failed ? `${t("failed-messages", { count: one.failed })} ${one.error ?? ""}`.trim() : "");
  const values = [
    one.uptime === undefined ? "" : span(one.uptime),
    one.cpu === undefined ? "" : share(one.cpu),
    one.memory === undefined ? "" : size(one.memory),
    one.rate === undefined ? "" : one.rate.toFixed(1),
  ];
  [up, cpu, memory, rate].forEach((cell, index) => {
    text(cell, values[index]);
    cell.dataset.label = t(COLUMNS[index + 2]);
  });
  const runs = ["RUNNING", "STARTING", "BACKOFF"].includes(one.state);
  for (const button of buttons.children) {
    const what = button.dataset.do;
    text(button, t(what));
    button.setAttribute("aria-label", `${t(what)}: ${one.name}, ${host.name}`);
    shown(button, what === "logs" || (mayAct && one.ours === true && (what === "start") !== runs));
    button.onclick = () => (what === "logs" ? acts.logs(host, one.name) : acts.ask(what, host.name, one.name));
  }
}
