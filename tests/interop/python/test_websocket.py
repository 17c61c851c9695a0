"""WebSocket on the hub, with the websockets library as the client."""

import base64
import json

from websockets.exceptions import InvalidStatus
from websockets.sync.client import connect

from harness import HANDSHAKE, OVERSIZED_FRAME, PATIENCE, HubTest, request


class WebSocketTest(HubTest):
    def open(self, query="", **options):
        options = {"open_timeout": PATIENCE, "close_timeout": PATIENCE, "max_size": 1 << 25, "proxy": None, **options}
        return self.enterContext(connect(self.server.ws_url + self.channel + query, **options))

    def receive(self, socket):
        """The next envelope; everything but a text frame is an error."""
        message = socket.recv(timeout=PATIENCE)
        self.assertIsInstance(message, str)
        return json.loads(message)


class Envelopes(WebSocketTest):
    def test_retained_messages_come_first_then_new_ones(self):
        old = self.publish("old")
        socket = self.open()
        self.assertEqual(self.receive(socket), {"id": old, "event": "message", "data": "old"})
        new = self.publish("new", "?event=price")
        self.assertEqual(self.receive(socket), {"id": new, "event": "price", "data": "new"})

    def test_a_text_frame_is_published_as_it_is(self):
        sender, other = self.open(), self.open()
        for text in ("hello", '{"a": 1}', "", "ü € 𝄞 \0"):
            with self.subTest(text=text):
                sender.send(text)
                envelope = self.receive(other)
                self.assertEqual((envelope["event"], envelope["data"]), ("message", text))
                self.assertEqual(self.receive(sender), envelope)
        self.assertEqual(len(self.poll()["events"]), 4)

    def test_a_fragmented_text_is_one_message(self):
        socket = self.open()
        socket.send(["he", "l", "", "lo"])
        self.assertEqual(self.receive(socket)["data"], "hello")

    def test_it_resumes_after_the_last_event_id(self):
        ids = [self.publish(str(n)) for n in range(4)]
        by_query = self.open(f"?last_event_id={ids[1]}")
        by_field = self.open(additional_headers={"Last-Event-ID": ids[1]})
        for socket in (by_query, by_field):
            self.assertEqual([self.receive(socket)["id"] for _ in range(2)], ids[2:])

    def test_from_now_starts_at_the_tail(self):
        self.publish("old")
        socket = self.open("?from=now")
        id = self.publish("new")
        self.assertEqual(self.receive(socket)["id"], id)

    def test_a_cursor_from_before_the_log_starts_with_a_gap(self):
        id = self.publish("x")
        socket = self.open("?last_event_id=1-0")
        self.assertEqual(self.receive(socket)["event"], "gap")
        self.assertEqual(self.receive(socket)["id"], id)

    def test_data_that_is_not_utf8_travels_as_base64(self):
        data = bytes(range(256))
        self.publish(data)
        envelope = self.receive(self.open())
        self.assertEqual(envelope["encoding"], "base64")
        self.assertEqual(base64.b64decode(envelope["data"], validate=True), data)

    def test_two_hundred_messages_come_once_each_in_order(self):
        sender, other = self.open(), self.open()
        for n in range(200):
            sender.send(str(n))
        for socket in (sender, other):
            envelopes = [self.receive(socket) for _ in range(200)]
            self.assertEqual([envelope["data"] for envelope in envelopes], [str(n) for n in range(200)])

    def test_a_ping_is_answered(self):
        self.assertTrue(self.open().ping(b"are you there").wait(PATIENCE))

    def test_a_close_is_answered_with_the_same_code(self):
        socket = self.open()
        socket.close(code=3001, reason="done")
        self.assertEqual(socket.protocol.close_rcvd.code, 3001)

    def test_a_frame_over_the_limit_is_1009_before_its_payload_comes(self):
        connection = self.connect()
        self.assertEqual(connection.exchange(request(self.server, "GET", self.channel, *HANDSHAKE)).status, 101)
        connection.send(OVERSIZED_FRAME)
        self.assertEqual(connection.close_code(), 1009)
        self.assertEqual(self.poll()["events"], [])


class Raw(WebSocketTest):
    def open(self, query="", **options):
        socket = super().open(query, subprotocols=["raw"], **options)
        self.assertEqual(socket.subprotocol, "raw")
        return socket

    def test_frames_are_the_bare_data(self):
        self.publish("text")
        self.publish(b"\xff\0")
        socket = self.open()
        self.assertEqual(socket.recv(timeout=PATIENCE), "text")
        self.assertEqual(socket.recv(timeout=PATIENCE), b"\xff\0")

    def test_text_stays_text_and_binary_stays_binary(self):
        sender, other = self.open(), self.open()
        for message in ("text", b"\0\xff", "", b"", b"looks like text"):
            with self.subTest(message=message):
                sender.send(message)
                self.assertEqual(other.recv(timeout=PATIENCE), message)
                self.assertEqual(sender.recv(timeout=PATIENCE), message)

    def test_what_raw_sends_the_others_read(self):
        raw, envelopes = self.open(), WebSocketTest.open(self)
        raw.send("text")
        self.assertEqual(self.receive(envelopes)["data"], "text")
        raw.send(b"\xff")
        self.assertEqual(self.receive(envelopes)["encoding"], "base64")
        stream = self.events()
        self.assertEqual(stream.next().data, "text")
        self.assertEqual(json.loads(stream.next().data)["encoding"], "base64")

    def test_it_resumes_too(self):
        ids = [self.publish(str(n)) for n in range(3)]
        socket = self.open(f"?last_event_id={ids[0]}")
        self.assertEqual([socket.recv(timeout=PATIENCE) for _ in range(2)], ["1", "2"])


class Handshake(WebSocketTest):
    def status(self, *fields, target=None):
        return self.get(target or self.channel, *fields)

    def test_the_accept_value_is_that_of_the_rfc(self):
        connection = self.connect()
        answer = connection.exchange(request(self.server, "GET", self.channel, *HANDSHAKE))
        self.assertEqual(answer.status, 101)
        self.assertEqual(answer["upgrade"].lower(), "websocket")
        self.assertEqual(answer["connection"].lower(), "upgrade")
        self.assertEqual(answer["sec-websocket-accept"], "s3pPLMBiTxaQ9kYGzzhZRbK+xOo=")
        self.assertIsNone(answer.get("sec-websocket-protocol"))
        self.assertIsNone(answer.get("sec-websocket-extensions"))

    def test_tokens_are_found_in_lists_and_in_any_case(self):
        fields = ("connection: keep-alive, uPGRADE", "upgrade: WebSocket", *HANDSHAKE[2:])
        self.assertEqual(self.connect().exchange(request(self.server, "GET", self.channel, *fields)).status, 101)

    def test_raw_is_chosen_from_a_list_and_an_unknown_subprotocol_is_not(self):
        for offered, chosen in (("chat, raw", "raw"), ("chat", None), ("Raw", None)):
            with self.subTest(offered=offered):
                fields = (*HANDSHAKE, f"Sec-WebSocket-Protocol: {offered}")
                answer = self.connect().exchange(request(self.server, "GET", self.channel, *fields))
                self.assertEqual(answer.status, 101)
                self.assertEqual(answer.get("sec-websocket-protocol"), chosen)

    def test_a_foreign_origin_is_403(self):
        host, port = self.server.address
        for origin in ("http://example.com", "null", f"https://{host}:{port}", f"http://{host}:{port}.example.com"):
            with self.subTest(origin=origin):
                with self.assertRaises(InvalidStatus) as refused:
                    self.open(origin=origin)
                self.assertEqual(refused.exception.response.status_code, 403)

    def test_the_own_origin_may_connect(self):
        self.open(origin=self.server.url)

    def test_a_malformed_cursor_is_400(self):
        with self.assertRaises(InvalidStatus) as refused:
            self.open("?last_event_id=abc")
        self.assertEqual(refused.exception.response.status_code, 400)

    def test_another_version_is_426_and_names_13(self):
        answer = self.status(*HANDSHAKE[:2], "Sec-WebSocket-Version: 12", HANDSHAKE[3])
        self.assertEqual(answer.status, 426)
        self.assertEqual(answer["sec-websocket-version"], "13")

    def test_a_missing_or_bad_key_is_400(self):
        self.assertEqual(self.status(*HANDSHAKE[:3]).status, 400)
        for key in ("", "short", "dGhlIHNhbXBsZSBub25jZQ=", "!" * 24, "AAAAAAAAAAAAAAAAAAAAAAAAAAAA"):
            with self.subTest(key=key):
                self.assertEqual(self.status(*HANDSHAKE[:3], f"Sec-WebSocket-Key: {key}").status, 400)

    def test_a_path_that_is_no_channel_is_404(self):
        self.assertEqual(self.status(*HANDSHAKE, target="/nothing/here").status, 404)
