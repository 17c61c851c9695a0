// The client for browsers over https and wss, as a browser does TLS. Its authority is not the browser's, which is told
// to overlook that; what a certificate has to be is tested elsewhere.

import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import { DEADLINE, ROOT, WAYS, startBrowser, startHub } from "./harness.mjs";

const FILES = `${ROOT}tests/certificates`;
let browser, hub, page;

before(async () => {
  browser = await startBrowser();
  hub = await startHub("127.0.0.1:0", "--tls-cert", `${FILES}/server.pem`, "--tls-key", `${FILES}/server.key`);
  assert.match(hub.base, /^https:/);
  const context = await browser.newContext({ ignoreHTTPSErrors: true });
  page = await context.newPage();
  page.setDefaultTimeout(DEADLINE);
  await page.goto(`${hub.base}/barewire.d.ts`);
});
after(async () => {
  await browser?.close();
  assert.deepEqual(await hub?.end("SIGTERM"), [0, null]);
});

for (const transport of WAYS) {
  test(`a page publishes and reads by ${transport}`, async () => {
    const data = await page.evaluate(async (transport) => {
      const { subscribe } = await import("/barewire.js");
      const stop = new AbortController();
      const url = `/channels/tls-${transport}`;
      const published = ["one", "x".repeat(100_000), "three"];
      for (const body of published) await fetch(url, { method: "POST", body });
      const seen = [];
      for await (const event of subscribe(url, { transport, signal: stop.signal })) {
        seen.push(event.data);
        if (seen.length === published.length) break;
      }
      stop.abort();
      return seen;
    }, transport);
    assert.deepEqual(data, ["one", "x".repeat(100_000), "three"]);
  });
}
