// The page's elements. Text of hosts becomes text and never HTML: nothing here, or elsewhere, parses any.

export const $ = (id) => document.getElementById(id);

export function el(name, attributes = {}, ...children) {
  const node = document.createElement(name);
  for (const [key, value] of Object.entries(attributes)) node.setAttribute(key, value);
  node.append(...children);
  return node;
}

// What is as it should be is not touched: that would cost time, and the place of a selection.
export function text(node, words) {
  if (node.textContent !== words) node.textContent = words;
}

export function look(node, name) {
  if (node.className !== name) node.className = name;
}

export function shown(node, whether) {
  if (node.hidden === whether) node.hidden = !whether;
}

// The children of `parent` become one for each item, in the items' order; those that stay keep their state.
export function keyed(parent, items, key, make, update) {
  const wanted = new Set(items.map(key)), there = new Map();
  for (const node of [...parent.children]) {
    if (wanted.has(node.dataset.key) && !there.has(node.dataset.key)) there.set(node.dataset.key, node);
    else node.remove();
  }
  let place = parent.firstElementChild;
  for (const item of items) {
    const name = key(item);
    const node = there.get(name) ?? make(item);
    there.delete(name);
    node.dataset.key = name;
    if (node === place) place = place.nextElementSibling;
    else parent.insertBefore(node, place);
    update(node, item);
  }
}
