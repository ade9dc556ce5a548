// The list of messages: one element per message id, in the order of the server.

import { appendParts } from "./parts.js";
import { element } from "./text.js";
import { language, say } from "./words.js";

const clock = new Intl.DateTimeFormat(language, { hour: "2-digit", minute: "2-digit" });

export class Log {
  constructor(list, scroll, latest, actions) {
    this.list = list;
    this.scroll = scroll;
    this.latest = latest;
    this.actions = actions;
    this.items = new Map();
    latest.onclick = () => this.toEnd();
    this.stuck = true;
    scroll.onscroll = () => {
      this.stuck = this.atEnd();
      if (this.stuck) latest.hidden = true;
    };
    // A keyboard that opens, a picture that arrives: who was at the end stays there.
    const keep = new ResizeObserver(() => this.stuck && this.toEnd());
    keep.observe(scroll);
    keep.observe(list);
  }

  /** Shows a message as it is now; older states that come late are ignored. */
  show(frame, own, name) {
    const { data } = frame;
    const item = this.items.get(data.id) ?? this.add(data.id, own);
    if (item.cursor > frame.id) return;
    const sticky = this.atEnd();
    item.cursor = frame.id;
    this.place(item, data.seq);
    item.node.classList.toggle("streaming", !data.is_final);
    item.node.setAttribute("aria-busy", String(!data.is_final));
    this.fill(item, data.message_chain, own ? "" : name, data.timestamp, data.reactions);
    this.follow(sticky || own);
  }

  /** Shows a message of ours before the server has it. */
  pending(frame) {
    const item = this.add(frame.id, true);
    item.frame = frame;
    this.place(item, Infinity);
    this.fill(item, frame.message, "", Date.now(), []);
    this.mark(frame.id, "sending");
    this.toEnd();
  }

  /** How far a message of ours is: "sending" or "failed". */
  mark(id, state, reason = "") {
    const item = this.items.get(id);
    if (!item?.frame) return;
    item.node.classList.toggle("sending", state === "sending");
    item.node.classList.toggle("failed", state === "failed");
    item.meta.replaceChildren(say(state) + (reason ? `: ${reason} ` : " "));
    if (state !== "failed") return;
    const again = element("button", say("again"));
    again.type = "button";
    again.onclick = () => this.actions.again(item.frame);
    item.meta.append(again);
  }

  /** The server has it: from now on it bears the server's id. */
  acknowledged(ack) {
    const item = this.items.get(ack.id);
    if (!item?.frame) return;
    this.items.get(ack.message_id)?.node.remove();
    this.items.delete(ack.id);
    this.items.set(ack.message_id, item);
    item.frame = null;
    item.cursor = ack.cursor;
    item.node.classList.remove("sending", "failed");
    item.meta.textContent = clock.format(new Date());
    this.place(item, ack.seq);
  }

  remove(id) {
    this.items.get(id)?.node.remove();
    this.items.delete(id);
    this.turns();
  }

  /** After a reconnect nothing counts as growing until the server says so again. */
  settle() {
    for (const node of this.list.querySelectorAll(".streaming")) {
      node.classList.remove("streaming");
      node.setAttribute("aria-busy", "false");
    }
  }

  get isEmpty() {
    return this.items.size === 0;
  }

  add(id, own) {
    const node = element("li", "", own ? "message own" : "message");
    const item = { node, own, seq: Infinity, cursor: -1, name: element("span", "", "name"), meta: element("p", "", "meta") };
    item.bubble = element("div", "", "bubble");
    node.append(item.name, item.bubble, item.meta);
    node.item = item;
    this.items.set(id, item);
    return item;
  }

  fill(item, chain, name, time, reactions) {
    item.name.textContent = name;
    item.name.hidden = !name;
    item.bubble.replaceChildren();
    for (const old of item.node.querySelectorAll(".controls, .reactions")) old.remove();
    const controls = appendParts(item.bubble, chain, this.actions, (press) => this.actions.press(item, press));
    item.bubble.hidden = !item.bubble.hasChildNodes() && controls.length > 0;
    item.meta.before(...controls);
    if (reactions?.length) item.meta.before(element("p", reactions.join(" "), "reactions"));
    if (!item.frame) item.meta.textContent = clock.format(new Date(time));
  }

  /** Puts the element where its number says; ours without a number stay at the end. */
  place(item, seq) {
    const there = item.node.parentNode === this.list;
    if (there && item.seq === seq) return;
    item.seq = seq;
    let after = this.list.lastElementChild;
    while (after && (after === item.node || after.item.seq > seq)) after = after.previousElementSibling;
    if (after) after.after(item.node);
    else this.list.prepend(item.node);
    this.turns();
  }

  /** Space where the speaker changes, the name only at the first of a row. */
  turns() {
    let before = null;
    for (const node of this.list.children) {
      node.classList.toggle("turn", before !== null && before.item.own !== node.item.own);
      before = node;
    }
  }

  atEnd() {
    return this.scroll.scrollHeight - this.scroll.scrollTop - this.scroll.clientHeight < 80;
  }

  follow(sticky) {
    if (sticky) this.toEnd();
    else this.latest.hidden = false;
  }

  toEnd() {
    this.scroll.scrollTop = this.scroll.scrollHeight;
    this.latest.hidden = true;
  }
}
