/**
 * barewire for browsers: reads a channel by whichever way the network lets through, and publishes to it.
 *
 *     import { subscribe, publish } from "/barewire.js";
 *
 *     for await (const event of subscribe("/channels/ticks")) console.log(event.data);
 *     await publish("/channels/ticks", "42");
 *
 * A channel is one ordered log on the server. A reader is a cursor into it: the id of the last event that it has had.
 * A way to read is only how the reader waits:
 *
 *     websocket     one upgrade, then a frame per event
 *     sse           one response that does not end
 *     long-poll     a request that is answered when there is something
 *     short-poll    a request now and then
 *
 * So a subscription may lose its connection at any moment, and change its way: it comes back with its cursor, and its
 * reader sees one ordered stream that lacks nothing and repeats nothing. What the server does not retain any more is
 * told as a `gap`.
 *
 * The invariant that this rests on: the cursor moves in the same step that hands an event over, and a connection that
 * is given up hands over nothing more.
 *
 * No server makes it spin: every connection that fails costs a longer pause than the last one, on top of what the
 * server asks for, until one does better; and what cannot be read is not asked for twice in the same way.
 *
 * The file reads from the outside to the inside: the subscription, which way it takes and when (`Course`), one
 * connection (`Link`), the ways, what they share of the wire, the decoder of event streams, publishing, waiting.
 * barewire.d.ts has the types and describes every option.
 */

const PATIENCE = 2;          // further tries of a way that has worked, before another is tried
const SETTLED = 5_000;       // milliseconds that an open stream lasts before it counts as one that works here
const LASTING = 30_000;      // milliseconds that a connection lasts before earlier failures are forgotten
const PLENTY = 50;           // events on one connection that do the same, whatever came before
const PULSE = 10_000;        // milliseconds between two looks at the clock
const AT_ONCE = 1_000;       // milliseconds: an empty answer that comes sooner was not waited for
const SLOWEST = 1;           // bytes per millisecond at which a poll's answer has to come
const WORDS = 200;           // characters of a refusal that are repeated
const OPEN_MOST = 280_000;   // milliseconds from the first try of which nobody knows what came to the last: a key lives 300 s
const SENT_LEAST = 16;       // bytes per millisecond at which a message has to go out
const WORDS_WAIT = 1_000;    // milliseconds that they are waited for
const ID_MOST = 8_000;       // bytes of an id that is sent: servers take lines of 8 KiB
const RETRY_LEAST = 500;     // milliseconds: the floor of what a stream may ask for
const TIMER_MOST = 2 ** 31 - 1; // milliseconds: setTimeout takes a longer time for none at all
const ASKED_MOST = TIMER_MOST;  // nearly 25 days: the most that a server may ask for
const WAIT_MOST = 2 ** 31 - 1;  // seconds: the most that the numbers of HTTP hold everywhere (RFC 9111 1.2.2)

/** The names of a subscription's own events. A channel's event of such a name comes only as `event`. */
const OWN = new Set(["event", "gap", "open", "lost", "end", "error"]);

/** Reads the channel at `url`, until it is closed or refused for good. */
export function subscribe(url, options) {
  return new Subscription(url, options);
}

// ------------------------------------------------------------------------------------------------ the subscription

/** An async iterator and an EventTarget over the same events. What the iterator has not taken yet waits in a `Queue`. */
export class Subscription extends EventTarget {
  #settings; #course;
  #place;                         // { cursor, retry, unsendable }: what outlives a connection
  #queue;
  #link = null;                   // the connection in use
  #hurry = new AbortController(); // ends the pause between two connections, but for what the server asked for
  #done = new AbortController();

  constructor(url, {
    transport = "auto", lastEventId, from, signal, backoff: { initial = 500, max = 30_000 } = {}, interval = 2_000,
    wait = 25, timeout = 10_000, silence = 40_000, buffer = 1_000, limit = 2 ** 27, oversized = "end",
    headers = {}, credentials = "same-origin", activity, fetch = globalThis.fetch, WebSocket = globalThis.WebSocket,
  } = {}) {
    super();
    if (transport !== "auto" && !Object.hasOwn(WAYS, transport)) throw new TypeError(`there is no transport "${transport}"`);
    if (!["end", "skip"].includes(oversized)) throw new TypeError('oversized is "end" or "skip"');
    for (const [name, value] of Object.entries({ initial, max, interval, wait, timeout, silence, buffer, limit })) {
      if (typeof value !== "number" || !(value >= 0)) throw new RangeError(`${name} cannot be ${value}`);
    }
    this.#course = new Course(transport === "auto" ? Object.keys(WAYS) : [transport], { initial, max });
    this.#place = { cursor: lastEventId || null, retry: 0, unsendable: undefined };
    this.#queue = new Queue(buffer);
    this.#settings = {
      href: absolute(url).replace(/^ws/, "http"), from, interval, wait: Math.min(Math.floor(wait), WAIT_MOST), timeout,
      silence, limit, oversized, headers: new Headers(headers), credentials, activity, fetch, WebSocket,
    };
    signal?.addEventListener("abort", () => this.close(), { signal: this.#done.signal });
    // In a later step, so that whoever subscribes has time to listen.
    queueMicrotask(() => signal?.aborted ? this.close() : this.#run());
  }

  /** The way that is open now, or null. */
  get transport() { return this.#link?.isOpen ? this.#link.transport : null; }

  /** The cursor: a subscription that begins with it continues where this one stands. */
  get lastEventId() { return this.#place.cursor; }

  /** Ends it: no further request, and no further event. */
  close() {
    this.#queue.clear();
    this.#finish();
  }

  [Symbol.asyncIterator]() { return this.#queue.iterate(this); }

  next() { return this.#queue.next(); }

  /** What leaving a `for await` calls. */
  return(value) {
    this.close();
    return Promise.resolve({ value, done: true });
  }

  /** Reads by one way after the other, until it is over. */
  async #run() {
    this.#watch();
    const course = this.#course, over = this.#done.signal;
    for (;;) {
      await this.#queue.untilRoom();
      if (over.aborted) return;
      const { transport } = course;
      const link = this.#link = new Link(this.#settings, this.#place, this.#queue, transport, course.isAlone);
      link.onopen = () => this.#tell("open", { transport });
      link.onevent = (message) => this.#handOver(message);
      const why = await link.run(WAYS[transport]);
      this.#link = null;
      if (over.aborted) return;
      if (why === ENDED) return this.#finish();
      if (why === FULL && link.advance > 0) continue; // held back, and not lost
      const pause = course.after(link, why, this.#place) ?? this.#skip(why);
      if (!pause) return this.#finish(why);
      this.#hurry = new AbortController();
      const { asked, own } = pause;
      this.#tell("lost", { transport, reason: why.message, delay: asked + own, next: course.transport });
      if (asked > 0) await sleep(asked, over);
      await sleep(own, this.#hurry.signal);
    }
  }

  /** Goes on behind what no way can read, if that is wanted, and if the server has said where it ends. */
  #skip(why) {
    const { behind } = this.#course;
    if (this.#settings.oversized !== "skip" || !(why instanceof Unreadable) || !behind) return null;
    this.#handOver({ event: "gap", id: behind });
    return this.#course.startOver();
  }

  /** Hands one event over, and moves the cursor behind it. */
  #handOver({ id, event = "message", data = "", encoding }) {
    if (id !== undefined) this.#place.cursor = id || null; // an empty id takes it away (WHATWG HTML 9.2.6)
    const content = { id: id || null, event, data, bytes: encoding === "base64" ? bytesOf(data) : null };
    const shown = new ChannelEvent(event === "gap" ? "gap" : "event", content);
    this.#queue.push(shown);
    if (!OWN.has(event)) this.dispatchEvent(new ChannelEvent(event, content));
    if (!this.#done.signal.aborted) this.dispatchEvent(shown);
  }

  #tell(name, detail) { this.dispatchEvent(new CustomEvent(name, { detail })); }

  #watch() {
    const { signal } = this.#done, { silence } = this.#settings;
    globalThis.addEventListener?.("online", () => this.#wake("the network is back", true), { signal });
    globalThis.document?.addEventListener("visibilitychange", () => {
      if (!isHidden()) this.#wake("nothing came while the page was hidden", this.#link?.quietFor > silence);
    }, { signal });
  }

  /** A pause is over, but for what the server asked for; an open connection that may be dead is given up. */
  #wake(reason, isSuspect) {
    this.#hurry.abort();
    if (isSuspect) this.#link?.lose(new Doubt(reason));
  }

  #finish(error) {
    if (this.#done.signal.aborted) return;
    this.#done.abort();
    this.#link?.lose(ENDED);
    this.#hurry.abort();
    this.#queue.end(error);
    if (error) this.#tell("error", error); else this.#tell("end");
  }
}

/**
 * What the iterator has not taken yet, within a bound: when it is full, the subscription stops reading until half of it
 * is taken. A poll is not asked, a stream is not read on, and a WebSocket, which a page cannot hold back, is closed and
 * opened again at the cursor. It may run over by what is read at once: a poll's batch, a piece of a stream.
 */
class Queue {
  #events = []; #most;
  #wanting = []; // calls of next() that wait for an event: [resolve, reject]
  #waiting = []; // who waits for room
  #isIterated = false;
  #isGivenUp = false;
  #end = null;   // then { error }

  constructor(most) { this.#most = Math.max(1, most); }

  get isFull() { return this.#events.length >= this.#most; }

  push(event) {
    if (this.#wanting.length > 0) return this.#wanting.shift()[0]({ value: event, done: false });
    if (!this.#isGivenUp) this.#events.push(event);
    // Nobody iterates, so there are only listeners, who get everything at once.
    if (this.isFull && !this.#isIterated) [this.#events, this.#isGivenUp] = [[], true];
  }

  iterate(iterator) {
    // Better an error than a stream that silently lacks its beginning.
    if (this.#isGivenUp) throw new Error("too late to iterate: the first events have gone to listeners only");
    this.#isIterated = true;
    return iterator;
  }

  next() {
    this.#isIterated = true;
    if (this.#events.length > 0) {
      const value = this.#events.shift();
      if (this.#events.length <= this.#most / 2) this.#makeRoom();
      return Promise.resolve({ value, done: false });
    }
    return new Promise((...settle) => {
      this.#wanting.push(settle);
      this.#settle();
    });
  }

  /** Resolves when there is room, or when it is over. */
  untilRoom() {
    return this.isFull && !this.#end ? new Promise((resolve) => this.#waiting.push(resolve)) : Promise.resolve();
  }

  #makeRoom() {
    for (const resolve of this.#waiting.splice(0)) resolve();
  }

  clear() { this.#events = []; }

  end(error) {
    this.#end = { error };
    this.#makeRoom();
    this.#settle();
  }

  /** After the end there is nothing to wait for. The error is thrown once, as a generator does. */
  #settle() {
    if (!this.#end) return;
    for (const [resolve, reject] of this.#wanting.splice(0)) {
      const { error } = this.#end;
      this.#end = {};
      if (error) reject(error); else resolve({ value: undefined, done: true });
    }
  }
}

/** An event of the channel. As a MessageEvent it is what an EventSource would give; `id`, `event` and `bytes` are more. */
class ChannelEvent extends MessageEvent {
  constructor(type, { id, event, data, bytes }) {
    super(type, { data, lastEventId: id ?? "" });
    Object.assign(this, { id, event, bytes });
  }
}

/** Base64 as bytes; null if it is none. */
function bytesOf(base64) {
  try {
    return Uint8Array.from(atob(base64), (character) => character.charCodeAt(0));
  } catch {
    return null;
  }
}

// ----------------------------------------------------------------------------------------------- why it was given up

/** The server said no, in words. */
export class Refusal extends Error {
  name = "Refusal";

  constructor(status, words, retryAfter) {
    super(words || `refused with ${status}`);
    this.status = status;
    this.retryAfter = retryAfter;
  }

  /** What an answer that is not 2xx says. */
  static async of(response) {
    return new Refusal(response.status, await wordsOf(response), retryAfter(response.headers));
  }
}

/** Nobody knows whether the message was published: an answer was lost, and then came `cause`. */
export class InDoubt extends Error {
  name = "InDoubt";

  constructor(cause) {
    super(`whether it was published is not known: ${cause.message}`, { cause });
  }
}

/** What comes at this place cannot be read this way, however often it is asked for. `behind` is its id, or a later one. */
class Unreadable extends Error {
  constructor(words, behind) {
    super(words);
    this.behind = behind;
  }
}

/** The connection may be dead, and only a new one can tell. */
class Doubt extends Error {}

const ENDED = new Error("it has ended");
const FULL = new Error("the buffer is full");

/** A refusal that asking again does not change (RFC 9110 15.5): but for a timeout (408) and for too many requests (429). */
const isFinal = ({ status }) => status >= 400 && status < 500 && status !== 408 && status !== 429;

const isForbidden = ({ status }) => status === 401 || status === 403;

/** RFC 9110 10.2.3: seconds, or a date by the server's clock if it shows that. In milliseconds; undefined for neither. */
function retryAfter(headers) {
  const value = headers.get("Retry-After") ?? "", now = Date.parse(headers.get("Date")) || Date.now();
  const wait = /^\d+$/.test(value) ? Number(value) * 1000 : /GMT$/.test(value) ? Date.parse(value) - now : NaN;
  return Number.isNaN(wait) ? undefined : Math.min(Math.max(wait, 0), ASKED_MOST);
}

// ------------------------------------------------------------------------------------------------------ the course

/**
 * Which way is taken next, and after how long. Whatever makes a reader come back sooner or later is decided here.
 *
 * A way that does not work is left for the next one at once. One that works is tried again, after a pause that doubles
 * with every failure. Failures are forgotten when a connection has lasted, or has brought more events than those that
 * failed before it: not for a byte, a comment or one event each time, or a server that always fails behind it would be
 * asked for ever at the pace of the first pause. After the last way it begins again with the first.
 */
class Course {
  #ways; #backoff;
  #at = 0;                // which way
  #tries = 0;             // further ones of this way
  #failures = 0;          // since a connection did better
  #most = 0;              // events that a connection which failed has brought
  #obstacle = {};         // the cursor behind which something cannot be read, by which ways, and where it ends

  constructor(ways, backoff) { [this.#ways, this.#backoff] = [ways, backoff]; }

  get transport() { return this.#ways[this.#at]; }

  get isAlone() { return this.#ways.length === 1; }

  /** The id behind what no way can read, if the server has said it. */
  get behind() { return this.#obstacle.behind; }

  /** Begins with the first way, after a pause. */
  startOver() {
    this.#at = 0;
    return { asked: 0, own: backoffDelay(this.#failures++, this.#backoff) };
  }

  /** After a connection: how long to wait, in milliseconds, as the server asked and beyond it. Null if it is over. */
  after({ transport, hasWorked, lasted, advance }, why, { cursor, retry }) {
    const isBetter = lasted >= LASTING || advance > this.#most;
    if (isBetter) [this.#failures, this.#most] = [0, Math.min(advance, PLENTY - 1)];
    if (isBetter || hasWorked) this.#tries = PATIENCE + 1;
    if (this.#obstacle.cursor !== cursor) this.#obstacle = { cursor, ways: new Set(), behind: null };
    if (why instanceof Unreadable) {
      this.#obstacle.ways.add(transport);
      if (why.behind !== cursor) this.#obstacle.behind ??= why.behind;
    }

    const canRead = (way) => !this.#obstacle.ways.has(way);
    const first = this.#ways.findIndex(canRead);
    const next = this.#ways.findIndex((way, at) => at > this.#at && canRead(way));
    if (first < 0 || (next < 0 && isFinal(why))) return null;

    // A refusal says when to come back, or an event stream has said it in advance (WHATWG HTML 9.2.3).
    const asked = why.retryAfter ?? (transport === "sse" ? retry : 0);
    if (why instanceof Doubt) {
      this.#at = first; // the network may be another, and let through what the last did not
      return { asked, own: 0 };
    }
    const isAgain = !isFinal(why) && canRead(transport) && (why.retryAfter !== undefined || this.#tries-- > 0);
    if (!isAgain && next >= 0) {
      [this.#at, this.#tries] = [next, 0];
      return { asked, own: 0 };
    }
    if (!isAgain) this.#at = first;
    return { asked, own: backoffDelay(this.#failures++, this.#backoff) };
  }
}

/**
 * How long to wait after this many failures: anything up to a limit that doubles each time (full jitter), so that a
 * thousand pages that lost their server together do not come back together.
 */
export function backoffDelay(failures, { initial = 500, max = 30_000 } = {}, random = Math.random) {
  return random() * Math.min(max, initial * 2 ** Math.min(failures, 100), Number.MAX_SAFE_INTEGER);
}

// ------------------------------------------------------------------------------------------------- one connection

/** One connection, or one row of polls: from the first request until it is lost. */
class Link {
  hasWorked = false; // a way that has worked is tried again before another is
  moves = 0;         // how often an event has moved the cursor
  #abort = new AbortController();
  signal = this.#abort.signal;
  #unexpect = () => {}; #unsettle = () => {};
  #opened = null;    // when
  #heard = Date.now();
  #begin;            // the cursor at first

  constructor(settings, place, queue, transport, isAlone) {
    Object.assign(this, { settings, place, queue, transport, isAlone });
    this.#begin = place.cursor;
  }

  /** Reads until it is lost, and says why. */
  async run(way) {
    try {
      await unlessAborted(way(this), this.signal);
    } catch (error) {
      this.lose(error);
    }
    this.#unexpect();
    this.#unsettle();
    this.lasted = this.isOpen ? Date.now() - this.#opened : 0;
    return this.signal.reason;
  }

  /** Gives the connection up. The first reason is the one that counts. */
  lose(why) { this.#abort.abort(why instanceof Error ? why : new Error(String(why))); }

  /** It is lost if it says nothing for so long. */
  expect(milliseconds, why = `nothing came for ${milliseconds / 1000} s`) {
    this.#unexpect();
    this.#unexpect = milliseconds === Infinity ? () => {} : after(milliseconds, () => this.lose(new Error(why)));
  }

  /** Nothing has to come. */
  expectNothing() { this.#unexpect(); }

  get quietFor() { return Date.now() - this.#heard; }

  heard() { this.#heard = Date.now(); }

  get isOpen() { return this.#opened !== null; }

  /** How many events have brought the cursor on; a server that begins anew each time brings it nowhere. */
  get advance() { return this.place.cursor === this.#begin ? 0 : this.moves; }

  /** The way is open. A stream has to last before that means that it works. */
  open(isStream) {
    this.signal.throwIfAborted();
    this.heard();
    if (this.isOpen) return;
    this.#opened = Date.now();
    if (isStream) this.#unsettle = after(SETTLED, () => this.works());
    this.onopen();
  }

  works() { this.hasWorked = true; }

  /** What is larger than the limit is not read. */
  bound(size, what, id) {
    const { limit } = this.settings;
    if (size > limit) throw new Unreadable(`the ${what} is larger than ${limit} bytes`, id);
  }

  take(message) {
    this.signal.throwIfAborted();
    const { cursor } = this.place;
    this.onevent(message);
    if (this.place.cursor !== cursor) this.moves += 1;
  }

  /** To whoever counts: see `activity` in the types. Whatever goes wrong there must not cost an event here. */
  report(phase, detail) {
    if (!this.settings.activity) return;
    try {
      this.settings.activity({ transport: this.transport, phase, ...detail() });
    } catch (error) {
      setTimeout(() => { throw error; });
    }
  }

  /** The cursor as a field carries it; null if there is none, or none that can be sent. */
  get #id() {
    const { cursor, unsendable } = this.place;
    return cursor === null || cursor === unsendable ? null : fieldOf(cursor);
  }

  /** The URL to read at. Where a request begins is said by its field; a WebSocket of a page's can only say it here. */
  target(isSocket) {
    const url = new URL(this.settings.href), { cursor } = this.place;
    url.hash = ""; // a WebSocket's URL may not have one
    if (!cursor && this.settings.from) url.searchParams.set("from", this.settings.from);
    if (!isSocket) return url.href;
    const bare = url.href;
    if (this.#id !== null) url.searchParams.set("last_event_id", cursor);
    return (url.href.length > ID_MOST ? bare : url.href).replace(/^http/, "ws");
  }

  /** Asks, with the cursor; resolves to an answer that is 2xx. */
  async ask(fields, wait = 0) {
    this.signal.throwIfAborted();
    const { timeout, credentials, fetch } = this.settings;
    const url = this.target(), headers = new Headers(this.settings.headers), id = this.#id;
    if (id !== null) headers.set("Last-Event-ID", id);
    for (const [name, value] of Object.entries(fields)) headers.set(name, value);
    this.expect(timeout + wait * 1000);
    this.report("request", () => ({ url, headers }));
    const response = await fetch(url, { headers, credentials, cache: "no-store", signal: this.signal });
    this.report("response", () => ({ status: response.status, headers: response.headers }));
    if (response.ok) return response;
    this.expectNothing();
    const refusal = await Refusal.of(response);
    if (response.status !== 431 || id === null) throw refusal;
    this.place.unsendable = this.place.cursor; // RFC 6585 5: the fields are too large, so without this one
    throw new Error(refusal.message);
  }

  /** Asks for what there is behind the cursor. Hands nothing over yet. */
  async askForBatch(fields, wait) {
    const response = await this.ask(fields, wait);
    const body = await this.#bodyOf(response);
    this.expectNothing();
    this.signal.throwIfAborted();
    const text = new TextDecoder().decode(body);
    const nothing = { events: [], last_id: textOf(response.headers.get("Last-Event-ID")) };
    const batch = response.status === 204 ? nothing : parse(text);
    if (!Array.isArray(batch?.events) || !batch.events.every(isMessage)) {
      const What = isBinary(text.slice(0, WORDS)) ? Unreadable : Error;
      throw new What(`the answer is not a channel's${inItsCoding(response)}`);
    }
    this.report("data", () => ({ bytes: body.byteLength, events: batch.events.length }));
    return { ...batch, last_id: batch.last_id ? String(batch.last_id) : undefined };
  }

  /** A whole body within the limit. However large it is, it has its time, but not from a server that lets it trickle. */
  async #bodyOf(response) {
    const { timeout } = this.settings, parts = [], began = Date.now();
    let size = 0;
    for await (const part of partsOf(response, this.signal)) {
      parts.push(part);
      size += part.byteLength;
      this.bound(size, "answer", textOf(response.headers.get("Last-Event-ID")));
      this.expect(timeout + size / SLOWEST - (Date.now() - began), "the answer came too slowly");
    }
    const body = new Uint8Array(size);
    for (let at = 0, n = 0; n < parts.length; at += parts[n++].byteLength) body.set(parts[n], at);
    return body;
  }
}

// ------------------------------------------------------------------------------------------------------- the ways

/** Each reads until the connection is lost, and throws why. The order is the one in which `auto` tries them. */
const WAYS = {
  "websocket": readSocket,
  "sse": readEventStream,
  "long-poll": (link) => poll(link, true),
  "short-poll": (link) => poll(link, false),
};

/**
 * A WebSocket says little about itself to a page: not the status of a refusal, so that it is never a final one; and not
 * the server's pings, so that a silent one cannot be told from a dead one. It is given up when there is a reason for
 * doubt: another network, a page seen again after a silence, a clock that jumped because the machine slept.
 */
async function readSocket(link) {
  const { place, signal, isAlone, settings: { WebSocket, timeout, from } } = link;
  if (from === "now" && !place.cursor) {
    // A socket does not say where it begins: cut before its first event, it would not know its place. A poll does.
    // Where only sockets come through, it is left at that.
    const batch = await link.askForBatch({}).catch((error) => { if (isForbidden(error)) throw error; });
    signal.throwIfAborted();
    if (batch?.last_id) place.cursor = batch.last_id;
  }
  link.expect(timeout);
  const url = link.target(true), socket = new WebSocket(url);
  link.report("request", () => ({ url, headers: null }));
  let looked = Date.now(), wrong = null;
  const pulse = setInterval(() => {
    // A hidden page's timers are late as a rule; what it slept through is looked at when it is seen again.
    if (Date.now() - looked > 3 * PULSE && !isHidden()) link.lose(new Doubt("the machine has slept"));
    looked = Date.now();
  }, PULSE);
  socket.onopen = () => {
    if (signal.aborted) return;
    link.expectNothing();
    link.report("response", () => ({ status: 101, headers: null }));
    link.open(true);
  };
  // A page is not told more than that; npm's ws says why, and ends the process where nobody listens.
  socket.onerror = ({ message, error }) => {
    if (!message) return;
    wrong = /^WS_ERR_(UNSUPPORTED|INVALID_UTF8)/.test(error?.code) ? new Unreadable(message) : new Error(message);
    if (link.isOpen) link.lose(wrong);
  };
  socket.onclose = async ({ code, reason }) => {
    const words = `closed with ${code}${reason && `: ${reason}`}`;
    // Another request may be told the status that a WebSocket was refused with.
    if (isAlone && !link.isOpen) await link.ask({}).catch((error) => { if (isForbidden(error)) wrong = error; });
    link.lose(wrong ?? (code === 1009 ? new Unreadable(words) : new Error(words))); // RFC 6455 7.4.1: too big
  };
  socket.onmessage = ({ data }) => {
    if (signal.aborted) return;
    try {
      const message = typeof data === "string" ? parse(data) : null;
      if (!isMessage(message) || message.id === undefined) throw new Unreadable("the frame is not a channel's");
      link.bound(data.length, "frame", message.id);
      link.heard();
      link.report("data", () => ({ bytes: new TextEncoder().encode(data).length, events: 1 }));
      link.take(message);
      if (link.queue.isFull) throw FULL;
    } catch (why) {
      link.lose(why);
    }
  };
  try {
    await unlessAborted(new Promise(() => {}), signal);
  } finally {
    clearInterval(pulse);
    socket.close();
  }
}

/**
 * Through fetch and a decoder of our own rather than the browser's EventSource, which drops events whose names it was
 * not told beforehand, hides the status of a refusal, sends no fields (neither a token nor, at first, a Last-Event-ID),
 * shows no heartbeats, so that a dead connection looks like a silent one, and cannot be held back.
 */
async function readEventStream(link) {
  const { place, queue, isAlone, settings: { silence, timeout } } = link;
  // Whatever compresses answers on the way would hold events back. A browser does not let a page say so.
  const response = await link.ask({ "Accept": "text/event-stream", "Accept-Encoding": "identity" });
  if (response.status === 204) throw ENDED; // WHATWG HTML 9.2.3: the server's way to say that it is over
  if (!/^text\/event-stream\s*(;|$)/i.test(response.headers.get("Content-Type"))) {
    throw new Error("the answer is no event stream");
  }
  // The hub writes at once. If nothing comes, something on the way collects answers before it passes them on; where
  // there is another way, that one is not open.
  if (isAlone) link.open(true);
  link.expect(isAlone ? silence : timeout);
  const decoder = new EventStreamDecoder(place.cursor ?? "");
  for await (const bytes of partsOf(response, link.signal)) {
    const events = decode(decoder, bytes, response);
    link.open(true);
    link.report("data", () => ({ bytes: bytes.byteLength, events: events.length }));
    for (const event of events) {
      link.bound(event.data.length, "event", event.id);
      link.take(unwrapped(event));
    }
    link.bound(decoder.pending.size, "event", decoder.pending.id);
    // A block without data is no event, but its id counts: so who begins at the tail is told its place.
    place.cursor = decoder.lastEventId || null;
    if (decoder.retry !== undefined) place.retry = Math.min(Math.max(decoder.retry, RETRY_LEAST), ASKED_MOST);
    link.expectNothing();
    await queue.untilRoom();
    link.expect(silence);
  }
  throw new Error("the stream ended");
}

function decode(decoder, bytes, response) {
  try {
    return decoder.decode(bytes);
  } catch (error) {
    throw new Unreadable(`${error.message}${inItsCoding(response)}`);
  }
}

async function poll(link, isLong) {
  const { place, queue, settings } = link;
  // The first request is answered at once: until then nobody knows whether the server is there, and a reader that
  // begins at the tail does not know its place.
  for (let wait = 0; ;) {
    const asked = Date.now(), before = place.cursor;
    const batch = await link.askForBatch(wait > 0 ? { "Prefer": `wait=${wait}` } : {}, wait); // RFC 7240 4.3
    const isEmpty = batch.events.length === 0;
    link.open(false);
    if (!isLong || wait > 0) link.works();
    // The place behind the gap is known only if there is nothing behind it yet; else the first event brings it.
    if (batch.gap) link.take({ event: "gap", id: isEmpty ? batch.last_id : undefined });
    for (const event of batch.events) link.take(event);
    if (batch.last_id) place.cursor = batch.last_id;
    if (!link.hasWorked) link.moves = 0; // what came at once says nothing of requests that are held back
    await queue.untilRoom();
    // Who brings nothing new, whatever it says, is asked again at once only if it held the request back or is asked to
    // from now on: not a server about to end, something that does not hold back, a server without cursors.
    const isNews = !(isEmpty && !batch.gap) && place.cursor !== before;
    const next = isLong && !(isNews && batch.more) ? settings.wait : 0;
    const wasHeld = wait > 0 && Date.now() - asked >= AT_ONCE;
    if (!(isNews ? isLong || batch.more : wasHeld || next > wait)) await sleep(settings.interval, link.signal);
    wait = next;
  }
}

// ------------------------------------------------------------------------------------------------ bodies, fields, JSON

/** A body as it comes in. */
async function* partsOf(response, signal) {
  if (!response.body) return yield new Uint8Array(await response.arrayBuffer()); // of a fetch that does not stream
  const reader = response.body.getReader();
  try {
    for (;;) {
      const { done, value } = await unlessAborted(reader.read(), signal);
      if (done) return;
      yield value;
    }
  } catch (error) {
    throw signal.aborted ? signal.reason : new Error(`${error.message}${inItsCoding(response)}`);
  } finally {
    reader.cancel().catch(() => {});
  }
}

/** How a refusal is worded, as far as that comes soon: it is one whatever becomes of its body. */
async function wordsOf({ body }) {
  const reader = body?.getReader(), utf8 = new TextDecoder(), late = new AbortController();
  const stop = after(WORDS_WAIT, () => late.abort());
  let words = "";
  try {
    while (words.length < WORDS) {
      const { done, value } = await unlessAborted(reader.read(), late.signal);
      if (done) break;
      words += utf8.decode(value, { stream: true });
    }
  } catch {
    // what has come is enough
  }
  stop();
  reader?.cancel().catch(() => {});
  return words.trim().slice(0, WORDS);
}

/** The content coding that an answer names, for a message. Fetch undoes those that it knows, and leaves the others. */
function inItsCoding({ headers }) {
  const coding = headers.get("Content-Encoding");
  return coding && coding.toLowerCase() !== "identity" ? ` (content coding ${coding})` : "";
}

/** Text does not hold these; what is compressed does, nearly at once. */
const isBinary = (text) => /[\0-\x08\x0e-\x1a\x1c-\x1f\ufffd]/.test(text);

/** An id as a field carries it (WHATWG HTML 9.2.3): its UTF-8, a character for each byte. Null if no field can hold it. */
function fieldOf(id) {
  const bytes = new TextEncoder().encode(id);
  if (bytes.length > ID_MOST || /[\0-\x08\x0a-\x1f\x7f]/.test(id)) return null;
  return String.fromCharCode(...bytes);
}

/** What a field that fetch shows, a character for each byte, says in UTF-8. */
const textOf = (field) => field && new TextDecoder().decode(Uint8Array.from(field, (character) => character.charCodeAt(0)));

/** What a frame holds, or a batch. */
const isMessage = (value) => typeof value === "object" && value !== null &&
  [value.id, value.event, value.data, value.encoding].every((field) => field === undefined || typeof field === "string");

/** JSON; undefined if it is none. */
function parse(text) {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}

/** What is not UTF-8 comes as the JSON object that a poll would carry. */
function unwrapped(event) {
  const envelope = event.data.startsWith("{") && event.data.includes('"base64"') ? parse(event.data) : null;
  const isWrapped = envelope?.encoding === "base64" && envelope.id === event.id && typeof envelope.data === "string";
  return isWrapped ? { ...event, data: envelope.data, encoding: "base64" } : event;
}

// ---------------------------------------------------------------------------------------- the decoder of event streams

/** Decodes text/event-stream (WHATWG HTML 9.2.6), cut anywhere: bytes in, events out. */
export class EventStreamDecoder {
  /** The id that a reconnect would send: that of the last block. */
  lastEventId;
  /** The last `retry:`, in milliseconds. */
  retry;
  #utf8 = new TextDecoder(); // drops a byte order mark, and keeps a character that was cut
  #rest = "";                // of a line that has not ended
  #endedOnCr = false;        // then a line feed that comes next belongs to it
  #hasBegun = false;         // a line has come that an event stream would have
  #id; #event = ""; #data = "";

  constructor(lastEventId = "") {
    this.lastEventId = this.#id = lastEventId;
  }

  /** What has come of an event that has not ended: so many characters, and its id so far. */
  get pending() { return { size: this.#rest.length + this.#data.length, id: this.#id }; }

  /**
   * The events that these bytes complete. A block that has not ended when the stream does is no event. Throws where
   * a stream does not begin as text: all of one that is compressed would be ignored.
   */
  decode(bytes) {
    let text = this.#utf8.decode(bytes, { stream: true });
    if (text === "") return [];
    const next = text.endsWith("\r");
    if (this.#endedOnCr && text.startsWith("\n")) text = text.slice(1);
    this.#endedOnCr = next;
    const lines = text.split(/\r\n|\r|\n/);
    // Only what is new is looked through, however long a line grows.
    const isFresh = this.#rest.length < WORDS;
    lines[0] = this.#rest + lines[0];
    this.#rest = lines.pop();
    const events = [];
    for (const line of lines) {
      this.#check(line);
      if (line === "") this.#dispatch(events); else this.#field(line);
    }
    if (lines.length > 0 || isFresh) this.#check(this.#rest);
    return events;
  }

  #check(line) {
    this.#hasBegun ||= /^(:|(data|event|id|retry)(:|$))/.test(line);
    if (!this.#hasBegun && isBinary(line)) throw new Error("the event stream is not text");
  }

  #field(line) {
    const colon = line.indexOf(":");
    if (colon === 0) return; // a comment
    const name = colon < 0 ? line : line.slice(0, colon);
    const value = colon < 0 ? "" : line.slice(line[colon + 1] === " " ? colon + 2 : colon + 1);
    if (name === "data") this.#data += `${value}\n`;
    else if (name === "event") this.#event = value;
    else if (name === "id" && !value.includes("\0")) this.#id = value;
    else if (name === "retry" && /^[0-9]+$/.test(value)) this.retry = Math.min(Number(value), Number.MAX_SAFE_INTEGER);
  }

  #dispatch(events) {
    this.lastEventId = this.#id;
    if (this.#data !== "") events.push({ id: this.#id, event: this.#event || "message", data: this.#data.slice(0, -1) });
    this.#event = this.#data = "";
  }
}

// ---------------------------------------------------------------------------------------------------- publishing

/**
 * Publishes to the channel at `url`; resolves to the id. It is tried until there is an answer, always under the same key, by
 * which the server knows that it has it already: so it is published once. A server keeps a key for five minutes from the
 * moment at which it acknowledges the message; the invariant is that nothing is sent any more when that may be over.
 */
export async function publish(url, data, {
  event, key = randomKey(), headers, credentials = "same-origin", signal, within = 60_000, timeout = 10_000,
  backoff: { initial = 500, max = 30_000 } = {}, retrying, fetch = globalThis.fetch,
} = {}) {
  for (const [name, value] of Object.entries({ within, timeout, initial, max })) {
    if (typeof value !== "number" || !(value >= 0)) throw new RangeError(`${name} cannot be ${value}`);
  }
  const target = new URL(absolute(url));
  if (event !== undefined) target.searchParams.set("event", event);
  // What is sent is the same in every try, whatever becomes of what it was made of.
  const whole = new Response(data);
  const fields = new Headers(headers), type = whole.headers.get("Content-Type");
  if (type && !fields.has("Content-Type")) fields.set("Content-Type", type);
  fields.set("Idempotency-Key", key);
  const body = await whole.arrayBuffer();
  const patience = timeout + body.byteLength / SENT_LEAST, given = moment(), over = signal ?? new AbortController().signal;
  const check = () => { if (over.aborted) throw over.reason; };
  let open = null; // when the first try was made whose outcome is not known
  const left = () => Math.min(within - since(given), open ? OPEN_MOST - since(open) : Infinity);
  const failed = (error) => open ? new InDoubt(error) : error;
  for (let failures = 0;; failures += 1) {
    check();
    const asked = moment();
    const request = { method: "POST", body, headers: fields, credentials };
    const { id, error, retryAfter = 0, isOpen, isFinal } = await attempt(target.href, request, Math.min(patience, left()), over, fetch);
    if (id !== undefined) return id;
    check();
    if (isOpen) open ??= asked;
    // It never comes sooner than the server asks: then nothing more can come of it.
    if (isFinal || left() <= retryAfter) throw failed(error);
    const delay = retryAfter + backoffDelay(failures, { initial, max });
    retrying?.({ error, delay });
    await sleep(Math.min(delay, left()), over);
    check();
    if (left() <= 0) throw failed(error);
  }
}

/** One try: `{ id }`, or `{ error }` with whether it may have been published all the same, and whether to try again. */
async function attempt(href, request, patience, over, fetch) {
  const abort = new AbortController(), give = () => abort.abort(over.reason);
  over.addEventListener("abort", give);
  const stop = after(patience, () => abort.abort(new Error("the server did not answer in time")));
  try {
    const response = await unlessAborted(fetch(href, { ...request, signal: abort.signal }), abort.signal);
    if (response.status !== 201) return refused(await Refusal.of(response), response.ok);
    const { id } = JSON.parse(await unlessAborted(response.text(), abort.signal));
    return typeof id === "string" && id ? { id } : { error: new Error("the server told no id"), isOpen: true };
  } catch (error) {
    return { error, isOpen: true }; // the answer did not come, or not to its end
  } finally {
    stop();
    over.removeEventListener("abort", give);
  }
}

/** What an answer other than 201 comes to. A server of this kind says 503 with Retry-After only where nothing was kept. */
function refused(error, isOk) {
  const { status, retryAfter } = error, passes = [408, 425, 429].includes(status) || status >= 500;
  if (isOk) error.message = `answered ${status}, and not 201: is this a channel's URL?`;
  const isKnown = status === 503 ? retryAfter !== undefined : status >= 400 && status < 500 && status !== 408;
  return { error, retryAfter, isOpen: !isKnown, isFinal: !passes };
}

/** A moment on two clocks, as one may stand still while the machine sleeps, and the other may be set back. */
const moment = () => [Date.now(), performance.now()];
const since = ([date, time]) => Math.max(Date.now() - date, performance.now() - time);

/** 128 random bits in hexadecimal digits. (`randomUUID` is for pages of https alone.) */
const randomKey = () =>
  Array.from(crypto.getRandomValues(new Uint8Array(16)), (byte) => byte.toString(16).padStart(2, "0")).join("");

// ------------------------------------------------------------------------------------------------------------ waiting

/** Calls so much later, however long that is. Returns what prevents it. */
function after(milliseconds, call) {
  const part = Math.min(milliseconds, TIMER_MOST);
  let stop;
  const timer = setTimeout(() => {
    if (milliseconds > part) stop = after(milliseconds - part, call); else call();
  }, part);
  stop = () => clearTimeout(timer);
  return () => stop();
}

/** Sleeps so many milliseconds, or until the signal aborts. */
function sleep(milliseconds, signal) {
  return new Promise((resolve) => {
    const stop = after(milliseconds, end);
    signal.addEventListener("abort", end);
    if (signal.aborted) end();
    function end() {
      stop();
      signal.removeEventListener("abort", end); // one connection may sleep many times
      resolve();
    }
  });
}

/** What the promise comes to; or rejects when the signal aborts, though what is waited for may not heed it. */
function unlessAborted(promise, signal) {
  let abort;
  const aborted = new Promise((_, reject) => {
    signal.addEventListener("abort", abort = () => reject(signal.reason));
    if (signal.aborted) abort();
  });
  return Promise.race([promise, aborted]).finally(() => signal.removeEventListener("abort", abort));
}

const isHidden = () => globalThis.document?.visibilityState === "hidden";

/** The URL in full. What it is relative to depends on who asks: a page, a worker, or neither. */
const absolute = (url) => new URL(url, globalThis.document?.baseURI ?? globalThis.location?.href).href;
