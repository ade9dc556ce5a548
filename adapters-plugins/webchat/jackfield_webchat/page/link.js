// The WebSocket: opens it, opens it again, asks for what was missed, keeps what was not acknowledged.

const FIRST_WAIT = 500;
const LONGEST_WAIT = 15000;
const PING_EVERY = 30000;
const PONG_WITHIN = 10000;
const RESEND_AFTER = 3000;

export class Link extends EventTarget {
  /** `token` gives the token or "". `outbox` is what an earlier page could not send. */
  constructor(address, token, outbox) {
    super();
    this.address = address;
    this.token = token;
    this.outbox = outbox;
    this.lastSeen = 0;
    this.wait = FIRST_WAIT;
    this.ready = false;
  }

  open() {
    clearTimeout(this.retry);
    this.tell("state", "connecting");
    const socket = (this.socket = new WebSocket(this.address));
    socket.onopen = () => this.token() && socket.send(JSON.stringify({ type: "authenticate", token: this.token() }));
    socket.onmessage = (message) => this.receive(JSON.parse(message.data));
    socket.onclose = (closed) => socket === this.socket && this.closed(closed.code);
  }

  /** Sends a frame that must arrive: it is repeated until it was acknowledged. */
  deliver(frame) {
    this.outbox.set(frame.id, frame);
    this.tell("outbox");
    this.write(frame);
  }

  /** Tries at once instead of at the next turn. */
  hurry() {
    if (this.socket?.readyState === WebSocket.CLOSED) this.open();
  }

  write(frame) {
    if (this.ready) this.socket.send(JSON.stringify(frame));
  }

  receive(frame) {
    if (frame.type === "connected") {
      this.ready = true;
      this.wait = FIRST_WAIT;
      this.write({ type: "resume", last_seen: this.lastSeen });
      for (const waiting of this.outbox.values()) this.write(waiting);
      this.pinging = setInterval(() => this.ping(), PING_EVERY);
      this.tell("state", "online");
    } else if (frame.type === "pong") {
      clearTimeout(this.silence);
    } else if (frame.type === "ack") {
      this.lastSeen = Math.max(this.lastSeen, frame.cursor);
      this.outbox.delete(frame.id);
      this.tell("outbox");
    } else if (frame.type === "error" && frame.request_id && this.outbox.has(frame.request_id)) {
      const refused = this.outbox.get(frame.request_id);
      if (frame.code === "OVERLOADED") setTimeout(() => this.outbox.has(refused.id) && this.write(refused), RESEND_AFTER);
      else this.outbox.delete(frame.request_id);
      this.tell("outbox");
    } else if (typeof frame.id === "number") {
      this.lastSeen = Math.max(this.lastSeen, frame.id);
    }
    this.tell("frame", frame);
  }

  ping() {
    this.write({ type: "ping" });
    clearTimeout(this.silence);
    this.silence = setTimeout(() => this.abandon(), PONG_WITHIN);
  }

  /** Gives a silent connection up without waiting for its farewell. */
  abandon() {
    const socket = this.socket;
    this.socket = null;
    socket.close();
    this.closed(1006);
  }

  closed(code) {
    this.ready = false;
    clearInterval(this.pinging);
    clearTimeout(this.silence);
    if (code === 4401) return this.tell("refused");
    this.tell("state", "offline");
    const wait = this.wait * (0.75 + Math.random() / 2);
    this.wait = Math.min(this.wait * 2, LONGEST_WAIT);
    this.retry = setTimeout(() => this.open(), wait);
  }

  tell(type, detail) {
    this.dispatchEvent(new CustomEvent(type, { detail }));
  }
}
