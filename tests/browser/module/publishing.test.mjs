// A message is published once, however often it has to be sent: the same key and bytes in every try, no sooner than the
// server asks, and never when the key's life may be over.

import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { InDoubt, publish } from "../../../src/client/barewire.js";
import { URL_, body, useClock } from "./fakes.mjs";

const clock = useClock();

const created = (id = "7-0") => () => Response.json({ id }, { status: 201 });
const answer = (status, fields = {}) => () => new Response("because", { status, headers: fields });
const busy = answer(503, { "Retry-After": "7" });
const lost = () => new TypeError("failed");
const silent = () => null;

/** A server that does this with one try after the other, and the last for ever. */
function serving(...deeds) {
  const asked = [];
  const fetch = (url, { headers, body, signal }) => new Promise((resolve, reject) => {
    asked.push({ at: clock.now, url, headers, key: headers.get("Idempotency-Key"), text: new TextDecoder().decode(body), body });
    signal.addEventListener("abort", () => reject(signal.reason));
    const given = (deeds.length > 1 ? deeds.shift() : deeds[0])();
    if (given instanceof Error) reject(given); else if (given) resolve(given);
  });
  return { asked, fetch };
}

/** Publishes, lets so much time pass, and says what became of it. */
async function outcome(fetch, options = {}, time = 1_000_000, data = "42") {
  const noted = {};
  publish(URL_, data, { fetch, ...options }).then((id) => Object.assign(noted, { id, at: clock.now }), (error) => Object.assign(noted, { error, at: clock.now }));
  await clock.advance(time);
  return noted;
}

test("a message has a key of its own, and its answer an id", async () => {
  const { asked, fetch } = serving(created());
  assert.equal((await outcome(fetch)).id, "7-0");
  assert.equal((await outcome(fetch)).id, "7-0");
  const [one, two] = asked.map(({ key }) => key);
  assert.match(one, /^[0-9a-f]{32}$/);
  assert.notEqual(one, two);
  assert.deepEqual([asked[0].text, asked[0].headers.get("Content-Type"), clock.pending], ["42", "text/plain;charset=UTF-8", 0]);
});

test("event, key, fields and what was made of bytes go as they were given", async () => {
  const bytes = new Uint8Array([255, 0, 1]);
  for (const [data, type] of [[bytes, null], [bytes.buffer, null], [new Blob([bytes], { type: "image/png" }), "image/png"]]) {
    const { asked, fetch } = serving(created());
    await outcome(fetch, { event: "a&b", key: "mine", headers: { Authorization: "Bearer x" } }, 1_000, data);
    const [{ url, key, headers, body }] = asked;
    assert.deepEqual([url, key, headers.get("Authorization"), headers.get("Content-Type")], [`${URL_}?event=a%26b`, "mine", "Bearer x", type]);
    assert.deepEqual(new Uint8Array(body), bytes);
  }
});

describe("what may pass is tried again under the same key with the same bytes", () => {
  for (const [name, deed] of Object.entries({
    "no connection": lost, "no answer": silent, busy, 408: answer(408), 425: answer(425), 429: answer(429), 500: answer(500),
    502: answer(502), "an answer without an id": () => Response.json({}, { status: 201 }),
    "an answer that breaks": () => new Response(body([`{"id":"7`], "break"), { status: 201 }),
    "an answer that does not end": () => new Response(body([`{"id":"7`], "open"), { status: 201 }),
  })) {
    test(name, async () => {
      const bytes = new TextEncoder().encode("42");
      const { asked, fetch } = serving(() => { bytes.fill(0); return deed(); }, deed, created());
      assert.equal((await outcome(fetch, {}, 60_000, bytes)).id, "7-0");
      assert.equal(asked.length, 3);
      assert.equal(new Set(asked.map(({ key }) => key)).size, 1);
      assert.deepEqual(asked.map(({ text }) => text), ["42", "42", "42"]);
    });
  }
});

describe("what will not pass is final", () => {
  for (const status of [400, 401, 403, 404, 405, 409, 413, 415, 422]) {
    test(`${status}`, async () => {
      const { asked, fetch } = serving(answer(status));
      const { error } = await outcome(fetch);
      assert.deepEqual([asked.length, error.name, error.status, error.message], [1, "Refusal", status, "because"]);
    });
  }

  test("200, which no channel says: nobody knows what it did", async () => {
    const { asked, fetch } = serving(answer(200));
    const { error } = await outcome(fetch);
    assert.ok(error instanceof InDoubt && error.cause.status === 200 && asked.length === 1, error);
  });

  test("a refusal behind an answer that was lost is in doubt, and behind one that says that nothing was kept is not", async () => {
    const first = await outcome(serving(lost, answer(401)).fetch);
    assert.ok(first.error instanceof InDoubt && first.error.cause.status === 401, first.error);
    const second = await outcome(serving(busy, answer(429), answer(401)).fetch);
    assert.equal(second.error.status, 401);
  });
});

test("Retry-After is never undercut, and not waited for in vain", async () => {
  const { asked, fetch } = serving(busy, created());
  await outcome(fetch);
  const waited = asked[1].at - asked[0].at;
  assert.ok(waited >= 7_000 && waited <= 7_500, `${waited}`);
  const late = serving(answer(503, { "Retry-After": "100" })), began = clock.now;
  const { error, at } = await outcome(late.fetch);
  assert.deepEqual([late.asked.length, error.status, error.retryAfter, at - began], [1, 503, 100_000, 0]);
});

test("a page is told of each try, waits grow, and its time is kept", async () => {
  const told = [], began = clock.now;
  const { asked, fetch } = serving(lost);
  const { error, at } = await outcome(fetch, { retrying: ({ error, delay }) => told.push([error.message, delay]) });
  assert.ok(error instanceof InDoubt && error.cause.message === "failed", error);
  assert.equal(at - began, 60_000);
  assert.deepEqual(told.slice(0, 3), [["failed", 250], ["failed", 500], ["failed", 1_000]]);
  assert.ok(asked.length >= 6 && asked.length < 20, `${asked.length}`);
});

test("nothing is sent when its key's life may be over, however long it may take", async () => {
  // Two hours without anything kept are no harm.
  const hours = clock.now + 7_200_000;
  const { asked, fetch } = serving(() => clock.now < hours ? busy() : lost());
  const { error } = await outcome(fetch, { within: Infinity }, 8_000_000);
  assert.ok(error instanceof InDoubt, error);
  const open = asked.filter(({ at }) => at >= hours), lasted = open.at(-1).at - open[0].at;
  assert.ok(lasted > 200_000 && lasted <= 280_000, `${lasted}`);
});

test("a machine that slept knows that its key is old", async () => {
  const { asked, fetch } = serving(() => { setTimeout(() => { clock.now += 600_000; }, 10); return lost(); });
  const { error } = await outcome(fetch, { within: Infinity });
  assert.ok(error instanceof InDoubt && asked.length === 1, `${asked.length}`);
});

test("a signal gives it up: before it begins, under way, and while it waits", async () => {
  const none = serving(created()), why = new Error("enough");
  assert.equal((await outcome(none.fetch, { signal: AbortSignal.abort(why) })).error, why);
  assert.equal(none.asked.length, 0);
  for (const deed of [silent, busy]) {
    const { asked, fetch } = serving(deed), abort = new AbortController(), began = clock.now;
    setTimeout(() => abort.abort(why), 2_000);
    const { error, at } = await outcome(fetch, { signal: abort.signal });
    assert.deepEqual([error, asked.length, at - began, clock.pending], [why, 1, 2_000, 0]);
  }
});

test("a time that is none is refused", async () => {
  for (const options of [{ within: -1 }, { timeout: NaN }, { backoff: { initial: "1" } }]) await assert.rejects(publish(URL_, "x", options), RangeError);
});
