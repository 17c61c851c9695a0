// What the tests in a browser share: the hub as a process, Chromium, and publishing from outside. The environment names
// the programs: HUB (the example's binary) and CHROMIUM.

import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { once } from "node:events";
import { createInterface } from "node:readline";
import { fileURLToPath } from "node:url";
import { chromium } from "playwright-core";

export const ROOT = fileURLToPath(new URL("../..", import.meta.url));
const HUB = process.env.HUB ?? `${ROOT}target/release/examples/hub`;
const CHROMIUM = process.env.CHROMIUM ?? "/usr/bin/chromium";
const CHROMIUM_FLAGS = [
  "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-background-networking",
  "--disable-component-update", "--disable-sync",
];

export const DEADLINE = 30_000; // milliseconds; generous, because it is only ever waited for when a test fails
export const WAYS = ["short-poll", "long-poll", "sse", "websocket"];

export const startBrowser = () => chromium.launch({ executablePath: CHROMIUM, headless: true, args: CHROMIUM_FLAGS });

export async function startHub(address = "127.0.0.1:0", ...options) {
  const child = spawn(HUB, ["--listen", address, ...options], { stdio: ["ignore", "pipe", "inherit"] });
  const exited = once(child, "exit");
  const base = await new Promise((resolve, reject) => {
    child.on("error", reject);
    child.on("exit", (code) => reject(new Error(`${HUB} ended with ${code} before it listened`)));
    createInterface({ input: child.stdout }).on("line", (line) => {
      const found = /^listening on (https?:\/\/\S+)/.exec(line);
      if (found) resolve(found[1]);
    });
  });
  return {
    base,
    /** Sends the signal and resolves to [exit code, signal]. */
    end(signal) { child.kill(signal); return exited; },
  };
}

export async function publish(hub, channel, body, event) {
  const query = event ? `?event=${encodeURIComponent(event)}` : "";
  const response = await fetch(`${hub.base}/channels/${channel}${query}`, { method: "POST", body });
  assert.equal(response.status, 201);
  return (await response.json()).id;
}

export async function publishAll(hub, channel, bodies) {
  const ids = [];
  for (const body of bodies) ids.push(await publish(hub, channel, body));
  return ids;
}
