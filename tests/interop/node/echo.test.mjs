// The echo example with the ws package as the client.

import assert from "node:assert/strict";
import { randomBytes } from "node:crypto";
import { once } from "node:events";
import { after, before, test } from "node:test";
import WebSocket from "ws";
import { inbox, PATIENCE, start } from "./harness.mjs";

const options = { timeout: PATIENCE };
let echo;

before(async () => {
  echo = await start("echo");
});
after(async () => {
  assert.equal(await echo.stop(), 0);
});

async function open(t, path = "/") {
  const socket = new WebSocket(echo.wsUrl + path);
  t.after(() => socket.terminate());
  const received = inbox(socket);
  await once(socket, "open");
  return { socket, received };
}

test("text, binary and empty messages come back as they were", options, async (t) => {
  const { socket, received } = await open(t, "/any/path?query");
  for (const message of ["hello", "ü € 𝄞", "", Buffer.alloc(0), Buffer.from([0, 255, 128])]) {
    socket.send(message);
    assert.deepEqual(await received.next(), message);
  }
});

test("a mebibyte comes back", options, async (t) => {
  const { socket, received } = await open(t);
  const data = randomBytes(1 << 20);
  socket.send(data);
  assert.ok(data.equals(await received.next()));
});

test("fragments come back as one message", options, async (t) => {
  const { socket, received } = await open(t);
  for (let n = 0; n < 99; n++) socket.send("x", { fin: false });
  socket.send("", { fin: true });
  assert.equal(await received.next(), "x".repeat(99));
});

test("a ping between fragments is answered before the message", options, async (t) => {
  const { socket, received } = await open(t);
  socket.send("one ", { fin: false });
  socket.ping("now");
  const [payload] = await once(socket, "pong");
  assert.equal(payload.toString(), "now");
  socket.send("two", { fin: true });
  assert.equal(await received.next(), "one two");
});

test("a thousand messages keep their order", options, async (t) => {
  const { socket, received } = await open(t);
  const sent = Array.from({ length: 1000 }, (_, n) => String(n));
  for (const message of sent) socket.send(message);
  assert.deepEqual(await received.take(sent.length), sent);
});

test("a close comes back with its code", options, async (t) => {
  const { socket } = await open(t);
  socket.close(4001, "enough");
  assert.equal((await once(socket, "close"))[0], 4001);
});

test("at SIGTERM the connection is closed with 1001", options, async (t) => {
  const other = await start("echo");
  const socket = new WebSocket(other.wsUrl);
  t.after(() => socket.terminate());
  await once(socket, "open");
  const closed = once(socket, "close");
  assert.equal(await other.stop(), 0);
  assert.equal((await closed)[0], 1001);
});
