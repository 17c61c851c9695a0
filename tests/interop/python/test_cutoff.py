"""Readers that are cut off again and again lose nothing, see nothing twice, and keep the order.

200 messages are published at random small intervals. Four readers, one for each way to read, follow the
channel; each is cut off twenty times, at a random byte or after a random time: within a head, within a
poll's answer, within an event, within a frame, while a long poll waits. After each cut it resumes from the
last id that it has received completely.

The random numbers come from one seed, which is printed; INTEROP_SEED repeats a run as far as the
machine's timing allows.
"""

import json
import os
import random
import socket
import struct
import threading
import time

from websockets.client import ClientProtocol
from websockets.frames import Opcode
from websockets.uri import parse_uri

from harness import PATIENCE, Answer, EventParser, HubTest, request

MESSAGES = 200
CUTS = 20
# Together longer than the cuts of a reader take, so that they fall among the publishes.
LONGEST_INTERVAL = 0.03
LONGEST_READ = 0.1
MOST_BYTES = 3000


class Cut(Exception):
    """This connection has had its share."""


class Reader(threading.Thread):
    """Follows the channel over connections that are cut; `read` is how one connection is read."""

    def __init__(self, server, channel, seed):
        super().__init__(daemon=True, name=type(self).__name__)
        self.server, self.channel = server, channel
        self.random = random.Random(f"{seed} {self.name}")
        self.cuts = 0
        self.last_id = None
        self.received = []
        self.failure = None
        self.finished = time.monotonic() + 2 * PATIENCE

    def run(self):
        try:
            while self.cuts < CUTS or len(self.received) < MESSAGES:
                if time.monotonic() > self.finished:
                    raise TimeoutError(f"{self.name}: {len(self.received)} messages after {self.cuts} cuts")
                self.one_connection()
        except BaseException as failure:
            self.failure = failure

    def one_connection(self):
        last = self.cuts == CUTS
        self.budget = None if last else self.random.randrange(MOST_BYTES)
        self.deadline = time.monotonic() + (PATIENCE if last else self.random.uniform(0, LONGEST_READ))
        with socket.create_connection(self.server.address, timeout=PATIENCE) as self.socket:
            try:
                self.read()
            except Cut:
                self.cuts += 1
                if self.random.random() < 0.5:
                    # A reset instead of an orderly end.
                    self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))

    def send_get(self, *fields):
        if self.last_id:
            fields = (*fields, f"Last-Event-ID: {self.last_id}")
        self.socket.sendall(request(self.server, "GET", self.channel, *fields))

    def bytes(self):
        """The next bytes from the connection; it is here that it is cut."""
        left = self.deadline - time.monotonic()
        if left <= 0 or self.budget == 0:
            raise Cut
        self.socket.settimeout(left)
        try:
            data = self.socket.recv(65536 if self.budget is None else min(self.budget, 65536))
        except TimeoutError:
            raise Cut from None
        if self.budget is not None:
            self.budget -= len(data)
        if not data:
            raise AssertionError(f"{self.name}: the server ended the connection")
        return data

    def head(self):
        data = b""
        while b"\r\n\r\n" not in data:
            data += self.bytes()
        head, _, rest = data.partition(b"\r\n\r\n")
        return Answer(head), rest

    def take(self, id, data):
        self.received.append((id, data))
        self.last_id = id

    def done(self):
        return self.cuts == CUTS and len(self.received) >= MESSAGES


class ShortPoll(Reader):
    fields = ()

    def read(self):
        while not self.done():
            self.send_get(*self.fields)
            answer, body = self.head()
            if answer.status == 204:
                continue
            assert answer.status == 200, answer
            while len(body) < int(answer["content-length"]):
                body += self.bytes()
            document = json.loads(body)
            assert not document.get("gap"), document
            for event in document["events"]:
                self.take(event["id"], event["data"])


class LongPoll(ShortPoll):
    fields = ("Prefer: wait=5",)


class Events(Reader):
    def read(self):
        self.send_get("Accept: text/event-stream")
        answer, rest = self.head()
        assert answer.status == 200, answer
        parser = EventParser()
        chunked = answer.get("transfer-encoding") == "chunked"
        while not self.done():
            if chunked:
                data, rest = unchunk(rest)
            else:
                data, rest = rest, b""
            for event in parser.feed(data):
                assert event.event == "message", event
                self.take(event.id, event.data)
            if not self.done():
                rest += self.bytes()


class WebSocket(Reader):
    def read(self):
        query = f"?last_event_id={self.last_id}" if self.last_id else ""
        protocol = ClientProtocol(parse_uri(self.server.ws_url + self.channel + query))
        protocol.send_request(protocol.connect())
        while not self.done():
            for data in protocol.data_to_send():
                self.socket.sendall(data)
            protocol.receive_data(self.bytes())
            for event in protocol.events_received():
                if event is protocol.handshake_exc or protocol.handshake_exc:
                    raise protocol.handshake_exc
                if getattr(event, "opcode", None) is Opcode.TEXT:
                    envelope = json.loads(event.data)
                    assert envelope["event"] == "message", envelope
                    self.take(envelope["id"], envelope["data"])


def unchunk(data):
    """The data of the complete chunks, and what is left."""
    whole = b""
    while b"\r\n" in data:
        size, _, rest = data.partition(b"\r\n")
        end = int(size, 16)
        if len(rest) < end + 2:
            break
        assert rest[end : end + 2] == b"\r\n", rest[:100]
        whole, data = whole + rest[:end], rest[end + 2 :]
    return whole, data


class CutOff(HubTest):
    def test_every_reader_ends_with_every_message_once_and_in_order(self):
        seed = int(os.environ.get("INTEROP_SEED") or random.SystemRandom().randrange(1 << 32))
        print(f"INTEROP_SEED={seed}", flush=True)
        generator = random.Random(seed)
        readers = [way(self.server, self.channel, seed) for way in (ShortPoll, LongPoll, Events, WebSocket)]
        for reader in readers:
            reader.start()

        published = []
        for n in range(MESSAGES):
            text = f"{n} " + "x" * generator.randrange(100)
            published.append((self.publish(text), text))
            time.sleep(generator.uniform(0, LONGEST_INTERVAL))

        for reader in readers:
            with self.subTest(way=reader.name):
                reader.join(3 * PATIENCE)
                if reader.failure:
                    raise reader.failure
                self.assertFalse(reader.is_alive(), f"{len(reader.received)} messages, {reader.cuts} cuts")
                self.assertEqual(reader.cuts, CUTS)
                self.assertEqual(reader.received, published)
