// The textbook servers and a page in Chromium: the browser's own fetch, EventSource and WebSocket.
//
// The page lies where a reader of a tutorial has it: in a file, whose origin is `null`, or on a port of its own. The
// environment may name the browser: CHROMIUM.

import assert from "node:assert/strict";
import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { createServer } from "node:http";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, test } from "node:test";
import { pathToFileURL } from "node:url";
import { chromium } from "playwright-core";
import { PATIENCE, start } from "../node/harness.mjs";

const options = { timeout: PATIENCE };
const FLAGS = ["--no-sandbox", "--disable-gpu", "--no-first-run", "--disable-background-networking", "--disable-sync"];
let browser, folder;
const contexts = [];
const PAGE = "<!doctype html><title>A page</title>";
const other = createServer((_request, response) => response.setHeader("Content-Type", "text/html").end(PAGE));

before(async () => {
  browser = await chromium.launch({ executablePath: process.env.CHROMIUM ?? "/usr/bin/chromium", args: FLAGS });
  folder = await mkdtemp(join(tmpdir(), "textbook-"));
  await writeFile(join(folder, "page.html"), PAGE);
  await new Promise((resolve) => other.listen(0, "127.0.0.1", resolve));
});
after(async () => {
  await browser?.close();
  other.close();
  if (folder) await rm(folder, { recursive: true });
});

async function serve(t, name, ...rest) {
  const server = await start(name, ...rest);
  t.after(async () => {
    // A browser that still holds connections would only make the server wait for it.
    for (const context of contexts.splice(0)) await context.close();
    assert.equal(await server.stop(), 0);
  });
  return server;
}

async function open(url = pathToFileURL(join(folder, "page.html")).href) {
  const context = await browser.newContext();
  contexts.push(context);
  const page = await context.newPage();
  page.setDefaultTimeout(PATIENCE);
  await page.goto(url);
  return page;
}

async function post(url, body) {
  const response = await fetch(url, { method: "POST", body: JSON.stringify(body) });
  assert.equal(response.status, 200);
  return response.json();
}

test("fetch polls, and polls that wait, of the server's own pages", options, async (t) => {
  const short = await serve(t, "short_polling");
  const page = await open(`${short.url}/poll`);
  const messages = await page.evaluate(async () => {
    const headers = { "Content-Type": "application/json" };
    await fetch("/send", { method: "POST", headers, body: JSON.stringify({ message: "hello" }) });
    return (await (await fetch("/poll")).json()).messages;
  });
  assert.deepEqual(messages, ["hello"]);

  const long = await serve(t, "long_polling");
  const other = await open(`${long.url}/nowhere`);
  const answer = other.evaluate(async () => (await fetch("/long-poll?client_id=page")).json());
  while ((await post(`${long.url}/broadcast`, { message: "hello" })).clients === 0);
  const { message, status } = await answer;
  assert.deepEqual([message, status], ["hello", "data"]);
});

for (const [where, url] of [["in a file", () => undefined], ["of another origin", () => `http://127.0.0.1:${other.address().port}/`]]) {
  test(`a page ${where} posts, polls, waits with a cursor, and hears events`, options, async (t) => {
    const short = await serve(t, "short_polling");
    const long = await serve(t, "long_polling", "--wait", "0.5");
    const events = await serve(t, "server_sent_events");
    const page = await open(url());
    const heard = await page.evaluate(async ([short, long, events]) => {
      const post = async (url, json) => {
        const headers = { "Content-Type": "application/json" };
        return (await fetch(url, { method: "POST", headers, body: JSON.stringify(json) })).json();
      };
      const heard = {};
      await post(`${short}/send`, { message: "hello" });
      heard.short = (await (await fetch(`${short}/poll`)).json()).messages;

      // The answer that says what is wrong may be read, too.
      heard.refused = (await fetch(`${short}/send`, { method: "POST", body: "x" })).status;

      heard.timeout = (await (await fetch(`${long}/long-poll?client_id=page`)).json()).status;
      const poll = fetch(`${long}/long-poll?client_id=page`);
      heard.clients = (await post(`${long}/broadcast`, { message: "hello" })).clients;
      heard.long = (await (await poll).json()).message;

      let lastEventId = null;
      const updates = async () => {
        const response = await fetch(`${long}/api/updates`, { headers: { "X-Last-Event-Id": lastEventId } });
        if (response.status === 204) return 204;
        const answer = await response.json();
        lastEventId = answer.lastEventId;
        return answer.events.map(({ message }) => message);
      };
      heard.updates = [await updates(), await updates()];
      const waiting = updates();
      await post(`${long}/broadcast`, { message: "again" });
      heard.updates.push(await waiting);

      const source = new EventSource(`${events}/stream`);
      await new Promise((resolve) => source.addEventListener("connected", resolve));
      const message = new Promise((resolve) => (source.onmessage = ({ data }) => resolve(JSON.parse(data))));
      await post(`${events}/broadcast`, { price: 42 });
      heard.event = await message;
      source.close();
      return heard;
    }, [short.url, long.url, events.url]);
    assert.deepEqual(heard, {
      short: ["hello"],
      refused: 400,
      timeout: "timeout",
      clients: 1,
      long: "hello",
      updates: [["hello"], 204, ["again"]],
      event: { price: 42 },
    });
  });
}

test("an EventSource in a file hears everything, and connects again where it was", options, async (t) => {
  const server = await serve(t, "server_sent_events", "--heartbeat", "0.2");
  const page = await open();
  await page.evaluate((url) => {
    window.heard = [];
    window.source = new EventSource(`${url}/stream`);
    for (const name of ["connected", "heartbeat"]) source.addEventListener(name, () => heard.push(name));
    source.onmessage = (event) => heard.push([event.lastEventId, JSON.parse(event.data)]);
  }, server.url);
  await page.waitForFunction(() => heard.includes("connected"));
  assert.deepEqual(await post(`${server.url}/broadcast`, "ü"), { status: "sent", clients: 1 });
  await page.waitForFunction(() => heard.includes("heartbeat") && heard.some(Array.isArray));
  assert.deepEqual(await page.evaluate(() => heard.filter(Array.isArray)), [["1", "ü"]]);
  await page.evaluate(() => source.close());
  while ((await post(`${server.url}/broadcast`, "nobody hears this")).clients > 0);
});

test("a WebSocket of a page in a file needs leave, and talks then", options, async (t) => {
  const talk = (url) =>
    new Promise((resolve) => {
      const received = [];
      const socket = new WebSocket(url);
      socket.onerror = () => resolve("refused");
      socket.onopen = () => socket.send(JSON.stringify({ message: "hello" }));
      socket.onmessage = (event) => {
        received.push(JSON.parse(event.data).type);
        if (received.length === 2) socket.close(1000);
      };
      socket.onclose = ({ code, wasClean }) => resolve({ received, code, wasClean });
    });
  const page = await open();
  const strict = await serve(t, "websocket");
  assert.equal(await page.evaluate(talk, strict.wsUrl), "refused");
  const lenient = await serve(t, "websocket", "--allow-origin", "*");
  assert.deepEqual(await page.evaluate(talk, lenient.wsUrl), { received: ["welcome", "echo"], code: 1000, wasClean: true });
});
