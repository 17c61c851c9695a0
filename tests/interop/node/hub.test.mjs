// The hub with the ws package and with Node's own fetch as clients.

import assert from "node:assert/strict";
import { once } from "node:events";
import { after, before, test } from "node:test";
import WebSocket from "ws";
import { inbox, PATIENCE, start } from "./harness.mjs";

const options = { timeout: PATIENCE };
let hub;
let channels = 0;

before(async () => {
  hub = await start("hub");
});
after(async () => {
  assert.equal(await hub.stop(), 0);
});

const freshChannel = () => `/channels/node-${++channels}`;

async function publish(channel, body, query = "") {
  const answer = await fetch(hub.url + channel + query, { method: "POST", body });
  assert.equal(answer.status, 201);
  return (await answer.json()).id;
}

async function poll(channel, query = "", headers = {}) {
  const answer = await fetch(hub.url + channel + query, { headers });
  assert.equal(answer.status, 200);
  return answer.json();
}

async function open(t, channel, protocols = [], wsOptions = {}) {
  const socket = new WebSocket(hub.wsUrl + channel, protocols, wsOptions);
  t.after(() => socket.terminate());
  const received = inbox(socket);
  await once(socket, "open");
  return { socket, received };
}

/** The data of the first events of a stream, as fetch delivers it. */
async function* dataOf(answer) {
  let text = "";
  for await (const piece of answer.body.pipeThrough(new TextDecoderStream())) {
    text += piece;
    let end;
    while ((end = text.indexOf("\n\n")) >= 0) {
      const lines = text.slice(0, end).split("\n");
      text = text.slice(end + 2);
      const data = lines.filter((line) => line.startsWith("data:")).map((line) => line.slice(5).replace(/^ /, ""));
      if (data.length > 0) yield data.join("\n");
    }
  }
}

test("an envelope comes for what was published before and after", options, async (t) => {
  const channel = freshChannel();
  const old = await publish(channel, "old");
  const { received } = await open(t, channel);
  assert.deepEqual(JSON.parse(await received.next()), { id: old, event: "message", data: "old" });
  const fresh = await publish(channel, "new", "?event=price");
  assert.deepEqual(JSON.parse(await received.next()), { id: fresh, event: "price", data: "new" });
});

test("a text frame is published", options, async (t) => {
  const channel = freshChannel();
  const { socket, received } = await open(t, channel);
  socket.send("from a client");
  const envelope = JSON.parse(await received.next());
  assert.equal(envelope.data, "from a client");
  assert.deepEqual((await poll(channel)).events, [envelope]);
});

test("raw: text stays text and binary stays binary", options, async (t) => {
  const channel = freshChannel();
  const { socket, received } = await open(t, channel, ["raw"]);
  assert.equal(socket.protocol, "raw");
  socket.send("text");
  assert.equal(await received.next(), "text");
  const bytes = Buffer.from([0, 255, 254, 10]);
  socket.send(bytes);
  assert.deepEqual(await received.next(), bytes);
});

test("fragments are one message", options, async (t) => {
  const { socket, received } = await open(t, freshChannel(), ["raw"]);
  socket.send("one ", { fin: false });
  socket.send("two ", { fin: false });
  socket.send("three", { fin: true });
  assert.equal(await received.next(), "one two three");
});

test("resume by query and by field", options, async (t) => {
  const channel = freshChannel();
  const ids = [];
  for (const data of ["0", "1", "2"]) ids.push(await publish(channel, data));
  const byQuery = await open(t, `${channel}?last_event_id=${ids[0]}`);
  const byField = await open(t, channel, [], { headers: { "Last-Event-ID": ids[0] } });
  for (const { received } of [byQuery, byField]) {
    const envelopes = (await received.take(2)).map((text) => JSON.parse(text));
    assert.deepEqual(envelopes.map((envelope) => envelope.id), ids.slice(1));
  }
});

test("a cursor from before the log is a gap", options, async (t) => {
  const channel = freshChannel();
  await publish(channel, "x");
  const { received } = await open(t, `${channel}?last_event_id=1-0`);
  const [gap, event] = (await received.take(2)).map((text) => JSON.parse(text));
  assert.equal(gap.event, "gap");
  assert.equal(event.data, "x");
});

test("the handshake is refused with the right status", options, async () => {
  const refused = (path, wsOptions) =>
    new Promise((resolve, reject) => {
      const socket = new WebSocket(hub.wsUrl + path, wsOptions);
      socket.on("unexpected-response", (request, response) => {
        resolve(response.statusCode);
        request.destroy();
      });
      socket.on("open", () => reject(new Error("it was accepted")));
      socket.on("error", () => {});
    });
  const channel = freshChannel();
  assert.equal(await refused(channel, { origin: "http://example.com" }), 403);
  assert.equal(await refused(`${channel}?last_event_id=abc`, {}), 400);
  assert.equal(await refused("/nothing", {}), 404);
});

test("two hundred messages keep their order for every reader", options, async (t) => {
  const channel = freshChannel();
  const readers = [];
  for (let n = 0; n < 5; n++) readers.push(await open(t, channel));
  for (let n = 0; n < 200; n++) readers[0].socket.send(String(n));
  const expected = Array.from({ length: 200 }, (_, n) => String(n));
  for (const { received } of readers) {
    const envelopes = (await received.take(200)).map((text) => JSON.parse(text));
    assert.deepEqual(envelopes.map((envelope) => envelope.data), expected);
  }
});

test("ping and close are answered", options, async (t) => {
  const { socket } = await open(t, freshChannel());
  socket.ping("payload");
  const [payload] = await once(socket, "pong");
  assert.equal(payload.toString(), "payload");
  socket.close(3000, "done");
  assert.equal((await once(socket, "close"))[0], 3000);
});

test("fetch: a long poll is woken, and at its deadline it is 204", options, async () => {
  const channel = freshChannel();
  const parked = poll(channel, "", { prefer: "wait=20" });
  const id = await publish(channel, "woken");
  assert.equal((await parked).last_id, id);
  const answer = await fetch(`${hub.url}${channel}?last_event_id=${id}&wait=1`);
  assert.equal(answer.status, 204);
});

test("fetch: an event stream delivers as messages are published", options, async () => {
  const channel = freshChannel();
  const stop = new AbortController();
  const answer = await fetch(hub.url + channel, { headers: { accept: "text/event-stream" }, signal: stop.signal });
  assert.match(answer.headers.get("content-type"), /^text\/event-stream/);
  const data = dataOf(answer);
  for (const text of ["one", "two\nlines", "three"]) {
    await publish(channel, text);
    assert.equal((await data.next()).value, text);
  }
  stop.abort();
});

test("at SIGTERM a WebSocket is closed with 1001", options, async (t) => {
  const other = await start("hub");
  const socket = new WebSocket(`${other.wsUrl}/channels/x`);
  t.after(() => socket.terminate());
  await once(socket, "open");
  const closed = once(socket, "close");
  assert.equal(await other.stop(), 0);
  assert.equal((await closed)[0], 1001);
});
