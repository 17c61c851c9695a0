"""Hubs over a Redis behind a proxy, as processes; what `kill.py` and `loss.py` here share.

The publishers and readers are those of `tests/store/kill.py`: here as there they come back with their cursors, dozens of
times, and what each has got at the end has to be its channel.
"""

import asyncio
import os
import re
import socket
import subprocess
import sys
import tempfile
import time

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path.insert(0, os.path.join(os.path.dirname(HERE), "store"))

from hub import GONE, Wire  # noqa: E402,F401

PATIENCE = 60


def free_port():
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        return listener.getsockname()[1]


def answers(port, host="127.0.0.1"):
    try:
        with socket.create_connection((host, port), timeout=1):
            return True
    except OSError:
        return False


class Process:
    """A program that is started, killed and started again, always in the same way."""

    def __init__(self, port, *command, output=None):
        self.port, self.command, self.output = port, command, output
        self.process = None
        self.start()

    def start(self):
        self.process = subprocess.Popen(
            self.command, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=self.output or subprocess.DEVNULL
        )

    async def listens(self):
        began = time.monotonic()
        while not answers(self.port):
            code = self.process.poll()
            assert code is None, f"{self.command[0]} has ended by itself: {code}"
            assert time.monotonic() - began < PATIENCE, f"{self.command[0]} does not listen"
            await asyncio.sleep(0.01)

    def kill(self):
        self.process.kill()
        self.process.wait()

    def stop(self):
        if self.process.poll() is None:
            self.process.terminate()
            try:
                self.process.wait(timeout=20)
            except subprocess.TimeoutExpired:
                self.kill()


class Redis(Process):
    def __init__(self, folder, *options):
        port = free_port()
        super().__init__(
            port, "redis-server", "--port", str(port), "--bind", "127.0.0.1", "--dir", folder, "--save", "", *options
        )


class Node(Process):
    """A hub on a port of its own, which it keeps."""

    def __init__(self, program, redis, *options):
        port = free_port()
        command = [program, "--listen", f"127.0.0.1:{port}", "--redis", f"redis://127.0.0.1:{redis}", "--redis-wait", "60"]
        super().__init__(port, *command, *options)


class Proxy(Process):
    """HAProxy or nginx, with the configuration that docs/deploy.md shows."""

    def __init__(self, kind, folder, nodes):
        port = free_port()
        with open(os.path.join(HERE, {"haproxy": "haproxy.cfg", "nginx": "nginx.conf"}[kind])) as file:
            text = file.read()
        for number, node in enumerate([port, *nodes]):
            text = text.replace(f"127.0.0.1:900{number}", f"127.0.0.1:{node}")
        if kind == "nginx":
            # Its folder is its user's alone.
            user = "user root;\n" if os.geteuid() == 0 else ""
            text = f"{user}daemon off;\npid {folder}/nginx.pid;\nerror_log {folder}/nginx.log;\n" + text
            text = text.replace("http {\n", f"http {{\n    access_log off;\n    client_body_temp_path {folder}/body;\n"
                                f"    proxy_temp_path {folder}/proxy;\n    fastcgi_temp_path {folder}/fastcgi;\n"
                                f"    uwsgi_temp_path {folder}/uwsgi;\n    scgi_temp_path {folder}/scgi;\n", 1)
        # As many as the descriptors of a test allow.
        text = text.replace("maxconn 100000", "maxconn 2000").replace("worker_rlimit_nofile 200000;", "").replace("50000;", "1000;")
        path = os.path.join(folder, kind)
        with open(path, "w") as file:
            file.write(text)
        program = next(path for path in (f"/usr/sbin/{kind}", f"/usr/bin/{kind}", f"/usr/local/sbin/{kind}", kind) if os.path.exists(path) or path == kind)
        command = [program, "-c", path] if kind == "nginx" else [program, "-db", "-f", path]
        super().__init__(port, *command)

    @property
    def address(self):
        return ("127.0.0.1", self.port)


async def health(address):
    """The word that a hub has for how it is; what is not 200 is that number."""
    try:
        async with Wire(address) as wire:
            status, body = await asyncio.wait_for(wire.ask("GET", "/health"), 5)
    except (*GONE, asyncio.TimeoutError):
        return None
    found = re.search(rb'"status":"(\w+)"', body)
    return found[1].decode() if status == 200 and found else status


async def healthy(address, word="ok"):
    began = time.monotonic()
    while await health(address) != word:
        assert time.monotonic() - began < PATIENCE, f"{address} is {await health(address)}, and not {word}"
        await asyncio.sleep(0.05)


def folder():
    return tempfile.TemporaryDirectory(prefix="barewire-nodes-")
