#!/usr/bin/env node
// An echo handler in Node.js without an SDK: the contract's own files, one stream, one switch. `sdk/docs/wire.md` explains it.
import { readFileSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { setTimeout as pause } from "node:timers/promises";
import grpc from "@grpc/grpc-js";
import { loadSync } from "@grpc/proto-loader";

const PROTOS = fileURLToPath(new URL("../../protos", import.meta.url));
const REPLY = "/jackfield.v1.Adapter/ReplyMessage";
const FINAL = [grpc.status.UNAUTHENTICATED, grpc.status.FAILED_PRECONDITION, grpc.status.NOT_FOUND];
const LONGEST_ABSENCE = 120_000;

// 64-bit fences do not fit into a number: they travel as strings.
const definition = loadSync(["jackfield/v1/kernel.proto", "jackfield/v1/adapter.proto"], {
  includeDirs: [PROTOS],
  keepCase: true,
  longs: String,
  enums: String,
  defaults: true,
  oneofs: true,
});
const jackfield = grpc.loadPackageDefinition(definition).jackfield.v1;
const replyMethod = jackfield.Adapter.service.ReplyMessage;

/** Serves one stream; gives the resume token to come back with, "" after goaway. */
async function session(kernel, plugin, secret) {
  const { session_id } = await new Promise((resolve, reject) =>
    kernel.Register({ plugin, secret, contract_versions: [1] }, (error, answer) => (error ? reject(error) : resolve(answer))),
  );
  return new Promise((resolve) => {
    const stream = kernel.Attach();
    const fences = new Map(); // the delivery behind each call of ours
    let calls = -1;
    let token = secret;
    const send = (frame) => stream.write({ frames: [frame] });
    const pings = setInterval(() => send({ ping: {} }), 2000);
    const finish = (result) => {
      clearInterval(pings);
      stream.cancel();
      resolve(result);
    };
    const take = (frame) => {
      switch (frame.kind) {
        case "attached":
          token = frame.attached.resume_token;
          send({ report: { readiness: "READINESS_READY" } });
          break;
        case "delivery": {
          const { fence, event } = frame.delivery;
          if (text(event) === "nack") {
            const error = { reason: "HANDLER_FAILED", code: 2, message: "asked to fail" };
            send({ settle: { fence, nack: { error } } });
            break;
          }
          calls += 2; // ids of plugins are odd and ascend
          fences.set(String(calls), fence);
          send({ call_open: reply(calls, frame.delivery) });
          break;
        }
        case "call_end": {
          const { call_id, error } = frame.call_end;
          const fence = fences.get(call_id);
          fences.delete(call_id);
          if (fence) send({ settle: error ? { fence, nack: { error } } : { fence, done: {} } });
          break;
        }
        case "goaway":
          finish("");
          break;
        case undefined:
          send({ fault: { error: { reason: "UNSUPPORTED_FRAME" } } });
      }
    };
    stream.on("data", (batch) => batch.frames.forEach(take));
    stream.on("error", () => finish(token));
    stream.on("end", () => finish(token));
    send({ attach: { session_id } });
  });
}

/** The text of a received message. */
function text(event) {
  const segments = event.message_received?.message?.segments ?? [];
  return segments.map((segment) => segment.text?.text ?? "").join("");
}

/** Answers a received message with its own content, under a key that is the same for every attempt. */
function reply(call_id, { fence, event }) {
  const { message, message_id } = event.message_received;
  const request = { message, reference: { message_id, reply_context: event.reply_context } };
  return {
    call_id,
    method: REPLY,
    target: { bot: event.bot },
    body: replyMethod.requestSerialize(request),
    half_closed: true,
    fence,
    key: "reply",
  };
}

const bootstrap = JSON.parse(readFileSync(process.env.JACKFIELD_BOOTSTRAP, "utf8"));
const kernel = new jackfield.Kernel(bootstrap.address, grpc.credentials.createInsecure(), {
  "grpc.default_authority": "localhost",
  "grpc.enable_http_proxy": 0,
  "grpc.initial_reconnect_backoff_ms": 200,
});
let secret = bootstrap.secret;
let lastSeen = Date.now();
while (secret && Date.now() - lastSeen < LONGEST_ABSENCE) {
  try {
    secret = await session(kernel, bootstrap.plugin, secret);
    lastSeen = Date.now();
  } catch (error) {
    if (FINAL.includes(error.code)) throw error;
    await pause(200);
  }
}
kernel.close();
