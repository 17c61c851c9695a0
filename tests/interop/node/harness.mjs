// What the Node tests share: a started example, and a queue of what a WebSocket receives.

import { spawn } from "node:child_process";
import { once } from "node:events";
import { createInterface } from "node:readline";

/** How long anything may take before a test gives up. Never used to synchronise. */
export const PATIENCE = 30_000;

/** Starts an example; the environment names its program, such as BAREWIRE_HUB. */
export async function start(name, ...options) {
  const program = process.env[`BAREWIRE_${name.toUpperCase()}`];
  const child = spawn(program, ["--listen", "127.0.0.1:0", ...options], { stdio: ["ignore", "pipe", "inherit"] });
  const exited = once(child, "exit");
  const lines = createInterface({ input: child.stdout });
  const [line] = await Promise.race([
    once(lines, "line"),
    exited.then(() => {
      throw new Error(`${name} ended before it listened`);
    }),
  ]);
  const [, scheme, host] = /^listening on (https?):\/\/(127\.0\.0\.1:\d+)$/.exec(line) ?? [];
  if (!host) {
    child.kill("SIGKILL");
    throw new Error(`${name} did not say where it listens, but ${line}`);
  }
  return {
    host,
    url: `${scheme}://${host}`,
    wsUrl: `${scheme === "https" ? "wss" : "ws"}://${host}`,
    /** Sends a signal and resolves to the exit code. */
    async stop(signal = "SIGTERM") {
      child.kill(signal);
      const late = setTimeout(() => child.kill("SIGKILL"), PATIENCE);
      const [code] = await exited;
      clearTimeout(late);
      return code;
    },
  };
}

/** Everything that a WebSocket receives, in order, from the first frame on. */
export function inbox(socket) {
  const messages = [];
  const waiting = [];
  let ended = null;
  socket.on("message", (data, isBinary) => {
    const message = isBinary ? data : data.toString();
    const next = waiting.shift();
    if (next) next.resolve(message);
    else messages.push(message);
  });
  const end = (error) => {
    ended ??= error;
    for (const { reject } of waiting.splice(0)) reject(ended);
  };
  socket.on("error", end);
  socket.on("close", (code) => end(new Error(`closed with ${code}`)));
  return {
    next() {
      if (messages.length > 0) return Promise.resolve(messages.shift());
      if (ended) return Promise.reject(ended);
      return new Promise((resolve, reject) => waiting.push({ resolve, reject }));
    },
    async take(count) {
      const taken = [];
      while (taken.length < count) taken.push(await this.next());
      return taken;
    },
  };
}
