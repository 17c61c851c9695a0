"""What the tests of our clients share: the clients and the servers as processes."""

import contextlib
import itertools
import json
import os
import pathlib
import queue
import re
import signal
import socket
import string
import subprocess
import threading
import unittest
import urllib.request

HERE = pathlib.Path(__file__).parent
ROOT = HERE.parents[2]
# How long anything may take before a test gives up. Never used to synchronise.
PATIENCE = 30
CHANNELS = itertools.count(1)


def program(name):
    return os.environ["BAREWIRE_" + name.upper()]


def free_port():
    with socket.create_server(("127.0.0.1", 0)) as found:
        return found.getsockname()[1]


class Process:
    """A program whose lines are read as they come, those of stdout apart from those of stderr."""

    def __init__(self, *command, stdin=subprocess.DEVNULL, cwd=None):
        self.process = subprocess.Popen(
            list(map(str, command)), stdin=stdin, stdout=subprocess.PIPE, stderr=subprocess.PIPE, cwd=cwd
        )
        self.out, self.err = queue.Queue(), queue.Queue()
        self.threads = [
            threading.Thread(target=self.read, args=pair, daemon=True)
            for pair in ((self.process.stdout, self.out), (self.process.stderr, self.err))
        ]
        for thread in self.threads:
            thread.start()

    def read(self, pipe, lines):
        with pipe:
            for line in pipe:
                lines.put(line.decode().removesuffix("\n"))
        lines.put(None)

    @staticmethod
    def take(lines):
        try:
            line = lines.get(timeout=PATIENCE)
        except queue.Empty:
            raise AssertionError("no line came") from None
        if line is None:
            lines.put(None)
        return line

    def line(self):
        """The next line of stdout, or `None` at its end."""
        return self.take(self.out)

    def says(self, pattern):
        """Reads stderr until a line matches, and returns the match."""
        passed = []
        while (line := self.take(self.err)) is not None:
            passed.append(line)
            if found := re.search(pattern, line):
                return found
        raise AssertionError(f"{pattern!r} was not said, only {passed}")

    def rest(self, lines):
        return list(iter(lambda: self.take(lines), None))

    def exit_code(self):
        try:
            return self.process.wait(PATIENCE)
        except subprocess.TimeoutExpired:
            self.stop(signal.SIGKILL)
            raise AssertionError("it did not end") from None

    def stop(self, number=signal.SIGTERM):
        if self.process.poll() is None:
            self.process.send_signal(number)
        code = self.exit_code()
        for thread in self.threads:
            thread.join()
        if self.process.stdin:
            with contextlib.suppress(BrokenPipeError):
                self.process.stdin.close()
        return code


class Hub:
    """The hub, which can be killed and come back at the same address."""

    def __init__(self):
        self.port = free_port()
        self.start()

    def start(self):
        self.process = Process(program("hub"), "--listen", f"127.0.0.1:{self.port}")
        self.url = f"http://127.0.0.1:{self.port}"
        if self.process.line() != f"listening on {self.url}":
            raise AssertionError("the hub does not listen")

    def revive(self):
        """Starts it again if a test that failed has left it dead."""
        if self.process.process.poll() is not None:
            self.start()

    def kill(self):
        self.process.stop(signal.SIGKILL)

    def publish(self, channel, data, event=None):
        query = f"?event={event}" if event else ""
        request = urllib.request.Request(self.url + channel + query, data.encode() if isinstance(data, str) else data)
        with urllib.request.urlopen(request, timeout=PATIENCE) as answer:
            return json.load(answer)["id"]


class Nginx:
    """nginx in front of a hub: `open` lets everything through, `plain` does what it does when told nothing."""

    def __init__(self, hub):
        folder = pathlib.Path(os.environ["BAREWIRE_WORK"]) / "nginx"
        folder.mkdir(parents=True, exist_ok=True)
        ports = {"HUB": hub.port, "OPEN": free_port(), "PLAIN": free_port()}
        text = (HERE.parent / "nginx.conf").read_text()
        text = "\n".join(line for line in text.splitlines() if not line.lstrip().startswith("#"))
        (folder / "nginx.conf").write_text(string.Template(text).substitute(ports))
        self.open, self.plain = (f"http://127.0.0.1:{ports[name]}" for name in ("OPEN", "PLAIN"))
        nginx = os.environ["BAREWIRE_NGINX"]
        self.process = Process(nginx, "-p", folder, "-c", "nginx.conf", "-e", "stderr", cwd=folder)
        for name in ("OPEN", "PLAIN"):
            self.await_port(ports[name])

    def await_port(self, port):
        for _ in range(PATIENCE * 20):
            if self.process.process.poll() is not None:
                break
            with contextlib.suppress(ConnectionRefusedError), socket.create_connection(("127.0.0.1", port)):
                return
            threading.Event().wait(0.05)
        raise AssertionError("nginx does not listen: " + "\n".join(self.process.rest(self.process.err)))


class NodeServers:
    """npm's ws and better-sse, and Node's http, in one process."""

    def __init__(self):
        self.process = Process("node", HERE / "servers.mjs")
        line = self.process.line()
        if line is None:
            raise AssertionError("\n".join(self.process.rest(self.process.err)))
        ports = json.loads(line)
        self.ws = f"ws://127.0.0.1:{ports['ws']}"
        self.plain, self.better = (f"http://127.0.0.1:{ports[name]}" for name in ("plain", "better"))


class ClientTest(unittest.TestCase):
    longMessage = True

    def channel(self):
        return f"/channels/test-{os.getpid()}-{next(CHANNELS)}"

    def run_program(self, *command, **options):
        process = Process(*command, **options)
        self.addCleanup(process.stop, signal.SIGKILL)
        return process

    def tail(self, url, *arguments):
        return self.run_program(program("tail"), url, "--json", *arguments)

    def next_event(self, tail):
        line = tail.line()
        if line is None:
            self.fail("tail ended: " + "\n".join(tail.rest(tail.err)))
        event = json.loads(line)
        self.assertEqual(list(event)[:3], ["id", "event", "data"])
        return event

    def assert_event(self, tail, **members):
        event = self.next_event(tail)
        self.assertEqual({name: event[name] for name in members}, members)
        return event


def start(test_class, what, *arguments):
    """Starts a server for all tests of a class."""
    server = what(*arguments)
    stop = getattr(server, "stop", None) or (lambda: server.process.stop(signal.SIGKILL))
    test_class.addClassCleanup(stop)
    return server
