// What fakes cannot show: node's own fetch and npm's ws, which emits an error where a page's WebSocket only closes, against
// servers on the loopback. A process that an unheard error ends would end these tests.

import assert from "node:assert/strict";
import { once } from "node:events";
import { createServer } from "node:http";
import { createServer as createTcp } from "node:net";
import { after, afterEach, before, describe, test } from "node:test";
import { createBrotliCompress, createDeflate, createGzip } from "node:zlib";
import WebSocket, { WebSocketServer } from "ws";
import { subscribe } from "../../../src/client/barewire.js";

const QUICK = { backoff: { initial: 5, max: 20 }, interval: 20, timeout: 5_000 };
const options = { timeout: 30_000 };

let host, server, answer, upgrade, subscription;
const heads = [];

before(async () => {
  server = createServer((request, response) => {
    heads.push(request.headers);
    answer(request, response);
  });
  server.on("upgrade", (request, socket) => {
    socket.on("error", () => {});
    upgrade(request, socket);
  });
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  host = `127.0.0.1:${server.address().port}`;
});
after(() => server.close());
afterEach(() => {
  subscription?.close();
  server.closeAllConnections();
  heads.length = 0;
});

/** Subscribes, and notes what is told. */
function follow(given, at = host) {
  subscription = subscribe(`http://${at}/channels/c`, { ...QUICK, ...given });
  const told = [];
  for (const name of ["open", "lost", "error", "end"]) subscription.addEventListener(name, ({ detail }) => told.push({ name, ...detail, message: detail?.message }));
  return { subscription, told };
}

/** Waits until it has been told so often. */
async function tells(told, name, count = 1) {
  while (told.filter((what) => what.name === name).length < count) await new Promise((resolve) => setTimeout(resolve, 2));
  return told.filter((what) => what.name === name);
}

const streams = (response, fields = {}) => response.writeHead(200, { "Content-Type": "text/event-stream", ...fields });

/** A port where nobody listens. */
async function deserted() {
  const nobody = createTcp().listen(0, "127.0.0.1");
  await once(nobody, "listening");
  const { port } = nobody.address();
  nobody.close();
  await once(nobody, "close");
  return `127.0.0.1:${port}`;
}

describe("npm's ws as WebSocket", () => {
  for (const transport of ["websocket", "auto"]) {
    test(`${transport}: a connection that is refused is told, and tried again`, options, async () => {
      const { told } = follow({ transport, WebSocket }, await deserted());
      const [first] = await tells(told, "lost", 6);
      assert.match(first.reason, /ECONNREFUSED/);
    });

    const UPGRADES = {
      "refuses": (_, socket) => socket.end("HTTP/1.1 503 No\r\nContent-Length: 0\r\n\r\n"),
      "breaks": (_, socket) => socket.destroy(),
      "answers no HTTP": (_, socket) => socket.end("what?\r\n\r\n"),
      "opens with a wrong key": (_, socket) => socket.end("HTTP/1.1 101 Yes\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Accept: x\r\n\r\n"),
    };
    for (const [name, how] of Object.entries(UPGRADES)) {
      test(`${transport}: so is a server that ${name}`, options, async () => {
        upgrade = how;
        answer = (_, response) => response.writeHead(502).end();
        const { told } = follow({ transport, WebSocket });
        await tells(told, "lost", 6);
        assert.equal(told.some(({ name }) => name === "open"), false);
      });
    }
  }

  for (const how of ["close()", "its signal", "the time"]) {
    test(`${how} ends a socket that is still connecting`, options, async () => {
      let reached, gone;
      const isReached = new Promise((resolve) => { reached = resolve; }), isGone = new Promise((resolve) => { gone = resolve; });
      upgrade = (_, socket) => { socket.on("end", gone).on("close", gone).resume(); reached(); };
      const stop = new AbortController();
      const { subscription } = follow({ transport: "websocket", WebSocket, signal: stop.signal, timeout: how === "the time" ? 100 : 60_000 });
      await isReached;
      if (how === "close()") subscription.close(); else if (how === "its signal") stop.abort();
      await isGone;
      await new Promise((resolve) => setTimeout(resolve, 20)); // for the error that ws emits of it
    });
  }

  test("a socket closed in the step that made it", options, async () => {
    const { subscription, told } = follow({ transport: "websocket", WebSocket: class extends WebSocket {
      constructor(url) { super(url); queueMicrotask(() => subscription.close()); }
    } });
    await tells(told, "end");
    await new Promise((resolve) => setTimeout(resolve, 20));
  });

  const frames = async (serve, WebSocket_ = WebSocket, given = {}) => {
    const sockets = new WebSocketServer({ noServer: true });
    upgrade = (request, socket, head) => sockets.handleUpgrade(request, socket, head ?? Buffer.alloc(0), (open) => { open.on("error", () => {}); serve(open); });
    return follow({ WebSocket: WebSocket_, ...given });
  };

  for (const [name, bytes] of Object.entries({ "UTF-8": [0x81, 1, 0xff], "opcode": [0x83, 0], "reserved bit": [0xf1, 0], "length": [0x81, 127, 255, 255, 255, 255, 255, 255, 255, 255] })) {
    test(`a frame of a wrong ${name} is no end of the process; another way is taken`, options, async () => {
      answer = (_, response) => streams(response).write("id: 1\ndata: by another way\n\n");
      const { told, subscription } = await frames((socket) => socket._socket.write(Buffer.from(bytes)));
      assert.equal((await subscription.next()).value.data, "by another way");
      assert.ok(told.filter((what) => what.name === "lost").every(({ transport }) => transport === "websocket"));
    });
  }

  test("a message above its maxPayload is asked for once, and read by another way", options, async () => {
    let sockets = 0;
    class Small extends WebSocket { constructor(url) { super(url, { maxPayload: 1_000 }); } }
    answer = (_, response) => streams(response).write(`id: 1\ndata: ${"x".repeat(2_000)}\n\n`);
    const { told, subscription } = await frames((socket) => { sockets += 1; socket.send(JSON.stringify({ id: "1", event: "message", data: "x".repeat(2_000) })); }, Small);
    assert.equal((await subscription.next()).value.data.length, 2_000);
    assert.deepEqual([sockets, (await tells(told, "lost"))[0].reason], [1, "Max payload size exceeded"]);
  });

  test("that is the end where there is no other way", options, async () => {
    class Small extends WebSocket { constructor(url) { super(url, { maxPayload: 10 }); } }
    const { told } = await frames((socket) => socket.send(JSON.stringify({ id: "1", data: "more than ten" })), Small, { transport: "websocket" });
    assert.match((await tells(told, "error"))[0].message, /Max payload/);
  });

  test("a binary frame is not a channel's, whatever it holds", options, async () => {
    const { told } = await frames((socket) => socket.send(Buffer.from(`{"id":"1","data":"x"}`)), WebSocket, { transport: "websocket" });
    assert.match((await tells(told, "error"))[0].message, /not a channel's/);
  });
});

describe("node's fetch", () => {
  test("sends an id as its UTF-8, and leaves out what it cannot send", options, async () => {
    const ids = ["日本", "é", "a\u0001b", "x".repeat(20_000), "7"];
    let n = 0;
    answer = (_, response) => streams(response).end(`id: ${ids[n]}\ndata: ${n++}\n\n`);
    const { subscription } = follow({ transport: "sse" });
    for (const id of ids) assert.equal((await subscription.next()).value.id, id);
    const sent = heads.map((head) => head["last-event-id"] && Buffer.from(head["last-event-id"], "latin1").toString());
    assert.deepEqual(sent.slice(0, 5), [undefined, "日本", "é", undefined, undefined]);
  });

  const CODINGS = { gzip: createGzip, deflate: createDeflate, br: createBrotliCompress };
  for (const [coding, create] of Object.entries(CODINGS)) {
    test(`undoes ${coding}, though an event stream is asked for without`, options, async () => {
      answer = (_, response) => {
        streams(response, { "Content-Encoding": coding });
        const coder = create();
        coder.pipe(response);
        coder.write("id: 1\ndata: tick\n\n");
        coder.flush();
      };
      const { subscription } = follow({ transport: "sse" });
      assert.equal((await subscription.next()).value.data, "tick");
      assert.equal(heads[0]["accept-encoding"], "identity");
    });
  }

  for (const coding of ["zstd", "x-foo"]) {
    test(`does not undo ${coding}: it is named, and another way is taken`, options, async () => {
      upgrade = (_, socket) => socket.destroy();
      answer = (request, response) => {
        if (request.headers.accept !== "text/event-stream") return response.end(JSON.stringify({ events: [{ id: "1", data: "polled" }], last_id: "1" }));
        streams(response, { "Content-Encoding": coding }).write(Buffer.from("28b52ffd04589d000064617461", "hex"));
      };
      const { told, subscription } = follow({ WebSocket });
      assert.equal((await subscription.next()).value.data, "polled");
      assert.match((await tells(told, "lost", 2))[1].reason, new RegExp(`content coding ${coding}`));
    });
  }

  test("a coding that breaks is named", options, async () => {
    answer = (_, response) => streams(response, { "Content-Encoding": "gzip" }).write("this is no gzip");
    const { told } = follow({ transport: "sse" });
    assert.match((await tells(told, "lost"))[0].reason, /content coding gzip/);
  });
});
