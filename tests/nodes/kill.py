"""Three hubs over one Redis behind a proxy, all of them killed at random, under publishers and readers; see `run`.

What is shown: every message that was acknowledged is there once, under its id, and in order; every reader of the four ways
has got its channel as it is in the end, from the first message on, without a gap or a repeat, on whichever node it came to.
"""

import argparse
import asyncio
import importlib.util
import os
import random
import time

from cluster import HERE, PATIENCE, Node, Proxy, Redis, folder, healthy
from hub import as_id, history

spec = importlib.util.spec_from_file_location("deaths", os.path.join(os.path.dirname(HERE), "store", "kill.py"))
deaths = importlib.util.module_from_spec(spec)
spec.loader.exec_module(deaths)

CHANNELS = deaths.CHANNELS
# A node dies alone, or two of them, or Redis, or Redis and a node.
ENDS = [("node",), ("node",), ("node", "node"), ("redis",), ("redis",), ("redis", "node")]


async def kill(options, dice, redis, nodes):
    """Ends some of them at random moments. What has died comes back a little later."""
    for _ in range(options.rounds):
        await asyncio.sleep(dice.random() * options.life)
        alive = list(nodes)
        dice.shuffle(alive)
        dying = [redis if what == "redis" else alive.pop() for what in dice.choice(ENDS)]
        for process in dying:
            process.kill()
        await asyncio.sleep(dice.random() * options.death)
        for process in dying:
            process.start()
        # Not before they are there: what is shown is what they do, and not how long they take to begin.
        for process in dying:
            await process.listens()


async def run(options):
    dice = random.Random(options.seed)
    with folder() as path:
        redis = Redis(path, "--appendonly", "yes", "--appendfsync", "always")
        await redis.listens()
        nodes = [Node(options.hub, redis.port, "--loops", str(1 + number % 2)) for number in range(3)]
        proxy = Proxy(options.proxy, path, [node.port for node in nodes])
        try:
            for node in [*nodes, proxy]:
                await node.listens()
            await healthy(proxy.address)
            await shown(options, dice, redis, nodes, proxy)
        finally:
            for process in [proxy, *nodes, redis]:
                process.stop()


async def shown(options, dice, redis, nodes, proxy):
    world = deaths.World()
    world.address = proxy.address
    ways = ("event stream", "WebSocket", "long poll", "short poll")
    followers = [deaths.Follower(world, channel, way) for channel in CHANNELS for way in ways]
    senders = [deaths.Sender(world, channel, f"sender {channel}") for channel in CHANNELS]
    readers = [asyncio.create_task(reader.follow()) for reader in followers + senders]
    posting = [
        asyncio.create_task(deaths.post(world, channel, f"poster {channel}{number}", random.Random(dice.random())))
        for channel in CHANNELS
        for number in range(2)
    ]
    killing = asyncio.create_task(kill(options, dice, redis, nodes))
    done, _ = await asyncio.wait([killing, *readers, *posting], return_when=asyncio.FIRST_COMPLETED)
    for task in done:
        task.result()
    world.publishing = False
    await asyncio.wait_for(asyncio.gather(*posting), PATIENCE)
    for node in nodes:
        await healthy(("127.0.0.1", node.port))
    channels = {}
    for channel in CHANNELS:
        each = [await history(("127.0.0.1", node.port), f"/channels/{channel}") for node in nodes]
        assert all(one == each[0] for one in each), f"nodes differ in what {channel} holds"
        channels[channel] = each[0]
    for reader in followers + senders:
        last = channels[reader.channel][-1][0]
        began = time.monotonic()
        while not reader.got or reader.got[-1][0] != last:
            assert time.monotonic() - began < PATIENCE, f"{reader.way} does not come to the end of {reader.channel}"
            for task in readers:
                if task.done():
                    task.result()
            await asyncio.sleep(0.01)
    for task in readers:
        task.cancel()
    await asyncio.gather(*readers, return_exceptions=True)
    check(options, world, channels, followers, senders)


def check(options, world, channels, followers, senders):
    for channel, messages in channels.items():
        ids = [as_id(told) for told, _ in messages]
        assert all(a < b for a, b in zip(ids, ids[1:])), f"ids of {channel} do not grow"
        kept = {deaths.label(data): told for told, data in messages}
        assert len(kept) == len(messages), f"a message of {channel} is there twice"
        for text, told in world.acknowledged[channel].items():
            assert kept.get(text) == told, f"{text} of {channel} was acknowledged as {told} and is {kept.get(text)}"
        for reader in followers + senders:
            if reader.channel == channel:
                whole = [(told, deaths.label(data)) for told, data in messages]
                assert reader.got == whole, f"{reader.way} of {channel} has {len(reader.got)} of {len(whole)} messages"
    total = sum(map(len, channels.values()))
    acknowledged = sum(map(len, world.acknowledged.values()))
    least = min(reader.returns for reader in followers)
    print(f"{options.rounds} deaths of nodes and Redis behind {options.proxy}")
    print(f"{total} messages kept, {acknowledged} of them acknowledged, all of these there once; {total - acknowledged} in doubt were kept")
    print(f"{world.tried} requests had no answer and were tried again")
    print(f"{len(followers) + len(senders)} readers came back {least} times or more and have every message once")
    assert total > 20 * options.rounds, "too little was published to show anything"


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("hub")
    parser.add_argument("--rounds", type=int, default=30)
    parser.add_argument("--life", type=float, default=3.0, help="seconds between two deaths at most")
    parser.add_argument("--death", type=float, default=1.0, help="seconds that something is dead at most")
    parser.add_argument("--proxy", choices=["haproxy", "nginx"], default="haproxy")
    parser.add_argument("--seed", type=int, default=int.from_bytes(os.urandom(4), "big"))
    options = parser.parse_args()
    print(f"kill: --seed {options.seed}", flush=True)
    asyncio.run(run(options))


if __name__ == "__main__":
    main()
