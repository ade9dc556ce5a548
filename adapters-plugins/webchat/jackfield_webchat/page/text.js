// Text with code and links, built from text nodes only: nothing a message says becomes markup.

const FENCE = /^```[^\n]*\n([\s\S]*?)(?:\n?```[ \t]*(?:\n|$)|$)/m;
const INLINE = /`([^`\n]+)`|\[([^\]\n]{1,200})\]\((https?:\/\/[^\s)]+)\)|(https?:\/\/[^\s<>"'`]+[^\s<>"'`.,;:!?)\]}，。；：！？）】])/g;

/** Appends a text to a node, with code fences, code spans and links. */
export function appendText(node, text) {
  let rest = text;
  for (let found = FENCE.exec(rest); found; found = FENCE.exec(rest)) {
    appendInline(node, rest.slice(0, found.index).replace(/\n$/, ""));
    const block = document.createElement("pre");
    block.tabIndex = 0;
    block.append(element("code", found[1]));
    node.append(block);
    rest = rest.slice(found.index + found[0].length);
  }
  appendInline(node, rest);
}

function appendInline(node, text) {
  let end = 0;
  for (const found of text.matchAll(INLINE)) {
    node.append(text.slice(end, found.index));
    const [whole, code, label, target, bare] = found;
    node.append(code ? element("code", code) : link(target ?? bare, label ?? bare));
    end = found.index + whole.length;
  }
  node.append(text.slice(end));
}

/** A link that tells the other side nothing about this page. */
export function link(target, label) {
  const anchor = element("a", label);
  if (/^https?:\/\//.test(target)) anchor.href = target;
  anchor.target = "_blank";
  anchor.rel = "noopener noreferrer";
  return anchor;
}

export function element(name, text = "", className = "") {
  const made = document.createElement(name);
  made.textContent = text;
  if (className) made.className = className;
  return made;
}
