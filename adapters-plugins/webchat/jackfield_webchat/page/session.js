// Who this browser is: its conversation, its token, what it could not send yet.

const here = new URL(location.href);

export class Session {
  constructor(bot) {
    this.keys = { session: `jackfield.${bot}.session`, token: `jackfield.${bot}.token` };
    this.browser = localStorage.getItem(this.keys.session) ?? this.renew();
    this.isGroup = here.searchParams.get("session_type") === "group";
    this.id = here.searchParams.get("session") || (this.isGroup ? "lobby" : this.browser);
    this.nickname = here.searchParams.get("nickname") ?? "";
    this.kind = this.isGroup ? "group" : "person";
    this.outboxKey = `jackfield.${bot}.outbox.${this.kind}.${this.id}`;
    this.outbox = new Map(JSON.parse(localStorage.getItem(this.outboxKey) ?? "[]"));
  }

  /** Begins another conversation; returns its id. */
  renew() {
    const id = this.newId();
    localStorage.setItem(this.keys.session, id);
    return id;
  }

  /** 128 random bits; `crypto.randomUUID` exists on secure pages only. */
  newId() {
    return Array.from(crypto.getRandomValues(new Uint8Array(16)), (byte) => byte.toString(16).padStart(2, "0")).join("");
  }

  get address() {
    const address = new URL("ws", here);
    address.protocol = here.protocol === "https:" ? "wss:" : "ws:";
    address.search = new URLSearchParams({
      session_type: this.kind,
      session: this.id,
      ...(this.isGroup ? { user: this.browser } : {}),
      ...(this.nickname ? { nickname: this.nickname } : {}),
    });
    return address.href;
  }

  get token() {
    return sessionStorage.getItem(this.keys.token) ?? "";
  }

  set token(token) {
    sessionStorage.setItem(this.keys.token, token);
  }

  keepOutbox() {
    if (this.outbox.size) localStorage.setItem(this.outboxKey, JSON.stringify([...this.outbox]));
    else localStorage.removeItem(this.outboxKey);
  }

  async upload(file) {
    const name = encodeURIComponent(file.name);
    const answer = await fetch("upload", { method: "POST", body: file, headers: { ...this.headers(), "X-File-Name": name } });
    if (!answer.ok) throw new Error(await answer.text());
    return answer.json();
  }

  /** The address of a file, fetched with our token. */
  async fetchMedia(key) {
    const answer = await fetch(`media/${key}`, { headers: this.headers() });
    if (!answer.ok) throw new Error(await answer.text());
    return URL.createObjectURL(await answer.blob());
  }

  headers() {
    const session = { "X-Session": `${this.kind}:${this.id}` };
    return this.token ? { ...session, Authorization: `Bearer ${this.token}` } : session;
  }
}
