// When a reader comes back: every failure makes it wait longer, whatever bytes came before, until a connection does
// better; never sooner than the server asks; and never at the pace of its own processor.

import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { batch, body, fetching, follow, socketing, stream, useClock } from "./fakes.mjs";

const clock = useClock();
const SECOND = 1_000, MINUTE = 60 * SECOND, HOUR = 60 * MINUTE;

/** What is left between the requests, in milliseconds. */
const pauses = (asked) => asked.slice(1).map(({ at }, n) => at - asked[n].at);

/** The middle of what backoff gives, with chances in the middle. */
const GROWING = [250, 500, 1_000, 2_000, 4_000, 8_000, 15_000, 15_000];

describe("a stream that ends after a sign of life", () => {
  const SIGNS = {
    "nothing": "",
    "a comment": ":\n\n",
    "an event without an id": "data: x\n\n",
    "the same event each time": "id: 1\ndata: x\n\n",
    "the same events each time": "id: 1\ndata: x\n\nid: 2\ndata: y\n\nid: 3\ndata: z\n\n",
    "half an event": "id: 1\ndata: x",
    "an id alone": "id: 1\n\n",
    "retry: 0": "retry: 0\ndata: x\n\n",
    "an event with a new id": (n) => `id: ${n}\ndata: x\n\n`,
    "two events with new ids": (n) => `id: a${n}\ndata: x\n\nid: b${n}\ndata: x\n\n`,
    "a new id alone": (n) => `id: ${n}\n\n`,
  };
  for (const [name, sign] of Object.entries(SIGNS)) {
    for (const end of ["end", "break"]) {
      test(`${name} (${end}): the pauses grow`, async () => {
        const { asked, fetch } = fetching(clock, ({ n }) => stream([typeof sign === "function" ? sign(n) : sign], end));
        follow({ transport: "sse", fetch });
        await clock.advance(12 * SECOND);
        assert.ok(asked.length <= 8, `${asked.length} requests in 12 s`);
        await clock.advance(10 * MINUTE);
        assert.ok(pauses(asked).at(-1) >= 15_000, String(pauses(asked)));
      });
    }
  }
});

describe("a WebSocket that ends after a sign of life", () => {
  const SIGNS = {
    "nothing": () => {},
    "the same event each time": (socket) => socket.says({ id: "1-0", event: "message", data: "x" }),
    "an event with a new id": (socket, n) => socket.says({ id: `${n}-0`, event: "message", data: "x" }),
    "a gap": (socket) => socket.says({ id: "9-0", event: "gap" }),
  };
  for (const [name, sign] of Object.entries(SIGNS)) {
    test(`${name}: the pauses grow`, async () => {
      const { asked, WebSocket } = socketing(clock, (socket, n) => { sign(socket.opens(), n); socket.ends(); });
      follow({ transport: "websocket", WebSocket });
      await clock.advance(12 * SECOND);
      assert.ok(asked.length <= 8, `${asked.length} sockets in 12 s`);
      await clock.advance(10 * MINUTE);
      assert.ok(pauses(asked).at(-1) >= 15_000);
    });
  }

  test("a buffer that fills with the same events again and again is no progress", async () => {
    const { asked, WebSocket } = socketing(clock, (socket) => socket.opens().says({ id: "1-0", data: "x" }));
    const { subscription } = follow({ transport: "websocket", buffer: 1, WebSocket });
    (async () => { for await (const _ of subscription); })();
    await clock.advance(12 * SECOND);
    assert.ok(asked.length <= 8, `${asked.length} sockets in 12 s`);
  });
});

describe("polls", () => {
  for (const transport of ["long-poll", "short-poll"]) {
    test(`${transport}: an answer now and then does not set the pauses back`, async () => {
      const { asked, fetch } = fetching(clock, ({ n }) => n % 2 ? new Response("", { status: 500 }) : batch([{ id: `${n}-0`, data: "x" }]));
      follow({ transport, interval: 100, fetch });
      await clock.advance(12 * SECOND);
      assert.ok(asked.length <= 16, `${asked.length} requests in 12 s`);
      await clock.advance(10 * MINUTE);
      assert.ok(Math.max(...pauses(asked).slice(-2)) >= 15_000);
    });
  }

  const ANSWERS = {
    "nothing": () => batch([], { last_id: "1-0" }),
    "no content": () => new Response(null, { status: 204 }),
    "the same events": () => batch([{ id: "1-0", data: "x" }]),
    "the same events, and that there are more": () => batch([{ id: "1-0", data: "x" }], { more: true }),
    "events without ids": () => batch([{ data: "x" }], { more: true }),
    "the same gap": () => batch([], { gap: true, last_id: "1-0" }),
    "nothing, at a new place each time": ({ n }) => batch([], { last_id: `${n}-0`, more: true }),
  };
  for (const [name, answer] of Object.entries(ANSWERS)) {
    for (const options of [{ transport: "short-poll" }, { transport: "long-poll" }, { transport: "long-poll", wait: 0 }]) {
      test(`${options.transport} ${options.wait ?? ""}: who answers at once with ${name} is asked as often as a short poll asks`, async () => {
        const { asked, fetch } = fetching(clock, answer);
        follow({ ...options, fetch });
        await clock.advance(12 * SECOND);
        assert.ok(asked.length <= 9, `${asked.length} requests in 12 s`);
      });
    }
  }

  test("what is new is asked for at once, and a request that was held is followed by the next", async () => {
    const { asked, fetch } = fetching(clock, ({ n }) => n < 100 ? batch([{ id: `${n}-0`, data: "x" }], { more: n < 50 }) : undefined);
    const { seen } = follow({ transport: "long-poll", fetch });
    await clock.advance(10);
    assert.deepEqual([seen.length, asked.length], [100, 101]);
  });
});

test("a long poll that is never answered when it is held back does not work, whatever the first request brought", async () => {
  let n = 0;
  const { asked, fetch } = fetching(clock, ({ way }) => {
    if (way === "sse" || way === "long-poll") return new TypeError("failed");
    return n++ < 2 ? batch([{ id: `${n}-0`, data: "x" }, { id: `${n}-1`, data: "x" }]) : undefined;
  });
  const { opened } = follow({ fetch });
  await clock.advance(10);
  assert.deepEqual(asked.map(({ way }) => way), ["sse", "short-poll", "long-poll", "short-poll"]);
  assert.deepEqual(opened, ["long-poll", "short-poll"]);
});

test("in auto too, rounds come less and less often", async () => {
  const { asked, fetch } = fetching(clock, ({ way, n }) => way === "sse" ? stream(`id: ${n}\ndata: x\n\n`) : new Response("", { status: 502 }));
  const sockets = socketing(clock, (socket) => { socket.opens(); socket.ends(); });
  follow({ fetch, WebSocket: sockets.WebSocket });
  await clock.advance(10 * MINUTE);
  const before = asked.length + sockets.asked.length;
  await clock.advance(10 * MINUTE);
  const rate = (asked.length + sockets.asked.length - before) / 10;
  assert.ok(rate <= 24, `${rate} requests a minute`);
});

describe("failures are forgotten", () => {
  const failing = (better) => {
    const { asked, fetch } = fetching(clock, (request) => request.n === 5 ? better(request) : stream(":\n\n"));
    const noted = follow({ transport: "sse", fetch });
    return { asked, ...noted };
  };

  test("after a connection that has lasted 30 s", async () => {
    let breaks;
    const { asked } = failing(() => new Response(new ReadableStream({ start(controller) {
      controller.enqueue(new TextEncoder().encode(":\n\n"));
      breaks = () => controller.close();
    } }), { headers: { "Content-Type": "text/event-stream" } }));
    await clock.advance(8 * SECOND);
    assert.deepEqual(pauses(asked), GROWING.slice(0, 5));
    await clock.advance(31 * SECOND);
    breaks();
    await clock.advance(1 * SECOND);
    assert.deepEqual(pauses(asked).slice(6), GROWING.slice(1, 2));
  });

  test("not after one that has lasted 20 s", async () => {
    let breaks;
    const { asked } = failing(() => new Response(new ReadableStream({ start(controller) {
      controller.enqueue(new TextEncoder().encode(":\n\n"));
      breaks = () => controller.close();
    } }), { headers: { "Content-Type": "text/event-stream" } }));
    await clock.advance(7_750 + 20 * SECOND);
    breaks();
    await clock.advance(7 * SECOND);
    assert.equal(asked.length, 6);
  });

  test("after one that has brought more events than those that failed", async () => {
    const { asked } = failing(() => stream("id: 1\ndata: x\n\nid: 2\ndata: x\n\n"));
    await clock.advance(8_200);
    assert.deepEqual(pauses(asked), [...GROWING.slice(0, 5), 250]);
  });

  test("while every connection brings fifty events", async () => {
    const { asked, fetch } = fetching(clock, ({ n }) => stream(Array.from({ length: 50 }, (_, at) => `id: ${n}-${at}\ndata: x\n\n`)));
    follow({ transport: "sse", fetch });
    await clock.advance(12 * SECOND);
    assert.deepEqual([...new Set(pauses(asked))], [250]);
  });
});

describe("retry: (WHATWG HTML 9.2.3)", () => {
  const asking = (retry, options) => {
    const { asked, fetch } = fetching(clock, () => stream(`retry: ${retry}\ndata: x\n\n`));
    return { asked, ...follow({ transport: "sse", fetch, ...options }) };
  };

  for (const [retry, least] of [[2_000, 2_000], [60_000, 60_000], [HOUR, HOUR]]) {
    test(`${retry}: never sooner, and jitter on top of it`, async () => {
      const { asked, lost } = asking(retry);
      await clock.advance(4 * least + MINUTE);
      assert.deepEqual(pauses(asked).slice(0, 3), GROWING.slice(0, 3).map((own) => least + own));
      assert.deepEqual(lost.slice(0, 3).map(({ delay }) => delay), pauses(asked).slice(0, 3));
    });
  }

  test("an upper bound of our own does not shorten it", async () => {
    const { asked } = asking(60_000, { backoff: { initial: 1, max: 5 } });
    await clock.advance(59 * SECOND);
    assert.equal(asked.length, 1);
    await clock.advance(2 * SECOND);
    assert.equal(asked.length, 2);
  });

  test("it holds for the attempts after one that failed, too", async () => {
    const { asked, fetch } = fetching(clock, ({ n }) => n ? new TypeError("nobody is there") : stream("retry: 60000\n\n"));
    follow({ transport: "sse", fetch });
    await clock.advance(10 * MINUTE);
    assert.ok(asked.length > 5 && pauses(asked).every((pause) => pause >= 60_000), String(pauses(asked)));
  });

  test("0 has a floor, even for a server that brings much each time, and with no backoff of our own", async () => {
    const events = (n) => Array.from({ length: 60 }, (_, at) => `id: ${n}-${at}\ndata: x\n\n`).join("");
    const { asked, fetch } = fetching(clock, ({ n }) => stream(`retry: 0\n${events(n)}`));
    follow({ transport: "sse", backoff: { initial: 0, max: 0 }, fetch });
    await clock.advance(3 * SECOND);
    assert.ok(asked.length <= 7, `${asked.length} requests in 3 s`);
  });

  for (const digits of ["18446744073709551616", "9".repeat(30), "9".repeat(400)]) {
    test(`${digits.length} digits are the longest time: nearly 25 days`, async () => {
      const { asked } = asking(digits);
      await clock.advance(2 ** 31 - 2);
      assert.equal(asked.length, 1);
      await clock.advance(1 * SECOND);
      assert.equal(asked.length, 2);
    });
  }

  test("the network's return does not shorten it", async () => {
    const listeners = [];
    globalThis.addEventListener = (name, listener) => { if (name === "online") listeners.push(listener); };
    try {
      const { asked } = asking(10_000);
      await clock.advance(5 * SECOND);
      for (const online of listeners) online();
      await clock.advance(4_900);
      assert.equal(asked.length, 1);
      await clock.advance(100); // but what we would have waited beyond it
      assert.equal(asked.length, 2);
    } finally {
      delete globalThis.addEventListener;
    }
  });

  test("another way after an event stream waits for it too", async () => {
    const { asked, fetch } = fetching(clock, ({ way }) => way === "sse" ? stream("retry: 7000\n\n") : undefined);
    follow({ fetch });
    await clock.advance(6_900);
    assert.deepEqual(asked.map(({ way }) => way), ["sse"]);
    await clock.advance(200);
    assert.deepEqual(asked.map(({ way }) => way), ["sse", "short-poll"]);
  });
});

describe("Retry-After (RFC 9110 10.2.3)", () => {
  for (const [value, fields, least] of [
    ["2", {}, 2_000],
    ["0", {}, 0],
    [() => new Date(clock.now + 9_000).toUTCString(), {}, 8_000],
    // By the server's clock, which is a year behind ours.
    ["Tue, 01 Nov 2022 00:00:09 GMT", { "Date": "Tue, 01 Nov 2022 00:00:00 GMT" }, 9_000],
    ["9".repeat(30), {}, 2 ** 31 - 1],
    ["soon", {}, 0],
    ["-5", {}, 0],
  ]) {
    test(`${typeof value === "string" ? value : "a date"} ${JSON.stringify(fields)}`, async () => {
      const { fetch } = fetching(clock, () => new Response("", { status: 503, headers: { "Retry-After": typeof value === "string" ? value : value(), ...fields } }));
      const { lost } = follow({ transport: "long-poll", fetch });
      await clock.advance(1);
      const [{ delay }] = lost;
      assert.ok(delay >= least && delay <= least + 1_250, `${delay}`);
    });
  }
});
