// Times and sizes as options: a long one is long, although setTimeout takes what is beyond 2^31-1 ms for 1 ms; and
// nonsense is refused at once.

import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { backoffDelay, subscribe } from "../../../src/client/barewire.js";
import { URL_, batch, fetching, follow, socketing, stream, useClock } from "./fakes.mjs";

const clock = useClock();
const DAY = 86_400_000;
const nothing = () => batch([], { last_id: "1-0" });

describe("nonsense is a RangeError", () => {
  for (const name of ["interval", "wait", "timeout", "silence", "buffer", "limit", "initial", "max"]) {
    for (const value of [NaN, -1, -Infinity, "10", null, {}]) {
      test(`${name}: ${String(value)}`, () => {
        const options = ["initial", "max"].includes(name) ? { backoff: { [name]: value } } : { [name]: value };
        assert.throws(() => subscribe(URL_, options), { name: "RangeError", message: new RegExp(name) });
      });
    }
  }
});

for (const long of [2 ** 31, 2 ** 32, 2 ** 53, 1e300, Infinity]) {
  describe(`a time of ${long}`, () => {
    test("interval: it is not asked again", async () => {
      const { asked, fetch } = fetching(clock, nothing);
      follow({ transport: "short-poll", interval: long, fetch });
      await clock.advance(20 * DAY);
      assert.equal(asked.length, 1);
    });

    test("timeout: an answer may take so long", async () => {
      const { asked, fetch } = fetching(clock, () => undefined);
      const { lost } = follow({ transport: "sse", timeout: long, fetch });
      await clock.advance(20 * DAY);
      assert.deepEqual([asked.length, lost], [1, []]);
    });

    test("timeout: a WebSocket may take so long to open", async () => {
      const { asked, WebSocket } = socketing(clock, () => {});
      const { lost } = follow({ transport: "websocket", timeout: long, WebSocket });
      await clock.advance(DAY / 24);
      assert.deepEqual([asked.length, lost], [1, []]);
    });

    test("silence: a stream may be silent for so long", async () => {
      const { asked, fetch } = fetching(clock, () => stream(":\n\n", "open"));
      follow({ transport: "sse", silence: long, fetch });
      await clock.advance(20 * DAY);
      assert.equal(asked.length, 1);
    });

    test("backoff: so long a first pause, and no less than the other bound", async () => {
      const { asked, fetch } = fetching(clock, () => new TypeError("nobody"));
      follow({ transport: "sse", backoff: { initial: long, max: long }, fetch });
      await clock.advance(10 * DAY);
      assert.equal(asked.length, 1);
      const bounded = fetching(clock, () => new TypeError("nobody"));
      follow({ transport: "sse", backoff: { initial: long, max: 1_000 }, fetch: bounded.fetch });
      await clock.advance(10_000);
      assert.equal(bounded.asked.length, 21);
    });

    test("wait: as many seconds as HTTP's numbers hold", async () => {
      const { asked, fetch } = fetching(clock, ({ way }) => way === "long-poll" ? undefined : nothing());
      follow({ transport: "long-poll", wait: long, fetch });
      await clock.advance(20 * DAY);
      assert.deepEqual(asked.map(({ headers }) => headers.get("Prefer")), [null, "wait=2147483647"]);
    });
  });
}

test("a time beyond 2^31-1 ms is over when it is over", async () => {
  const { asked, fetch } = fetching(clock, nothing);
  follow({ transport: "short-poll", interval: 2 ** 31 + 5_000, fetch });
  await clock.advance(2 ** 31 + 4_000);
  assert.equal(asked.length, 1);
  await clock.advance(2_000);
  assert.equal(asked.length, 2);
});

test("a long pause ends when the subscription is closed", async () => {
  const { fetch } = fetching(clock, nothing);
  const { subscription, ...noted } = follow({ transport: "short-poll", interval: Infinity, fetch });
  await clock.advance(10);
  const end = subscription.next();
  subscription.close();
  assert.deepEqual(await end, { value: undefined, done: true });
  assert.equal(clock.pending, 0);
  void noted;
});

test("a fraction of a second is none that a server could be asked to wait", async () => {
  const { asked, fetch } = fetching(clock, nothing);
  follow({ transport: "long-poll", wait: 0.5, fetch });
  await clock.advance(9_000);
  assert.deepEqual(asked.map(({ headers }) => headers.get("Prefer")), [null, null, null, null, null]);
});

test("the pause after very many failures is still a number", () => {
  for (const failures of [0, 100, 1_024, 1e9, Infinity]) {
    for (const initial of [0, 500, 1e300, Infinity]) {
      for (const chance of [0, 0.5]) {
        const delay = backoffDelay(failures, { initial, max: 30_000 }, () => chance);
        assert.ok(delay >= 0 && delay <= 30_000, `${failures} ${initial} ${chance}: ${delay}`);
      }
    }
  }
  assert.equal(backoffDelay(1, { initial: Infinity, max: Infinity }, () => 0), 0);
});
