// Compressed messages (RFC 7692), with the ws package as the client.

import assert from "node:assert/strict";
import { randomBytes } from "node:crypto";
import { once } from "node:events";
import { test } from "node:test";
import WebSocket from "ws";
import { inbox, PATIENCE, start } from "./harness.mjs";

const text = "ü € word another ".repeat(5_000);
const messages = [text, randomBytes(50_000), "short", "", Buffer.alloc(0), text.slice(0, 700), Buffer.alloc(70_000), text];

const offers = [
  {},
  { serverNoContextTakeover: true, clientNoContextTakeover: true },
  { serverMaxWindowBits: 9, clientMaxWindowBits: 9 },
  { clientMaxWindowBits: false, clientNoContextTakeover: true },
  { serverMaxWindowBits: 12, threshold: 0 },
];

for (const how of ["alone", "takeover"]) {
  test(`everything comes back, ${how}`, { timeout: 4 * PATIENCE }, async (t) => {
    const echo = await start("echo_deflate", "--compress", how);
    try {
      for (const perMessageDeflate of offers) {
        const socket = new WebSocket(echo.wsUrl, { perMessageDeflate });
        t.after(() => socket.terminate());
        const received = inbox(socket);
        await once(socket, "open");
        assert.match(socket.extensions, /^permessage-deflate/);
        for (const message of messages) {
          socket.send(message);
          assert.deepEqual(await received.next(), message);
        }
        socket.close(1000);
        await once(socket, "close");
      }
    } finally {
      assert.equal(await echo.stop(), 0);
    }
  });
}
