// The hub's page in a real browser: the browser's own WebSocket and fetch, and barewire.js, against the real server.
//
// Each test opens the page on a channel of its own and then only waits for conditions; nothing here sleeps. Besides
// what it asserts, every test fails on a console error, an uncaught error, or a request that failed without the page
// having aborted it.

import assert from "node:assert/strict";
import { once } from "node:events";
import { mkdirSync } from "node:fs";
import { connect, createServer } from "node:net";
import { after, afterEach, before, describe, test } from "node:test";
import { DEADLINE, ROOT, WAYS, publish, publishAll, startBrowser, startHub } from "./harness.mjs";

const SCREENSHOTS = `${ROOT}target/screenshots`;

/** A wire between the browser and the hub that can be cut: then it drops what it has and what comes. */
async function startWire(hub) {
  const { hostname, port } = new URL(hub.base);
  const ends = new Set();
  let cut = false;
  const server = createServer((near) => {
    if (cut) return near.destroy();
    const far = connect(port, hostname);
    for (const [from, to] of [[near, far], [far, near]]) {
      ends.add(from);
      from.on("error", () => {}).on("close", () => { ends.delete(from); to.destroy(); }).pipe(to);
    }
  });
  server.listen(0, hostname);
  await once(server, "listening");
  return {
    base: `http://${hostname}:${server.address().port}`,
    cut() { cut = true; for (const end of ends) end.destroy(); },
    mend() { cut = false; },
    close() { server.close(); this.cut(); },
  };
}

// ------------------------------------------------------------------------------------------------------ the page

let browser, hub;
let pages = [];

/** Opens the page on a channel. What goes wrong in it is collected, and `afterEach` looks at it. */
async function open(channel, { width = 1280, colorScheme = "light", base = hub.base } = {}) {
  const context = await browser.newContext({ viewport: { width, height: 900 }, colorScheme, reducedMotion: "reduce" });
  const page = await context.newPage();
  page.setDefaultTimeout(DEADLINE);
  page.problems = [];
  page.forgiven = null; // a pattern of what a test provokes on purpose
  const note = (problem) => { if (!page.forgiven?.test(problem)) page.problems.push(problem); };
  page.on("console", (message) => { if (["error", "warning"].includes(message.type())) note(`console: ${message.text()}`); });
  page.on("pageerror", (error) => page.problems.push(`uncaught: ${error}`));
  page.on("requestfailed", (request) => {
    const reason = request.failure()?.errorText;
    if (reason !== "net::ERR_ABORTED") note(`failed: ${request.method()} ${request.url()} ${reason}`);
  });
  pages.push(page);
  await page.goto(`${base}/?channel=${channel}`);
  await card(page, "short-poll").locator("[data-action=pace]").selectOption("0.5");
  await reading(page);
  return page;
}

const card = (page, way) => page.locator(`.card[data-way="${way}"]`);

/** Waits until every one of the ways is in one of the states. */
async function inState(page, ways, states) {
  await page.waitForFunction(([ways, states]) => ways.every((way) =>
    states.includes(document.querySelector(`.card[data-way="${way}"]`).dataset.state)), [ways, states]);
}

/** Waits until all ways read: the two streams are open, and each poll has had an answer. */
async function reading(page) {
  await inState(page, ["short-poll", "long-poll"], ["waiting"]);
  await inState(page, ["sse", "websocket"], ["connected"]);
}

function rows(page, way) {
  return card(page, way).locator("li[data-id]").evaluateAll((items) => items.map((item) => ({
    id: item.dataset.id,
    event: item.querySelector(".tag.event")?.textContent ?? "message",
    text: item.querySelector(".text").textContent,
    late: item.dataset.late ?? null,
    binary: item.querySelector(".tag.binary") !== null,
    took: item.querySelector(".took").textContent,
  })));
}

/** Waits until a card shows exactly these ids in this order, and returns its rows. */
async function shows(page, way, ids) {
  await page.waitForFunction(([way, ids]) => {
    const items = document.querySelectorAll(`.card[data-way="${way}"] li[data-id]`);
    return ids.join() === Array.from(items, (item) => item.dataset.id).join();
  }, [way, ids]).catch(() => {}); // the assertion below says what is there instead
  const found = await rows(page, way);
  assert.deepEqual(found.map((row) => row.id), ids, `the ids that ${way} shows`);
  return found;
}

/** What a bare socket gets of an event stream, up to the end of so many events. */
async function rawEventStream(target, count) {
  const { hostname, port } = new URL(hub.base);
  const socket = connect(port, hostname);
  socket.write(`GET ${target} HTTP/1.1\r\nHost: ${hostname}\r\nAccept: text/event-stream\r\n\r\n`);
  let text = "";
  for await (const data of socket) {
    text += data.toString("latin1");
    if (text.split("\n\n\r\n").length > count) break;
  }
  return text;
}

async function nothingOverflows(page) {
  const [content, window] = await page.evaluate(() => [document.documentElement.scrollWidth, document.documentElement.clientWidth]);
  assert.ok(content <= window, `${content} pixels of content in ${window}`);
  const wider = await page.locator("body *").evaluateAll((all) => all
    .filter((element) => element.scrollWidth > element.clientWidth + 1 && getComputedStyle(element).overflowX === "auto")
    .map((element) => element.className));
  assert.deepEqual(wider, [], "what scrolls sideways");
}

async function allShow(page, ids) {
  const found = {};
  for (const way of WAYS) found[way] = await shows(page, way, ids);
  return found;
}

/** Publishes through the form and returns the id that the page says the server answered. */
async function publishFromPage(page, text, event = "") {
  await page.fill("#event", event);
  await page.fill("#text", text);
  const before = await page.textContent("#answer");
  await page.press("#text", "Enter");
  await page.waitForFunction((before) => document.getElementById("answer").textContent !== before, before);
  const [, id] = /published as (\S+),/.exec(await page.textContent("#answer")) ?? assert.fail(await page.textContent("#answer"));
  return id;
}

describe("the hub's page", { timeout: 20 * DEADLINE }, () => {
  before(async () => {
    mkdirSync(SCREENSHOTS, { recursive: true });
    hub = await startHub();
    browser = await startBrowser();
  });

  after(async () => {
    await browser?.close();
    await hub?.end("SIGTERM");
  });

  afterEach(async () => {
    const problems = pages.flatMap((page) => page.problems);
    for (const page of pages) await page.context().close();
    pages = [];
    assert.deepEqual(problems, []);
  });

  test("an empty channel says how to publish to it", async () => {
    const page = await open("empty");
    for (const way of WAYS) {
      assert.match(await card(page, way).locator(".empty").innerText(), /curl -d hello\s+http:\S+\s*\/channels\/empty/);
    }
    assert.equal(await page.inputValue("#channel"), "empty");
    await page.screenshot({ path: `${SCREENSHOTS}/hub-empty.png`, fullPage: true });
  });

  test("history, messages from outside and messages from the page come in order by every way", async () => {
    const ids = await publishAll(hub, "order", ["before", "the page"]);
    const page = await open("order");
    await allShow(page, ids);
    ids.push(await publish(hub, "order", "from outside"));
    ids.push(await publishFromPage(page, "from the page"));
    ids.push(await publish(hub, "order", "two\nlines, and \u{1F600}"));
    const found = await allShow(page, ids);
    for (const way of WAYS) {
      assert.deepEqual(found[way].map((row) => row.text), ["before", "the page", "from outside", "from the page", "two\nlines, and \u{1F600}"]);
      assert.deepEqual(found[way].map((row) => row.late), ["history", "history", null, null, null]);
    }
  });

  test("a streamed message shows the bytes that it took on the wire", async () => {
    const page = await open("wire");
    const ids = [await publish(hub, "wire", "plain"), await publish(hub, "wire", "two\nlines", "named"), await publish(hub, "wire", Buffer.from([255, 0]))];
    const found = await allShow(page, ids);
    // RFC 9112 7.1, as the hub sends it: the chunks of an event stream, each with its size.
    const raw = await rawEventStream("/channels/wire", 3);
    const chunks = raw.match(/^[0-9a-f]+\r\nid: [^]*?\n\n\r\n/gm);
    assert.equal(chunks.length, 3);
    assert.deepEqual(found.sse.map(({ took }) => /(\d+ B)$/.exec(took)[1]), chunks.map((chunk) => `${chunk.length} B`));
    // RFC 6455 5.2: two bytes in front of less than 126.
    const { events } = await (await fetch(`${hub.base}/channels/wire`)).json();
    const frames = events.map((event) => Buffer.byteLength(JSON.stringify(event)) + 2);
    assert.deepEqual(found.websocket.map(({ took }) => /(\d+ B)$/.exec(took)[1]), frames.map((bytes) => `${bytes} B`));
  });

  test("send 10 publishes ten, in order", async () => {
    const page = await open("ten");
    await page.fill("#text", "tick");
    await page.click("[data-action=publish-ten]");
    for (const way of WAYS) {
      await page.waitForFunction((way) => document.querySelectorAll(`.card[data-way="${way}"] li`).length >= 10, way);
      assert.deepEqual((await rows(page, way)).map((row) => row.text), Array.from({ length: 10 }, (_, n) => `tick ${n + 1}`));
    }
  });

  test("what is published is never read as HTML", async () => {
    const page = await open("html");
    const text = `<img src=x onerror="window.hacked = 1"><script>window.hacked = 1</script> & &amp; <b>`;
    const ids = [await publish(hub, "html", text), await publish(hub, "html", text, "<b>name</b>")];
    const found = await allShow(page, ids);
    for (const way of WAYS) {
      assert.deepEqual(found[way].map((row) => row.text), [text, text]);
      assert.equal(found[way][1].event, "<b>name</b>");
      assert.equal(await card(page, way).locator("li :is(img, script, b)").count(), 0);
    }
    assert.equal(await page.evaluate(() => window.hacked), undefined);
  });

  test("event names that the page has never heard of are shown by every way, in order", async () => {
    const ids = [await publish(hub, "names", "in the history", "past")];
    const page = await open("names");
    await allShow(page, ids);
    // `error` and `open` are also the names of a subscription's own events.
    for (const name of ["price", "message", "order", "error", "open", "price", "message"]) ids.push(await publish(hub, "names", `as ${name}`, name));
    ids.push(await publishFromPage(page, "from the page", "typed"));
    const found = await allShow(page, ids);
    for (const way of WAYS) {
      assert.deepEqual(found[way].map((row) => row.event), ["past", "price", "message", "order", "error", "open", "price", "message", "typed"]);
    }
  });

  test("the line of text says which way a subscription chooses, and when it has none", async () => {
    const wire = await startWire(hub);
    try {
      const page = await open("auto", { base: wire.base });
      const isOn = (way) => page.waitForFunction((way) => document.querySelector("#auto b").textContent === way, way);
      await isOn("websocket");
      page.forgiven = /net::ERR_|WebSocket connection to/;
      wire.cut();
      await isOn("none");
      wire.mend();
      await page.waitForFunction(() => document.getElementById("auto").dataset.way !== "");
    } finally {
      wire.close();
    }
  });

  test("data that is not UTF-8 is marked as binary by every way", async () => {
    const page = await open("binary");
    const ids = [await publish(hub, "binary", Buffer.from([0, 255, 254])), await publish(hub, "binary", `{"encoding":"base64","data":"AA=="}`)];
    const found = await allShow(page, ids);
    for (const way of WAYS) {
      assert.deepEqual(found[way].map((row) => [row.binary, row.text]), [[true, "AP/+"], [false, `{"encoding":"base64","data":"AA=="}`]]);
    }
  });

  for (const way of WAYS) {
    test(`${way} is cut, and on resuming catches up with what it missed, once and in order`, async () => {
      const channel = `cut-${way}`;
      const page = await open(channel);
      const others = WAYS.filter((other) => other !== way);
      const seen = await publishAll(hub, channel, ["one", "two"]);
      await allShow(page, seen);

      await card(page, way).locator("[data-action=cut]").click();
      await inState(page, [way], ["cut"]);
      const missed = await publishAll(hub, channel, ["three", "four", "five"]);
      for (const other of others) await shows(page, other, [...seen, ...missed]);
      await shows(page, way, seen);
      assert.equal(await page.locator(`.lane[data-way="${way}"] > :last-child`).textContent(), "3 behind");

      await card(page, way).locator("[data-action=resume]").click();
      const caughtUp = await shows(page, way, [...seen, ...missed]);
      assert.deepEqual(caughtUp.map((row) => row.late), [null, null, "caught up", "caught up", "caught up"]);
      await reading(page);

      const live = await publish(hub, channel, "six");
      const found = await allShow(page, [...seen, ...missed, live]);
      assert.equal(found[way].at(-1).late, null);
      assert.equal(await page.locator("li[data-gap]").count(), 0);
    });
  }

  test("a refusal is told", async () => {
    const page = await open("refused");
    page.forgiven = /status of 4\d\d/;
    await page.evaluate(() => { document.getElementById("text").value = "x".repeat((1 << 20) + 1); });
    await page.click("[data-action=publish]");
    await page.waitForFunction(() => /refused with 413/.test(document.getElementById("answer").textContent));
    await page.fill("#text", "readers are told of missing messages under this name");
    await page.fill("#event", "gap");
    await page.press("#event", "Enter");
    await page.waitForFunction(() => /refused with 4(?!13)/.test(document.getElementById("answer").textContent));
    const id = await publishFromPage(page, "but this is taken");
    await allShow(page, [id]);
  });

  test("a way that is refused for good says so", async () => {
    const page = await open("forbidden");
    page.forgiven = /status of 401/;
    await page.route("**/channels/forbidden*", (route) => route.fulfill({ status: 401, body: "who are you?" }));
    for (const way of ["sse", "long-poll"]) {
      await card(page, way).locator("[data-action=cut]").click();
      await card(page, way).locator("[data-action=resume]").click();
      await inState(page, [way], ["refused"]);
      assert.match(await card(page, way).locator(".state").textContent(), /who are you\?/);
    }
    await inState(page, ["short-poll"], ["refused"]);
  });

  test("a long channel is shown by its last 200 messages, and counted whole", async () => {
    const ids = await publishAll(hub, "long", Array.from({ length: 250 }, (_, n) => `history ${n}`));
    const page = await open("long");
    await allShow(page, ids.slice(-200));
    ids.push(...await publishAll(hub, "long", Array.from({ length: 30 }, (_, n) => `live ${n}`)));
    await allShow(page, ids.slice(-200));
    for (const way of WAYS) assert.equal(await card(page, way).locator("[data-total=messages]").textContent(), "280");
  });

  test("the keyboard reaches and works every button", async () => {
    const page = await open("keys");
    for (const way of WAYS) {
      await card(page, way).locator("[data-action=cut]").focus();
      await page.keyboard.press("Enter");
      await inState(page, [way], ["cut"]);
      await page.keyboard.press("Enter");
    }
    await reading(page);
    const id = await publish(hub, "keys", "still here");
    await allShow(page, [id]);
  });

  for (const colorScheme of ["light", "dark"]) {
    for (const width of [1280, 768, 360]) {
      test(`nothing overflows at ${width} pixels, ${colorScheme}`, async () => {
        const own = await startHub();
        try {
          const page = await open("demo", { width, colorScheme, base: own.base });
          const ids = await publishAll(own, "demo", ["hello", "from a terminal", Buffer.from([0xff, 0xd8, 0xff, 0xe0])]);
          ids.push(await publish(own, "demo", "21.5", "temperature"));
          for (const text of ["good morning", "one log", "four ways"]) ids.push(await publishFromPage(page, text));
          await card(page, "sse").locator("[data-action=cut]").click();
          ids.push(await publishFromPage(page, "SSE is cut, and will catch up"));
          for (const way of WAYS) await shows(page, way, way === "sse" ? ids.slice(0, -1) : ids);
          await page.screenshot({ path: `${SCREENSHOTS}/hub-${colorScheme}-${width}.png`, fullPage: true });

          // And now what no line can hold.
          await card(page, "sse").locator("[data-action=resume]").click();
          ids.push(await publish(own, "demo", "x".repeat(300)), await publish(own, "demo", "a long name", "n".repeat(120)));
          await allShow(page, ids);
          await nothingOverflows(page);
          await page.context().close();
        } finally {
          await own.end("SIGTERM");
        }
      });
    }
  }

  test("all ways survive that the network drops, and miss nothing", async () => {
    const wire = await startWire(hub);
    try {
      const page = await open("network", { base: wire.base });
      const ids = await publishAll(hub, "network", ["one", "two"]);
      await allShow(page, ids);
      // Begun again by hand, then by itself: the cursor that counts is always the newest.
      await card(page, "sse").locator("[data-action=cut]").click();
      await card(page, "sse").locator("[data-action=resume]").click();
      await reading(page);
      ids.push(await publish(hub, "network", "three"));
      await allShow(page, ids);

      page.forgiven = /net::ERR_|WebSocket connection to/;
      wire.cut();
      await inState(page, WAYS, ["reconnecting"]);
      ids.push(...await publishAll(hub, "network", ["four", "five"]));
      wire.mend();
      const found = await allShow(page, ids);
      await reading(page);
      page.forgiven = null;
      for (const way of WAYS) assert.deepEqual(found[way].map((row) => row.late), [null, null, null, "caught up", "caught up"]);
      assert.equal(await page.locator("li[data-gap]").count(), 0);
      await allShow(page, [...ids, await publish(hub, "network", "six")]);
    } finally {
      wire.close();
    }
  });

  test("all ways survive that the server is killed and started again, and tell of the gap once", async () => {
    const page = await open("restart");
    const ids = [await publish(hub, "restart", "in the first life")];
    await allShow(page, ids);

    page.forgiven = /net::ERR_|WebSocket connection to/;
    await hub.end("SIGKILL");
    await inState(page, WAYS, ["reconnecting"]);
    hub = await startHub(new URL(hub.base).host);
    await reading(page);
    page.forgiven = null;

    for (const text of ["in the second life", "and on"]) ids.push(await publish(hub, "restart", text));
    await allShow(page, ids);
    for (const way of WAYS) assert.equal(await card(page, way).locator("li[data-gap]").count(), 1, `gaps that ${way} tells of`);
  });

  test("SIGTERM ends the server properly under its readers, and they wait for it to come back", async () => {
    const page = await open("sigterm");
    page.forgiven = /net::ERR_|WebSocket connection to/;
    assert.deepEqual(await hub.end("SIGTERM"), [0, null]);
    await inState(page, WAYS, ["reconnecting"]);
    hub = await startHub(new URL(hub.base).host);
    await reading(page);
    page.forgiven = null;
    await allShow(page, [await publish(hub, "sigterm", "back")]);
  });
});
