"""Nodes in network namespaces whose link to Redis is cut for ten seconds; see `run`.

```text
    clients ──┬── 198.19.0.0/30 ── node 0 ── 198.18.0.0/30 ──┬── redis
              ├── 198.19.0.4/30 ── node 1 ── 198.18.0.4/30 ──┤
              └── 198.19.0.8/30 ── node 2 ── 198.18.0.8/30 ──┘      it is these links that are cut
```

Nobody is told of such a cut by a reset: packets end nowhere, and it is silence that a node has to notice. What is shown:

1. Every acknowledged message is there once, in order, and every reader, on each node, has all of it without a gap; those on
   one connection keep it all the time.
2. A node that is cut off says so in `/health`, and refuses what is published: 503 with `Retry-After`, soon. What was on its way
   when the link was cut is answered, or ended without an answer, in bounded time.
3. The other nodes go on, and the one that was cut off is back soon after its link is.

The first round takes the link down. In the second one node's packets are dropped both ways, and of another one only what Redis
answers: so its messages are kept, and nobody learns it. Everything here has namespaces of its own, this process too, so that
nothing of the machine's network is touched.
"""

import argparse
import asyncio
import contextlib
import os
import random
import shutil
import signal
import subprocess
import sys
import time
import traceback

from cluster import GONE, PATIENCE, Node, Redis, Wire, check, come_to_the_end, deaths, folder, health, healthy, held, unless

CHANNELS = deaths.CHANNELS
NODES = 3
WAYS = ("event stream", "WebSocket", "long poll", "short poll")
CUT = 10
# Seconds. What is published while a node does not know yet that its link is cut waits for five at most, and what comes later
# is refused at once; a node whose link is back tries once a second. The rest is for a machine that has much to do.
ANSWERED, REFUSED, BACK = 10, 3, 12
# For all of it.
LIMIT = 150


def ip(*words):
    subprocess.run(["ip", *words], check=True, stdin=subprocess.DEVNULL)


class Net:
    """The namespaces, by their names."""

    def __init__(self, name):
        self.clients, self.redis = f"{name}-clients", f"{name}-redis"
        self.nodes = [f"{name}-node{number}" for number in range(NODES)]

    @staticmethod
    def service(number, side):
        return f"198.19.0.{4 * number + side}"

    @staticmethod
    def storage(number, side):
        return f"198.18.0.{4 * number + side}"

    def make(self):
        for name in [self.clients, self.redis, *self.nodes]:
            ip("netns", "add", name)
            ip("-n", name, "link", "set", "lo", "up")
        for number, node in enumerate(self.nodes):
            for end, there, address in ((self.clients, "service", self.service), (self.redis, "storage", self.storage)):
                near = f"node{number}"
                ip("-n", end, "link", "add", near, "type", "veth", "peer", "name", there, "netns", node)
                ip("-n", end, "address", "add", f"{address(number, 1)}/30", "dev", near)
                ip("-n", node, "address", "add", f"{address(number, 2)}/30", "dev", there)
                ip("-n", end, "link", "set", near, "up")
                ip("-n", node, "link", "set", there, "up")

    def remove(self):
        """What still runs in them is ended, and with them go their interfaces."""
        for name in [self.clients, self.redis, *self.nodes]:
            found = subprocess.run(["ip", "netns", "pids", name], stdin=subprocess.DEVNULL, capture_output=True, text=True)
            for pid in found.stdout.split():
                with contextlib.suppress(ProcessLookupError):
                    os.kill(int(pid), signal.SIGKILL)
            subprocess.run(["ip", "netns", "delete", name], stdin=subprocess.DEVNULL, stderr=subprocess.DEVNULL)

    def down(self, number):
        """Takes the link down, on the side of Redis; gives what puts it up again."""
        ip("-n", self.redis, "link", "set", f"node{number}", "down")
        return lambda: ip("-n", self.redis, "link", "set", f"node{number}", "up")

    def drop(self, number, both=True):
        """Drops what goes to a node, and perhaps what it sends: a queue into which no packet fits."""
        ends = [(self.redis, f"node{number}")] + ([(self.nodes[number], "storage")] if both else [])
        for name, link in ends:
            full = ["root", "tbf", "rate", "8bit", "burst", "10b", "latency", "1ms"]
            subprocess.run(["tc", "-n", name, "qdisc", "add", "dev", link, *full], check=True, stdin=subprocess.DEVNULL)

        def undo():
            for name, link in ends:
                subprocess.run(["tc", "-n", name, "qdisc", "delete", "dev", link, "root"], check=True, stdin=subprocess.DEVNULL)

        return undo

    def drop_answers(self, number):
        return self.drop(number, both=False)


def within(name):
    return ["ip", "netns", "exec", name]


class Probe:
    """POSTs to one node without end, and keeps how each went: when it began, how long it took, status, Retry-After."""

    def __init__(self, node):
        self.node, self.log = node, []

    async def work(self):
        while True:
            began = time.monotonic()
            try:
                async with Wire(self.node.address) as wire:
                    asked = wire.head("POST", "/channels/probe", body=b"probe")
                    status, names = await asyncio.wait_for(asked, PATIENCE)
            except GONE:
                status, names = None, {}
            self.log.append((began, time.monotonic() - began, status, names.get("retry-after")))
            await asyncio.sleep(0.05)

    async def is_refused(self, since):
        """Waits for the refusal of what was asked next."""
        while not (later := [how for began, *how in self.log if began >= since]):
            assert time.monotonic() - since < PATIENCE, "nothing is refused"
            await asyncio.sleep(0.01)
        took, status, _ = later[0]
        assert status == 503 and took < REFUSED, f"a node that is cut off answers {status} after {took:.1f} s"

    def check(self):
        for _, took, status, again in self.log:
            assert status in (201, 503, None), f"a POST got {status}"
            assert took < ANSWERED, f"a POST had to wait {took:.1f} s for {status}"
            assert status != 503 or int(again) > 0, f"a refusal says when to come back: {again}"


async def cut(net, nodes, probes, cuts):
    """Cuts links, by (number of the node, how), and says how long things took."""
    for node in nodes:
        await healthy(node.address)
    began = time.monotonic()
    mending = [getattr(net, how)(number) for number, how in cuts]
    try:
        for number, how in cuts:
            await healthy(nodes[number].address, "degraded")
            noticed = time.monotonic()
            await probes[number].is_refused(noticed)
            print(f"node {number} ({how}) says after {noticed - began:.1f} s that Redis is away", flush=True)
        others = set(range(NODES)) - {number for number, _ in cuts}
        while time.monotonic() - began < CUT:
            for number in others:
                assert await health(nodes[number].address) == "ok", f"node {number} was not cut off"
            await asyncio.sleep(0.2)
        for number in others:
            taken = [took for start, took, status, _ in probes[number].log if start > began and status == 201]
            assert taken, f"node {number} was not cut off, and takes nothing"
    finally:
        for mend in mending:
            mend()
    mended = time.monotonic()
    for number, how in cuts:
        await healthy(nodes[number].address)
        took = time.monotonic() - mended
        assert took < BACK, f"node {number} ({how}) takes {took:.1f} s to come back"
        print(f"node {number} ({how}) is back after {took:.1f} s", flush=True)


async def run(options, net):
    with folder() as path, contextlib.ExitStack() as ends:
        bind = [net.storage(number, 1) for number in range(1, NODES)]
        options_of_redis = ["--protected-mode", "no"]
        redis = Redis(path, *options_of_redis, "--bind", net.storage(0, 1), *bind, host=net.storage(0, 1), within=within(net.redis))
        ends.callback(redis.stop)
        nodes = []
        for number in range(NODES):
            hosts = {"host": net.service(number, 2), "redis_host": net.storage(number, 1)}
            nodes.append(Node(options.hub, redis.port, **hosts, within=within(net.nodes[number])))
            ends.callback(nodes[-1].stop)
        for node in nodes:
            await node.listens()
            await healthy(node.address)
        await shown(options, net, nodes)


async def shown(options, net, nodes):
    dice = random.Random(options.seed)
    worlds, probes, followers, senders, posting = [], [], [], [], []
    for number, node in enumerate(nodes):
        world = deaths.World()
        world.address = node.address
        # What ten seconds bring is to be far less than a hub holds.
        world.rest = 0.02
        worlds.append(world)
        # What anybody was told holds for all.
        world.acknowledged = worlds[0].acknowledged
        probes.append(Probe(node))
        for channel in CHANNELS:
            followers += [deaths.Follower(world, channel, way) for way in WAYS]
            senders.append(deaths.Sender(world, channel, f"sender {channel}{number}"))
            name = f"poster {channel}{number}"
            posting.append(asyncio.create_task(deaths.post(world, channel, name, random.Random(dice.random()))))
    readers = [asyncio.create_task(reader.follow()) for reader in followers + senders]
    probing = [asyncio.create_task(probe.work()) for probe in probes]
    first, second, third = dice.sample(range(NODES), NODES)
    everybody = [*readers, *posting, *probing]
    try:
        await unless(everybody, asyncio.sleep(1))
        await unless(everybody, cut(net, nodes, probes, [(first, "down")]))
        await unless(everybody, asyncio.sleep(1))
        await unless(everybody, cut(net, nodes, probes, [(second, "drop"), (third, "drop_answers")]))
        await unless(everybody, asyncio.sleep(1))
    except BaseException as error:
        # Some of them would take the end of the nodes for a cut, and try again.
        traceback.print_exception(error)
        sys.stderr.flush()
        os._exit(1)
    for world in worlds:
        world.publishing = False
    await asyncio.wait_for(asyncio.gather(*posting), PATIENCE)
    for task in probing:
        task.cancel()
    channels = await held(nodes, CHANNELS)
    await come_to_the_end(followers + senders, readers, channels)
    total = check(worlds[0].acknowledged, channels, followers + senders)
    for probe in probes:
        probe.check()
    ended = [reader for reader in followers if reader.way in ("event stream", "WebSocket") and reader.returns != 1]
    assert not ended, f"{len(ended)} connections of readers were ended, the first one an {ended[0].way}"
    refused = sum(status == 503 for probe in probes for _, _, status, _ in probe.log)
    doubted = [took for probe in probes for _, took, status, _ in probe.log if status is None]
    print(f"{len(readers)} readers have every message once and were told no gap; event streams and WebSockets that only read were not ended")
    print(f"{refused} probes were refused, the slowest after {slowest(probes):.2f} s; {len(doubted)} were ended without an answer, after {max(doubted, default=0):.1f} s at most")
    assert total > 300, "too little was published to show anything"


def slowest(probes):
    return max(took for probe in probes for _, took, status, _ in probe.log if status == 503)


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("hub")
    parser.add_argument("--seed", type=int, default=int.from_bytes(os.urandom(4), "big"))
    parser.add_argument("--net", help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.net:
        asyncio.run(run(options, Net(options.net)))
        return
    if os.geteuid() != 0 or not shutil.which("ip") or not shutil.which("tc"):
        print("cut: SKIPPED: network namespaces need root, and ip and tc (iproute2)")
        return
    print(f"cut: --seed {options.seed}", flush=True)
    name = f"barewire-{os.getpid()}"
    net = Net(name)
    try:
        try:
            net.make()
        except subprocess.CalledProcessError as error:
            print(f"cut: SKIPPED: this machine does not let us make network namespaces: {error}")
            return
        inside = [sys.executable, __file__, options.hub, "--seed", str(options.seed), "--net", name]
        code = subprocess.run([*within(net.clients), *inside], stdin=subprocess.DEVNULL, timeout=LIMIT).returncode
    finally:
        net.remove()
    sys.exit(code)


if __name__ == "__main__":
    main()
