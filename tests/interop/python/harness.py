"""What the tests share: a started example, a plain HTTP/1.1 connection, and an event-stream parser.

The connection and the parser are written here, and not taken from a library, so that a test can say
exactly which bytes go out and can be strict about every byte that comes back.
"""

import collections
import contextlib
import itertools
import json
import os
import re
import signal
import socket
import subprocess
import unittest

# How long anything may take before a test gives up. Never used to synchronise.
PATIENCE = 30
# How long a test looks on to see that nothing happens.
QUIET = 0.3

# The fields of RFC 6455 1.3.
HANDSHAKE = (
    "Connection: Upgrade",
    "Upgrade: websocket",
    "Sec-WebSocket-Version: 13",
    "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==",
)

CHANNEL_NUMBERS = itertools.count(1)


class Example:
    """A running example server; the environment names its program, such as BAREWIRE_HUB."""

    def __init__(self, name, *options):
        program = os.environ["BAREWIRE_" + name.upper()]
        self.process = subprocess.Popen(
            [program, "--listen", "127.0.0.1:0", *options], stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, text=True
        )
        line = self.process.stdout.readline()
        match = re.fullmatch(r"listening on (https?)://(127\.0\.0\.1):(\d+)\n", line)
        if not match:
            self.process.kill()
            raise AssertionError(f"{name} did not say where it listens, but {line!r}")
        scheme, address, port = match.groups()
        self.address = (address, int(port))
        self.host = f"{address}:{port}"
        self.url = f"{scheme}://{self.host}"
        self.ws_url = self.url.replace("http", "ws", 1)

    def signal(self, number):
        self.process.send_signal(number)

    def exit_code(self):
        try:
            return self.process.wait(PATIENCE)
        finally:
            self.kill()

    def kill(self):
        if self.process.poll() is None:
            self.process.kill()
            self.process.wait()
        self.process.stdout.close()


class ExampleTest(unittest.TestCase):
    """One server for all tests of a class; at the end it has to shut down cleanly, whatever was done to it."""

    example = None
    options = ()
    longMessage = True

    @classmethod
    def setUpClass(cls):
        cls.server = Example(cls.example, *cls.options)
        cls.addClassCleanup(cls.server.kill)

    @classmethod
    def tearDownClass(cls):
        running = cls.server.process.poll() is None
        cls.server.signal(signal.SIGTERM)
        code = cls.server.exit_code()
        if not running or code != 0:
            raise AssertionError(f"{cls.example} ended {'after SIGTERM' if running else 'early'} with {code}")

    def connect(self):
        connection = Connection(self.server.address)
        self.addCleanup(connection.close)
        return connection

    def exchange(self, request):
        """Sends one request on a connection of its own and reads the answer."""
        with contextlib.closing(self.connect()) as connection:
            return connection.exchange(request)

    def post_all(self, target, bodies):
        """Posts one body after the other without waiting for the answers, and checks them at the end."""
        with contextlib.closing(self.connect()) as connection:
            posts = (request(self.server, "POST", target, f"Content-Length: {len(body)}") + body for body in bodies)
            connection.send(b"".join(posts))
            for _ in bodies:
                self.assertEqual(connection.answer().status, 200)

    def get(self, target, *fields, method="GET"):
        return self.exchange(request(self.server, method, target, *fields))


class HubTest(ExampleTest):
    example = "hub"

    def setUp(self):
        self.channel = f"/channels/test-{os.getpid()}-{next(CHANNEL_NUMBERS)}"

    def publish(self, data, query="", channel=None):
        """Publishes and returns the id."""
        data = data if isinstance(data, bytes) else data.encode()
        target = (channel or self.channel) + query
        answer = self.exchange(request(self.server, "POST", target, f"Content-Length: {len(data)}") + data)
        self.assertEqual(answer.status, 201, answer.body)
        return self.read_id(answer)

    def read_id(self, answer):
        document = answer.json()
        self.assertEqual(list(document), ["id"])
        self.assertRegex(document["id"], r"\A\d+-\d+\Z")
        return document["id"]

    def poll(self, query="", *fields):
        answer = self.get(self.channel + query, *fields)
        self.assertEqual(answer.status, 200, answer.body)
        return answer.json()

    def events(self, query="", *fields):
        """Opens an event stream, checks its head and returns it."""
        stream = EventStream(self.connect(), self.server, self.channel + query, fields)
        self.assertEqual(stream.head.status, 200, stream.head)
        self.assertRegex(stream.head["content-type"], r"\Atext/event-stream(;\s*charset=utf-8)?\Z")
        return stream


# A client's binary frame of 16 MiB and one byte, masked with zeros: the header alone, nothing of the payload.
OVERSIZED_FRAME = b"\x82\xff" + ((16 << 20) + 1).to_bytes(8, "big") + bytes(4)


def request(server, method, target, *fields):
    return "\r\n".join([f"{method} {target} HTTP/1.1", f"Host: {server.host}", *fields, "", ""]).encode()


class Answer:
    def __init__(self, head):
        lines = head.decode("latin-1").split("\r\n")
        match = re.fullmatch(r"HTTP/1\.([01]) (\d{3}) ([^\r\n]*)", lines[0])
        if not match:
            raise AssertionError(f"not a status line: {lines[0]!r}")
        self.status = int(match[2])
        self.fields = []
        for line in lines[1:]:
            field = re.fullmatch(r"([!#$%&'*+.^_`|~0-9A-Za-z-]+):[ \t]*([^\0\r\n]*?)[ \t]*", line)
            if not field:
                raise AssertionError(f"not a field line: {line!r}")
            self.fields.append((field[1].lower(), field[2]))
        self.body = b""

    def __getitem__(self, name):
        """The field's value; its absence or repetition is an error. `None` only through `get`."""
        values = [value for field, value in self.fields if field == name]
        if len(values) != 1:
            raise AssertionError(f"{len(values)} fields {name} in {self}")
        return values[0]

    def get(self, name):
        return self[name] if any(field == name for field, _ in self.fields) else None

    def json(self):
        if not re.fullmatch(r"application/json(;\s*charset=utf-8)?", self["content-type"]):
            raise AssertionError(f"not JSON: {self}")
        return json.loads(self.body)

    def __repr__(self):
        return f"<{self.status} {self.fields} {self.body[:200]!r}>"


class Connection:
    def __init__(self, address):
        self.socket = socket.create_connection(address, timeout=PATIENCE)
        self.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.input = self.socket.makefile("rb")

    def close(self):
        self.input.close()
        self.socket.close()

    def send(self, data):
        self.socket.sendall(data)

    def exchange(self, request):
        self.send(request)
        return self.answer(head_only=request.startswith(b"HEAD "))

    def line(self):
        line = self.input.readline()
        if not line.endswith(b"\r\n"):
            raise AssertionError(f"no complete line but {line!r}")
        return line[:-2]

    def exactly(self, count):
        data = self.input.read(count)
        if len(data) != count:
            raise AssertionError(f"{len(data)} of {count} bytes, then the end")
        return data

    def head(self):
        lines = list(iter(self.line, b""))
        return Answer(b"\r\n".join(lines))

    def chunks(self):
        """The chunks of a body, each as it arrives, up to the last one and the empty line after it."""
        while True:
            size = self.line()
            if not re.fullmatch(rb"[0-9A-Fa-f]+", size):
                raise AssertionError(f"not a chunk size: {size!r}")
            data = self.exactly(int(size, 16))
            if self.line() != b"":
                raise AssertionError("bytes between a chunk and its end of line")
            if not data:
                return
            yield data

    def answer(self, head_only=False):
        answer = self.head()
        if head_only or answer.status < 200 or answer.status in (204, 304):
            return answer
        if answer.get("transfer-encoding") is not None:
            assert answer["transfer-encoding"] == "chunked" and answer.get("content-length") is None, answer
            answer.body = b"".join(self.chunks())
        elif answer.get("content-length") is not None:
            answer.body = self.exactly(int(answer["content-length"]))
        else:
            answer.body = self.input.read()
        return answer

    def close_code(self):
        """The code of a close frame, which has to come next."""
        head = self.exactly(2)
        if head[0] != 0x88 or head[1] < 2:
            raise AssertionError(f"not a close frame with a code: {head!r}")
        return int.from_bytes(self.exactly(head[1])[:2], "big")

    def is_silent(self):
        """Whether nothing comes for a while; what does come is not lost."""
        before = self.socket.gettimeout()
        self.socket.settimeout(QUIET)
        try:
            self.socket.recv(1, socket.MSG_PEEK)
            return False
        except TimeoutError:
            return True
        finally:
            self.socket.settimeout(before)

    def is_closed(self):
        """Whether the peer ends the connection without another byte."""
        try:
            return self.input.read(1) == b""
        except ConnectionResetError:
            return True


Event = collections.namedtuple("Event", "id event data")


class EventParser:
    """The WHATWG algorithm: bytes in, events out. `id` is the last one seen, as a browser would send it."""

    def __init__(self):
        self.rest = b""
        self.id, self.event, self.data = "", "", []
        self.retry = None
        self.comments = 0

    def feed(self, data):
        self.rest += data
        # A CR at the very end may be half of a CRLF.
        while match := re.search(rb"\r\n|\n|\r(?!\Z)", self.rest):
            line, self.rest = self.rest[: match.start()], self.rest[match.end() :]
            event = self.line(line.decode())
            if event:
                yield event

    def line(self, line):
        if line == "":
            event = Event(self.id, self.event or "message", "\n".join(self.data)) if self.data else None
            self.event, self.data = "", []
            return event
        if line.startswith(":"):
            self.comments += 1
            return None
        field, _, value = line.partition(":")
        value = value.removeprefix(" ")
        if field == "data":
            self.data.append(value)
        elif field == "event":
            self.event = value
        elif field == "id" and "\0" not in value:
            self.id = value
        elif field == "retry" and value.isdigit():
            self.retry = int(value)
        return None


class EventStream:
    """An open event stream: `next()` waits for an event, `rest()` reads to the proper end."""

    def __init__(self, connection, server, target, fields=()):
        self.connection = connection
        connection.send(request(server, "GET", target, "Accept: text/event-stream", *fields))
        self.head = connection.head()
        self.parser = EventParser()
        self.body = connection.chunks() if self.head.get("transfer-encoding") else iter(lambda: connection.input.read1(65536), b"")
        self.parsed = (event for data in self.body for event in self.parser.feed(data))

    def next(self):
        return next(self.parsed)

    def take(self, count):
        return [self.next() for _ in range(count)]

    def rest(self):
        return list(self.parsed)
