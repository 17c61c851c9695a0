"""The echo example, with the websockets library as the client."""

import random

from websockets.sync.client import connect

from harness import HANDSHAKE, OVERSIZED_FRAME, PATIENCE, ExampleTest, request


class Echo(ExampleTest):
    example = "echo"

    def open(self, target="/", **options):
        options = {"open_timeout": PATIENCE, "close_timeout": PATIENCE, "max_size": 1 << 25, "proxy": None, **options}
        return self.enterContext(connect(self.server.ws_url + target, **options))

    def assert_echoed(self, socket, message):
        socket.send(message)
        # assertEqual would print a mebibyte.
        self.assertTrue(socket.recv(timeout=PATIENCE) == message, "the echo differs")

    def test_a_get_without_an_upgrade_is_426(self):
        answer = self.get("/")
        self.assertEqual(answer.status, 426)
        self.assertEqual(answer["upgrade"].lower(), "websocket")
        self.assertEqual(answer["sec-websocket-version"], "13")
        # RFC 9110 7.8: who sends Upgrade sends it as a connection option too.
        self.assertIn("upgrade", [option.strip().lower() for option in answer["connection"].split(",")])

    def test_every_path_echoes(self):
        for target in ("/", "/echo", "/a/b/c?query=1", "/%20"):
            with self.subTest(target=target):
                self.assert_echoed(self.open(target), "hello")

    def test_text_and_binary(self):
        socket = self.open()
        for message in ("hello", "ü € 𝄞 \0", "", b"", b"\0\xff", bytes(range(256))):
            with self.subTest(message=message):
                self.assert_echoed(socket, message)

    def test_around_the_sizes_where_the_header_changes(self):
        socket = self.open()
        for size in (124, 125, 126, 127, 128, 4095, 4096, 4097, 65534, 65535, 65536, 65537):
            with self.subTest(size=size):
                self.assert_echoed(socket, b"\xa5" * size)

    def test_a_mebibyte(self):
        data = random.Random(1).randbytes(1 << 20)
        socket = self.open()
        self.assert_echoed(socket, data)
        self.assert_echoed(socket, "é" * (1 << 19))

    def test_fragments_come_back_as_one_message(self):
        socket = self.open()
        socket.send(["fr", "", "ag", "ments"])
        self.assertEqual(socket.recv(timeout=PATIENCE), "fragments")
        socket.send([b"\xff"] * 1000)
        self.assertEqual(socket.recv(timeout=PATIENCE), b"\xff" * 1000)

    def test_many_messages_keep_their_order(self):
        socket = self.open()
        for n in range(1000):
            socket.send(str(n))
        self.assertEqual([socket.recv(timeout=PATIENCE) for _ in range(1000)], [str(n) for n in range(1000)])

    def test_a_message_at_the_limit_is_echoed(self):
        self.assert_echoed(self.open(), b"x" * (16 << 20))

    def test_a_frame_over_the_limit_is_1009_before_its_payload_comes(self):
        connection = self.connect()
        self.assertEqual(connection.exchange(request(self.server, "GET", "/", *HANDSHAKE)).status, 101)
        connection.send(OVERSIZED_FRAME)
        self.assertEqual(connection.close_code(), 1009)

    def test_a_close_is_answered_with_the_same_code(self):
        socket = self.open()
        socket.close(code=4000, reason="enough")
        self.assertEqual(socket.protocol.close_rcvd.code, 4000)

    def test_fifty_clients_at_once(self):
        sockets = [self.open() for _ in range(50)]
        for n, socket in enumerate(sockets):
            socket.send(str(n))
        self.assertEqual([socket.recv(timeout=PATIENCE) for socket in sockets], [str(n) for n in range(50)])

    def test_a_post_is_refused(self):
        answer = self.exchange(request(self.server, "POST", "/", "Content-Length: 0"))
        self.assertIn(answer.status, (405, 426))
