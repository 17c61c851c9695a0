// barewire.js in a real browser, behind a proxy that lets some ways through and not others, and cuts what it likes.
//
// The law that most tests come down to: whatever happens on the way, the reader sees every message once and in order.

import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import { once } from "node:events";
import { createServer, request as ask } from "node:http";
import { connect } from "node:net";
import { after, afterEach, before, describe, test } from "node:test";
import { DEADLINE, WAYS, publish, publishAll, startBrowser, startHub } from "./harness.mjs";

const sleep = (milliseconds) => new Promise((resolve) => setTimeout(resolve, milliseconds));

// ------------------------------------------------------------------------------------------------------ the proxy

/** Which way a request wants to read. A long poll's first request does not wait, and is a short poll to look at. */
function wayOf({ url, headers }) {
  if (!url.startsWith("/channels/")) return "page";
  if (headers.upgrade) return "websocket";
  if (headers.accept === "text/event-stream") return "sse";
  return headers.prefer ? "long-poll" : "short-poll";
}

/**
 * Stands between the browser and the hub. `rules[way]` says what becomes of a request: nothing (it is passed on), a
 * status (it is refused), "reset" (its connection breaks), or "hold" (the answer, of a stream: its body, never comes).
 */
async function startProxy(hub) {
  const { hostname, port } = new URL(hub.base);
  const sockets = new Set();
  const proxy = { rules: {}, asked: [], pending: new Set() };

  /** Applies a rule; true if that settled the request. */
  function settle(request, socket, response) {
    const way = wayOf(request), rule = proxy.rules[way];
    if (way !== "page") proxy.asked.push(way);
    if (rule === "reset") socket.destroy();
    else if (rule === "hold") {
      if (way === "sse") response.writeHead(200, { "Content-Type": "text/event-stream" }).flushHeaders();
    } else if (rule && response) response.writeHead(rule).end("not through here\n");
    else if (rule) socket.end(`HTTP/1.1 ${rule} No\r\nConnection: close\r\nContent-Length: 0\r\n\r\n`);
    return rule !== undefined;
  }

  const server = createServer((request, response) => {
    proxy.pending.add(request);
    response.on("close", () => proxy.pending.delete(request));
    if (request.url === "/blank") return response.writeHead(200, { "Content-Type": "text/html" }).end("<!doctype html><link rel=icon href=data:,>");
    if (settle(request, request.socket, response)) return;
    const way = wayOf(request);
    const onward = ask({ hostname, port, method: request.method, path: request.url, headers: request.headers, agent: false });
    onward.on("response", (answer) => {
      response.writeHead(answer.statusCode, answer.headers);
      response.flushHeaders();
      // The hub asks those who lose a stream to wait for 2 s. Here they lose many, and the client's floor is enough.
      const hasten = (bytes) => way === "sse" ? Buffer.from(bytes.toString("latin1").replace("retry: 2000\n", "retry: 1\n"), "latin1") : bytes;
      answer.on("error", () => response.destroy()).on("data", (bytes) => response.write(hasten(bytes))).on("end", () => response.end());
    });
    onward.on("error", () => response.destroy());
    response.on("close", () => onward.destroy());
    request.pipe(onward);
  });
  server.on("connection", (socket) => {
    sockets.add(socket);
    socket.on("error", () => {}).on("close", () => sockets.delete(socket));
  });
  server.on("upgrade", (request, near, head) => {
    proxy.pending.add(request);
    near.on("close", () => proxy.pending.delete(request));
    if (settle(request, near)) return;
    const far = connect(port, hostname, () => {
      const lines = [`${request.method} ${request.url} HTTP/1.1`];
      for (let n = 0; n < request.rawHeaders.length; n += 2) lines.push(`${request.rawHeaders[n]}: ${request.rawHeaders[n + 1]}`);
      far.write(`${lines.join("\r\n")}\r\n\r\n`);
      far.write(head);
      near.pipe(far).pipe(near);
    });
    far.on("error", () => near.destroy()).on("close", () => near.destroy());
    near.on("close", () => far.destroy());
  });
  server.listen(0, hostname);
  await once(server, "listening");
  proxy.base = `http://${hostname}:${server.address().port}`;
  /** Breaks everything that is open. */
  proxy.cut = () => { for (const socket of sockets) socket.destroy(); };
  proxy.close = () => { server.close(); proxy.cut(); };
  return proxy;
}

// -------------------------------------------------------------------------------------------------- the subscriber

const QUICK = { backoff: { initial: 20, max: 200 }, interval: 20, wait: 1, timeout: 400 };

let browser, hub, proxy, page;

/** Opens a page and subscribes in it. It notes what it iterates over, and what it is told. */
async function subscribe(channel, options = {}, pace = 0) {
  const context = await browser.newContext();
  page = await context.newPage();
  page.setDefaultTimeout(DEADLINE);
  page.uncaught = [];
  page.on("pageerror", (error) => page.uncaught.push(String(error)));
  await page.goto(`${proxy.base}/blank`);
  await page.evaluate(async ([channel, options, pace]) => {
    const { subscribe } = await import("/barewire.js");
    const stop = new AbortController();
    const subscription = subscribe(`/channels/${channel}`, { ...options, signal: stop.signal });
    const t = window.t = { subscription, stop, seen: [], told: [], iterated: "not yet" };
    for (const name of ["open", "lost", "end", "error"]) {
      subscription.addEventListener(name, ({ detail }) => t.told.push({ ...detail, status: detail?.status, name }));
    }
    (async () => {
      for await (const event of subscription) {
        t.seen.push({ id: event.id, event: event.event, data: event.data, bytes: event.bytes && Array.from(event.bytes) });
        if (pace) await new Promise((resolve) => setTimeout(resolve, pace));
      }
    })().then(() => { t.iterated = "done"; }, (error) => { t.iterated = String(error); });
  }, [channel, options, pace]);
}

const seen = () => page.evaluate(() => t.seen);
const told = (name) => page.evaluate((name) => t.told.filter((what) => what.name === name), name);
const isOn = (way) => page.waitForFunction((way) => t.subscription.transport === way, way);

/** Waits until the reader has seen exactly these ids, and returns what it has seen. */
async function sees(ids) {
  await page.waitForFunction((count) => t.seen.filter(({ event }) => event !== "gap").length >= count, ids.length)
    .catch(() => {}); // the assertion below says what is there instead
  const found = await seen();
  assert.deepEqual(found.filter(({ event }) => event !== "gap").map(({ id }) => id), ids);
  return found;
}

/** Chances that fall alike in every run (mulberry32), so that a test that goes red speaks of the change. */
function dice(seed) {
  return () => {
    seed = (seed + 0x6d2b79f5) | 0;
    let mixed = Math.imul(seed ^ (seed >>> 15), 1 | seed);
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed;
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32;
  };
}
const chance = dice(1);

/** Publishes 200 messages, and cuts every connection now and then. */
async function publishUnderCuts(channel, disturb = () => proxy.cut()) {
  const ids = [];
  for (let n = 0; n < 200; n += 1) {
    ids.push(await publish(hub, channel, `message ${n}`, n % 7 ? undefined : "seventh"));
    if (chance() < 0.06) disturb();
    if (chance() < 0.3) await sleep(chance() * 25);
  }
  return ids;
}

describe("barewire.js in a browser", { timeout: 20 * DEADLINE }, () => {
  before(async () => {
    hub = await startHub();
    proxy = await startProxy(hub);
    browser = await startBrowser();
  });

  after(async () => {
    await browser?.close();
    proxy?.close();
    await hub?.end("SIGTERM");
  });

  afterEach(async () => {
    await page?.context().close();
    proxy.rules = {};
    proxy.asked = [];
    assert.deepEqual(page?.uncaught ?? [], []);
  });

  test("the hub serves the module and its types", async () => {
    for (const [path, type] of [["/barewire.js", "text/javascript; charset=utf-8"], ["/barewire.d.ts", "text/plain; charset=utf-8"]]) {
      const response = await fetch(hub.base + path);
      assert.deepEqual([response.status, response.headers.get("content-type"), response.headers.get("cache-control")], [200, type, "no-cache"]);
    }
  });

  test("the types fit a program that uses them", () => {
    execFileSync("node_modules/.bin/tsc", ["-p", "types"], { cwd: import.meta.dirname, stdio: "inherit" });
  });

  const LADDER = ["websocket", "sse", "long-poll", "short-poll"];
  for (const rule of [403, "reset", "hold"]) {
    for (const expected of rule === 403 ? LADDER : LADDER.slice(1)) {
      const blocked = LADDER.slice(0, LADDER.indexOf(expected));
      test(`auto comes to ${expected} when ${blocked.join(", ") || "nothing"} is blocked (${rule}), and under cuts loses and repeats nothing`, async () => {
        const channel = `${rule}-${expected}`;
        for (const way of blocked) proxy.rules[way] = rule;
        const ids = await publishAll(hub, channel, ["history", Buffer.from([0xff, 0])]);
        await subscribe(channel, QUICK);
        await isOn(expected);
        await sees(ids);
        // A long poll opens with a request that does not wait, which is not blocked.
        const opened = (await told("open")).map(({ transport }) => transport);
        assert.deepEqual(opened, expected === "short-poll" ? ["long-poll", "short-poll"] : [expected]);
        ids.push(...await publishUnderCuts(channel));
        const found = await sees(ids);
        assert.deepEqual(found[1], { id: ids[1], event: "message", data: "/wA=", bytes: [255, 0] });
        assert.deepEqual(found.slice(2).map(({ event, data }) => [event, data]),
          Array.from({ length: 200 }, (_, n) => [n % 7 ? "message" : "seventh", `message ${n}`]));
        assert.ok((await told("lost")).length >= blocked.length);
      });
    }
  }

  test("auto loses and repeats nothing while the ways that are blocked change all the time", async () => {
    await subscribe("weather", QUICK);
    const ids = await publishUnderCuts("weather", () => {
      proxy.rules = Object.fromEntries(WAYS.filter(() => chance() < 0.5).map((way) => [way, [503, "reset", "hold"][Math.floor(chance() * 3)]]));
      proxy.cut();
    });
    proxy.rules = {};
    await sees(ids);
    const opened = new Set((await told("open")).map(({ transport }) => transport));
    assert.ok(opened.size > 1, `only ${[...opened]} was ever open`);
  });

  test("what a page publishes under cuts is there once, in order, under the ids that it was told", async () => {
    await subscribe("published", QUICK);
    let ids;
    const published = page.evaluate(async () => {
      const { publish } = await import("/barewire.js"), ids = [];
      for (let n = 0; n < 150; n += 1) {
        const data = n % 3 ? `message ${n}` : new Blob([new Uint8Array([255, n])]);
        ids.push(await publish("/channels/published", data, { event: n % 7 ? undefined : "seventh", backoff: { initial: 5 } }));
      }
      return ids;
    }).then((told) => { ids = told; });
    while (!ids) {
      proxy.cut();
      await Promise.race([published, sleep(chance() * 40)]);
    }
    const found = await sees(ids);
    assert.deepEqual(found.map(({ event, data, bytes }) => [event, bytes ?? data]),
      Array.from({ length: 150 }, (_, n) => [n % 7 ? "message" : "seventh", n % 3 ? `message ${n}` : [255, n]]));
  });

  for (const transport of WAYS) {
    test(`${transport} alone under cuts loses and repeats nothing`, async () => {
      await subscribe(`alone-${transport}`, { ...QUICK, transport });
      await isOn(transport);
      await sees(await publishUnderCuts(`alone-${transport}`));
      assert.deepEqual([...new Set((await told("open")).map((what) => what.transport))], [transport]);
    });

    test(`${transport} that begins now keeps its place though it is cut before its first message`, async () => {
      const channel = `now-${transport}`;
      await publishAll(hub, channel, ["of no interest", "nor this"]);
      await subscribe(channel, { ...QUICK, transport, from: "now" });
      await isOn(transport);
      await page.waitForFunction(() => t.subscription.lastEventId !== null);
      for (const way of WAYS) proxy.rules[way] = "reset";
      proxy.cut();
      await page.waitForFunction(() => t.told.some(({ name }) => name === "lost"));
      const ids = await publishAll(hub, channel, ["one", "two"]);
      proxy.rules = {};
      await sees(ids);
    });

    test(`${transport}: a slow iterator holds the reading back, and misses nothing`, async () => {
      const channel = `slow-${transport}`;
      await subscribe(channel, { ...QUICK, transport, buffer: 4, backoff: { initial: 1, max: 5 } }, 3);
      await sees(await publishAll(hub, channel, Array.from({ length: 100 }, (_, n) => `message ${n}`)));
      if (transport === "websocket") assert.ok(proxy.asked.length > 1, "the socket was never held back");
    });

    test(`${transport}: the server is killed and started again: a gap is told, and it goes on`, async () => {
      const channel = `restart-${transport}`;
      const first = await publish(hub, channel, "in the first life");
      await subscribe(channel, { ...QUICK, transport });
      await sees([first]);
      await hub.end("SIGKILL");
      await page.waitForFunction(() => t.told.some(({ name }) => name === "lost"));
      hub = await startHub(new URL(hub.base).host);
      const second = await publishAll(hub, channel, ["in the second life", "and on"]);
      const found = await sees([first, ...second]);
      assert.deepEqual(found.map(({ event }) => event), ["message", "gap", "message", "message"]);
    });

    for (const how of ["close()", "its signal", "leaving the loop"]) {
      test(`${transport}: ${how} stops everything`, async () => {
        const channel = `stop-${transport}-${how.length}`;
        await subscribe(channel, { ...QUICK, transport });
        await sees([await publish(hub, channel, "one")]);
        await page.evaluate((how) => {
          if (how === "close()") t.subscription.close();
          else if (how === "its signal") t.stop.abort();
          else t.subscription.return();
        }, how);
        await page.waitForFunction(() => t.iterated === "done" && t.subscription.transport === null);
        const deadline = Date.now() + DEADLINE;
        while (proxy.pending.size > 0 && Date.now() < deadline) await sleep(5);
        assert.equal(proxy.pending.size, 0, "a connection stays open");
        const asked = proxy.asked.length;
        await publish(hub, channel, "two");
        await page.evaluate(() => { window.dispatchEvent(new Event("online")); document.dispatchEvent(new Event("visibilitychange")); });
        await sleep(250);
        assert.equal(proxy.asked.length, asked);
        assert.equal((await seen()).length, 1);
        assert.deepEqual((await told("end")).length + (await told("error")).length, 1);
      });
    }
  }

  for (const transport of ["auto", ...WAYS]) {
    test(`${transport}: what is larger than its limit is asked for once in each way, and skipped if that is wanted`, async () => {
      const channel = `oversized-${transport}`;
      const large = await publish(hub, channel, "x".repeat(5_000));
      await subscribe(channel, { ...QUICK, transport, limit: 2_000, oversized: "skip" });
      await page.waitForFunction(() => t.seen.length > 0);
      const id = await publish(hub, channel, "behind it");
      const found = await sees([id]);
      assert.deepEqual(found.map(({ id, event }) => [id, event]), [[large, "gap"], [id, "message"]]);
      await page.context().close();

      proxy.asked = [];
      await subscribe(channel, { ...QUICK, transport, limit: 2_000 });
      await page.waitForFunction(() => t.iterated !== "not yet");
      assert.match(await page.evaluate(() => t.iterated), /larger than 2000 bytes/);
      assert.equal(proxy.asked.length, transport === "auto" ? 4 : 1);
    });
  }

  test("refused by every way, it ends with the server's words", async () => {
    for (const way of WAYS) proxy.rules[way] = 403;
    await subscribe("refused", QUICK);
    await page.waitForFunction(() => t.iterated !== "not yet");
    assert.equal(await page.evaluate(() => t.iterated), "Refusal: not through here");
    assert.deepEqual((await told("error")).map(({ status }) => status), [403]);
    assert.deepEqual(proxy.asked, ["websocket", "sse", "short-poll", "short-poll"]);
  });

  const NEVER = { initial: 1e9, max: 1e9 };
  for (const [target, name] of [["window", "online"], ["document", "visibilitychange"]]) {
    test(`${name} ends the pause between two connections`, async () => {
      for (const way of WAYS) proxy.rules[way] = "reset";
      await subscribe(`wake-${name}`, { ...QUICK, backoff: NEVER });
      await page.waitForFunction(() => t.told.some(({ name, delay }) => name === "lost" && delay > 0));
      proxy.rules = {};
      const id = await publish(hub, `wake-${name}`, "one");
      await page.evaluate(([target, name]) => window[target].dispatchEvent(new Event(name)), [target, name]);
      await sees([id]);
    });
  }

  test("online replaces an open connection, which may be one of the old network's", async () => {
    await subscribe("network", { ...QUICK, backoff: NEVER });
    const ids = [await publish(hub, "network", "one")];
    await sees(ids);
    await page.evaluate(() => window.dispatchEvent(new Event("online")));
    await page.waitForFunction(() => t.told.filter(({ name }) => name === "open").length === 2);
    ids.push(await publish(hub, "network", "two"));
    await sees(ids);
    assert.deepEqual(proxy.asked, ["websocket", "websocket"]);
  });

  test("a page seen again replaces a silent connection, and only that", async () => {
    await subscribe("lively", { ...QUICK, backoff: NEVER });
    const ids = [await publish(hub, "lively", "one")];
    await sees(ids);
    await page.evaluate(() => document.dispatchEvent(new Event("visibilitychange")));
    ids.push(await publish(hub, "lively", "two"));
    await sees(ids);
    assert.deepEqual(proxy.asked, ["websocket"]);
    await page.context().close();

    proxy.asked = [];
    await subscribe("silent", { ...QUICK, backoff: NEVER, silence: 20 });
    await isOn("websocket");
    await sleep(50);
    await page.evaluate(() => document.dispatchEvent(new Event("visibilitychange")));
    await page.waitForFunction(() => t.told.filter(({ name }) => name === "open").length === 2);
    assert.deepEqual(proxy.asked, ["websocket", "websocket"]);
  });

  test("an event stream that falls silent is lost", async () => {
    await subscribe("silence", { ...QUICK, transport: "sse", silence: 100 });
    await page.waitForFunction(() => t.told.some(({ name, reason }) => name === "lost" && /nothing came for 0.1 s/.test(reason)));
    await sees([await publish(hub, "silence", "one")]);
  });
});
