// The parts of a message chain as elements.

import { appendText, element, link } from "./text.js";
import { say } from "./words.js";

/** Fills the bubble and returns the rows of controls that belong below it. `press` sends a pressed control. */
export function appendParts(bubble, chain, actions, press) {
  const controls = [];
  for (const part of chain) {
    if (part.type === "Plain") appendText(bubble, part.text);
    else if (part.type === "At") bubble.append(element("span", `@${part.display || part.target}`, "mention"), " ");
    else if (part.type === "AtAll") bubble.append(element("span", "@all", "mention"), " ");
    else if (part.type === "Quote") appendQuote(bubble, part, actions);
    else if (part.type === "Actions") controls.push(row(part, press));
    else if (part.key || part.url) bubble.append(media(part, actions));
  }
  return controls;
}

function appendQuote(bubble, part, actions) {
  const text = actions.quoted(part.id);
  if (text) bubble.append(element("span", text.length > 120 ? `${text.slice(0, 119)}…` : text, "quote"));
}

function row(part, press) {
  const made = element("div", "", "controls");
  for (const control of part.controls) {
    const send = (value) => press({ kind: control.kind, controls_id: part.id, action_id: control.action_id, value });
    made.append(control.kind === "select" ? select(control, send) : button(control, send));
  }
  return made;
}

function button(control, send) {
  if (control.url) return link(control.url, control.label);
  const made = element("button", control.label, control.style);
  made.type = "button";
  made.onclick = () => send(control.value);
  return made;
}

function select(control, send) {
  const made = document.createElement("select");
  made.setAttribute("aria-label", control.placeholder || control.action_id);
  made.append(new Option(control.placeholder || "…", "", true, true));
  for (const option of control.options) made.append(new Option(option.label || option.value, option.value));
  made.onchange = () => made.value && send(made.value);
  return made;
}

const TAGS = { Image: "img", Video: "video", Voice: "audio" };

function media(part, actions) {
  const name = part.name || say("file");
  const shown = part.key || part.type === "Image" ? TAGS[part.type] : undefined;
  if (!shown) return part.key ? download(part, name, actions) : link(part.url, name === say("file") ? part.url : name);
  const made = document.createElement(shown);
  if (shown === "img") made.alt = part.name || "";
  else made.controls = true;
  if (part.key) actions.fetch(part.key).then((address) => (made.src = address), () => made.replaceWith(name));
  else made.src = part.url;
  return made;
}

function download(part, name, actions) {
  const made = element("a", say("download", name));
  made.href = "#";
  made.onclick = async (click) => {
    click.preventDefault();
    const save = document.createElement("a");
    save.href = await actions.fetch(part.key);
    save.download = name;
    save.click();
  };
  return made;
}
