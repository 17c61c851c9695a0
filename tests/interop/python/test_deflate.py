"""Compressed messages (RFC 7692), with the websockets library as the client."""

import itertools
import random

from websockets.extensions.permessage_deflate import ClientPerMessageDeflateFactory
from websockets.sync.client import connect

from harness import PATIENCE, ExampleTest, HubTest

NUMBERS = random.Random(7692)
TEXT = "".join(NUMBERS.choice(("ü ", "€ ", "word ", "another ")) for _ in range(20_000))
NOISE = NUMBERS.randbytes(100_000)


class Checks:
    example = "echo_deflate"

    def open(self, **offer):
        factory = ClientPerMessageDeflateFactory(**offer)
        options = {"open_timeout": PATIENCE, "close_timeout": PATIENCE, "max_size": 1 << 25, "proxy": None}
        socket = connect(self.server.ws_url, compression=None, extensions=[factory], **options)
        return self.enterContext(socket)

    def test_everything_comes_back_whatever_was_agreed_on(self):
        for server_alone, client_alone, server_bits, client_bits in itertools.product(
            (False, True), (False, True), (None, 9), (True, 10)
        ):
            offer = {
                "server_no_context_takeover": server_alone,
                "client_no_context_takeover": client_alone,
                "server_max_window_bits": server_bits,
                "client_max_window_bits": client_bits,
            }
            with self.subTest(**offer):
                socket = self.open(**offer)
                (agreed,) = socket.protocol.extensions
                # What the library calls remote is ours.
                self.assertEqual(agreed.remote_no_context_takeover, server_alone or self.alone)
                self.assertEqual(agreed.local_no_context_takeover, client_alone or self.alone)
                self.assertEqual(agreed.remote_max_window_bits, server_bits or 15)
                for message in (TEXT, NOISE, TEXT[:300], "", b"", TEXT[:50_000], "short", NOISE[:200] * 20, TEXT):
                    socket.send(message)
                    self.assertTrue(socket.recv(timeout=PATIENCE) == message, "the echo differs")

    def test_fragments_of_compressed_messages(self):
        socket = self.open()
        for size in (1, 1_000, 20_000):
            pieces = [TEXT[at : at + size] for at in range(0, min(len(TEXT), 50 * size), size)]
            socket.send(pieces)
            self.assertTrue(socket.recv(timeout=PATIENCE) == "".join(pieces), "the echo differs")


class Alone(Checks, ExampleTest):
    alone = True


class Takeover(Checks, ExampleTest):
    options = ("--compress", "takeover")
    alone = False


class Never(ExampleTest):
    example = "echo_deflate"
    options = ("--compress", "never")

    def test_nothing_is_agreed_on(self):
        socket = self.enterContext(connect(self.server.ws_url, proxy=None, open_timeout=PATIENCE))
        self.assertEqual(socket.protocol.extensions, [])
        socket.send(TEXT[:1_000])
        self.assertEqual(socket.recv(timeout=PATIENCE), TEXT[:1_000])


class Channel(HubTest):
    example = "hub_deflate"

    def test_readers_with_different_windows_get_the_same(self):
        sent = [TEXT[:2_000], "short", TEXT[:60_000]]
        self.publish(sent[0])
        sockets = []
        for bits in (None, 15, 12, 9):
            factory = ClientPerMessageDeflateFactory(server_max_window_bits=bits)
            url = self.server.ws_url + self.channel
            socket = connect(url, compression=None, extensions=[factory], proxy=None, open_timeout=PATIENCE)
            sockets.append(self.enterContext(socket))
        sockets.append(self.enterContext(connect(self.server.ws_url + self.channel, compression=None, proxy=None)))
        for text in sent[1:]:
            sockets[1].send(text)
        expected = None
        for socket in sockets:
            got = [socket.recv(timeout=PATIENCE) for _ in sent]
            expected = expected or got
            self.assertTrue(got == expected, "readers differ")
        for text, envelope in zip(sent, expected):
            self.assertIn(text[:100], envelope)
