// The page's words in two languages.
import { text } from "./dom.js";

const KEPT = "fab-dashboard-language";
const words = await (await fetch("words.json")).json();
let language = kept() ?? document.documentElement.lang;

function kept() {
  const found = localStorage.getItem(KEPT);
  return Object.hasOwn(words, found) ? found : null;
}

export function t(key, values = {}) {
  const found = words[language][key];
  if (found === undefined) return key;
  return found.replace(/\{(\w+)\}/g, (_, name) => String(values[name] ?? ""));
}

// The word for a state; one that has none is shown as supervisord says it.
export const state = (name) => (`state.${name}` in words[language] ? t(`state.${name}`) : name);

export function translated() {
  document.documentElement.lang = language === "zh" ? "zh-CN" : language;
  for (const node of document.querySelectorAll("[data-t]")) text(node, t(node.dataset.t));
}

export function another() {
  language = language === "zh" ? "en" : "zh";
  localStorage.setItem(KEPT, language);
}

export const clock = (seconds) => new Date(seconds * 1000).toLocaleTimeString([], { hour12: false });

// The time, with its day where that is another one than today.
export function moment(seconds) {
  const at = new Date(seconds * 1000), day = at.toLocaleDateString("sv");
  return day === new Date().toLocaleDateString("sv") ? clock(seconds) : `${day} ${clock(seconds)}`;
}

export function span(seconds) {
  for (const [limit, unit, name] of [[120, 1, "s"], [7200, 60, "min"], [172800, 3600, "h"]])
    if (seconds < limit) return `${Math.round(seconds / unit)} ${name}`;
  return `${Math.round(seconds / 86400)} d`;
}

export const size = (bytes) =>
  bytes >= 2 ** 30 ? `${(bytes / 2 ** 30).toFixed(1)} G` : `${Math.round(bytes / 2 ** 20)} M`;

export const share = (part) => `${Math.round(100 * part)} %`;
