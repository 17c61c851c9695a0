// Ids of whichever server: what a field can hold is sent as WHATWG HTML has it, and what none can hold is left out. No id
// stops a reader.

import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { batch, fetching, follow, socketing, stream, useClock } from "./fakes.mjs";

const clock = useClock();
const QUICK = { backoff: { initial: 1, max: 1 } };
const A_WHILE = 10_000;

/** Each connection brings the next of these pieces, and ends. The last one stays open. */
const inTurn = (pieces) => fetching(clock, ({ n }) => stream(pieces[Math.min(n, pieces.length - 1)], n < pieces.length - 1 ? "end" : "open"));

const utf8 = (id) => Buffer.from(id, "utf8").toString("latin1");

describe("the last event ID of an event stream (WHATWG HTML 9.2.6)", () => {
  test("an empty id on a later connection takes it away", async () => {
    const { asked, fetch } = inTurn(["id: 5\ndata: a\n\n", "id\ndata: b\n\n", "data: c\n\n"]);
    const { seen, subscription } = follow({ transport: "sse", fetch, ...QUICK });
    await clock.advance(A_WHILE);
    assert.deepEqual(asked.map(({ id }) => id), [null, "5", null]);
    assert.deepEqual(seen, [["5", "a"], [null, "b"], [null, "c"]]);
    assert.equal(subscription.lastEventId, null);
  });

  test("so it does in the midst of a piece, for who closes there", async () => {
    const { fetch } = inTurn(["id: 5\ndata: a\n\nid\ndata: b\n\nid: 6\ndata: c\n\n"]);
    const { subscription, seen } = follow({ transport: "sse", fetch });
    subscription.addEventListener("event", ({ data }) => { if (data === "b") subscription.close(); });
    await clock.advance(10);
    assert.deepEqual([seen.length, subscription.lastEventId], [2, null]);
  });

  test("an empty id of a block without data takes it away too", async () => {
    const { asked, fetch } = inTurn(["id: 5\ndata: a\n\nid\n\n", ":\n\n"]);
    follow({ transport: "sse", fetch, ...QUICK });
    await clock.advance(A_WHILE);
    assert.deepEqual(asked.map(({ id }) => id), [null, null]);
  });

  test("events without an id have the last one, after a reconnect as in the unbroken stream", async () => {
    const { fetch } = inTurn(["id: 5\ndata: a\n\ndata: b\n\n", "data: c\n\n", "data: d\n\n"]);
    const { seen, subscription } = follow({ transport: "sse", fetch, ...QUICK });
    const standard = [];
    subscription.addEventListener("message", ({ lastEventId }) => standard.push(lastEventId));
    await clock.advance(A_WHILE);
    assert.deepEqual(seen, [["5", "a"], ["5", "b"], ["5", "c"], ["5", "d"]]);
    assert.deepEqual(standard, ["5", "5", "5", "5"]);
  });
});

describe("an id goes on, and the reader with it", () => {
  for (const [name, id, sent] of [
    ["ASCII", "1763709279000-0", "1763709279000-0"],
    ["beyond Latin-1", "日本", utf8("日本")],
    ["Latin-1", "é", "Ã©"],
    ["beyond 16 bits", "\u{1F600}", utf8("\u{1F600}")],
    ["what UTF-8 has and Latin-1 has not", "\u0085", utf8("\u0085")],
    ["a tab", "a\tb", "a\tb"],
    ["a control character", "a\u0001b", null],
    ["an escape", "\u001b[0m", null],
    ["DEL", "\u007f", null],
    ["4,000 characters", "x".repeat(4_000), "x".repeat(4_000)],
    ["20,000 characters", "x".repeat(20_000), null],
    ["4,000 characters of three bytes", "日".repeat(4_000), null],
  ]) {
    test(`sse: ${name}`, async () => {
      const { asked, fetch } = inTurn([`id: ${id}\ndata: a\n\n`, "data: b\n\n"]);
      const { seen, subscription } = follow({ transport: "sse", fetch, ...QUICK });
      await clock.advance(A_WHILE);
      assert.deepEqual(asked.map((request) => request.id), [null, sent]);
      assert.deepEqual(seen, [[id, "a"], [id, "b"]]);
      assert.equal(subscription.lastEventId, id);
    });

    for (const transport of ["long-poll", "short-poll"]) {
      test(`${transport}: ${name}`, async () => {
        const { asked, fetch } = fetching(clock, ({ n }) => n === 0 ? batch([{ id, data: "a" }]) : n === 1 ? batch([{ id: "2", data: "b" }]) : undefined);
        const { seen } = follow({ transport, interval: 10, fetch });
        await clock.advance(1_000);
        assert.deepEqual(asked.map((request) => request.id), [null, sent, "2"]);
        assert.deepEqual(seen, [[id, "a"], ["2", "b"]]);
      });
    }

    test(`websocket: ${name}`, async () => {
      const { asked, WebSocket } = socketing(clock, (socket, n) => {
        socket.opens().says({ id: n ? "2" : id, event: "message", data: "x" });
        if (n === 0) socket.ends();
      });
      const { seen } = follow({ transport: "websocket", WebSocket, ...QUICK });
      await clock.advance(A_WHILE);
      assert.deepEqual(seen.map(([id]) => id), [id, "2"]);
      const expected = sent === null ? null : id;
      assert.deepEqual(asked.map(({ url }) => new URL(url).searchParams.get("last_event_id")), [null, expected]);
    });

    test(`as the option lastEventId: ${name}`, async () => {
      const { asked, fetch } = inTurn(["data: b\n\n"]);
      const { seen } = follow({ transport: "sse", lastEventId: id, fetch });
      await clock.advance(10);
      assert.deepEqual([asked[0].id, seen], [sent, [[id, "b"]]]);
    });
  }

  test("a URL that grows too long for a WebSocket goes without it", async () => {
    const { asked, WebSocket } = socketing(clock, (socket) => socket.opens());
    follow({ transport: "websocket", lastEventId: "日".repeat(1_000), WebSocket });
    await clock.advance(10);
    assert.equal(asked[0].url, "ws://hub.example/channels/c");
  });

  test("431 is an answer to the id, which is left out from then on; and final without it (RFC 6585 5)", async () => {
    const id = "x".repeat(7_000);
    const { asked, fetch } = fetching(clock, ({ id }) => id ? new Response("", { status: 431 }) : stream("data: b\n\n", "open"));
    const { seen } = follow({ transport: "sse", lastEventId: id, fetch, ...QUICK });
    await clock.advance(A_WHILE);
    assert.deepEqual([asked.map((request) => request.id), seen], [[id, null], [[id, "b"]]]);

    const refusing = fetching(clock, () => new Response("", { status: 431 }));
    const refused = follow({ transport: "sse", lastEventId: id, fetch: refusing.fetch, ...QUICK });
    await clock.advance(A_WHILE);
    assert.deepEqual([refusing.asked.length, refused.error.status], [2, 431]);
  });

  test("the Last-Event-ID of an answer without content is UTF-8", async () => {
    const { asked, fetch } = fetching(clock, ({ n }) => n ? undefined : new Response(null, { status: 204, headers: { "Last-Event-ID": utf8("日本") } }));
    const { subscription } = follow({ transport: "short-poll", fetch });
    await clock.advance(3_000);
    assert.deepEqual([subscription.lastEventId, asked[1].id], ["日本", utf8("日本")]);
  });

  test("a last_id that is a number is one", async () => {
    const { asked, fetch } = fetching(clock, ({ n }) => n ? undefined : batch([], { last_id: 5 }));
    const { subscription } = follow({ transport: "short-poll", fetch });
    await clock.advance(3_000);
    assert.deepEqual([subscription.lastEventId, asked[1].id], ["5", "5"]);
  });
});
