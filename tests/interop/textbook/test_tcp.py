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

    def test_it_serves_and_ends_however_much_is_said_and_nobody_reads_its_output(self):
        server = Example("tcp")
        self.addCleanup(server.kill)
        # More than a pipe holds.
        for _ in range(200):
            with socket.create_connection(server.address, timeout=PATIENCE) as client:
                client.sendall(bytes(2048))
                client.shutdown(socket.SHUT_WR)
                self.assertEqual(self.read_all(client), ANSWER)
        server.signal(signal.SIGTERM)
        self.assertEqual(server.process.wait(PATIENCE), 0)

    def test_it_ends_while_clients_are_connected(self):
        server = Example("tcp")
        self.addCleanup(server.kill)
        with socket.create_connection(server.address, timeout=PATIENCE) as client:
            server.signal(signal.SIGTERM)
            self.assertEqual(client.recv(1), b"")
        self.assertEqual(server.exit_code(), 0)
