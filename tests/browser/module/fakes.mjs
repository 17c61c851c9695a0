// A world without a network and without waiting: a clock that jumps from one timer to the next, a fetch and a WebSocket
// whose other end is a function of the test's.

import { afterEach, beforeEach } from "node:test";
import { subscribe } from "../../../src/client/barewire.js";

export const URL_ = "http://hub.example/channels/c";
const real = { setTimeout, clearTimeout, setInterval, clearInterval, setImmediate, now: Date.now, random: Math.random };

/** Lets everything happen that needs no time: promises, and the steps of streams. */
export async function settle() {
  for (let n = 0; n < 12; n += 1) await new Promise((resolve) => real.setImmediate(resolve));
}

/** Time as setTimeout has it: a delay beyond 2^31-1 ms, or one that is no number, is 1 ms. */
class Clock {
  now = 1_700_000_000_000;
  #timers = new Map();
  #last = 0;

  set(call, delay, every) {
    const wait = Math.max(1, delay <= 2 ** 31 - 1 ? Math.trunc(delay) || 1 : 1);
    this.#timers.set(this.#last += 1, { call, due: this.now + wait, every: every && wait });
    return this.#last;
  }

  clear(id) { this.#timers.delete(id); }

  /** How many timers run. */
  get pending() { return this.#timers.size; }

  /** Goes on by so many milliseconds, and stops at every timer. */
  async advance(milliseconds) {
    const until = this.now + milliseconds;
    for (;;) {
      await settle();
      const [id, next] = [...this.#timers].reduce((a, b) => a?.[1].due <= b[1].due ? a : b, null) ?? [];
      if (!next || next.due > until) break;
      this.now = Math.max(this.now, next.due);
      if (next.every) next.due += next.every; else this.#timers.delete(id);
      next.call();
    }
    this.now = until;
    await settle();
  }
}

/** Installs the clock for every test of the file; chances fall in the middle. */
export function useClock() {
  const clock = new Clock();
  beforeEach(() => {
    globalThis.setTimeout = (call, delay) => clock.set(call, delay);
    globalThis.setInterval = (call, delay) => clock.set(call, delay, true);
    globalThis.clearTimeout = globalThis.clearInterval = (id) => clock.clear(id);
    Date.now = () => clock.now;
    Math.random = () => 0.5;
  });
  afterEach(async () => {
    for (const subscription of followed.splice(0)) subscription.close();
    await settle();
    const { now, random, ...timers } = real;
    Object.assign(globalThis, timers);
    Date.now = now;
    Math.random = random;
  });
  return clock;
}

/** A body that comes in these pieces, and then ends, stays open, or breaks. */
export function body(pieces, end = "end") {
  const left = pieces.map((piece) => typeof piece === "string" ? new TextEncoder().encode(piece) : Uint8Array.from(piece));
  return new ReadableStream({
    pull(controller) {
      if (left.length > 0) return controller.enqueue(left.shift());
      if (end === "end") return controller.close();
      if (end === "break") return controller.error(new TypeError("terminated"));
      return new Promise(() => {});
    },
  }, { highWaterMark: 0 });
}

export const stream = (pieces, end, fields = {}) =>
  new Response(body([pieces].flat(), end), { headers: { "Content-Type": "text/event-stream", ...fields } });

export const batch = (events, rest = {}) => Response.json({ events, last_id: events.at(-1)?.id, ...rest });

/** Which way a request wants to read. A long poll's first request does not wait, and is a short poll to look at. */
export const wayOf = (headers) =>
  headers.get("Accept") === "text/event-stream" ? "sse" : headers.has("Prefer") ? "long-poll" : "short-poll";

/** A fetch: `answer({ n, way, id, url, headers })` gives a Response, or what is thrown; never, if it gives nothing. */
export function fetching(clock, answer) {
  const asked = [];
  const fetch = (url, { headers, signal }) => new Promise((resolve, reject) => {
    const request = { n: asked.length, at: clock.now, url, way: wayOf(headers), id: headers.get("Last-Event-ID"), headers };
    asked.push(request);
    signal.addEventListener("abort", () => reject(signal.reason));
    const answered = answer(request);
    if (answered instanceof Error) reject(answered); else if (answered) resolve(answered);
  });
  return { asked, fetch };
}

/** A WebSocket: `serve(socket, n)` opens it, sends, and closes it, each in a step of its own. */
export function socketing(clock, serve) {
  const asked = [];
  class FakeSocket {
    isClosed = false;
    constructor(url) {
      this.url = url;
      asked.push({ at: clock.now, url, socket: this });
      const n = asked.length - 1;
      queueMicrotask(() => { if (!this.isClosed) serve(this, n); });
    }
    opens() { this.onopen?.({}); return this; }
    says(data) { this.onmessage?.({ data: typeof data === "string" ? data : JSON.stringify(data) }); return this; }
    sends(data) { this.onmessage?.({ data }); return this; }
    fails(message, code) { this.onerror({ message, error: Object.assign(new Error(message), { code }) }); return this; }
    ends(code = 1006) { this.close(); this.onclose?.({ code, reason: "" }); }
    close() { this.isClosed = true; }
  }
  return { asked, WebSocket: FakeSocket };
}

/** Nothing is there. */
export const NOBODY = { fetch: () => Promise.reject(new TypeError("nobody is there")), WebSocket: class { constructor() { throw new TypeError("nobody is there"); } } };

const followed = [];

/** A subscription that notes what happens to it, and is closed when the test ends. */
export function follow(options, url = URL_) {
  const subscription = subscribe(url, { ...NOBODY, ...options });
  const noted = { subscription, seen: [], lost: [], opened: [], error: null, isOver: false };
  subscription.addEventListener("event", ({ id, data }) => noted.seen.push([id, data]));
  subscription.addEventListener("gap", ({ id }) => noted.seen.push([id, "gap"]));
  subscription.addEventListener("open", ({ detail }) => noted.opened.push(detail.transport));
  subscription.addEventListener("lost", ({ detail }) => noted.lost.push(detail));
  subscription.addEventListener("error", ({ detail }) => { noted.error = detail; noted.isOver = true; });
  subscription.addEventListener("end", () => { noted.isOver = true; });
  followed.push(subscription);
  return noted;
}
