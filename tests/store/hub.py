"""The hub example with a store, as a process, and how to talk to it; what `kill.py`, `large.py` and `cold.py` share."""

import asyncio
import base64
import json
import logging
import os
import selectors
import subprocess
import time

MIB = 1 << 20

# That a write goes nowhere any more is no news here.
logging.getLogger("asyncio").setLevel(logging.ERROR)


class Hub:
    """A hub that serves `store`. It takes a port that is free, another one in each life."""

    def __init__(self, program, store, *options):
        self.began = time.monotonic()
        self.process = subprocess.Popen(
            [program, "--listen", "127.0.0.1:0", "--store", store, *options],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
        )
        self.address = None
        self.says = b""

    def poll(self):
        """Whether it listens by now; takes what it has said, and does not wait for more."""
        if self.address is None:
            with selectors.DefaultSelector() as selector:
                selector.register(self.process.stdout, selectors.EVENT_READ)
                while b"\n" not in self.says and selector.select(0):
                    part = os.read(self.process.stdout.fileno(), 4096)
                    if not part:
                        raise SystemExit(f"the hub has ended by itself: {self.process.wait()}")
                    self.says += part
            if b"\n" in self.says:
                self.started = time.monotonic() - self.began
                host, port = self.says.decode().strip().removeprefix("listening on http://").split(":")
                self.address = (host, int(port))
        return self.address is not None

    def wait(self, seconds=60):
        """Waits until it listens; says how long that took from its start."""
        while not self.poll():
            if time.monotonic() - self.began > seconds:
                raise SystemExit(f"the hub does not listen after {seconds} s")
            time.sleep(0.001)
        return self.started

    def kill(self):
        self.process.kill()
        self.process.wait()
        self.process.stdout.close()

    def stop(self):
        """Lets it end in order; says how it ended."""
        self.process.terminate()
        code = self.process.wait(timeout=60)
        self.process.stdout.close()
        return code

    def memory(self):
        """Resident, in bytes."""
        with open(f"/proc/{self.process.pid}/status") as status:
            line = next(line for line in status if line.startswith("VmRSS:"))
        return int(line.split()[1]) * 1024

    def read_from_files(self):
        """Bytes that it has read, but for those from sockets."""
        with open(f"/proc/{self.process.pid}/io") as counts:
            line = next(line for line in counts if line.startswith("rchar:"))
        return int(line.split()[1])


# What ends when the other side dies. ConnectionError and half an answer are among them.
GONE = (OSError, EOFError)


class Wire:
    """A connection: requests and answers, then perhaps an event stream or frames. After `__aenter__` it is open."""

    def __init__(self, address):
        self.address = address

    async def __aenter__(self):
        self.reader, self.writer = await asyncio.open_connection(*self.address, limit=4 * MIB)
        return self

    async def __aexit__(self, *_):
        self.writer.close()

    async def head(self, method, target, fields=(), body=b""):
        """Sends a request and reads the head of its answer."""
        lines = [f"{method} {target} HTTP/1.1", "Host: store", *fields]
        if method == "POST":
            lines.append(f"Content-Length: {len(body)}")
        self.writer.write("\r\n".join([*lines, "", ""]).encode() + body)
        head = (await self.reader.readuntil(b"\r\n\r\n")).decode().split("\r\n")
        names = dict(line.lower().split(": ", 1) for line in head[1:] if line)
        return int(head[0].split(" ")[1]), names

    async def ask(self, method, target, fields=(), body=b""):
        """Sends a request and reads its answer."""
        status, names = await self.head(method, target, fields, body)
        return status, await self.reader.readexactly(int(names.get("content-length", 0)))

    async def events(self, target):
        """The events of a stream, each once its last line has come: id, name, data."""
        status, _ = await self.head("GET", target, ["Accept: text/event-stream"])
        if status != 200:
            raise ConnectionError(status)
        text = b""
        while True:
            size = int(await self.reader.readline() or end_of("chunk"), 16)
            text += (await self.reader.readexactly(size + 2))[:-2]
            if size == 0:
                raise ConnectionError("the stream has ended")
            *blocks, text = text.split(b"\n\n")
            for block in blocks:
                lines = [line.split(b": ", 1) for line in block.split(b"\n") if line[:1] != b":"]
                event = {name.decode(): value.decode() for name, value in lines}
                if "data" in event:
                    yield event["id"], event.get("event", "message"), event["data"]

    async def upgrade(self, target):
        key = base64.b64encode(os.urandom(16)).decode()
        upgrade = ["Connection: Upgrade", "Upgrade: websocket", "Sec-WebSocket-Version: 13", f"Sec-WebSocket-Key: {key}"]
        status, _ = await self.head("GET", target, upgrade)
        if status != 101:
            raise ConnectionError(status)

    def send(self, payload, opcode=1):
        """Sends a frame, masked with zeros."""
        size = len(payload)
        length = bytes([0x80 | size]) if size < 126 else b"\xfe" + size.to_bytes(2, "big")
        self.writer.write(bytes([0x80 | opcode]) + length + bytes(4) + payload)

    async def messages(self):
        """The messages of a WebSocket: id, name, data."""
        while True:
            first, length = await self.reader.readexactly(2)
            if length > 125:
                length = int.from_bytes(await self.reader.readexactly(2 if length == 126 else 8), "big")
            payload = await self.reader.readexactly(length)
            if first == 0x81:
                event = json.loads(payload)
                yield event["id"], event["event"], event["data"]
            elif first == 0x89:
                self.send(payload, 10)
            elif first == 0x88:
                raise ConnectionError(f"closed: {payload!r}")


def end_of(what):
    raise EOFError(what)


def as_id(text):
    """An id as a number, or as two: they are compared as such."""
    ms, seq = text.split("-")
    return int(ms), int(seq)


async def history(address, target, cursor=None):
    """All that a channel holds behind a cursor, poll by poll."""
    found = []
    async with Wire(address) as wire:
        while True:
            status, body = await wire.ask("GET", target, [f"Last-Event-ID: {cursor}"] if cursor else [])
            answer = json.loads(body)
            if status != 200 or answer.get("gap"):
                raise SystemExit(f"{target} behind {cursor}: {status} {body[:200]}")
            found += [(event["id"], event["data"]) for event in answer["events"]]
            cursor = answer["last_id"]
            if not answer.get("more"):
                return found
