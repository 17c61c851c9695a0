"""Our WebSocket client against Python's websockets and npm's ws: tests/interop_clients.rs, and tail."""

import os
import subprocess

from servers import WebSockets
from support import ROOT, ClientTest, NodeServers, start


class Checks:
    def test_everything_that_the_rust_tests_say(self):
        self.run_rust_tests()

    def test_everything_that_the_rust_tests_say_with_compression(self):
        self.run_rust_tests("--features", "deflate")

    def run_rust_tests(self, *options):
        command = ["cargo", "test", "--quiet", *options, "--test", "interop_clients", "--", "--test-threads=1"]
        environment = {**os.environ, "BAREWIRE_WS_SERVER": self.url, "CARGO_TERM_COLOR": "never"}
        done = subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True, timeout=300)
        self.assertEqual(done.returncode, 0, done.stdout + done.stderr)
        self.assertNotIn("0 passed", done.stdout)
        self.assertIn("test result: ok", done.stdout)

    def test_tail_reads_envelopes_and_goes_on_where_it_was(self):
        tail = self.tail(self.url + "/channel", "--transport", "websocket", "--count", "5")
        for number in range(1, 6):
            self.assert_event(tail, id=f"{number}-0", event="tick", data=f'number "{number}"\n')
        self.assertEqual(tail.exit_code(), 0)
        told = tail.rest(tail.err)
        self.assertEqual(told.count("connected: websocket"), 3, told)
        self.assertEqual(len([line for line in told if line.startswith("lost: ")]), 2, told)

    def test_tail_gives_up_when_it_is_refused(self):
        tail = self.tail(self.url + "/refuse", "--transport", "websocket")
        self.assertEqual(tail.exit_code(), 1)
        tail.says("the server answered 403: never")


class PythonWebsockets(Checks, ClientTest):
    @classmethod
    def setUpClass(cls):
        cls.url = start(cls, WebSockets).url


class NodeWs(Checks, ClientTest):
    @classmethod
    def setUpClass(cls):
        cls.url = start(cls, NodeServers).ws
