"""Hubs over a Redis behind a proxy, as processes, and what becomes of a crowd; what the parts here share.

The publishers and readers are those of `tests/store/kill.py`: here as there they come back with their cursors, dozens of
times, and what each has got at the end has to be its channel.
"""

import asyncio
import importlib.util
import os
import re
import socket
import subprocess
import sys
import tempfile
import time

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path.insert(0, os.path.join(os.path.dirname(HERE), "store"))

from hub import GONE, Wire, as_id, history  # noqa: E402,F401

# By its path, since there is a `kill.py` here, too.
spec = importlib.util.spec_from_file_location("deaths", os.path.join(os.path.dirname(HERE), "store", "kill.py"))
deaths = importlib.util.module_from_spec(spec)
spec.loader.exec_module(deaths)

PATIENCE = 60


def free_port():
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        return listener.getsockname()[1]


def answers(address):
    try:
        with socket.create_connection(address, timeout=1):
            return True
    except OSError:
        return False


class Process:
    """A program that is started, killed and started again, always in the same way."""

    def __init__(self, port, *command, output=None, host="127.0.0.1"):
        self.port, self.command, self.output = port, command, output
        self.address = (host, port)
        self.process = None
        self.start()

    def start(self):
        self.process = subprocess.Popen(
            self.command, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=self.output or subprocess.DEVNULL
        )

    async def listens(self):
        began = time.monotonic()
        while not answers(self.address):
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
    """`within` is a command that runs another one, elsewhere."""

    def __init__(self, folder, *options, host="127.0.0.1", within=()):
        port = free_port()
        command = [*within, "redis-server", "--port", str(port), "--bind", host, "--dir", folder, "--save", ""]
        super().__init__(port, *command, *options, host=host)


class Node(Process):
    """A hub on a port of its own, which it keeps."""

    def __init__(self, program, redis, *options, host="127.0.0.1", redis_host="127.0.0.1", within=()):
        port = free_port()
        command = [*within, program, "--listen", f"{host}:{port}", "--redis", f"redis://{redis_host}:{redis}", "--redis-wait", "60"]
        super().__init__(port, *command, *options, host=host)


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


async def unless(tasks, waited):
    """Waits for something, unless one of the tasks, which never end by themselves, fails."""
    waited = asyncio.ensure_future(waited)
    done, _ = await asyncio.wait([waited, *tasks], return_when=asyncio.FIRST_COMPLETED)
    for task in done:
        task.result()
    return waited.result()


async def held(nodes, names):
    """What the channels hold in the end, which is the same on all nodes."""
    channels = {}
    for channel in names:
        each = [await history(node.address, f"/channels/{channel}") for node in nodes]
        assert all(one == each[0] for one in each), f"nodes differ in what {channel} holds"
        channels[channel] = each[0]
    return channels


async def come_to_the_end(readers, tasks, channels):
    """Waits until each reader has the last message of its channel, and ends them."""
    for reader in readers:
        last = channels[reader.channel][-1][0]
        began = time.monotonic()
        while not reader.got or reader.got[-1][0] != last:
            assert time.monotonic() - began < PATIENCE, f"{reader.way} does not come to the end of {reader.channel}"
            for task in tasks:
                if task.done():
                    task.result()
            await asyncio.sleep(0.01)
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)


def check(acknowledged, channels, readers):
    """Every acknowledged message is there once, under its id, and every reader has got its channel as it is."""
    for channel, messages in channels.items():
        ids = [as_id(told) for told, _ in messages]
        assert all(a < b for a, b in zip(ids, ids[1:])), f"ids of {channel} do not grow"
        kept = {deaths.label(data): told for told, data in messages}
        assert len(kept) == len(messages), f"a message of {channel} is there twice"
        for text, told in acknowledged[channel].items():
            assert kept.get(text) == told, f"{text} of {channel} was acknowledged as {told} and is {kept.get(text)}"
        whole = [(told, deaths.label(data)) for told, data in messages]
        for reader in readers:
            if reader.channel == channel:
                assert reader.got == whole, f"{reader.way} of {channel} has {len(reader.got)} of {len(whole)} messages"
    total, known = sum(map(len, channels.values())), sum(map(len, acknowledged.values()))
    print(f"{total} messages kept, {known} of them acknowledged, all of these there once; {total - known} in doubt were kept")
    return total


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
