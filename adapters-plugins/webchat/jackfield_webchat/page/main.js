// Puts the page together.

import { Link } from "./link.js";
import { Log } from "./log.js";
import { Session } from "./session.js";
import { language, say } from "./words.js";

const by = (id) => document.getElementById(id);
const TYPING_MS = 8000;

document.documentElement.lang = language;
by("text").placeholder = say("placeholder");
by("text").setAttribute("aria-label", say("placeholder"));
by("send").setAttribute("aria-label", say("send"));
by("attach").setAttribute("aria-label", say("attach"));
by("fresh").textContent = say("fresh");
by("latest").textContent = say("latest");
by("gate-title").textContent = say("gateTitle");
by("gate-text").textContent = say("gateText");
by("token-label").textContent = say("token");
by("gate-send").textContent = say("enter");

const about = await fetchAbout();
const session = new Session(about.bot);
const link = new Link(session.address, () => session.token, session.outbox);
const log = new Log(by("log"), by("scroll"), by("latest"), {
  again: (frame) => (log.mark(frame.id, "sending"), link.deliver(frame)),
  press: (item, press) => link.deliver({ type: "interaction", id: session.newId(), message_id: idOf(item), ...press }),
  quoted: (id) => log.items.get(id)?.bubble.textContent ?? "",
  fetch: (key) => session.fetchMedia(key),
});
document.title = by("title").textContent = about.title;
by("fresh").hidden = session.isGroup;
by("attach").hidden = false;

async function fetchAbout() {
  showState("connecting");
  for (let wait = 500; ; wait = Math.min(wait * 2, 8000)) {
    try {
      const answer = await fetch("about");
      if (answer.ok) return await answer.json();
    } catch {
      // Not reachable: the same as an answer that is no help.
    }
    showState("offline");
    await new Promise((resolve) => setTimeout(resolve, wait));
  }
}

function showState(state) {
  by("state").dataset.state = state;
  by("state-text").textContent = say(state);
  by("state").title = say(state);
}

function showEmpty() {
  by("empty").hidden = !log.isEmpty;
  if (log.isEmpty) by("empty").replaceChildren(strong(say("emptyTitle")), say("emptyText"));
}

function strong(text) {
  const made = document.createElement("strong");
  made.textContent = text;
  return made;
}

function idOf(item) {
  for (const [id, one] of log.items) if (one === item) return id;
  return "";
}

let typing;
function showTyping(on) {
  clearTimeout(typing);
  const stick = log.atEnd();
  by("typing").hidden = !on;
  by("typing").setAttribute("aria-label", `${about.title} ${say("typing")}`);
  if (on) typing = setTimeout(() => showTyping(false), TYPING_MS);
  if (on && stick) log.toEnd();
}

function notice(text) {
  by("notice").textContent = text;
  by("notice").hidden = !text;
}

const RECEIVE = {
  connected: (frame) => (log.settle(), (session.publicId = frame.user)),
  response: (frame) => (showTyping(false), log.show(frame, false, session.isGroup ? about.title : "")),
  user_message: (frame) => log.show(frame, frame.data.sender.id === session.publicId, frame.data.sender.nickname),
  deleted: (frame) => log.remove(frame.data.id),
  ack: (frame) => log.acknowledged(frame),
  typing: () => showTyping(true),
  resumed: () => by("log").setAttribute("aria-live", "polite"),
  broadcast: (frame) => notice(frame.message),
  error: (frame) => frame.code !== "OVERLOADED" && frame.code !== "UNAUTHENTICATED" && log.mark(frame.request_id, "failed", frame.message),
};

link.addEventListener("frame", ({ detail }) => {
  if (detail.type === "connected") by("log").setAttribute("aria-live", "off");
  RECEIVE[detail.type]?.(detail);
  if (detail.type !== "connected") showEmpty();
});
link.addEventListener("state", ({ detail }) => showState(detail));
link.addEventListener("outbox", () => session.keepOutbox());
link.addEventListener("refused", () => ask(true));
addEventListener("online", () => link.hurry());
document.addEventListener("visibilitychange", () => document.visibilityState === "visible" && link.hurry());

function ask(wrong) {
  showState("offline");
  by("gate-error").textContent = say("wrongToken");
  by("gate-error").hidden = !wrong || !session.token;
  session.token = "";
  by("token").value = "";
  by("gate").showModal();
}

by("gate").addEventListener("cancel", (event) => event.preventDefault());
by("gate-form").addEventListener("submit", () => {
  session.token = by("token").value.trim();
  link.open();
  by("text").focus();
});

function send(parts) {
  const frame = { type: "message", id: session.newId(), message: parts, stream: true };
  notice("");
  log.pending(frame);
  link.deliver(frame);
  showEmpty();
}

function grow() {
  by("text").style.height = "auto";
  by("text").style.height = `${by("text").scrollHeight}px`;
  by("send").disabled = !by("text").value.trim();
}

by("composer").addEventListener("submit", (event) => {
  event.preventDefault();
  const text = by("text").value;
  if (!text.trim()) return;
  send([{ type: "Plain", text }]);
  by("text").value = "";
  grow();
});
by("text").addEventListener("input", grow);
by("text").addEventListener("keydown", (event) => {
  // While an input method is composing, Enter picks a word.
  if (event.key !== "Enter" || event.shiftKey || event.isComposing) return;
  event.preventDefault();
  by("composer").requestSubmit();
});
by("attach").onclick = () => by("file").click();
by("file").onchange = async () => {
  const [file] = by("file").files;
  by("file").value = "";
  if (!file) return;
  if (file.size > about.max_upload) return notice(say("tooLarge", about.max_upload / 1e6));
  try {
    const { type, key, name, mime, size } = await session.upload(file);
    send([{ type, key, name, mime, size }]);
  } catch {
    notice(say("uploadFailed"));
  }
};
by("fresh").onclick = () => {
  session.renew();
  location.reload();
};

for (const frame of session.outbox.values()) if (frame.type === "message") log.pending(frame);
grow();
if (about.token_required && !session.token) ask(false);
else {
  link.open();
  by("text").focus();
}
