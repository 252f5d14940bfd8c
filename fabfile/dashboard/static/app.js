// The page: it takes the server's notes, shows the newest ones, and gives orders.
import { cards } from "./cards.js";
import { Chart } from "./chart.js";
import { $, el, keyed, look, shown, text } from "./dom.js";
import { drawAlarms, drawJournal, raised, takeAlarms, takeJournal } from "./journal.js";
import { openLogs, translatedLogs } from "./logs.js";
import { drawPages, lastError, watchPages } from "./pages.js";
import { another, clock, moment, t, translated } from "./words.js";

const mayAct = document.documentElement.dataset.mode === "full";
const minute = (seconds) => clock(seconds).slice(0, 5);
const charts = Object.fromEntries(["rates", "queues"].map((id) => [id, new Chart($(id), minute, () => t("nothing-kept"))]));
const GROUPS = { rate: "rates", queue: "queues" };
let picture = null, findings = null, job = null, past = { at: [], lines: {} }, closed = 0;

function drawPicture() {
  if (!picture?.seen) return shown($("note"), Boolean(picture?.note)), text($("note"), picture?.note ?? "");
  const problems = picture.problems ?? [], more = picture.more ?? 0, warnings = picture.warnings ?? [];
  const verdict = picture.well ? t("healthy") : t("problem-count", { count: problems.length + more });
  text($("cluster"), picture.cluster);
  delete $("verdict").dataset.t;
  text($("verdict"), verdict);
  look($("verdict"), picture.well ? "good" : "bad");
  title();
  const results = picture.results === undefined ? "" : ` · ${t("results", { count: picture.results.toFixed(0) })}`;
  text($("looked"), t("looked", { time: clock(picture.at), seconds: (picture.took ?? 0).toFixed(1) }) + results);
  shown($("changed"), Boolean(picture.changed));
  shown($("note"), Boolean(picture.note));
  text($("note"), picture.note ?? "");
  const lines = [...problems.map((words) => ({ words, name: "bad" })), ...warnings.map((words) => ({ words, name: "warn" }))];
  if (more) lines.push({ words: t("more", { count: more }), name: "bad" });
  const list = $("problems").querySelector("ul");
  keyed(list, lines, (one) => one.words, () => el("li"), (node, one) => (text(node, one.words), look(node, one.name)));
  shown($("problems"), lines.length > 0);
  cards($("cards"), picture.hosts ?? [], $("filter").value, { ask, logs: openLogs });
  drawProjects(picture.projects ?? []);
}

// The number of alarms comes first: a tab shows no more than the beginning.
function title() {
  if (!picture?.seen) return;
  const verdict = $("verdict").textContent, count = raised();
  document.title = (count ? `(${count}) ` : "") + t("title", { cluster: picture.cluster, verdict });
}

function drawProjects(projects) {
  shown($("projects"), projects.length > 0);
  shown($("no-projects"), !projects.length);
  const heads = [...$("projects").tHead.rows[0].cells];
  const cells = () => el("tr", {}, ...heads.map((head) => el("td", { class: head.className })));
  keyed($("projects").tBodies[0], projects, (one) => one.name, cells, (row, one) => {
    const error = lastError(one.name), said = error ? `${moment(error.at)} ${error.why ?? ""} ${error.url}` : "";
    const values = [one.name, one.rate?.toFixed(1) ?? "-", one.active ?? 0, one.success ?? 0, one.failed ?? 0, said];
    values.forEach((value, index) => {
      text(row.children[index], String(value));
      if (index) row.children[index].dataset.label = t(heads[index].dataset.t);
    });
  });
}

function drawFindings() {
  if (!findings) return;
  const list = findings.findings ?? [], faults = list.filter((one) => one.fixable);
  $("examine").disabled = Boolean(findings.looking);
  const told = { time: clock(findings.at ?? 0), count: list.length };
  text($("examined"), findings.looking ? t("examining") : findings.note ?? t("examined", told));
  shown($("fix"), mayAct && faults.length > 0);
  const key = (one) => `${one.host} ${one.id} ${one.evidence}`;
  keyed($("findings"), list, key, () => el("li", {}, el("b"), el("span"), el("dl")), (node, one) => {
    const [title, kind, rows] = node.children;
    text(title, `${one.host}: ${one.id}`);
    look(title, one.warning ? "warn" : "bad");
    const kinds = [one.warning && t("warning"), one.fixable && t("fixable")].filter(Boolean);
    text(kind, kinds.length ? ` (${kinds.join(", ")})` : "");
    const parts = [["seen", one.evidence], ["cause", one.cause], ["fix-by", one.fix]];
    rows.replaceChildren(...parts.flatMap(([name, words]) => [el("dt", {}, t(name)), el("dd", {}, words)]));
  });
}

function drawJob() {
  shown($("job"), job !== null && job.number !== closed);
  if (!job) return;
  text($("job-words"), job.words.join(" "));
  const runs = job.status === null || job.status === undefined;
  const ended = job.status === 0 ? t("ended-well") : t("ended-badly", { status: job.status });
  text($("job-status"), runs ? t("runs") : ended);
  look($("job-status"), runs ? "dim" : job.status === 0 ? "good" : "bad");
  shown($("interrupt"), runs && mayAct);
  shown($("close"), !runs);
  text($("output"), job.output);
  $("output").scrollTop = $("output").scrollHeight;
}

function drawCharts() {
  for (const [prefix, id] of Object.entries(GROUPS)) {
    const names = Object.keys(past.lines).filter((name) => name.startsWith(`${prefix}/`));
    const lines = Object.fromEntries(names.map((name) => [name.slice(prefix.length + 1), past.lines[name]]));
    charts[id].show({ at: names.length ? past.at : [], lines });
  }
}

function draw() {
  translated();
  translatedLogs();
  text($("language"), t("other-language"));
  shown($("mode"), !mayAct);
  drawPicture();
  drawFindings();
  drawJob();
  drawCharts();
  drawPages();
  drawAlarms();
  drawJournal();
}

async function recall() {
  const answer = await fetch(`series?seconds=${$("period").value}`).catch(() => null);
  if (!answer?.ok) return;
  past = await answer.json();
  drawCharts();
}

// The newest point; the axis moves with it.
function grow({ at, values }) {
  if (past.at.at(-1) >= at) return;
  past.at.push(at);
  for (const name of new Set([...Object.keys(past.lines), ...Object.keys(values)])) {
    const line = (past.lines[name] ??= Array(past.at.length - 1).fill(null));
    line.push(values[name] ?? null);
  }
  while (past.at[0] < at - Number($("period").value)) {
    past.at.shift();
    for (const line of Object.values(past.lines)) line.shift();
  }
  drawCharts();
}

async function post(path, order) {
  const body = order ? JSON.stringify(order) : undefined;
  const answer = await fetch(path, { method: "POST", body }).catch(() => null);
  const refused = answer && !answer.ok ? await answer.text() : "";
  text($("refused"), answer ? refused : t("lost"));
  shown($("refused"), !answer?.ok);
}

async function ask(what, host, program) {
  const ids = [...new Set((findings?.findings ?? []).filter((one) => one.fixable).map((one) => one.id))].join(", ");
  text($("question"), t(`ask-${what}`, { host, program, ids }));
  text($("yes"), t(what === "fix" ? "yes-fix" : what));
  $("confirm").returnValue = "no";
  $("confirm").showModal();
  await new Promise((resolve) => $("confirm").addEventListener("close", resolve, { once: true }));
  if ($("confirm").returnValue === "yes") await post("orders", { do: what, host, program });
}

function listen() {
  const stream = new EventSource("events");
  const on = (kind, take) => stream.addEventListener(kind, (event) => take(JSON.parse(event.data)));
  on("picture", (data) => ((picture = data), drawPicture()));
  on("findings", (data) => ((findings = data.looking ? { ...findings, looking: true } : data), drawFindings()));
  on("job", (data) => ((job = data), drawJob()));
  on("point", grow);
  on("journal", takeJournal);
  on("alarms", (data) => (takeAlarms(data), title()));
  stream.onopen = () => (shown($("lost"), false), recall());
  stream.onerror = () => {
    shown($("lost"), true);
    // A browser that was turned away does not ask again by itself.
    if (stream.readyState === EventSource.CLOSED) setTimeout(listen, 3000);
  };
}

$("language").onclick = () => (another(), draw());
$("filter").oninput = drawPicture;
$("period").onchange = recall;
$("examine").onclick = () => post("examine");
$("fix").onclick = () => ask("fix", "", "");
$("interrupt").onclick = () => post("interrupt");
$("close").onclick = () => ((closed = job.number), drawJob());
$("refused").onclick = () => shown($("refused"), false);
draw();
watchPages(() => (drawPages(), drawPicture()));
listen();
