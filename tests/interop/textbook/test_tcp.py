"""The tcp example, with the client that every tutorial has: connect, send, receive."""

import signal
import socket

from harness import PATIENCE, Example, ExampleTest

ANSWER = b"Hello from server!"


class Tcp(ExampleTest):
    example = "tcp"

    def client(self):
        client = socket.create_connection(self.server.address, timeout=PATIENCE)
        self.addCleanup(client.close)
        return client

    def read_all(self, client):
        return b"".join(iter(lambda: client.recv(1024), b""))

    def test_a_client_is_answered_and_the_connection_closed(self):
        client = self.client()
        client.sendall(b"Hello from client!")
        self.assertEqual(self.read_all(client), ANSWER)

    def test_who_closes_its_half_is_answered_too(self):
        client = self.client()
        client.sendall(b"Hello from client!\n")
        client.shutdown(socket.SHUT_WR)
        self.assertEqual(self.read_all(client), ANSWER)

    def test_who_says_nothing_gets_nothing(self):
        client = self.client()
        client.shutdown(socket.SHUT_WR)
        self.assertEqual(self.read_all(client), b"")

    def test_clients_that_wait_do_not_hold_up_others(self):
        waiting = [self.client() for _ in range(50)]
        for client in reversed(waiting):
            client.sendall(b"x")
            self.assertEqual(self.read_all(client), ANSWER)

    def test_what_a_client_says_is_printed_without_its_control_characters(self):
        server = Example("tcp")
        self.addCleanup(server.kill)
        with socket.create_connection(server.address, timeout=PATIENCE) as client:
            client.sendall("\x1b[2J ü".encode())
            self.read_all(client)
            peer = "%s:%d" % client.getsockname()
        self.assertEqual(server.process.stdout.readline(), f'{peer} says "\\u{{1b}}[2J ü"\n')
        server.signal(signal.SIGINT)
        self.assertEqual(server.exit_code(), 0)

    def test_it_ends_while_clients_are_connected(self):
        server = Example("tcp")
        self.addCleanup(server.kill)
        with socket.create_connection(server.address, timeout=PATIENCE) as client:
            server.signal(signal.SIGTERM)
            self.assertEqual(client.recv(1), b"")
        self.assertEqual(server.exit_code(), 0)
