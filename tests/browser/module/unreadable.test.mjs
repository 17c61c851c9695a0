// What a way cannot read: it is said once, another way takes it, and nobody asks for the same bytes again and again.

import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { brotliCompressSync, deflateRawSync, deflateSync, gzipSync } from "node:zlib";
import { EventStreamDecoder } from "../../../src/client/barewire.js";
import { batch, fetching, follow, socketing, stream, useClock } from "./fakes.mjs";

const clock = useClock();
const A_WHILE = 30_000, HOUR = 3_600_000;
const LARGE = "x".repeat(2_000);
const json = (value, fields = {}) => new Response(typeof value === "string" ? value : JSON.stringify(value), { headers: { "Content-Type": "application/json", ...fields } });

describe("too large", () => {
  const limit = 1_000;
  const large = {
    "sse": () => stream([`id: 1-0\ndata: ${LARGE}\n\n`], "open"),
    "long-poll": () => batch([{ id: "1-0", data: LARGE }]),
    "short-poll": () => batch([{ id: "1-0", data: LARGE }]),
  };

  for (const transport of Object.keys(large)) {
    test(`${transport} alone ends, and says why`, async () => {
      // A line that never ends is cut off as well.
      const { asked, fetch } = fetching(clock, ({ way }) => way === "sse" ? stream(["data: ", LARGE], "open") : large[way]());
      const { error, lost } = await followed({ transport, limit, fetch });
      assert.match(error.message, /larger than 1000 bytes/);
      assert.deepEqual([asked.length, lost], [1, []]);
    });
  }

  test("a frame", async () => {
    const { asked, WebSocket } = socketing(clock, (socket) => socket.opens().says({ id: "1-0", data: LARGE }));
    const { error } = await followed({ transport: "websocket", limit, WebSocket });
    assert.match(error.message, /the frame is larger than 1000 bytes/);
    assert.equal(asked.length, 1);
  });

  for (const code of ["WS_ERR_UNSUPPORTED_MESSAGE_LENGTH", "WS_ERR_INVALID_UTF8"]) {
    test(`a frame that npm's ws does not take: ${code}`, async () => {
      const { asked, WebSocket } = socketing(clock, (socket) => socket.opens().fails("Max payload size exceeded", code).ends());
      const { error } = await followed({ transport: "websocket", limit, WebSocket });
      assert.match(error.message, /Max payload size exceeded/);
      assert.equal(asked.length, 1);
    });
  }

  test("another way takes it, and the first that could not is not tried again at this place", async () => {
    const sockets = socketing(clock, (socket) => { socket.opens(); socket.ends(1009); });
    let mended = false;
    const { asked, fetch } = fetching(clock, ({ way, id }) => {
      if (way === "sse") return stream(["data: ", LARGE], "open");
      if (!mended) return new Response("", { status: 503 });
      return id ? undefined : batch([{ id: "1-0", data: "small enough as JSON" }]);
    });
    const { seen, lost, opened } = await followed({ limit, fetch, WebSocket: sockets.WebSocket }, 10 * 60_000);
    assert.deepEqual([sockets.asked.length, asked.filter(({ way }) => way === "sse").length], [1, 1]);
    assert.deepEqual(lost.slice(0, 2).map(({ transport, reason, delay, next }) => [transport, reason, delay, next]), [
      ["websocket", "closed with 1009", 0, "sse"],
      ["sse", "the event is larger than 1000 bytes", 0, "long-poll"],
    ]);
    mended = true;
    await clock.advance(60_000);
    assert.deepEqual([seen, opened.at(-1)], [[["1-0", "small enough as JSON"]], "long-poll"]);
  });

  test("behind it, the way is tried again when another fails", async () => {
    const sockets = socketing(clock, (socket) => {
      socket.opens();
      if (/last_event_id/.test(socket.url)) socket.says({ id: "2-0", data: "y" }); else socket.ends(1009);
    });
    const { fetch } = fetching(clock, ({ way, id }) => way === "sse" && !id ? stream(["id: 1-0\ndata: x\n\n"]) : new Response("", { status: 502 }));
    const { seen, opened } = await followed({ fetch, WebSocket: sockets.WebSocket });
    assert.deepEqual([seen, opened], [[["1-0", "x"], ["2-0", "y"]], ["websocket", "sse", "websocket"]]);
  });

  test("where every way meets it, that is the end", async () => {
    const sockets = socketing(clock, (socket) => socket.opens().says({ id: "1-0", data: LARGE }));
    const { asked, fetch } = fetching(clock, ({ way, headers }) => headers.has("Prefer") ? undefined : large[way]());
    const { error, isOver, lost } = await followed({ limit, fetch, WebSocket: sockets.WebSocket });
    assert.match(error.message, /the answer is larger than 1000 bytes/);
    assert.deepEqual([sockets.asked.length, asked.length, lost.length, isOver], [1, 3, 3, true]);
  });

  test("what is as large as a server takes by default is read by default", async () => {
    const data = "\u0001".repeat(2 ** 24);
    const { fetch } = fetching(clock, ({ n }) => n ? undefined : batch([{ id: "1-0", data }]));
    const { seen } = await followed({ transport: "long-poll", fetch });
    assert.equal(seen[0][1].length, 2 ** 24);
  });
});

describe("what no way can read is skipped, if that is wanted", () => {
  const LAST = { "Last-Event-ID": "2-0" }, limit = 1_000, oversized = "skip";
  const small = { id: "3-0", event: "message", data: "x" }, large = { id: "2-0", event: "message", data: LARGE };
  const poll = ({ id, n }) => id === "2-0" ? batch([small]) : n > 2 || id ? undefined : json({ events: [large], last_id: "2-0" }, LAST);
  const ANSWERS = {
    "sse": ({ id }) => id === "2-0" ? stream("id: 3-0\ndata: x\n\n", "open") : stream(`id: 2-0\ndata: ${LARGE}\n\n`, "open"),
    "long-poll": poll, "short-poll": poll,
  };

  for (const [transport, answer] of Object.entries(ANSWERS)) {
    test(transport, async () => {
      const { fetch } = fetching(clock, answer);
      const { seen, isOver } = await followed({ transport, limit, oversized, fetch });
      assert.deepEqual([seen.slice(0, 2), isOver], [[["2-0", "gap"], ["3-0", "x"]], false]);
    });
  }

  test("an event that does not end, behind one that does", async () => {
    const { asked, fetch } = fetching(clock, ({ id }) => stream(id ? "id: 3-0\ndata: x\n\n" : ["id: 1-0\ndata: x\n\nid: 2-0\ndata: ", LARGE], "open"));
    const { seen } = await followed({ transport: "sse", limit, oversized, fetch });
    assert.deepEqual([seen, asked.map(({ id }) => id)], [[["1-0", "x"], ["2-0", "gap"], ["3-0", "x"]], [null, "2-0"]]);
  });

  test("websocket", async () => {
    const { WebSocket } = socketing(clock, (socket, n) => socket.opens().says(n ? small : large));
    const { seen } = await followed({ transport: "websocket", limit, oversized, WebSocket });
    assert.deepEqual(seen, [["2-0", "gap"], ["3-0", "x"]]);
  });

  test("auto, and it begins with the first way again", async () => {
    const { asked, WebSocket } = socketing(clock, (socket, n) => socket.opens().says(n ? small : large));
    const { fetch } = fetching(clock, ({ way }) => way === "sse" ? ANSWERS.sse({}) : json({ events: [large], last_id: "9-0" }, { "Last-Event-ID": "9-0" }));
    const { seen, opened } = await followed({ limit, oversized, fetch, WebSocket });
    assert.deepEqual([seen, asked.length, opened.at(-1)], [[["2-0", "gap"], ["3-0", "x"]], 2, "websocket"]);
  });

  test("each costs a pause that grows", async () => {
    const { asked, fetch } = fetching(clock, ({ n }) => stream(`id: ${n + 1}-0\ndata: ${LARGE}\n\n`, "open"));
    const { seen } = await followed({ transport: "sse", limit, oversized, fetch }, 12_000);
    assert.ok(asked.length <= 8, `${asked.length} requests in 12 s`);
    assert.ok(seen.length > 4 && seen.every(([, data]) => data === "gap"));
  });

  test("it is the end all the same where no server says what its id is", async () => {
    for (const answer of [() => stream(`data: ${LARGE}\n\n`, "open"), () => new Response(gzipSync(LARGE), { headers: { "Content-Type": "text/event-stream" } })]) {
      const { asked, fetch } = fetching(clock, answer);
      const { error } = await followed({ transport: "sse", limit, oversized, fetch });
      assert.ok(error);
      assert.equal(asked.length, 1);
    }
  });

  test("a refusal is none of it", async () => {
    const { fetch } = fetching(clock, ({ way }) => way === "sse" ? ANSWERS.sse({}) : new Response("", { status: 403 }));
    assert.equal((await followed({ limit, oversized, fetch })).error.status, 403);
  });

  test("there is no third choice", () => {
    assert.throws(() => follow({ oversized: "ignore" }), { name: "TypeError", message: /oversized/ });
  });
});

describe("slow", () => {
  const slowly = (pieces, pause) => {
    let at = 0, isCancelled = false;
    return new Response(new ReadableStream({
      cancel() { isCancelled = true; },
      pull: (controller) => new Promise((resolve) => setTimeout(() => {
        if (isCancelled) return;
        if (at < pieces.length) controller.enqueue(pieces[at++]); else controller.close();
        resolve();
      }, pause)),
    }, { highWaterMark: 0 }));
  };

  test("a large answer has its time", async () => {
    const whole = new TextEncoder().encode(JSON.stringify({ events: [{ id: "1-0", data: "x".repeat(100_000) }], last_id: "1-0" }));
    const pieces = Array.from({ length: 10 }, (_, n) => whole.slice(n * whole.length / 10, (n + 1) * whole.length / 10));
    const { asked, fetch } = fetching(clock, ({ n }) => n ? undefined : slowly(pieces, 6_000));
    const { seen } = await followed({ transport: "long-poll", fetch }, 70_000);
    assert.deepEqual([seen.length, asked.length], [1, 2]);
  });

  test("an answer that trickles is given up", async () => {
    const { fetch } = fetching(clock, () => slowly(Array(1_000).fill(new Uint8Array(1)), 5_000));
    const { lost } = await followed({ transport: "long-poll", fetch }, 15_000);
    assert.match(lost[0].reason, /too slowly/);
  });
});

describe("no channel's", () => {
  for (const frame of ["hello", "[]", "null", `{"id":5}`, `{"data":"x"}`, `{"id":"1-0","data":{}}`, new Uint8Array(3), new ArrayBuffer(3), Buffer.from(`{"id":"1-0"}`)]) {
    test(`a frame ${typeof frame === "string" ? frame : frame.constructor.name}: another way at once, and alone the end`, async () => {
      const alone = socketing(clock, (socket) => socket.opens().sends(frame));
      const { error } = await followed({ transport: "websocket", WebSocket: alone.WebSocket });
      assert.match(error.message, /the frame is not a channel's/);
      const { asked, WebSocket } = socketing(clock, (socket) => socket.opens().sends(frame));
      const { opened } = await followed({ WebSocket, fetch: fetching(clock, () => stream(":\n\n", "open")).fetch });
      assert.deepEqual([asked.length, opened], [1, ["websocket", "sse"]]);
    });
  }

  for (const answer of [`{"events":[null]}`, `{"events":[{"id":5}]}`, `{"events":[{"data":[]}]}`, `{"events":{}}`, "<html>log in</html>", ""]) {
    test(`an answer ${answer}: it may be another's, and pass`, async () => {
      const { asked, fetch } = fetching(clock, ({ n }) => n < 3 ? json(answer) : n === 3 ? batch([{ id: "1-0", data: "x" }]) : undefined);
      const { seen, lost } = await followed({ transport: "short-poll", fetch }, 5_000);
      assert.deepEqual([seen, lost.length, asked.length], [[["1-0", "x"]], 3, 5]);
    });
  }
});

describe("a content coding that fetch left as it is", () => {
  const events = Array.from({ length: 50 }, (_, n) => `id: ${n}\ndata: tick ${n}\n\n`).join("");
  const CODINGS = {
    "zstd": Buffer.concat([Buffer.from("28b52ffd0458", "hex"), deflateRawSync(events)]),
    "br": brotliCompressSync(events), "gzip": gzipSync(events), "deflate": deflateSync(events), "x-foo": deflateRawSync(events),
  };
  for (const [coding, bytes] of Object.entries(CODINGS)) {
    // Where the answer comes from another origin, the page is not shown what its coding is.
    for (const fields of [{ "Content-Encoding": coding }, {}]) {
      const named = fields["Content-Encoding"] ? new RegExp(`content coding ${coding}`) : /not text/;
      for (const pieces of [[bytes], Array.from(bytes, (byte) => [byte])]) {
        test(`${coding}, ${fields["Content-Encoding"] ? "named" : "hidden"}, in ${pieces.length} pieces`, async () => {
          const { asked, fetch } = fetching(clock, ({ way, n }) => way === "sse" ? stream(pieces, "open", fields) : n < 2 ? batch([{ id: "1-0", data: "polled" }]) : undefined);
          const { lost, seen } = await followed({ fetch, activity() {} });
          assert.match(lost.find(({ transport }) => transport === "sse").reason, named);
          assert.deepEqual([seen, asked.filter(({ way }) => way === "sse").length], [[["1-0", "polled"]], 1]);

          const alone = fetching(clock, () => stream(pieces, "open", fields));
          const { error } = await followed({ transport: "sse", fetch: alone.fetch });
          assert.match(error.message, named);
          assert.equal(alone.asked.length, 1);
        });
      }
    }

    test(`${coding}, of a poll's answer`, async () => {
      const { asked, fetch } = fetching(clock, () => new Response(bytes, { headers: { "Content-Encoding": coding } }));
      const { error } = await followed({ transport: "short-poll", fetch });
      assert.match(error.message, new RegExp(`not a channel's .content coding ${coding}`));
      assert.equal(asked.length, 1);
    });
  }

  test("one that fetch could not undo is named, and another way is tried", async () => {
    const { fetch } = fetching(clock, ({ way }) => way === "sse" ? stream([], "break", { "Content-Encoding": "gzip" }) : undefined);
    const { lost } = await followed({ fetch }, 1_000);
    assert.deepEqual(lost[1], { transport: "sse", reason: "terminated (content coding gzip)", delay: 0, next: "long-poll" });
  });

  test("one that fetch has undone is nothing to speak of", async () => {
    const { fetch } = fetching(clock, ({ n }) => n ? undefined : stream([events], "open", { "Content-Encoding": "gzip" }));
    assert.equal((await followed({ transport: "sse", fetch })).seen.length, 50);
  });

  test("an event stream is asked for without one", async () => {
    const { asked, fetch } = fetching(clock, () => undefined);
    await followed({ transport: "sse", fetch }, 10);
    assert.equal(asked[0].headers.get("Accept-Encoding"), "identity");
  });
});

describe("what is text is read", () => {
  for (const [name, text] of Object.entries({
    "an escape in the first line": "data: \u001b[31mred\u001b[0m\n\n",
    "NUL in the first line": "data: \0\n\n",
    "bytes that are no UTF-8": [..."data: "].map((c) => c.charCodeAt(0)).concat([0xff, 0xfe, 10, 10]),
    "a field that nobody knows": "foo: bar\ndata: x\n\n",
    "empty lines": "\n\n\r\n\ndata: x\n\n",
    "a byte order mark": "\ufeffdata: x\n\n",
    "a comment of control characters": ":\u0001\u0002\n\ndata: x\n\n",
    "a name alone": "data\n\n",
  })) {
    test(name, async () => {
      const bytes = typeof text === "string" ? new TextEncoder().encode(text) : Uint8Array.from(text);
      assert.equal(new EventStreamDecoder().decode(bytes).length, 1);
      const decoder = new EventStreamDecoder();
      assert.equal(Array.from(bytes).flatMap((byte) => decoder.decode(Uint8Array.of(byte))).length, 1);
    });
  }
});

test("a fetch that heeds no signal does not hold a reader up", async () => {
  const { asked, fetch } = fetching(clock, () => undefined);
  const deaf = (url, options) => fetch(url, { ...options, signal: new AbortController().signal });
  const { lost } = await followed({ transport: "sse", fetch: deaf }, HOUR);
  assert.ok(asked.length > 80);
  assert.equal(lost[0].reason, "nothing came for 10 s");
});

async function followed(options, time = A_WHILE) {
  const noted = follow(options);
  await clock.advance(time);
  return noted;
}
