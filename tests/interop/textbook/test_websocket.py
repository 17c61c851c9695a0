"""The websocket example, with the websockets library as the client."""

import decimal
import json

from websockets.exceptions import ConnectionClosed, InvalidStatus
from websockets.sync.client import connect

from harness import HANDSHAKE, PATIENCE, ExampleTest


class WebSocketServer(ExampleTest):
    example = "websocket"

    def open(self, target="/", **options):
        """Connects, and takes the welcome."""
        options = {"open_timeout": PATIENCE, "close_timeout": PATIENCE, "proxy": None, **options}
        socket = self.enterContext(connect(self.server.ws_url + target, **options))
        welcome = json.loads(socket.recv(timeout=PATIENCE))
        self.assertEqual(list(welcome), ["type", "message", "timestamp"])
        self.assertEqual(welcome["type"], "welcome")
        return socket

    def receive(self, socket):
        return json.loads(socket.recv(timeout=PATIENCE))

    def exchange_text(self, socket, text):
        socket.send(text)
        return socket.recv(timeout=PATIENCE)

    def test_json_is_echoed_on_every_path(self):
        for target in ("/", "/chat", "/a/b?c=d"):
            socket = self.open(target)
            for original in ({"message": "ü 𝄞", "n": [0.1, None]}, {}, [], 42, "text", True, None):
                answer = json.loads(self.exchange_text(socket, json.dumps(original)))
                self.assertEqual(list(answer), ["type", "original", "timestamp"])
                self.assertEqual((answer["type"], answer["original"]), ("echo", original))

    def test_numbers_are_echoed_and_broadcast_to_the_last_digit(self):
        sender, other = self.open(), self.open()
        numbers = "12345678901234567890123 -18446744073709551616 1e400 -0 1.0 0.10 1E+2 3.14159265358979323846".split()

        def read(text):
            return json.loads(text, parse_int=decimal.Decimal, parse_float=decimal.Decimal)

        message = f"[{','.join(numbers)}]"
        echo = read(self.exchange_text(sender, f'{{"message":{message},"broadcast":true}}'))
        heard = read(other.recv(timeout=PATIENCE))
        for received in (echo["original"]["message"], heard["message"]):
            self.assertEqual([str(number) for number in received], [str(decimal.Decimal(number)) for number in numbers])

    def test_other_text_is_said_to_be_received(self):
        socket = self.open()
        for text in ("hello", "", "{", "ü\n", "{'a': 1}"):
            self.assertEqual(self.exchange_text(socket, text), f"Received text: {text}")

    def test_bytes_are_counted(self):
        self.assertEqual(self.exchange_text(self.open(), b"\0\xff"), "Received 2 bytes")

    def test_a_broadcast_goes_to_all_others(self):
        sender, *others = [self.open() for _ in range(3)]
        message = {"broadcast": True, "message": {"text": "hello"}}
        echo = json.loads(self.exchange_text(sender, json.dumps(message)))
        self.assertEqual((echo["type"], echo["original"]), ("echo", message))
        for other in others:
            broadcast = self.receive(other)
            self.assertEqual(list(broadcast), ["type", "message", "from", "timestamp"])
            self.assertEqual((broadcast["type"], broadcast["message"]), ("broadcast", {"text": "hello"}))
            self.assertEqual(broadcast["from"], "%s:%d" % sender.local_address[:2])
        self.assertEqual(self.exchange_text(sender, "next"), "Received text: next")

    def test_only_true_broadcasts(self):
        sender, other = self.open(), self.open()
        for value in (False, None, 1, "true", [True]):
            self.exchange_text(sender, json.dumps({"broadcast": value, "message": "no"}))
        self.exchange_text(sender, json.dumps({"broadcast": True}))
        self.assertEqual(self.receive(other)["message"], None)

    def test_who_has_left_is_left_out_and_the_rest_go_on(self):
        sender, leaving, staying = self.open(), self.open(), self.open()
        leaving.close()
        self.exchange_text(sender, json.dumps({"broadcast": True, "message": 1}))
        self.assertEqual(self.receive(staying)["message"], 1)

    def test_pages_of_other_origins_are_refused(self):
        for origin in ("null", "http://other.example"):
            with self.assertRaises(InvalidStatus) as caught:
                self.open(origin=origin)
            self.assertEqual(caught.exception.response.status_code, 403)
        self.open(origin=self.server.url)

    def test_a_get_without_an_upgrade_is_426(self):
        self.assertEqual(self.get("/").status, 426)
        self.assertEqual(self.get("/", *HANDSHAKE).status, 101)


class Origins(ExampleTest):
    example = "websocket"
    options = ("--allow-origin", "http://localhost:3000", "--allow-origin", "https://example.com")

    def test_origins_that_are_named_come_in_and_a_stop_is_said(self):
        options = {"open_timeout": PATIENCE, "close_timeout": PATIENCE, "proxy": None}
        socket = self.enterContext(connect(self.server.ws_url, origin="http://localhost:3000", **options))
        self.assertEqual(json.loads(socket.recv(timeout=PATIENCE))["type"], "welcome")
        self.server.signal(15)
        with self.assertRaises(ConnectionClosed):
            socket.recv(timeout=PATIENCE)
        self.assertEqual(socket.protocol.close_rcvd.code, 1001)
        self.assertEqual(self.server.process.wait(PATIENCE), 0)

    @classmethod
    def tearDownClass(cls):
        pass  # It has ended in its only test.
