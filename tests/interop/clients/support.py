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


def publish(url, data, event=None):
    query = f"?event={event}" if event else ""
    request = urllib.request.Request(url + query, data.encode() if isinstance(data, str) else data)
    with urllib.request.urlopen(request, timeout=PATIENCE) as answer:
        return json.load(answer)["id"]


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
        return publish(self.url + channel, data, event)


class Proxy:
    """A proxy in front of a hub, set up as the README says. It can be killed and come back at the same address."""

    # What the README's configuration says of the two addresses.
    listens, asks = None, "127.0.0.1:9000"

    def __init__(self, hub):
        self.port = free_port()
        self.url = f"http://127.0.0.1:{self.port}"
        name = self.program()
        self.folder = pathlib.Path(os.environ["BAREWIRE_WORK"]) / name
        self.folder.mkdir(parents=True, exist_ok=True)
        text = fenced_in_readme(name)
        for written, real in ((self.listens, f"127.0.0.1:{self.port}"), (self.asks, f"127.0.0.1:{hub.port}")):
            keyword, _, address = written.rpartition(" ")
            if text.count(written) != 1:
                raise AssertionError(f"the README's configuration of {name} does not say {written!r} once")
            text = text.replace(written, f"{keyword} {real}".lstrip())
        (self.folder / "readme.cfg").write_text(text)
        self.prepare(hub)
        self.start()

    @classmethod
    def program(cls):
        return cls.__name__.lower()

    def prepare(self, hub):
        pass

    def start(self):
        self.process = Process(program(self.program()), *self.arguments(), cwd=self.folder)
        await_port(self.port, self.process)

    def kill(self):
        self.process.stop(signal.SIGKILL)

    def revive(self):
        if self.process.process.poll() is not None:
            self.start()


class Nginx(Proxy):
    """At `url` as the README says, and at `plain_url` as nginx is when it is told nothing."""

    listens = "listen 80"

    def prepare(self, hub):
        plain = free_port()
        self.plain_url = f"http://127.0.0.1:{plain}"
        frame = string.Template((HERE.parent / "nginx.conf").read_text())
        (self.folder / "nginx.conf").write_text(frame.substitute(PLAIN=plain, HUB=hub.port))

    def arguments(self):
        return "-p", self.folder, "-c", "nginx.conf", "-e", "stderr"


class Haproxy(Proxy):
    listens = "bind :80"

    def arguments(self):
        # In the foreground.
        return "-db", "-f", "readme.cfg"


def fenced_in_readme(language):
    """The one block of code in the README that is in this language."""
    blocks = re.findall(rf"^```{language}\n(.*?)^```$", (ROOT / "README.md").read_text(), re.MULTILINE | re.DOTALL)
    if len(blocks) != 1:
        raise AssertionError(f"the README has {len(blocks)} blocks of {language}")
    return blocks[0]


def await_port(port, process):
    for _ in range(PATIENCE * 20):
        if process.process.poll() is not None:
            break
        with contextlib.suppress(ConnectionRefusedError), socket.create_connection(("127.0.0.1", port)):
            return
        threading.Event().wait(0.05)
    raise AssertionError("it does not listen: " + "\n".join(process.rest(process.err)))


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
