// What a TypeScript page writes. It is only checked (tsc --noEmit), never run.

import { EventStreamDecoder, InDoubt, Refusal, backoffDelay, publish, subscribe } from "../../../src/client/barewire.js";
import type { Activity, ChannelEvent, Subscription, Transport } from "../../../src/client/barewire.js";

const stop = new AbortController();
let bytesOnTheWire = 0;
const subscription: Subscription = subscribe("/channels/ticks", {
  transport: "auto", lastEventId: null, from: "now", signal: stop.signal, backoff: { initial: 100 }, limit: 2 ** 20, oversized: "skip", headers: { Authorization: "Bearer x" },
  activity(what: Activity) { if (what.phase === "data") bytesOnTheWire += what.bytes; },
});

subscription.addEventListener("open", (event) => { const way: Transport = event.detail.transport; console.log(way); });
subscription.addEventListener("lost", ({ detail }) => console.log(detail.reason, detail.delay.toFixed(), detail.next));
subscription.addEventListener("error", ({ detail }) => { if (detail instanceof Refusal) console.log(detail.status); });
subscription.addEventListener("gap", (event) => console.log(event.id));
subscription.addEventListener("price", (event) => console.log(event.data.length, event.bytes?.byteLength, event.lastEventId));

for await (const event of subscription) {
  const text: string = event.data;
  console.log(event.event, event.id, text satisfies ChannelEvent["data"]);
}

const id: string = await publish(new URL("https://example.com/channels/ticks"), new Uint8Array([1]), { event: "price" });
await publish("/channels/ticks", new Blob(["x"]), { key: "order 66", within: 5_000, retrying: ({ error, delay }) => console.log(error.message, delay.toFixed()) })
  .catch((error) => { if (error instanceof InDoubt) console.log(error.cause.message); });
console.log(id, backoffDelay(1, { max: 10 }, () => 0.5).toFixed(), new EventStreamDecoder().decode(new Uint8Array()).length, new EventStreamDecoder().pending.size.toFixed(), bytesOnTheWire);

// @ts-expect-error: there is no such way
subscribe("/channels/ticks", { transport: "pigeon" });
// @ts-expect-error: an event is not changed
subscription.addEventListener("event", (event) => { event.data = ""; });
// @ts-expect-error: it may be missing
subscription.addEventListener("event", (event) => event.bytes.byteLength);
