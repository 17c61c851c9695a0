"""SIGTERM and SIGINT: every reader is told, in the way that its protocol has for it, and the exit code is 0."""

import signal
import socket
import unittest

from websockets.exceptions import ConnectionClosed
from websockets.sync.client import connect

from harness import HANDSHAKE, PATIENCE, Connection, EventStream, Example, request

CHANNEL = "/channels/shutdown"


class Shutdown(unittest.TestCase):
    def start(self, name):
        server = Example(name)
        self.addCleanup(server.kill)
        return server

    def connect(self, server):
        connection = Connection(server.address)
        self.addCleanup(connection.close)
        return connection

    def web_socket(self, server, target="/"):
        options = {"open_timeout": PATIENCE, "close_timeout": PATIENCE, "proxy": None}
        return self.enterContext(connect(server.ws_url + target, **options))

    def assert_going_away(self, web_socket):
        with self.assertRaises(ConnectionClosed):
            web_socket.recv(timeout=PATIENCE)
        self.assertEqual(web_socket.protocol.close_rcvd.code, 1001)

    def assert_refuses_connections(self, server):
        with self.assertRaises(ConnectionRefusedError):
            socket.create_connection(server.address, timeout=PATIENCE)

    def check_hub(self, number):
        server = self.start("hub")
        web_socket = self.web_socket(server, CHANNEL)
        stream = EventStream(self.connect(server), server, CHANNEL)
        old = self.connect(server)
        old.send(f"GET {CHANNEL} HTTP/1.0\r\nAccept: text/event-stream\r\n\r\n".encode())
        old.head()
        idle = self.connect(server)
        self.assertEqual(idle.exchange(request(server, "GET", CHANNEL)).status, 200)
        parked = self.connect(server)
        parked.send(request(server, "GET", CHANNEL, "Prefer: wait=60"))
        self.assertTrue(parked.is_silent())

        server.signal(number)
        self.assertEqual(parked.answer().status, 204)
        self.assertEqual(stream.rest(), [])  # A chunked body without its last chunk is an error here.
        self.assertTrue(stream.connection.is_closed())
        old.input.read()
        self.assertTrue(idle.is_closed())
        self.assert_going_away(web_socket)
        self.assertEqual(server.exit_code(), 0)
        self.assert_refuses_connections(server)

    def test_sigterm_ends_every_way_of_reading_properly(self):
        self.check_hub(signal.SIGTERM)

    def test_sigint_does_the_same(self):
        self.check_hub(signal.SIGINT)

    def test_a_server_without_connections_ends_at_once(self):
        for name in ("hub", "echo"):
            with self.subTest(name=name):
                server = self.start(name)
                server.signal(signal.SIGTERM)
                self.assertEqual(server.exit_code(), 0)

    def test_what_was_published_before_is_still_delivered(self):
        server = self.start("hub")
        stream = EventStream(self.connect(server), server, CHANNEL)
        publisher = self.connect(server)
        for n in range(20):
            post = request(server, "POST", CHANNEL, "Content-Length: 2") + b"%02d" % n
            self.assertEqual(publisher.exchange(post).status, 201)
        server.signal(signal.SIGTERM)
        self.assertEqual([event.data for event in stream.rest()], [f"{n:02}" for n in range(20)])
        self.assertEqual(server.exit_code(), 0)

    def test_peers_that_do_not_answer_do_not_hold_it_up(self):
        server = self.start("echo")
        handshake = request(server, "GET", "/", *HANDSHAKE)
        mute, half = self.connect(server), self.connect(server)
        self.assertEqual(mute.exchange(handshake).status, 101)
        half.send(handshake[:20])
        server.signal(signal.SIGTERM)
        # Neither a close frame nor the rest of the head ever comes; PATIENCE is longer than every deadline of theirs.
        self.assertEqual(server.exit_code(), 0)

    def test_echo_says_1001_too(self):
        server = self.start("echo")
        web_socket = self.web_socket(server)
        web_socket.send("hello")
        self.assertEqual(web_socket.recv(timeout=PATIENCE), "hello")
        server.signal(signal.SIGTERM)
        self.assert_going_away(web_socket)
        self.assertEqual(server.exit_code(), 0)
