// Servers that others wrote, for our clients: npm's ws, npm's better-sse, and Node's own http.
//
// They do at each path what servers.py says. Prints one line of JSON, the ports, when all of them accept.

import { createServer } from "node:http";
import { createSession } from "better-sse";
import { WebSocketServer } from "ws";

const listen = (server) =>
  new Promise((resolve) => server.listen(0, "127.0.0.1", () => resolve(server.address().port)));

// ---- WebSocket

// What the connection before was closed with, when it is.
let closedWith = Promise.resolve("nothing");
const SUPPORTED = ["v2.example", "v1.example"];

const paths = {
  "/echo"(socket) {
    socket.on("message", (data, isBinary) => socket.send(data, { binary: isBinary }));
  },
  "/fragments"(socket) {
    socket.on("message", (data, isBinary) => {
      const half = Math.floor(data.length / 2);
      socket.send(data.subarray(0, half), { binary: isBinary, fin: false });
      socket.ping("between");
      socket.send(data.subarray(half), { binary: isBinary, fin: true });
    });
  },
  "/ping"(socket) {
    socket.on("pong", (data) => socket.send(`pong to: ${data}`));
    socket.ping("are you there?");
  },
  "/close"(socket, url) {
    socket.close(Number(url.searchParams.get("code")), "because \u20ac");
  },
  async "/closed"(socket) {
    const before = closedWith;
    closedWith = new Promise((resolve) => socket.on("close", (code, reason) => resolve(`${code} ${reason}`)));
    socket.send(await before);
  },
  "/vanish"(socket) {
    socket.on("message", () => socket.terminate());
  },
  "/protocol"(socket) {
    socket.send(socket.protocol || "none");
  },
  "/field"(socket, _url, request) {
    socket.send(request.headers["x-ticket"] ?? "none");
  },
  "/channel"(socket, _url, request) {
    const last = Number((request.headers["last-event-id"] ?? "0-0").split("-")[0]);
    for (let number = last + 1; number <= last + 2; number += 1) {
      socket.send(JSON.stringify({ id: `${number}-0`, event: "tick", data: `number "${number}"\n` }));
    }
    socket.close(1001);
  },
};

const sockets = new WebSocketServer({
  perMessageDeflate: { threshold: 100 },
  noServer: true,
  handleProtocols: (offered) => SUPPORTED.find((name) => offered.has(name)) ?? false,
});
const webSocket = createServer();
webSocket.on("upgrade", (request, socket, head) => {
  const url = new URL(request.url, "http://here");
  if (url.pathname === "/refuse") return socket.end("HTTP/1.1 403 Forbidden\r\nContent-Length: 5\r\n\r\nnever");
  if (url.pathname === "/redirect") {
    return socket.end("HTTP/1.1 302 Found\r\nLocation: /echo\r\nContent-Length: 0\r\n\r\n");
  }
  sockets.handleUpgrade(request, socket, head, (open) => paths[url.pathname](open, url, request));
});

// ---- Event streams, by hand

let busy = true;
let reset = false;

const plain = createServer(async (request, response) => {
  const url = new URL(request.url, "http://here");
  const stream = (type = "text/event-stream") => response.writeHead(200, { "Content-Type": type });
  switch (url.pathname) {
    case "/stream":
      stream("Text/Event-Stream; charset=utf-8");
      // A chunk per byte: three line endings, a comment, an event without data, and text cut inside characters.
      for (const byte of Buffer.from(STREAM)) response.write(Buffer.of(byte));
      return;
    case "/numbers": {
      const last = Number(request.headers["last-event-id"] ?? 0);
      if (last >= 6) return response.writeHead(204).end();
      stream();
      return response.end(`retry: 50\nid: ${last + 1}\ndata: ${last + 1}\n\nid: ${last + 2}\ndata: ${last + 2}\n\nid: 99\ndata: cut off`);
    }
    case "/fields":
      stream();
      return response.write(
        `data: ${request.headers.accept}|${request.headers["cache-control"]}|${request.headers["last-event-id"] ?? ""}\n\n`,
      );
    case "/reset":
      stream();
      if (reset) return response.write(`data: ${request.headers["last-event-id"] ? "kept" : "forgotten"}\n\n`);
      reset = true;
      return response.end("retry: 50\nid: 7\ndata: seven\n\nid\ndata: none\n\n");
    case "/inherit":
      stream();
      response.write("id: 1-0\ndata: one\n\ndata: no id\n\n");
      return response.write("data: nor this\n\nid: 2-0\ndata: two\n\n");
    case "/redirect":
      return response.writeHead(Number(url.searchParams.get("status")), { Location: "numbers" }).end("elsewhere");
    case "/loop":
      return response.writeHead(302, { Location: "/loop" }).end();
    case "/html":
      return response.writeHead(200, { "Content-Type": "text/html" }).end("<p>hello");
    case "/busy":
      if (busy) {
        busy = false;
        return response.writeHead(503, { "Retry-After": "1" }).end("busy");
      }
      stream();
      return response.write("data: now\n\n");
    default:
      return response.writeHead(404).end("no such stream");
  }
});

const STREAM =
  "\ufeff: a comment\r\nid: 1\r\nevent: named\r\ndata: one\r\n\r\n" +
  "data: two\rdata:lines \r\rid: 3\nevent: no data\n\ndata\ndata\n\nretry: 50\ndata: \u20ac \u{1f600}\n\n" +
  "id\ndata: the id is reset\n\nunknown: field\ndata: last\n\n";

// ---- Event streams of better-sse

const better = createServer(async (request, response) => {
  const session = await createSession(request, response, { retry: 50 });
  if (request.url === "/numbers") {
    const last = Number(session.lastId || 0);
    session.push(last + 1, "number", `${last + 1}`);
    session.push(last + 2, "number", `${last + 2}`);
    setImmediate(() => response.end());
  } else {
    session.push("plain");
    session.push({ text: "\u20ac\n\nthree lines" }, "named", "a b");
  }
});

console.log(JSON.stringify({ ws: await listen(webSocket), plain: await listen(plain), better: await listen(better) }));
