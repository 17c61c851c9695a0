/**
 * Types of barewire.js: a channel's reader and publisher for browsers, workers, and what else has fetch.
 *
 * Times may be as long as you like, `Infinity` included. A time or size that is negative or not a number is a RangeError.
 */

/** A way to read a channel, in the order in which `auto` tries them. */
export type Transport = "websocket" | "sse" | "long-poll" | "short-poll";

export interface SubscribeOptions {
  /**
   * `auto` (the default) begins with a WebSocket and goes on to the next way when one does not work here; any other
   * value is the one way to use. A page cannot see why a WebSocket was refused, so `websocket` alone then sends a GET to
   * the same URL, and ends with its 401 or 403; any other answer to it leads to another attempt.
   */
  transport?: "auto" | Transport;
  /** Begin after the event with this id, such as the `lastEventId` of an earlier subscription. */
  lastEventId?: string | null;
  /** Without `lastEventId`: begin with what is published from now on, not with the oldest event retained. */
  from?: "now";
  /** Closes the subscription when it aborts. */
  signal?: AbortSignal;
  /**
   * Milliseconds. After n failures in a row it waits for a random time up to `initial * 2 ** n`, and at most `max`, on top
   * of what the server asks for (`retry:` of an event stream, Retry-After). `initial` is 500, `max` is 30000. Failures are
   * counted anew after a connection that has lasted 30 s, or that has brought more events than those that failed before
   * it. A server may ask for at most 2147483647 ms, nearly 25 days, and with `retry:` for at least 500 ms.
   */
  backoff?: { initial?: number; max?: number };
  /** Milliseconds between short polls: 2000. */
  interval?: number;
  /** Whole seconds that a long poll asks the server to wait: 25. */
  wait?: number;
  /**
   * Milliseconds for a connection to open or an answer to begin, beyond a long poll's wait: 10000. The answer to a poll
   * has one more millisecond for each of its bytes.
   */
  timeout?: number;
  /**
   * Milliseconds without a byte after which an event stream counts as lost: 40000, well over two heartbeats of the
   * server's. `Infinity` for a server that sends none.
   */
  silence?: number;
  /**
   * Events that wait for the iterator: 1000. When so many do, the subscription stops reading until half of them are
   * taken. It may run over by one batch of a poll or one piece of a stream.
   */
  buffer?: number;
  /**
   * Bytes of the largest frame, event of a stream, or answer to a poll that is read: 134217728. A way that meets a larger
   * one, or another thing that it cannot read, is left for the next way, and is not used again at this place.
   */
  limit?: number;
  /**
   * What happens when every way has met what it cannot read: the subscription ends with an error (`end`, the default), or
   * goes on behind it with a `gap` (`skip`). It ends all the same if the server does not say where that is: a hub does,
   * but a page of another origin sees only in streams and frames what it says.
   */
  oversized?: "end" | "skip";
  /** Fields for every request but a WebSocket's, which a page can't add any to. */
  headers?: HeadersInit;
  /** For every request but a WebSocket's, as fetch takes it: "same-origin". */
  credentials?: RequestCredentials;
  /** Called with everything that goes over the wire, as far as a page sees it, before the events in it are handed over. */
  activity?: (what: Activity) => void;
  /** Another fetch, for instance one that adds a token that changes. */
  fetch?: typeof fetch;
  /** Another WebSocket, for instance npm's `ws` where there is none built in. */
  WebSocket?: typeof WebSocket;
}

export type Activity = { transport: Transport } & (
  /** A request goes out. `headers` are those that were set here; null for a WebSocket. */
  | { phase: "request"; url: string; headers: Headers | null }
  /** The head of its answer has come. */
  | { phase: "response"; status: number; headers: Headers | null }
  /** A part of a body or a frame has come: its bytes without framing, and how many events it brings or completes. */
  | { phase: "data"; bytes: number; events: number }
);

/**
 * An event of the channel. It is dispatched under its own name and as `event`; but under `event` alone if its name is
 * one of the subscription's own.
 */
export interface ChannelEvent extends MessageEvent<string> {
  /** Its id; null if the server gave none. */
  readonly id: string | null;
  /** The name that it was published under: "message" by default, and "gap" for a gap. */
  readonly event: string;
  /** The text; of data that is not UTF-8, its base64. */
  readonly data: string;
  /** Data that is not UTF-8; null for text. */
  readonly bytes: Uint8Array | null;
}

export interface SubscriptionEventMap {
  /** Every event of the channel, whatever its name. */
  event: ChannelEvent;
  /** Events before the next one are missing: the server does not retain them any more, or has begun anew. */
  gap: ChannelEvent;
  /** A way is open. */
  open: CustomEvent<{ transport: Transport }>;
  /** A way was lost, or could not be opened; after `delay` milliseconds it goes on with `next`. */
  lost: CustomEvent<{ transport: Transport; reason: string; delay: number; next: Transport }>;
  /** It is over: it was closed, or the server said that there is no more. */
  end: CustomEvent<null>;
  /** It is over: refused for good (a `Refusal`), or it cannot be read in any way. */
  error: CustomEvent<Error>;
}

/**
 * A reader of a channel: an EventTarget, and an async iterator that gives what `event` and `gap` listeners get. Leaving
 * a `for await` closes it. Iterate at once or not at all: when the buffer is full before anybody iterates, it is given
 * up, and iterating throws.
 */
export class Subscription extends EventTarget implements AsyncIterableIterator<ChannelEvent> {
  constructor(url: string | URL, options?: SubscribeOptions);
  /** The way that is open now, or null. */
  readonly transport: Transport | null;
  /** The cursor: a subscription that begins with it continues where this one stands. */
  readonly lastEventId: string | null;
  /** Ends it: no further request, and no further event. */
  close(): void;
  next(): Promise<IteratorResult<ChannelEvent, undefined>>;
  return(value?: undefined): Promise<IteratorResult<ChannelEvent, undefined>>;
  [Symbol.asyncIterator](): this;

  addEventListener<K extends keyof SubscriptionEventMap>(
    type: K, listener: (this: Subscription, event: SubscriptionEventMap[K]) => void, options?: boolean | AddEventListenerOptions): void;
  /** Any other name is a channel's event of that name, such as `message`. */
  addEventListener(
    type: string, listener: ((this: Subscription, event: ChannelEvent) => void) | EventListenerObject | null, options?: boolean | AddEventListenerOptions): void;
  removeEventListener<K extends keyof SubscriptionEventMap>(
    type: K, listener: (this: Subscription, event: SubscriptionEventMap[K]) => void, options?: boolean | EventListenerOptions): void;
  removeEventListener(
    type: string, listener: ((this: Subscription, event: ChannelEvent) => void) | EventListenerObject | null, options?: boolean | EventListenerOptions): void;
}

/** Reads the channel at `url`, until it is closed or refused for good. */
export function subscribe(url: string | URL, options?: SubscribeOptions): Subscription;

export interface PublishOptions {
  /** The event's name: "message" by default. */
  event?: string;
  /**
   * The idempotency key, 1 to 255 characters that a field can hold: the same key and message within five minutes is
   * published once. Without it, one that is random and the same in every try.
   */
  key?: string;
  headers?: HeadersInit;
  credentials?: RequestCredentials;
  /** Gives up when it aborts, with its reason. The message may have been published by then. */
  signal?: AbortSignal;
  /**
   * Milliseconds until it is given up: 60000. Whatever it is, a message of which nobody knows whether it was published is
   * not sent again later than 280 s after that try, as a server keeps its key for five minutes.
   */
  within?: number;
  /** Milliseconds for one answer: 10000, and one more for every 16 bytes of the message. */
  timeout?: number;
  /** Between two tries, as a subscription's: on top of what the server asks for with Retry-After, which is never undercut. */
  backoff?: { initial?: number; max?: number };
  /** Called when a try has come to nothing, and the next one comes in `delay` milliseconds. */
  retrying?: (what: { error: Error; delay: number }) => void;
  fetch?: typeof fetch;
}

/**
 * Publishes to the channel at `url`, once, however often it has to be sent. Resolves to the event's id. Rejects with a
 * `Refusal` if the server refuses, with what went wrong if the time is over and it was not published, or with
 * `InDoubt` if nobody knows. Where order matters, wait for one before the next.
 */
export function publish(url: string | URL, data: BodyInit, options?: PublishOptions): Promise<string>;

/** The server said no; the message is what it said. */
export class Refusal extends Error {
  readonly status: number;
  /** Milliseconds, if the server said when to come again. */
  readonly retryAfter: number | undefined;
}

/** Nobody knows whether the message was published: an answer was lost, and then came `cause`. */
export class InDoubt extends Error {
  readonly cause: Error;
}

/** Decodes text/event-stream (WHATWG HTML 9.2.6), cut anywhere: bytes in, events out. */
export class EventStreamDecoder {
  constructor(lastEventId?: string);
  /** The events that these bytes complete. Throws if the stream does not begin as text, such as one that is compressed. */
  decode(bytes: Uint8Array): { id: string; event: string; data: string }[];
  /** The id that a reconnect would send: that of the last block. */
  readonly lastEventId: string;
  /** The last `retry:`, in milliseconds, at most `Number.MAX_SAFE_INTEGER`. */
  readonly retry: number | undefined;
  /** What has come of an event that has not ended: how many characters, and its id so far. */
  readonly pending: { readonly size: number; readonly id: string };
}

/** Milliseconds to wait after this many failures: at random up to `initial * 2 ** failures`, and never over `max`. */
export function backoffDelay(failures: number, limits?: { initial?: number; max?: number }, random?: () => number): number;
