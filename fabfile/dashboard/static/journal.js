// The alarms, and the journal of changes: those that people made, and those that were seen.
import { $, el, keyed, look, shown, text } from "./dom.js";
import { moment, span, t } from "./words.js";

let journal = null, alarms = null;

export const raised = () => (alarms?.raised?.length ?? 0) + (alarms?.more ?? 0);
export const takeJournal = (data) => ((journal = data), drawJournal());
export const takeAlarms = (data) => ((alarms = data), drawAlarms());

export function drawAlarms() {
  const up = alarms?.raised ?? [], over = alarms?.over ?? [];
  const key = (one) => `${one.at} ${one.until ?? 0} ${one.text}`;
  const entry = () => el("li", {}, el("time"), el("span"));
  keyed($("raised"), up, key, entry, (node, one) => {
    text(node.firstElementChild, moment(one.at));
    text(node.lastElementChild, one.text);
    look(node.lastElementChild, "bad");
  });
  shown($("no-alarms"), alarms !== null && !up.length);
  text($("no-alarms"), t("no-alarms", { seconds: alarms?.patience ?? 0 }));
  shown($("more-alarms"), Boolean(alarms?.more));
  text($("more-alarms"), t("more", { count: alarms?.more ?? 0 }));
  shown($("over-part"), over.length > 0);
  text($("over-title"), t("alarms-over", { count: over.length }));
  keyed($("over"), over, key, entry, (node, one) => {
    text(node.firstElementChild, moment(one.until));
    text(node.lastElementChild, `${t("over", { span: span(one.until - one.at) })} ${one.text}`);
  });
  const watch = alarms?.watch ?? {}, sinks = (watch.sinks ?? []).join(", ");
  const here = sinks ? "watch-tells" : "watch-mute";
  const who = watch.runs === null ? "watch-unknown" : watch.runs ? here : "no-watch";
  text($("watch"), alarms ? [t(who, { sinks }), ...(watch.troubles ?? [])].join(" ") : "");
}

export function drawJournal() {
  const wanted = $("journal-of").value;
  const made = wanted === "seen" ? [] : (journal?.made ?? []).map((one) => ({ ...one, made: true }));
  const seen = wanted === "made" ? [] : (journal?.seen ?? []);
  const all = [...made, ...seen].sort((one, other) => other.at - one.at);
  shown($("no-events"), !all.length);
  const unread = (journal?.unread ?? []).join(", ");
  const said = [unread && t("unread", { hosts: unread }), journal?.note].filter(Boolean).join(" ");
  shown($("journal-note"), Boolean(said));
  text($("journal-note"), said);
  const numbers = new Map();
  for (const one of all) {
    const base = `${one.at} ${one.who ?? ""} ${one.task ?? ""} ${one.text ?? ""}`;
    numbers.set(base, (numbers.get(base) ?? 0) + 1);
    one.key = `${base} ${numbers.get(base)}`;
  }
  keyed($("events"), all, (one) => one.key, (one) => el("li", {}, el("time"), one.made ? work() : el("span")), (node, one) => {
    text(node.firstElementChild, moment(one.at));
    if (one.made) fill(node.lastElementChild, one);
    else change(node.lastElementChild, one);
  });
}

function change(node, one) {
  text(node, one.text ? (one.good ? `${t("is-over")} ${one.text}` : one.text) : t("begins"));
  look(node, one.text ? (one.good ? "good" : "warn") : "dim");
}

const work = () => el("details", {}, el("summary", {}, el("b"), el("span"), el("span", { class: "bad" })), el("ul"));

function fill(node, one) {
  const [name, where, failed] = node.firstElementChild.children;
  text(name, one.task ? `fab ${one.task}` : t("change"));
  text(where, t("by-whom", { who: one.who, count: one.hosts ?? 0 }));
  text(failed, one.failed ? t("went-wrong") : "");
  const lines = (one.lines ?? []).map((line) => {
    const hosts = [...line.hosts, ...(line.more ? [`+${line.more}`] : [])].join(", ");
    return { words: `${hosts}: ${line.text}${line.status ? ` (${t("ended-badly", { status: line.status })})` : ""}`, name: line.status ? "bad" : "" };
  });
  if (one.more) lines.push({ words: t("more", { count: one.more }), name: "dim" });
  keyed(node.lastElementChild, lines, (line) => line.words, () => el("li"), (item, line) => (text(item, line.words), look(item, line.name)));
}

$("journal-of").onchange = drawJournal;
