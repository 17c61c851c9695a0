"""The commands that the examples' first lines give to try them, and what a command line answers by itself."""

import json
import os
import re
import subprocess
import unittest
from pathlib import Path

from harness import PATIENCE, Example

SERVERS = ("short_polling", "long_polling", "server_sent_events", "websocket", "tcp")
EXAMPLES = Path(__file__).parents[3] / "examples"


class Commands(unittest.TestCase):
    def documented(self, name, server):
        """The curl commands at the top of an example, in order, for this server."""
        text = (EXAMPLES / f"{name}.rs").read_text()
        commands = re.findall(r"^//!     curl (.*?)(?:  +#.*)?$", text, re.MULTILINE)
        self.assertTrue(commands)
        return [re.sub(r"http://127\.0\.0\.1:\d+", server.url, command) for command in commands]

    def start(self, name, *options):
        server = Example(name, *options)
        self.addCleanup(server.kill)
        return server

    def run_command(self, command):
        return subprocess.Popen("exec curl -s --noproxy '*' " + command, shell=True, stdout=subprocess.PIPE, text=True)

    def output(self, command):
        with self.run_command(command) as process:
            return json.loads(process.communicate(timeout=PATIENCE)[0])

    def test_short_polling(self):
        send, poll = self.documented("short_polling", self.start("short_polling"))
        self.assertEqual(self.output(send), {"status": "received"})
        self.assertEqual(self.output(poll)["messages"], ["hello"])

    def test_long_polling(self):
        poll, broadcast, updates = self.documented("long_polling", self.start("long_polling"))
        with self.run_command(poll) as waiting:
            while self.output(broadcast)["clients"] == 0:
                pass
            self.assertEqual(json.loads(waiting.communicate(timeout=PATIENCE)[0])["message"], "hello")
        self.assertEqual(self.output(updates)["events"][0]["id"], 1)

    def test_server_sent_events(self):
        stream, broadcast = self.documented("server_sent_events", self.start("server_sent_events"))
        with self.run_command(stream) as reading:
            self.assertEqual(reading.stdout.readline(), "event: connected\n")
            self.assertEqual(self.output(broadcast), {"status": "sent", "clients": 1})
            lines = [reading.stdout.readline() for _ in range(5)]
            self.assertEqual(lines[2:], ["id: 1\n", "event: message\n", 'data: {"price":42}\n'])
            reading.kill()


class CommandLine(unittest.TestCase):
    def run_server(self, name, *arguments):
        program = os.environ["BAREWIRE_" + name.upper()]
        return subprocess.run([program, *arguments], capture_output=True, text=True, timeout=PATIENCE)

    def test_help_describes_what_there_is(self):
        for name in SERVERS:
            done = self.run_server(name, "--help")
            self.assertEqual((done.returncode, done.stderr), (0, ""))
            self.assertIn(f"Usage: {name} [--listen ADDR]", done.stdout)
            port = re.search(r"default: 127\.0\.0\.1:(\d+)", done.stdout)[1]
            self.assertIn(f'"127.0.0.1:{port}"', (EXAMPLES / f"{name}.rs").read_text())

    def test_names_are_looked_up(self):
        for name in SERVERS:
            program = os.environ["BAREWIRE_" + name.upper()]
            with subprocess.Popen([program, "--listen", "localhost:0"], stdout=subprocess.PIPE, text=True) as server:
                self.addCleanup(server.kill)
                self.assertRegex(server.stdout.readline(), r"\Alistening on http://(127\.0\.0\.1|\[::1\]):\d+\n\Z", name)
                server.terminate()
                self.assertEqual(server.wait(PATIENCE), 0)

    def test_what_is_not_there_is_refused(self):
        for name in SERVERS:
            for arguments in (["--port", "1"], ["--listen"], ["--listen", "nowhere"], ["x"]):
                done = self.run_server(name, *arguments)
                self.assertNotEqual(done.returncode, 0, (name, arguments))
                self.assertEqual(done.stdout, "")
        self.assertNotEqual(self.run_server("long_polling", "--wait", "soon").returncode, 0)
