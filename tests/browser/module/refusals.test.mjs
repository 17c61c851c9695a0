// A server that says no is heard, however it says it, and by every way that a page can read it from.

import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { publish } from "../../../src/client/barewire.js";
import { NOBODY, URL_, body, fetching, follow, socketing, stream, useClock } from "./fakes.mjs";

const clock = useClock();
const refusing = (status, words = "not for you\n") => fetching(clock, () => new Response(typeof words === "function" ? words() : words, { status }));

for (const status of [401, 403]) {
  for (const transport of ["sse", "long-poll", "short-poll"]) {
    test(`${transport}: ${status} is the end`, async () => {
      const { asked, fetch } = refusing(status);
      const { error } = follow({ transport, fetch }), noted = follow({ transport, fetch });
      await clock.advance(60_000);
      assert.deepEqual([asked.length, noted.error?.status, noted.error?.message, error], [2, status, "not for you", null]);
    });
  }

  test(`websocket alone: the status of its refusal is hidden, so another request asks for it: ${status}`, async () => {
    const { asked, fetch } = refusing(status);
    const sockets = socketing(clock, (socket) => socket.ends());
    const noted = follow({ transport: "websocket", fetch, WebSocket: sockets.WebSocket });
    await clock.advance(60_000);
    assert.deepEqual([sockets.asked.length, asked.length, noted.error?.status], [1, 1, status]);
  });

  test(`websocket alone that begins now: ${status} ends it before the first socket`, async () => {
    const { asked, fetch } = refusing(status);
    const sockets = socketing(clock, (socket) => socket.ends());
    const noted = follow({ transport: "websocket", from: "now", fetch, WebSocket: sockets.WebSocket });
    await clock.advance(60_000);
    assert.deepEqual([sockets.asked.length, asked.length, noted.error?.status], [0, 1, status]);
  });

  test(`auto: ${status} by every way is the end`, async () => {
    const { asked, fetch } = refusing(status);
    const sockets = socketing(clock, (socket) => socket.ends());
    const noted = follow({ fetch, WebSocket: sockets.WebSocket });
    await clock.advance(60_000);
    assert.deepEqual([sockets.asked.length, asked.length, noted.error?.status], [1, 3, status]);
  });

  test(`auto, without a word of the socket's: ${status}`, async () => {
    const { fetch } = refusing(status);
    const noted = follow({ fetch, WebSocket: NOBODY.WebSocket });
    await clock.advance(60_000);
    assert.equal(noted.error?.status, status);
  });
}

for (const answer of [() => new Response("", { status: 404 }), () => new Response("", { status: 426 }), () => new TypeError("failed"), () => stream(":\n\n", "open")]) {
  test(`websocket alone goes on where another request is told ${answer().status ?? "nothing"}: only sockets may come through`, async () => {
    const { fetch } = fetching(clock, answer);
    const sockets = socketing(clock, (socket, n) => { if (n < 3) socket.ends(); else socket.opens(); });
    const noted = follow({ transport: "websocket", fetch, WebSocket: sockets.WebSocket });
    await clock.advance(60_000);
    assert.deepEqual([noted.isOver, noted.opened], [false, ["websocket"]]);
  });
}

describe("a refusal stands whatever becomes of its body", () => {
  for (const [name, words, expected] of [
    ["without end", () => body(["no\n"], "open"), "no"],
    ["that breaks", () => body(["no\n"], "break"), "no"],
    ["that says nothing", () => body([], "open"), "refused with 401"],
    ["that is empty", null, "refused with 401"],
    ["that is very long", () => body(Array(1_000).fill("no ".repeat(1_000)), "open"), "no ".repeat(67).slice(0, 200)],
  ]) {
    test(name, async () => {
      const { asked, fetch } = refusing(401, words);
      const noted = follow({ transport: "sse", timeout: 500, fetch });
      await clock.advance(5_000);
      assert.deepEqual([asked.length, noted.error?.status, noted.error?.message], [1, 401, expected]);
    });
  }

  test("so does a publisher's", async () => {
    const refused = publish(URL_, "x", { fetch: async () => new Response(body(["too large"], "open"), { status: 413 }) });
    refused.catch(() => {});
    await clock.advance(2_000);
    await assert.rejects(refused, { status: 413, message: "too large" });
  });
});
