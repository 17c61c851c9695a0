// The parts of barewire.js that need no browser and no server: the decoder of event streams, the waits between two
// connections, and the iterator's buffer.

import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { EventStreamDecoder, Subscription, backoffDelay, subscribe, publish } from "../../../src/client/barewire.js";

const bytes = (text) => new TextEncoder().encode(text);

function decode(...pieces) {
  const decoder = new EventStreamDecoder();
  const events = pieces.flatMap((piece) => decoder.decode(typeof piece === "string" ? bytes(piece) : piece));
  return { decoder, events };
}

describe("the decoder of event streams (WHATWG HTML 9.2.6)", () => {
  test("the standard's examples", () => {
    assert.deepEqual(decode("data: YHOO\ndata: +2\ndata: 10\n\n").events, [{ id: "", event: "message", data: "YHOO\n+2\n10" }]);
    const { events, decoder } = decode(": test stream\n\ndata: first event\nid: 1\n\ndata:second event\nid\n\ndata:  third event\n\n");
    assert.deepEqual(events, [
      { id: "1", event: "message", data: "first event" },
      { id: "", event: "message", data: "second event" },
      { id: "", event: "message", data: " third event" },
    ]);
    assert.equal(decoder.lastEventId, "");
    assert.deepEqual(decode("data\n\ndata\ndata\n\ndata:").events.map((event) => event.data), ["", "\n"]);
    assert.deepEqual(decode("data:test\n\ndata: test\n\n").events.map((event) => event.data), ["test", "test"]);
  });

  test("a block that has not ended is no event, and its id does not count", () => {
    const { events, decoder } = decode("id: 1\ndata: one\n\nid: 2\ndata: two\n");
    assert.deepEqual(events.map((event) => event.id), ["1"]);
    assert.equal(decoder.lastEventId, "1");
  });

  test("a block without data is no event, but its id and its retry count", () => {
    const { events, decoder } = decode("id: 9-0\nretry: 2000\n\n");
    assert.deepEqual([events, decoder.lastEventId, decoder.retry], [[], "9-0", 2000]);
  });

  test("an id stays until the next one, a name does not", () => {
    assert.deepEqual(decode("id: 1\nevent: tick\ndata: a\n\ndata: b\n\n").events, [
      { id: "1", event: "tick", data: "a" }, { id: "1", event: "message", data: "b" },
    ]);
  });

  test("an id with a NUL, a retry that is no number and unknown fields are ignored", () => {
    const { events, decoder } = decode("id: 1\n\nid: 2\0\nretry: 1e3\nretry:\nRetry: 7\nfoo: bar\ndata: x\n\n");
    assert.deepEqual([events, decoder.retry], [[{ id: "1", event: "message", data: "x" }], undefined]);
  });

  test("any cut of the bytes gives the same events", () => {
    const whole = bytes("\ufeffid: 1\r\nevent: tick\r\ndata: one\r\n\r\nid: 2\rdata: two \u{1F600}\rdata:\r\r: comment\n\nretry: 5\nid: 3\ndata: \ufeff\n\n\r\n");
    const expected = [
      { id: "1", event: "tick", data: "one" },
      { id: "2", event: "message", data: "two \u{1F600}\n" },
      { id: "3", event: "message", data: "\ufeff" },
    ];
    assert.deepEqual(decode(...Array.from(whole, (byte) => Uint8Array.of(byte))).events, expected);
    for (let first = 0; first <= whole.length; first += 1) {
      for (let second = first; second <= whole.length; second += 1) {
        const { events, decoder } = decode(whole.slice(0, first), whole.slice(first, second), whole.slice(second));
        assert.deepEqual([events, decoder.lastEventId, decoder.retry], [expected, "3", 5], `cut at ${first} and ${second}`);
      }
    }
  });

  test("a line of 16 MiB in small pieces takes linear time", () => {
    const decoder = new EventStreamDecoder();
    const started = performance.now();
    decoder.decode(bytes("data:"));
    const piece = bytes("x".repeat(1024));
    for (let n = 0; n < 16 * 1024; n += 1) decoder.decode(piece);
    const [event] = decoder.decode(bytes("\n\n"));
    assert.equal(event.data.length, 16 * 1024 * 1024);
    assert.ok(performance.now() - started < 5_000);
  });
});

describe("the waits between two connections", () => {
  test("each is anything up to a limit that doubles, and never over the most", () => {
    const limits = { initial: 100, max: 1_000 };
    const most = [0, 1, 2, 3, 4, 2_000].map((failures) => backoffDelay(failures, limits, () => 1));
    assert.deepEqual(most, [100, 200, 400, 800, 1_000, 1_000]);
    assert.equal(backoffDelay(9, limits, () => 0), 0);
    assert.equal(backoffDelay(0, undefined, () => 1), 500);
    assert.equal(backoffDelay(99, undefined, () => 1), 30_000);
    for (let n = 0; n < 1_000; n += 1) {
      const delay = backoffDelay(n % 12, limits);
      assert.ok(delay >= 0 && delay < Math.min(1_000, 100 * 2 ** (n % 12)));
    }
  });
});

/** What a server would answer, one after the other, and what it was asked. The last answer is given again and again. */
function answers(...given) {
  const asked = [];
  const fetch = async (url, { headers, signal }) => {
    asked.push({ url, headers: headers && Object.fromEntries(new Headers(headers)), at: Date.now() });
    const answer = given.length > 1 ? given.shift() : given[0];
    signal?.throwIfAborted();
    if (answer instanceof Error) throw answer;
    const [status, body, fields = {}] = answer;
    return new Response(status === 204 ? null : body, { status, headers: fields });
  };
  return { asked, fetch };
}

const batch = (first, count, more) => [200, JSON.stringify({
  events: Array.from({ length: count }, (_, n) => ({ id: `${first + n}-0`, event: "message", data: `${first + n}` })),
  last_id: `${first + count - 1}-0`, ...(more && { more }),
})];
const URL_ = "http://hub.example/channels/c";
const QUICK = { backoff: { initial: 1, max: 5 }, interval: 1 };
const outcome = (subscription, name) => new Promise((resolve) => subscription.addEventListener(name, resolve, { once: true }));

describe("a subscription", () => {
  test("stops asking while the buffer is full, and goes on when half of it is taken", async () => {
    const { asked, fetch } = answers(batch(1, 10, true), batch(11, 10, true), batch(21, 5), batch(26, 0));
    const subscription = subscribe(URL_, { ...QUICK, transport: "short-poll", buffer: 10, fetch });
    assert.equal((await subscription.next()).value.data, "1");
    const turn = () => new Promise((resolve) => setTimeout(resolve, 20));
    await turn();
    assert.equal(asked.length, 2); // nine waited, so one more batch was asked for
    const seen = [1];
    while (seen.length < 13) seen.push(Number((await subscription.next()).value.data));
    await turn();
    assert.equal(asked.length, 2);
    while (seen.length < 25) seen.push(Number((await subscription.next()).value.data));
    assert.deepEqual(seen, Array.from({ length: 25 }, (_, n) => n + 1));
    subscription.close();
  });

  test("without an iterator is never held back, and says so to an iterator that comes too late", async () => {
    const { fetch } = answers(batch(1, 10, true), batch(11, 10), batch(21, 0));
    const subscription = subscribe(URL_, { ...QUICK, transport: "short-poll", buffer: 5, fetch });
    const seen = [];
    subscription.addEventListener("message", (event) => seen.push(event.id));
    while (seen.length < 20) await outcome(subscription, "event");
    assert.throws(() => subscription[Symbol.asyncIterator](), /too late/);
    subscription.close();
  });

  test("ends with an error when it is refused for good, after what came before", async () => {
    const { fetch } = answers(batch(1, 2), [403, "not for you\n"]);
    const subscription = subscribe(URL_, { ...QUICK, transport: "short-poll", fetch });
    const told = outcome(subscription, "error");
    await told;
    assert.equal((await subscription.next()).value.id, "1-0");
    assert.equal((await subscription.next()).value.id, "2-0");
    await assert.rejects(subscription.next(), { name: "Refusal", status: 403, message: "not for you" });
    assert.deepEqual(await subscription.next(), { value: undefined, done: true });
  });

  test("goes on after 408, 429, 5xx, an answer that is not a channel's and none at all, with its cursor", async () => {
    const { asked, fetch } = answers(batch(1, 1), [408, ""], [429, ""], [500, ""], [200, "<html>"], new TypeError("failed"), batch(2, 1));
    const seen = [];
    for await (const event of subscribe(URL_, { ...QUICK, transport: "short-poll", fetch })) {
      seen.push(event.id);
      if (seen.length === 2) break;
    }
    assert.deepEqual(seen, ["1-0", "2-0"]);
    assert.deepEqual(asked.map(({ headers }) => headers["last-event-id"]), [undefined, ...Array(6).fill("1-0")]);
  });

  test("waits as long as Retry-After says", async () => {
    const { asked, fetch } = answers([503, "", { "Retry-After": "1" }], batch(1, 1));
    const subscription = subscribe(URL_, { ...QUICK, transport: "short-poll", fetch });
    const lost = await outcome(subscription, "lost");
    assert.ok(lost.detail.delay >= 1_000 && lost.detail.delay <= 1_005); // and what spreads those who were told the same
    await subscription.next();
    assert.ok(asked[1].at - asked[0].at >= 990);
    subscription.close();
  });

  test("ends with 204 on an event stream, as the standard has it", async () => {
    const { asked, fetch } = answers([204]);
    for await (const _ of subscribe(URL_, { transport: "sse", fetch })) assert.fail();
    assert.equal(asked.length, 1);
  });

  test("hands nothing over after close(), not even from the same batch", async () => {
    const { fetch } = answers(batch(1, 10));
    const subscription = subscribe(URL_, { ...QUICK, transport: "short-poll", fetch });
    const seen = [];
    subscription.addEventListener("event", (event) => { seen.push(event.id); if (seen.length === 3) subscription.close(); });
    await outcome(subscription, "end");
    await new Promise((resolve) => setTimeout(resolve, 20));
    assert.deepEqual([seen, subscription.lastEventId], [["1-0", "2-0", "3-0"], "3-0"]);
    assert.deepEqual(await subscription.next(), { value: undefined, done: true });
  });

  test("asks nothing if its signal has aborted already", async () => {
    const { asked, fetch } = answers(batch(1, 1));
    for await (const _ of subscribe(URL_, { transport: "short-poll", fetch, signal: AbortSignal.abort() })) assert.fail();
    assert.equal(asked.length, 0);
  });

  test("a publisher cannot speak in the subscription's own name", async () => {
    const events = ["error", "end", "open", "lost", "event", "tick"].map((event, n) => ({ id: `${n}-1`, event, data: "x" }));
    const { fetch } = answers([200, JSON.stringify({ events, last_id: "5-1" })]);
    const subscription = subscribe(URL_, { ...QUICK, interval: 60_000, transport: "short-poll", fetch });
    const seen = [];
    for (const name of ["error", "end", "lost", "open", "event", "tick"]) {
      subscription.addEventListener(name, (event) => seen.push([name, event.event]));
    }
    while (seen.length < 8) await outcome(subscription, "event");
    assert.deepEqual(seen, [["open", undefined], ...["error", "end", "open", "lost", "event"].map((name) => ["event", name]), ["tick", "tick"], ["event", "tick"]]);
    subscription.close();
  });

  test("a gap comes in front of what follows it, and its place is the cursor only when nothing does", async () => {
    const { asked, fetch } = answers(
      [200, `{"events":[],"last_id":"7-0","gap":true}`],
      [200, `{"events":[{"id":"9-0","event":"message","data":"x"}],"last_id":"9-0","gap":true}`],
      batch(10, 0));
    const seen = [];
    for await (const event of subscribe(URL_, { ...QUICK, transport: "short-poll", lastEventId: "1-0", fetch })) {
      seen.push([event.type, event.event, event.id]);
      if (seen.length === 3) break;
    }
    assert.deepEqual(seen, [["gap", "gap", "7-0"], ["gap", "gap", null], ["event", "message", "9-0"]]);
    assert.deepEqual(asked.slice(0, 2).map(({ headers }) => headers["last-event-id"]), ["1-0", "7-0"]);
  });

  test("an activity hook that throws costs no event", async () => {
    const { fetch } = answers(batch(1, 2));
    const thrown = [];
    const note = (error) => thrown.push(error.message);
    const listeners = process.listeners("uncaughtException");
    process.removeAllListeners("uncaughtException").on("uncaughtException", note);
    try {
      const subscription = subscribe(URL_, { ...QUICK, interval: 60_000, transport: "short-poll", fetch, activity: () => { throw new Error("mine"); } });
      assert.equal((await subscription.next()).value.id, "1-0");
      assert.equal((await subscription.next()).value.id, "2-0");
      subscription.close();
      await new Promise((resolve) => setTimeout(resolve, 10));
      assert.deepEqual(thrown, ["mine", "mine", "mine"]);
    } finally {
      process.off("uncaughtException", note);
      for (const listener of listeners) process.on("uncaughtException", listener);
    }
  });

  test("an unknown transport and a bad URL are refused at once", () => {
    assert.throws(() => subscribe(URL_, { transport: "pigeon" }), /no transport "pigeon"/);
    assert.throws(() => subscribe("http://"), TypeError);
    assert.ok(subscribe(URL_, { signal: AbortSignal.abort() }) instanceof Subscription);
  });

  test("publish gives the id, or throws what the server said", async () => {
    const { asked, fetch } = answers([201, `{"id":"5-0"}`], [413, "the body is too large\n", { "Retry-After": "2" }]);
    assert.equal(await publish(URL_, "x", { event: "a b", fetch }), "5-0");
    assert.equal(asked[0].url, `${URL_}?event=a+b`);
    await assert.rejects(publish(URL_, "x", { fetch }), { name: "Refusal", status: 413, message: "the body is too large", retryAfter: 2_000 });
  });
});
