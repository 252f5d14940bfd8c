// The slowest pages and those that fail most, asked for while somebody looks.
import { $, el, keyed, look, shown, text } from "./dom.js";
import { moment, t } from "./words.js";

const EVERY_MS = 60_000;
let pages = null, asking = false;

// The newest failure of a project, as far as the walk has come.
export function lastError(project) {
  // A project may be called `constructor`, which every object has.
  const errors = pages?.errors ?? {};
  return Object.hasOwn(errors, project) ? errors[project] : undefined;
}

export function drawPages() {
  const slow = pages?.slow ?? [], failing = pages?.failing ?? [];
  $("pages-look").disabled = asking;
  text($("pages-note"), note());
  rows("slow", slow, (one) => [one.fetching ?? 0, one.processing ?? 0].map((value) => value.toFixed(2)));
  rows("failing", failing, (one) => [String(one.tries), one.given_up ? t("given-up", { why: one.why ?? "" }) : one.why ?? ""]);
  shown($("no-failing"), pages !== null && !failing.length);
}

function note() {
  if (!pages) return t("reading");
  const counts = { read: pages.read ?? 0, rows: pages.rows ?? 0, time: moment(pages.at) };
  return pages.note ?? t(pages.whole ? "pages-all" : "pages-some", counts);
}

function rows(id, items, values) {
  const table = $(id), labels = [...table.tHead.rows[0].cells].map((cell) => t(cell.dataset.t));
  shown(table, items.length > 0);
  keyed(table.tBodies[0], items, (one) => `${one.project} ${one.url}`, () => row(table), (line, one) => {
    const [page, ...others] = line.cells;
    link(page, one.url);
    [one.project, moment(one.at), ...values(one)].forEach((value, index) => {
      text(others[index], value);
      others[index].dataset.label = labels[index + 1];
    });
  });
}

const row = (table) => el("tr", {}, ...[...table.tHead.rows[0].cells].map((cell) => el("td", { class: cell.className })));

// Nobody knows what an address of a crawled page does: only those of the web can be followed, and none learns whence.
function link(cell, url) {
  if (cell.textContent === url) return;
  // One that was cut leads elsewhere.
  const web = /^https?:/i.test(url) && url.length < 300;
  cell.replaceChildren(web ? el("a", { href: url, target: "_blank", rel: "noopener noreferrer" }, url) : url);
}

export async function askPages(drawn) {
  if (asking) return;
  asking = true;
  drawPages();
  const answer = await fetch("pages").then((one) => (one.ok ? one.json() : null)).catch(() => null);
  asking = false;
  if (answer) pages = answer;
  drawn();
}

export function watchPages(drawn) {
  $("pages-look").onclick = () => askPages(drawn);
  setInterval(() => document.hidden || askPages(drawn), EVERY_MS);
  askPages(drawn);
}
