"""Clients of every textbook server and way, in sockets and bytes: what passes is looked at by tests/lens/check.py."""

import base64
import json
import os
import socket
import struct
import subprocess
import threading
import time

EXAMPLES = os.environ["EXAMPLES"]
PATIENCE = 30


class Program:
    """An example that listens on a port which the system chose."""

    def __init__(self, name, *arguments, keep=True, **settings):
        command = [f"{EXAMPLES}/{name}", "--listen", "127.0.0.1:0", *arguments]
        self.process = subprocess.Popen(command, stdout=subprocess.PIPE, **settings)
        line = self.process.stdout.readline().decode()
        assert line.startswith("listening on http://"), line
        self.port = int(line.rsplit(":", 1)[1])
        self.output, self.keep = b"", keep
        self.reader = threading.Thread(target=self.read, daemon=True)
        self.reader.start()

    def read(self):
        while piece := self.process.stdout.read1(1 << 16):
            if self.keep:
                self.output += piece

    def stop(self):
        """Sends SIGTERM, and gives what was written and the exit code."""
        self.process.terminate()
        code = self.process.wait(timeout=PATIENCE)
        self.reader.join()
        return self.output.decode(), code


def connect(port):
    made = socket.create_connection(("127.0.0.1", port), timeout=PATIENCE)
    made.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    return made


def read_until(made, end, count=1):
    """Reads until `end` has come so many times."""
    seen = b""
    while seen.count(end) < count:
        piece = made.recv(65536)
        assert piece, f"closed after {seen!r}, before {end!r}"
        seen += piece
    return seen


def frame(opcode, payload, fin=True, key=b"\x37\xfa\x21\x3d"):
    first = bytes([(0x80 if fin else 0) | opcode])
    length = len(payload)
    if length < 126:
        header = first + bytes([0x80 | length])
    elif length < 65536:
        header = first + bytes([0x80 | 126]) + struct.pack(">H", length)
    else:
        header = first + bytes([0x80 | 127]) + struct.pack(">Q", length)
    whole = (key * (length // 4 + 1))[:length]
    masked = (int.from_bytes(payload, "big") ^ int.from_bytes(whole, "big")).to_bytes(length, "big")
    return header + key + masked


def upgrade(made, target="/", more=""):
    key = base64.b64encode(b"the sample nonce").decode()
    made.sendall(
        f"GET {target} HTTP/1.1\r\nHost: a\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
        f"Sec-WebSocket-Key: {key}\r\nSec-WebSocket-Version: 13\r\n{more}\r\n".encode()
    )


def close(made):
    made.sendall(frame(8, struct.pack(">H", 1000) + b"done"))
    while made.recv(65536):
        pass
    made.close()


def post(port, target, body, more=""):
    made = connect(port)
    head = f"POST {target} HTTP/1.1\r\nHost: a\r\nContent-Type: application/json\r\nContent-Length: {len(body)}\r\nConnection: close\r\n{more}\r\n"
    made.sendall(head.encode() + body)
    while made.recv(65536):
        pass
    made.close()


def get(port, target, more=""):
    made = connect(port)
    made.sendall(f"GET {target} HTTP/1.1\r\nHost: a\r\nConnection: close\r\n{more}\r\n".encode())
    seen = b""
    while piece := made.recv(65536):
        seen += piece
    made.close()
    return seen


def websocket(port):
    made = connect(port)
    upgrade(made)
    read_until(made, b"welcome")
    made.sendall(frame(1, b"Hello"))
    read_until(made, b"Received text: Hello")
    made.sendall(frame(1, json.dumps({"message": "hi"}).encode()) + frame(9, b"there?"))
    read_until(made, b"there?")
    close(made)


def echo(port):
    made = connect(port)
    upgrade(made)
    read_until(made, b"\r\n\r\n")
    made.sendall(frame(1, b"Hel", fin=False) + frame(9, b"!") + frame(0, b"lo", fin=False) + frame(0, b" you"))
    read_until(made, b"Hello you")
    for size in (0, 125, 126, 1000):
        made.sendall(frame(2, b"\x00" * size + b"end%d" % size))
        read_until(made, b"end%d" % size)
    close(made)


def large(port):
    """Frames with a length of 64 bits; too large to be kept as a recording."""
    made = connect(port)
    upgrade(made)
    read_until(made, b"\r\n\r\n")
    made.sendall(frame(2, bytes(range(256)) * 300 + b"end"))
    read_until(made, bytes(range(256)) + b"end")
    close(made)


def short_polling(port):
    post(port, "/send", b'{"message":"hi"}')
    get(port, "/poll?token=secret", "Authorization: Bearer secret\r\n")
    get(port, "/poll")


def long_polling(port):
    made = connect(port)
    made.sendall(b"GET /long-poll?client_id=1 HTTP/1.1\r\nHost: a\r\n\r\n")
    while b'"clients":0' in (seen := exchange(port, "/broadcast", b'{"message":"hi"}')):
        time.sleep(0.05)
    assert b'"clients":1' in seen.replace(b" ", b""), seen
    read_until(made, b"hi")
    made.close()


def exchange(port, target, body):
    made = connect(port)
    head = f"POST {target} HTTP/1.1\r\nHost: a\r\nContent-Type: application/json\r\nContent-Length: {len(body)}\r\nConnection: close\r\n\r\n"
    made.sendall(head.encode() + body)
    seen = b""
    while piece := made.recv(65536):
        seen += piece
    made.close()
    return seen


def server_sent_events(port):
    made = connect(port)
    made.sendall(b"GET /stream HTTP/1.1\r\nHost: a\r\nAccept: text/event-stream\r\n\r\n")
    read_until(made, b"connected")
    for number in range(3):
        post(port, "/broadcast", b'{"message":"number %d"}' % number)
        read_until(made, b"number %d" % number)
    made.close()


def tcp(port):
    made = connect(port)
    made.sendall(b"Hello from client!\n")
    while made.recv(65536):
        pass
    made.close()


def hub(port):
    target = "/channels/lens"
    reads = connect(port)
    upgrade(reads, target, "Sec-WebSocket-Protocol: raw\r\n")
    read_until(reads, b"\r\n\r\n")
    stream = connect(port)
    stream.sendall(f"GET {target} HTTP/1.1\r\nHost: a\r\nAccept: text/event-stream\r\n\r\n".encode())
    read_until(stream, b"\r\n\r\n")
    waits = connect(port)
    waits.sendall(f"GET {target}?from=now HTTP/1.1\r\nHost: a\r\nPrefer: wait=20\r\n\r\n".encode())
    made = connect(port)
    made.sendall(
        f"POST {target} HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\nConnection: close\r\n\r\n".encode()
        + b"6;a=b\r\nin two\r\n7\r\n pieces\r\n0\r\nX-Trailer: yes\r\n\r\n"
    )
    while made.recv(65536):
        pass
    made.close()
    read_until(reads, b"in two pieces")
    read_until(stream, b"in two pieces")
    waits.close()
    get(port, target)
    get(port, f"{target}?wait=1")
    post(port, f"{target}?event=two", b"line\nline")
    read_until(stream, b"data: line\ndata: line")
    stream.close()
    close(reads)


# A name, the server, and the client; those that are kept as recordings first.
SESSIONS = [
    ("websocket", "websocket", websocket),
    ("echo", "echo", echo),
    ("short_polling", "short_polling", short_polling),
    ("long_polling", "long_polling", long_polling),
    ("server_sent_events", "server_sent_events", server_sent_events),
    ("tcp", "tcp", tcp),
    ("hub", "hub", hub),
]
