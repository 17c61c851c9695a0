// The textbook servers with Node's fetch and the ws and eventsource packages, used as tutorials use them.

import assert from "node:assert/strict";
import { test } from "node:test";
import { EventSource } from "eventsource";
import WebSocket from "ws";
import { PATIENCE, start } from "../node/harness.mjs";

const options = { timeout: PATIENCE };

/** Starts a server that has to end cleanly behind the test. */
async function serve(t, name, ...rest) {
  const server = await start(name, ...rest);
  t.after(async () => assert.equal(await server.stop(), 0));
  return server;
}

async function post(url, body) {
  const headers = { "Content-Type": "application/json" };
  const response = await fetch(url, { method: "POST", headers, body: JSON.stringify(body) });
  assert.equal(response.status, 200);
  return response.json();
}

/** A promise of `count` calls of the function that comes with it. */
function collect(count) {
  const collected = [];
  let add;
  const all = new Promise((resolve) => {
    add = (value) => {
      collected.push(value);
      if (collected.length === count) resolve(collected);
    };
  });
  return { add, all };
}

test("a timer polls, and every message comes once", options, async (t) => {
  const server = await serve(t, "short_polling");
  const { add, all } = collect(5);
  let polled = Promise.resolve();
  const poll = async () => {
    const { messages } = await (await fetch(`${server.url}/poll`)).json();
    messages.forEach(add);
  };
  const timer = setInterval(() => (polled = polled.then(poll)), 20);
  for (let n = 0; n < 5; n++) await post(`${server.url}/send`, { message: { n } });
  assert.deepEqual(await all, [0, 1, 2, 3, 4].map((n) => ({ n })));
  clearInterval(timer);
  await polled;
});

test("a function that polls again as soon as it is answered misses nothing", options, async (t) => {
  const server = await serve(t, "long_polling", "--wait", "0.1");
  const { add, all } = collect(20);
  let polling = true;
  const poll = async () => {
    while (polling) {
      const { status, message } = await (await fetch(`${server.url}/long-poll?client_id=me`)).json();
      if (status === "data") add(message);
    }
  };
  const loop = poll();
  while ((await post(`${server.url}/broadcast`, { message: 0 })).clients === 0);
  for (let n = 1; n < 20; n++) await post(`${server.url}/broadcast`, { message: n });
  assert.deepEqual(await all, Array.from({ length: 20 }, (_, n) => n));
  polling = false;
  await loop;
});

test("a request that is aborted takes no message with it", options, async (t) => {
  const server = await serve(t, "long_polling");
  const abort = new AbortController();
  const given = fetch(`${server.url}/long-poll?client_id=me`, { signal: abort.signal });
  while ((await post(`${server.url}/broadcast`, { message: "to nobody yet" })).clients === 0);
  await given.then((response) => response.json());
  const again = new AbortController();
  const dropped = fetch(`${server.url}/long-poll?client_id=me`, { signal: again.signal });
  setTimeout(() => again.abort(), 100);
  await assert.rejects(dropped, { name: "AbortError" });
  await post(`${server.url}/broadcast`, { message: "kept" });
  const response = await fetch(`${server.url}/long-poll?client_id=me`);
  assert.equal((await response.json()).message, "kept");
});

test("a cursor goes from answer to answer", options, async (t) => {
  const server = await serve(t, "long_polling", "--wait", "0.2");
  let lastEventId = 0;
  const update = async () => {
    const response = await fetch(`${server.url}/api/updates`, { headers: { "X-Last-Event-Id": String(lastEventId) } });
    if (response.status === 204) return [];
    const answer = await response.json();
    lastEventId = answer.lastEventId;
    return answer.events.map(({ id, message }) => [id, message]);
  };
  assert.deepEqual(await update(), []);
  await post(`${server.url}/broadcast`, { message: "a" });
  await post(`${server.url}/broadcast`, { message: "b" });
  assert.deepEqual(await update(), [[1, "a"], [2, "b"]]);
  const waiting = update();
  await post(`${server.url}/broadcast`, { message: "c" });
  assert.deepEqual(await waiting, [[3, "c"]]);
  assert.deepEqual(await update(), []);
});

test("an EventSource hears connected, messages with ids, and heartbeats", options, async (t) => {
  const server = await serve(t, "server_sent_events", "--heartbeat", "0.2");
  const source = new EventSource(`${server.url}/stream`);
  t.after(() => source.close());
  const connected = collect(1), messages = collect(3), heartbeats = collect(2);
  source.addEventListener("connected", (event) => connected.add(JSON.parse(event.data)));
  source.addEventListener("heartbeat", (event) => heartbeats.add(JSON.parse(event.data)));
  source.onmessage = (event) => messages.add([event.lastEventId, JSON.parse(event.data)]);
  await connected.all;
  for (const n of [1, 2, 3]) assert.deepEqual(await post(`${server.url}/broadcast`, { n }), { status: "sent", clients: 1 });
  assert.deepEqual(await messages.all, [["1", { n: 1 }], ["2", { n: 2 }], ["3", { n: 3 }]]);
  await heartbeats.all;
});

test("two WebSockets talk, with onmessage", options, async (t) => {
  const server = await serve(t, "websocket");
  const open = async () => {
    const socket = new WebSocket(server.wsUrl);
    t.after(() => socket.close());
    const waiting = [], messages = [];
    socket.onmessage = ({ data }) => (waiting.length > 0 ? waiting.shift()(data) : messages.push(data));
    const next = () => new Promise((resolve) => (messages.length > 0 ? resolve(messages.shift()) : waiting.push(resolve)));
    assert.equal(JSON.parse(await next()).type, "welcome");
    return { socket, next };
  };
  const [alice, bob] = [await open(), await open()];
  alice.socket.send(JSON.stringify({ broadcast: true, message: "hello" }));
  const echo = JSON.parse(await alice.next());
  assert.deepEqual([echo.type, echo.original], ["echo", { broadcast: true, message: "hello" }]);
  const heard = JSON.parse(await bob.next());
  assert.deepEqual([heard.type, heard.message], ["broadcast", "hello"]);
  bob.socket.send("plain");
  assert.equal(await bob.next(), "Received text: plain");
});
