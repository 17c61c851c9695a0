// barewire.js in a real browser, reading from servers that are not the hub's, of another origin: where it is the browser
// that decides what a page is shown, which content codings it undoes, and which bytes a field has on the wire.

import assert from "node:assert/strict";
import { once } from "node:events";
import { createServer } from "node:http";
import { after, afterEach, before, test } from "node:test";
import { createBrotliCompress, createDeflate, createGzip } from "node:zlib";
import { DEADLINE, startBrowser, startHub } from "./harness.mjs";

const OPTIONS = { backoff: { initial: 5, max: 20 }, interval: 20, timeout: 5_000 };

let browser, hub, server, page, base, answer;
const heads = [];

before(async () => {
  hub = await startHub();
  browser = await startBrowser();
  server = createServer((request, response) => {
    const { origin } = request.headers, allow = "Access-Control-Allow-";
    for (const [name, value] of [["Origin", origin], ["Headers", "last-event-id, prefer, authorization, idempotency-key, content-type"], ["Methods", "GET, POST"], ["Credentials", "true"]]) {
      if (origin) response.setHeader(allow + name, value);
    }
    if (request.method === "OPTIONS") return response.writeHead(204).end();
    heads.push(request.headers);
    answer(request, response);
  });
  server.on("upgrade", (_, socket) => socket.on("error", () => {}).end("HTTP/1.1 401 No\r\nContent-Length: 0\r\n\r\n"));
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  base = `http://127.0.0.1:${server.address().port}`;
  page = await (await browser.newContext()).newPage();
  page.setDefaultTimeout(DEADLINE);
  await page.goto(`${hub.base}/barewire.d.ts`);
});

after(async () => {
  await browser?.close();
  server?.close();
  server?.closeAllConnections();
  await hub?.end("SIGTERM");
});

afterEach(async () => {
  await page.evaluate(() => window.t?.subscription.close());
  server.closeAllConnections();
  heads.length = 0;
});

/** Subscribes, and gives what has happened when there are so many events, or it is over. */
async function follow(count, options = {}) {
  await page.evaluate(async ([url, options]) => {
    const { subscribe } = await import("/barewire.js");
    const t = window.t = { seen: [], lost: [], error: null };
    t.subscription = subscribe(url, options);
    t.subscription.addEventListener("event", ({ id, data }) => t.seen.push([id, data]));
    t.subscription.addEventListener("lost", ({ detail: { transport, reason } }) => t.lost.push([transport, reason]));
    t.subscription.addEventListener("error", ({ detail: { status, message } }) => { t.error = [status ?? null, message]; });
  }, [`${base}/channels/c`, { ...OPTIONS, ...options }]);
  await page.waitForFunction((count) => t.seen.length >= count || t.error, count);
  return page.evaluate(() => ({ seen: t.seen, lost: t.lost, error: t.error }));
}

const streams = (response, fields = {}) => response.writeHead(200, { "Content-Type": "text/event-stream", ...fields });

/** Answers a poll: with one event, and then never. */
function polled(request, response) {
  if (!request.headers["last-event-id"]) response.end(JSON.stringify({ events: [{ id: "1", data: "polled" }], last_id: "1" }));
}

for (const transport of ["auto", "websocket", "sse", "long-poll", "short-poll"]) {
  test(`${transport}: 401 of another origin is the end`, async () => {
    answer = (_, response) => response.writeHead(401).end("who are you?\n");
    const { error, seen } = await follow(1, { transport });
    assert.deepEqual([error, seen], [[401, "who are you?"], []]);
    assert.ok(heads.length <= 3);
  });
}

test("a page of another origin publishes under one key until it is answered", async () => {
  const answers = [
    (request) => request.socket.destroy(),
    (_, response) => response.writeHead(503, { "Retry-After": "0", "Access-Control-Expose-Headers": "Retry-After" }).end(),
    (_, response) => response.writeHead(201).end('{"id":"7-0"}'),
  ];
  // A browser tries again itself where a connection that it has kept ends without an answer.
  answer = (request, response) => (heads.length === 1 ? answers[0] : answers.length > 2 ? answers.splice(1, 1)[0] : answers[1])(request, response);
  const id = await page.evaluate(async (url) => {
    const { publish } = await import("/barewire.js");
    return publish(url, new Uint8Array([1, 2]), { backoff: { initial: 5 } });
  }, `${base}/channels/c`);
  assert.equal(id, "7-0");
  const keys = heads.map((head) => head["idempotency-key"]);
  assert.ok(keys.length >= 3 && keys[0].length === 32 && new Set(keys).size === 1, `${keys}`);
});

test("an id is sent as its UTF-8, and what cannot be sent is left out", async () => {
  const ids = ["日本", "é", "a\u0001b", "x".repeat(20_000), "7"];
  let n = 0;
  answer = (_, response) => streams(response).end(`id: ${ids[n % 5]}\ndata: ${n++}\n\n`);
  const { seen } = await follow(5, { transport: "sse" });
  assert.deepEqual(seen.slice(0, 5).map(([id]) => id), ids);
  const sent = heads.map((head) => head["last-event-id"] && Buffer.from(head["last-event-id"], "latin1").toString());
  assert.deepEqual(sent.slice(0, 5), [undefined, "日本", "é", undefined, undefined]);
});

for (const [coding, create] of Object.entries({ gzip: createGzip, deflate: createDeflate, br: createBrotliCompress })) {
  test(`a live stream in ${coding} is undone by the browser`, async () => {
    answer = (_, response) => {
      streams(response, { "Content-Encoding": coding });
      const coder = create();
      coder.pipe(response);
      coder.write("id: 1\ndata: tick\n\n");
      coder.flush();
    };
    assert.deepEqual((await follow(1, { transport: "sse" })).seen, [["1", "tick"]]);
  });
}

for (const shown of [true, false]) {
  test(`a coding that the browser does not know is ${shown ? "named" : "found out, though its name is hidden"}, and another way is taken`, async () => {
    answer = (request, response) => {
      if (shown) response.setHeader("Access-Control-Expose-Headers", "Content-Encoding");
      if (request.headers.accept !== "text/event-stream") return polled(request, response);
      streams(response, { "Content-Encoding": "x-foo" }).write(Buffer.from("28b52ffd04589d000064617461", "hex"));
    };
    const { seen, lost } = await follow(1);
    assert.deepEqual(seen, [["1", "polled"]]);
    assert.deepEqual(lost[1], ["sse", `the event stream is not text${shown ? " (content coding x-foo)" : ""}`]);
  });
}

test("a coding that breaks ends in another way, too", async () => {
  answer = (request, response) => {
    if (request.headers.accept !== "text/event-stream") return polled(request, response);
    streams(response, { "Content-Encoding": "gzip" }).write("this is no gzip");
  };
  assert.deepEqual((await follow(1)).seen, [["1", "polled"]]);
});
