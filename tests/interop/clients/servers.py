"""Servers that others wrote, for our clients: Python's websockets, and the event streams that http.server can do.

WebSocket, at each path (servers.mjs does the same with npm's ws):

    /echo       every message comes back, of its kind
    /fragments  comes back as two fragments, with a ping between them where the library lets us
    /ping       pings with "are you there?", and says what the pong held
    /close      closes with ?code= and the reason "because €"
    /closed     says what the connection before was closed with
    /vanish     at the first message, the connection ends without a close frame
    /protocol   agrees on v2.example or v1.example, and says which
    /field      says what the field X-Ticket held
    /channel    speaks as a hub: two events behind Last-Event-ID, then 1001
    /refuse     403                     /redirect   302

Event streams:

    /stream     one of everything, in small pieces; stays open
    /numbers    retry: 50, the two numbers behind Last-Event-ID, half an event, the end; 204 behind 6
    /fields     says what Accept, Cache-Control and Last-Event-ID held; stays open
    /reset      id 7, then an id of nothing, and the end; the second time what Last-Event-ID held; stays open
    /inherit    ids as a hub's, and between them events without one; stays open
    /redirect   ?status= to numbers     /loop   302 to itself
    /html       200, but no event stream
    /busy       503 with Retry-After: 1, and the second time a stream
"""

import http.server
import json
import threading
from urllib.parse import parse_qs, urlsplit

from websockets.exceptions import ConnectionClosed
from websockets.sync.server import serve


class WebSockets:
    """Python's websockets, in a thread of its own."""

    def __init__(self):
        self.closed_with = "nothing"
        self.one_at_a_time = threading.Lock()
        self.server = serve(
            self.handle,
            "127.0.0.1",
            0,
            process_request=self.before,
            select_subprotocol=lambda _, offered: next((n for n in ("v2.example", "v1.example") if n in offered), None),
            max_size=None,
        )
        self.url = "ws://127.0.0.1:%d" % self.server.socket.getsockname()[1]
        self.thread = threading.Thread(target=self.server.serve_forever)
        self.thread.start()

    def stop(self):
        self.server.shutdown()
        self.thread.join()

    def before(self, connection, request):
        if request.path == "/refuse":
            return connection.respond(403, "never")
        if request.path == "/redirect":
            answer = connection.respond(302, "")
            answer.headers["Location"] = "/echo"
            return answer
        return None

    def handle(self, connection):
        url = urlsplit(connection.request.path)
        try:
            getattr(self, url.path[1:])(connection, parse_qs(url.query))
        except ConnectionClosed:
            pass

    def echo(self, connection, _):
        for message in connection:
            connection.send(message)

    def fragments(self, connection, _):
        for message in connection:
            half = len(message) // 2
            connection.send([message[:half], message[half:]])

    def ping(self, connection, _):
        connection.ping("are you there?").wait(30)
        connection.send("pong to: are you there?")

    def close(self, connection, query):
        connection.close(int(query["code"][0]), "because \u20ac")

    def closed(self, connection, _):
        with self.one_at_a_time:
            connection.send(self.closed_with)
            try:
                connection.recv()
            except ConnectionClosed as closed:
                if closed.rcvd:
                    self.closed_with = f"{closed.rcvd.code} {closed.rcvd.reason}"

    def vanish(self, connection, _):
        connection.recv()
        connection.close_socket()

    def protocol(self, connection, _):
        connection.send(connection.subprotocol or "none")

    def field(self, connection, _):
        connection.send(connection.request.headers.get("X-Ticket", "none"))

    def channel(self, connection, _):
        last = int(connection.request.headers.get("Last-Event-ID", "0-0").split("-")[0])
        for number in (last + 1, last + 2):
            connection.send(json.dumps({"id": f"{number}-0", "event": "tick", "data": f'number "{number}"\n'}))
        connection.close(1001)


STREAM = (
    "\ufeff: a comment\r\nid: 1\r\nevent: named\r\ndata: one\r\n\r\n"
    "data: two\rdata:lines \r\rid: 3\nevent: no data\n\ndata\ndata\n\nretry: 50\ndata: \u20ac \U0001f600\n\n"
    "id\ndata: the id is reset\n\nunknown: field\ndata: last\n\n"
).encode()


class EventStreams:
    """http.server, which speaks HTTP/1.0: a body ends with its connection."""

    def __init__(self):
        streams = self
        self.busy = True
        self.reset = False
        self.stopped = threading.Event()

        class Handler(http.server.BaseHTTPRequestHandler):
            def do_GET(self):
                streams.answer(self)

            def log_message(self, *_):
                pass

        self.server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = "http://127.0.0.1:%d" % self.server.server_port
        self.thread = threading.Thread(target=self.server.serve_forever)
        self.thread.start()

    def stop(self):
        self.stopped.set()
        self.server.shutdown()
        self.thread.join()
        self.server.server_close()

    def answer(self, request):
        url = urlsplit(request.path)

        def head(status, **fields):
            request.send_response(status)
            for name, value in fields.items():
                request.send_header(name.replace("_", "-"), value)
            request.end_headers()

        def stay_open(*pieces):
            head(200, Content_Type="text/event-stream")
            for piece in pieces:
                request.wfile.write(piece)
            self.stopped.wait()

        last = request.headers.get("Last-Event-ID")
        match url.path:
            case "/stream":
                stay_open(*(STREAM[at : at + 1] for at in range(len(STREAM))))
            case "/numbers" if int(last or 0) >= 6:
                head(204)
            case "/numbers":
                number = int(last or 0) + 1
                head(200, Content_Type="text/event-stream")
                events = f"retry: 50\nid: {number}\ndata: {number}\n\nid: {number + 1}\ndata: {number + 1}\n\n"
                request.wfile.write(f"{events}id: 99\ndata: cut off".encode())
            case "/fields":
                fields = request.headers["Accept"], request.headers["Cache-Control"], last or ""
                stay_open(f"data: {'|'.join(fields)}\n\n".encode())
            case "/reset" if not self.reset:
                self.reset = True
                head(200, Content_Type="text/event-stream")
                request.wfile.write(b"retry: 50\nid: 7\ndata: seven\n\nid\ndata: none\n\n")
            case "/reset":
                stay_open(f"data: {'kept' if last else 'forgotten'}\n\n".encode())
            case "/inherit":
                stay_open(b"id: 1-0\ndata: one\n\ndata: no id\n\n", b"data: nor this\n\nid: 2-0\ndata: two\n\n")
            case "/redirect":
                head(int(parse_qs(url.query)["status"][0]), Location="numbers")
            case "/loop":
                head(302, Location="/loop")
            case "/html":
                head(200, Content_Type="text/html")
            case "/busy" if self.busy:
                self.busy = False
                head(503, Retry_After="1")
            case "/busy":
                stay_open(b"data: now\n\n")
            case _:
                head(404)
