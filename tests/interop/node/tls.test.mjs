// wss and https with Node's TLS: the ws package, and fetch.

import assert from "node:assert/strict";
import { randomBytes } from "node:crypto";
import { once } from "node:events";
import { readFileSync } from "node:fs";
import { request } from "node:https";
import { after, before, test } from "node:test";
import WebSocket from "ws";
import { inbox, PATIENCE, start } from "./harness.mjs";

const options = { timeout: PATIENCE };
const folder = process.env.BAREWIRE_CERTIFICATES;
const ca = readFileSync(`${folder}/ca.pem`);
let hub;

before(async () => {
  hub = await start("hub", "--tls-cert", `${folder}/server.pem`, "--tls-key", `${folder}/server.key`);
});
after(async () => {
  assert.equal(await hub.stop(), 0);
});

/** Asks, and resolves to status and body. */
async function ask(path, method = "GET", body = "") {
  const asked = request(hub.url + path, { ca, method });
  asked.end(body);
  const [answer] = await once(asked, "response");
  let said = "";
  for await (const piece of answer.setEncoding("utf8")) said += piece;
  return { status: answer.statusCode, said };
}

test("a WebSocket gets what is published over https", options, async (t) => {
  const socket = new WebSocket(`${hub.wsUrl}/channels/node-tls`, { ca });
  t.after(() => socket.terminate());
  const received = inbox(socket);
  await once(socket, "open");
  const data = randomBytes(50_000).toString("hex");
  assert.equal((await ask("/channels/node-tls", "POST", data)).status, 201);
  assert.equal(JSON.parse(await received.next()).data, data);
  socket.close();
  const [code] = await once(socket, "close");
  assert.equal(code, 1005);
});

test("many requests over one connection", options, async () => {
  for (let n = 0; n < 50; n++) assert.equal((await ask("/channels/node-tls")).status, 200);
});

test("who does not trust the authority does not connect", options, async () => {
  const socket = new WebSocket(`${hub.wsUrl}/channels/node-tls`);
  const [error] = await once(socket, "error");
  assert.match(error.code, /CERT|ISSUER|SELF_SIGNED/);
});
