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
 * The file reads from the outside to the inside: the subscription, one connection (`Link`), the ways, the decoder of
 * event streams, publishing. barewire.d.ts has the types and describes every option.
 */

const PATIENCE = 2;          // further tries of a way that has worked, before another is tried
const SETTLED = 5_000;       // milliseconds that an open stream lasts before it counts as one that works
const PULSE = 10_000;        // milliseconds between two looks at the clock
const AT_ONCE = 1_000;       // milliseconds: an empty answer that comes sooner was not waited for
const WORDS = 200;           // characters of a refusal that are repeated
const RETRY_AFTER_MOST = 86_400_000; // milliseconds: a day

/** The names of a subscription's own events. A channel's event of such a name comes only as `event`. */
const OWN = new Set(["event", "gap", "open", "lost", "end", "error"]);

/** Reads the channel at `url`, until it is closed or refused for good. */
export function subscribe(url, options) {
  return new Subscription(url, options);
}

// ------------------------------------------------------------------------------------------------ the subscription

/** An async iterator and an EventTarget over the same events. What the iterator has not taken yet waits in a `Queue`. */
export class Subscription extends EventTarget {
  #settings; #ways;
  #place;                         // { cursor, retry }: what outlives a connection
  #queue;
  #link = null;                   // the connection in use
  #hurry = new AbortController(); // ends the pause between two connections
  #isAsked = false;               // the server asked for the pause
  #done = new AbortController();

  constructor(url, {
    transport = "auto", lastEventId, from, signal, backoff = {}, interval = 2_000, wait = 25, timeout = 10_000,
    silence = 40_000, buffer = 1_000, headers = {}, credentials = "same-origin", activity,
    fetch = globalThis.fetch, WebSocket = globalThis.WebSocket,
  } = {}) {
    super();
    if (transport !== "auto" && !Object.hasOwn(WAYS, transport)) throw new TypeError(`there is no transport "${transport}"`);
    this.#ways = transport === "auto" ? Object.keys(WAYS) : [transport];
    this.#place = { cursor: lastEventId || null, retry: undefined };
    this.#queue = new Queue(buffer);
    const href = absolute(url).replace(/^ws/, "http");
    this.#settings = { href, from, backoff, interval, wait, timeout, silence, headers, credentials, activity, fetch, WebSocket };
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
    let at = 0, tries = 0, failures = 0;
    for (;;) {
      await this.#queue.untilRoom();
      if (this.#done.signal.aborted) return;
      const transport = this.#ways[at], isLast = at === this.#ways.length - 1;
      const link = this.#link = new Link(this.#settings, this.#place, this.#queue, transport, this.#ways.length === 1);
      link.onopen = () => this.#tell("open", { transport });
      link.onevent = (message) => this.#handOver(message);
      const why = await link.run(WAYS[transport]);
      this.#link = null;
      if (this.#done.signal.aborted) return;
      if (why === ENDED) return this.#finish();
      if (isLast && isFinal(why)) return this.#finish(why);
      if (link.hasWorked) [tries, failures] = [PATIENCE, 0];
      if (why === FULL) continue;

      let delay = 0;
      const again = !isFinal(why) && (why.retryAfter !== undefined || link.hasWorked || tries-- > 0);
      if (why instanceof Doubt) at = 0;    // at once; the network may be another, and let through what the last did not
      else if (!again && !isLast) at += 1; // this way does not work: the next one, at once
      else {
        if (!again) at = 0;                // none works: all over again, later
        const { initial = this.#place.retry, max } = this.#settings.backoff;
        delay = Math.max(backoffDelay(failures, { initial, max }), why.retryAfter ?? 0);
        failures += 1;
      }
      this.#isAsked = why.retryAfter !== undefined;
      this.#hurry = new AbortController();
      this.#tell("lost", { transport, reason: why.message, delay, next: this.#ways[at] });
      await sleep(delay, this.#hurry.signal);
    }
  }

  /** Hands one event over, and moves the cursor behind it. */
  #handOver({ id, event = "message", data = "", encoding }) {
    if (id) this.#place.cursor = id;
    const content = { id: id ?? null, event, data, bytes: encoding === "base64" ? bytesOf(data) : null };
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

  /** A pause is over at once, unless the server asked for it; an open connection that may be dead is given up. */
  #wake(reason, isSuspect) {
    if (!this.#isAsked) this.#hurry.abort();
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
  #events = []; #limit;
  #wanting = []; // calls of next() that wait for an event: [resolve, reject]
  #waiting = []; // who waits for room
  #isIterated = false;
  #isGivenUp = false;
  #end = null;   // then { error }

  constructor(limit) { this.#limit = Math.max(1, limit); }

  get isFull() { return this.#events.length >= this.#limit; }

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
      if (this.#events.length <= this.#limit / 2) this.#makeRoom();
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
    const words = (await response.text()).trim().slice(0, WORDS);
    return new Refusal(response.status, words, retryAfter(response.headers.get("Retry-After")));
  }
}

/** The connection may be dead, and only a new one can tell. */
class Doubt extends Error {}

const ENDED = new Error("it has ended");
const FULL = new Error("the buffer is full");

/** A refusal that asking again does not change (RFC 9110 15.5): but for a timeout (408) and for too many requests (429). */
const isFinal = ({ status }) => status >= 400 && status < 500 && status !== 408 && status !== 429;

/** RFC 9110 10.2.3: seconds or a date. In milliseconds; undefined if there is none that makes sense. */
function retryAfter(value) {
  const wait = /^\d+$/.test(value ?? "") ? Number(value) * 1000 : Date.parse(value) - Date.now();
  return Number.isNaN(wait) ? undefined : Math.min(Math.max(wait, 0), RETRY_AFTER_MOST);
}

/**
 * How long to wait after this many failures: anything up to a limit that doubles each time (full jitter), so that a
 * thousand pages that lost their server together do not come back together.
 */
export function backoffDelay(failures, { initial = 500, max = 30_000 } = {}, random = Math.random) {
  return random() * Math.min(max, initial * 2 ** failures);
}

const isHidden = () => globalThis.document?.visibilityState === "hidden";

/** The URL in full. What it is relative to depends on who asks: a page, a worker, or neither. */
const absolute = (url) => new URL(url, globalThis.document?.baseURI ?? globalThis.location?.href).href;

// ------------------------------------------------------------------------------------------------- one connection

/** One connection, or one row of polls: from the first request until it is lost. */
class Link {
  isOpen = false;
  hasWorked = false; // a way that has worked is tried again before another is
  #abort = new AbortController();
  signal = this.#abort.signal;
  #deadline; #settling;
  #heard = Date.now();

  constructor(settings, place, queue, transport, isAlone) {
    Object.assign(this, { settings, place, queue, transport, isAlone });
  }

  /** Reads until it is lost, and says why. */
  async run(way) {
    try {
      await way(this);
    } catch (error) {
      this.lose(error);
    }
    clearTimeout(this.#deadline);
    clearTimeout(this.#settling);
    return this.signal.reason;
  }

  /** Gives the connection up. The first reason is the one that counts. */
  lose(why) { this.#abort.abort(why); }

  /** It is lost if it says nothing for so long. */
  expect(milliseconds) {
    clearTimeout(this.#deadline);
    if (milliseconds === Infinity) return;
    this.#deadline = setTimeout(() => this.lose(new Error(`nothing came for ${milliseconds / 1000} s`)), milliseconds);
  }

  /** Nothing has to come. */
  expectNothing() { clearTimeout(this.#deadline); }

  get quietFor() { return Date.now() - this.#heard; }

  heard() { this.#heard = Date.now(); }

  /** The way is open. A stream has to last before that means that it works. */
  open(isStream) {
    this.signal.throwIfAborted();
    this.heard();
    if (this.isOpen) return;
    this.isOpen = true;
    if (isStream) this.#settling = setTimeout(() => this.works(), SETTLED);
    this.onopen();
  }

  works() { this.hasWorked = true; }

  take(message) {
    this.signal.throwIfAborted();
    this.onevent(message);
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

  /** The URL to read at. Where a request begins is said by its field; a WebSocket of a page's can only say it here. */
  target(isSocket) {
    const url = new URL(this.settings.href), { cursor } = this.place;
    url.hash = ""; // a WebSocket's URL may not have one
    if (isSocket && cursor) url.searchParams.set("last_event_id", cursor);
    if (!cursor && this.settings.from) url.searchParams.set("from", this.settings.from);
    return isSocket ? url.href.replace(/^http/, "ws") : url.href;
  }

  /** Asks, with the cursor; resolves to an answer that is 2xx. */
  async ask(fields, wait = 0) {
    this.signal.throwIfAborted();
    const { timeout, credentials, fetch } = this.settings;
    const url = this.target(), headers = new Headers(this.settings.headers);
    if (this.place.cursor) headers.set("Last-Event-ID", this.place.cursor);
    for (const [name, value] of Object.entries(fields)) headers.set(name, value);
    this.expect(timeout + wait * 1000);
    this.report("request", () => ({ url, headers }));
    const response = await fetch(url, { headers, credentials, cache: "no-store", signal: this.signal });
    this.report("response", () => ({ status: response.status, headers: response.headers }));
    if (!response.ok) throw await Refusal.of(response);
    return response;
  }

  /** Asks for what there is behind the cursor. Hands nothing over yet. */
  async askForBatch(fields, wait) {
    const response = await this.ask(fields, wait);
    const body = await response.arrayBuffer();
    this.expectNothing();
    const nothing = { events: [], last_id: response.headers.get("Last-Event-ID") };
    const batch = response.status === 204 ? nothing : parse(new TextDecoder().decode(body));
    if (!Array.isArray(batch?.events)) throw new Error("the answer is not a channel's");
    this.report("data", () => ({ bytes: body.byteLength, events: batch.events.length }));
    return batch;
  }
}

/** Sleeps so many milliseconds, or until the signal aborts. */
function sleep(milliseconds, signal) {
  return new Promise((resolve) => {
    const timer = setTimeout(end, milliseconds);
    signal.addEventListener("abort", end);
    if (signal.aborted) end();
    function end() {
      clearTimeout(timer);
      signal.removeEventListener("abort", end); // one connection may sleep many times
      resolve();
    }
  });
}

/** JSON; undefined if it is none. */
function parse(text) {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
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
  const { place, signal, settings: { WebSocket, timeout, from } } = link;
  if (from === "now" && !place.cursor) {
    // A socket does not say where it begins: cut before its first event, it would not know its place. A poll does.
    // Where only sockets come through, it is left at that.
    const batch = await link.askForBatch({}).catch(() => signal.throwIfAborted());
    if (batch?.last_id) place.cursor = batch.last_id;
  }
  link.expect(timeout);
  const url = link.target(true), socket = new WebSocket(url);
  link.report("request", () => ({ url, headers: null }));
  let looked = Date.now();
  const pulse = setInterval(() => {
    // A hidden page's timers are late as a rule; what it slept through is looked at when it is seen again.
    if (Date.now() - looked > 3 * PULSE && !isHidden()) link.lose(new Doubt("the machine has slept"));
    looked = Date.now();
  }, PULSE);
  socket.onopen = () => {
    link.expectNothing();
    link.report("response", () => ({ status: 101, headers: null }));
    link.open(true);
  };
  socket.onclose = ({ code, reason }) => link.lose(new Error(`closed with ${code}${reason && `: ${reason}`}`));
  socket.onmessage = ({ data }) => {
    if (signal.aborted) return;
    const message = parse(data);
    if (typeof message?.id !== "string") return link.lose(new Error("the frame is not a channel's"));
    link.heard();
    link.works();
    link.report("data", () => ({ bytes: new TextEncoder().encode(data).length, events: 1 }));
    link.take(message);
    if (link.queue.isFull) link.lose(FULL);
  };
  try {
    await new Promise((_, reject) => {
      if (signal.aborted) reject(signal.reason);
      signal.addEventListener("abort", () => reject(signal.reason));
    });
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
  const response = await link.ask({ "Accept": "text/event-stream" });
  if (response.status === 204) throw ENDED; // WHATWG HTML 9.2.3: the server's way to say that it is over
  if (!/^text\/event-stream\s*(;|$)/i.test(response.headers.get("Content-Type"))) {
    throw new Error("the answer is no event stream");
  }
  // The hub writes at once. If nothing comes, something on the way collects answers before it passes them on; where
  // there is another way, that one is not open.
  if (isAlone) link.open(true);
  link.expect(isAlone ? silence : timeout);
  const decoder = new EventStreamDecoder(place.cursor ?? "");
  const reader = response.body.getReader();
  for (;;) {
    const { done, value } = await reader.read();
    if (done) throw new Error("the stream ended");
    link.open(true);
    const events = decoder.decode(value);
    link.report("data", () => ({ bytes: value.byteLength, events: events.length }));
    if (events.length > 0) link.works();
    for (const event of events) link.take(unwrapped(event));
    // A block without data is no event, but its id counts: so who begins at the tail is told its place.
    place.cursor = decoder.lastEventId || null;
    place.retry = decoder.retry ?? place.retry;
    link.expectNothing();
    await queue.untilRoom();
    link.expect(silence);
  }
}

/** What is not UTF-8 comes as the JSON object that a poll would carry. */
function unwrapped(event) {
  const envelope = event.data.startsWith("{") && event.data.includes('"base64"') ? parse(event.data) : null;
  const isWrapped = envelope?.encoding === "base64" && envelope.id === event.id && typeof envelope.data === "string";
  return isWrapped ? { ...event, data: envelope.data, encoding: "base64" } : event;
}

async function poll(link, isLong) {
  const { place, queue, settings } = link;
  // The first request is answered at once: until then nobody knows whether the server is there, and a reader that
  // begins at the tail does not know its place.
  for (let wait = 0; ;) {
    const asked = Date.now();
    const batch = await link.askForBatch(wait > 0 ? { "Prefer": `wait=${wait}` } : {}, wait); // RFC 7240 4.3
    const isEmpty = batch.events.length === 0;
    link.open(false);
    if (!isLong || wait > 0) link.works();
    // The place behind the gap is known only if there is nothing behind it yet; else the first event brings it.
    if (batch.gap) link.take({ event: "gap", id: isEmpty ? batch.last_id : null });
    for (const event of batch.events) link.take(event);
    if (batch.last_id) place.cursor = batch.last_id;
    await queue.untilRoom();
    // A long poll that was not held back met a server about to end, or something that does not hold back.
    const isHasty = wait > 0 && isEmpty && !batch.gap && Date.now() - asked < AT_ONCE;
    if (isHasty || (!isLong && !batch.more)) await sleep(settings.interval, link.signal);
    wait = isLong && !batch.more ? settings.wait : 0;
  }
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
  #id; #event = ""; #data = "";

  constructor(lastEventId = "") {
    this.lastEventId = this.#id = lastEventId;
  }

  /** The events that these bytes complete. A block that has not ended when the stream does is no event. */
  decode(bytes) {
    let text = this.#utf8.decode(bytes, { stream: true });
    if (text === "") return [];
    const next = text.endsWith("\r");
    if (this.#endedOnCr && text.startsWith("\n")) text = text.slice(1);
    this.#endedOnCr = next;
    const lines = text.split(/\r\n|\r|\n/);
    // Only what is new is looked through for line ends, however long a line grows.
    lines[0] = this.#rest + lines[0];
    this.#rest = lines.pop();
    const events = [];
    for (const line of lines) {
      if (line === "") this.#dispatch(events); else this.#field(line);
    }
    return events;
  }

  #field(line) {
    const colon = line.indexOf(":");
    if (colon === 0) return; // a comment
    const name = colon < 0 ? line : line.slice(0, colon);
    const value = colon < 0 ? "" : line.slice(line[colon + 1] === " " ? colon + 2 : colon + 1);
    if (name === "data") this.#data += `${value}\n`;
    else if (name === "event") this.#event = value;
    else if (name === "id" && !value.includes("\0")) this.#id = value;
    else if (name === "retry" && /^[0-9]+$/.test(value)) this.retry = Number(value);
  }

  #dispatch(events) {
    this.lastEventId = this.#id;
    if (this.#data !== "") events.push({ id: this.#id, event: this.#event || "message", data: this.#data.slice(0, -1) });
    this.#event = this.#data = "";
  }
}

// ---------------------------------------------------------------------------------------------------- publishing

/** Publishes to the channel at `url`; resolves to the id, or rejects with what the server said (`Refusal`). */
export async function publish(url, data, { event, headers = {}, credentials = "same-origin", signal, fetch = globalThis.fetch } = {}) {
  const target = new URL(absolute(url));
  if (event !== undefined) target.searchParams.set("event", event);
  const response = await fetch(target.href, { method: "POST", body: data, headers, credentials, signal });
  if (!response.ok) throw await Refusal.of(response);
  return (await response.json()).id;
}
