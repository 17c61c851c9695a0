// The textbook servers and a page in Chromium: the browser's own fetch, EventSource and WebSocket.
//
// The page lies where a reader of a tutorial has it: in a file, whose origin is `null`. The environment may name
// the browser: CHROMIUM.

import assert from "node:assert/strict";
import { mkdtemp, rm, writeFile } from "node:fs/promises";
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

before(async () => {
  browser = await chromium.launch({ executablePath: process.env.CHROMIUM ?? "/usr/bin/chromium", args: FLAGS });
  folder = await mkdtemp(join(tmpdir(), "textbook-"));
  await writeFile(join(folder, "page.html"), "<!doctype html><title>A page in a file</title>");
});
after(async () => {
  await browser?.close();
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
