// The logs behind a click: the last records of a program, and those that come while one looks.
import { $, el, text } from "./dom.js";
import { moment, t } from "./words.js";

const FOLLOW_MS = 2000, AGAIN_MS = 5000;
// So many records are shown: older ones make room.
const MOST = 500;
let host = null, places = null, visit = 0, timer = 0, busy = false;

const list = () => $("logs-list");
const program = () => $("logs-program").value;

export function openLogs(one, name) {
  host = one.name;
  const names = ["", ...one.all.map((each) => each.name), "supervisord"];
  $("logs-program").replaceChildren(...names.map((each) => new Option(each || t("all-programs"), each)));
  $("logs-program").value = name;
  $("logs-errors").checked = false;
  $("logs-follow").checked = true;
  $("logs").showModal();
  list().focus();
  anew();
}

export function translatedLogs() {
  if ($("logs-program").options.length) text($("logs-program").options[0], t("all-programs"));
  title();
}

function title() {
  text($("logs-title"), program() ? t("log-of", { host: host ?? "", program: program() }) : t("logs-of", { host: host ?? "" }));
}

// Another log, or another choice of its records: what is on its way is not wanted any more.
function anew() {
  visit += 1;
  places = null;
  busy = false;
  clearTimeout(timer);
  title();
  list().replaceChildren();
  text($("logs-note"), t("reading"));
  read();
}

async function read() {
  if (busy) return;
  busy = true;
  const mine = visit;
  const body = JSON.stringify({ host, program: program(), errors: $("logs-errors").checked, places });
  const answer = await fetch("logs", { method: "POST", body }).catch(() => null);
  const heard = answer?.ok ? answer.json() : answer?.text().then((note) => ({ note }));
  const said = (await heard?.catch(() => null)) ?? { note: t("lost") };
  if (mine !== visit) return;
  busy = false;
  show(said);
  if ($("logs-follow").checked && $("logs").open) timer = setTimeout(read, said.note ? AGAIN_MS : FOLLOW_MS);
}

function show(said) {
  const all = list(), atEnd = all.scrollHeight - all.scrollTop - all.clientHeight < 40;
  if (!said.note) places = said.places ?? {};
  for (const one of said.records ?? []) all.append(record(one));
  while (all.childElementCount > MOST) all.firstElementChild.remove();
  const count = all.childElementCount;
  const some = said.more ? t("older", { count: said.more }) : t("records", { count });
  text($("logs-note"), said.note ?? (count ? some : t($("logs-errors").checked ? "no-errors" : "no-records")));
  if (atEnd) all.scrollTop = all.scrollHeight;
}

function record(one) {
  const bad = one.level === "E" || one.level === "C";
  const words = [one.level, program() ? "" : one.program, one.source].filter(Boolean).join(" ");
  return el("li", { class: bad ? "fault" : "" }, el("time", {}, moment(one.at)), el("span", { class: bad ? "bad" : "dim" }, words), el("pre", {}, one.text));
}

$("logs-program").onchange = anew;
$("logs-errors").onchange = anew;
$("logs-follow").onchange = () => (clearTimeout(timer), $("logs-follow").checked && read());
$("logs-close").onclick = () => $("logs").close();
$("logs").onclose = () => {
  visit += 1;
  clearTimeout(timer);
  list().replaceChildren();
};
