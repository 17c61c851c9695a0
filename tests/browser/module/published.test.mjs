// Publishing with node's own fetch, to a server that loses its answers.

import assert from "node:assert/strict";
import { createServer } from "node:http";
import { test } from "node:test";
import { publish } from "../../../src/client/barewire.js";

test("a server that keeps a message once for each key has it once, whatever becomes of its answers", async () => {
  const log = [], keys = new Map(), deeds = [];
  const server = createServer(async (request, response) => {
    let text = "";
    for await (const piece of request.setEncoding("utf8")) text += piece;
    const deed = deeds.shift() ?? 4, key = request.headers["idempotency-key"];
    if (deed === 0) return request.socket.destroy();
    if (deed === 1) return response.writeHead(503, { "Retry-After": "0" }).end("busy");
    if (!keys.has(key)) keys.set(key, `${log.push(text)}-0`);
    if (deed === 2) return request.socket.destroy();
    const told = JSON.stringify({ id: keys.get(key) });
    if (deed === 3) {
      response.writeHead(201, { "Content-Length": told.length }).write(told.slice(0, 5));
      return setImmediate(() => request.socket.destroy());
    }
    response.writeHead(201).end(told);
  });
  await new Promise((resolve) => server.listen(0, "127.0.0.1", resolve));
  const url = `http://127.0.0.1:${server.address().port}/channels/a`, ids = [];
  for (let n = 0; n < 25; n += 1) {
    deeds.splice(0, deeds.length, n % 5, (n >> 1) % 5, Math.floor(n / 5) % 5);
    ids.push(await publish(url, `message ${n}`, { backoff: { initial: 1 } }));
  }
  server.closeAllConnections();
  await new Promise((resolve) => server.close(resolve));
  assert.deepEqual(log, Array.from({ length: 25 }, (_, n) => `message ${n}`));
  assert.deepEqual(ids, log.map((_, n) => `${n + 1}-0`));
});
