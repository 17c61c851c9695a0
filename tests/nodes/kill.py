"""Three hubs over one Redis behind a proxy, all of them killed at random, under publishers and readers; see `run`.

What is shown: every message that was acknowledged is there once, under its id, and in order; every reader of the four ways
has got its channel as it is in the end, from the first message on, without a gap or a repeat, on whichever node it came to.
"""

import argparse
import asyncio
import os
import random

from cluster import PATIENCE, Node, Proxy, Redis, check, come_to_the_end, deaths, folder, healthy, held, unless

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
    await unless([*readers, *posting], kill(options, dice, redis, nodes))
    world.publishing = False
    await asyncio.wait_for(asyncio.gather(*posting), PATIENCE)
    for node in nodes:
        await healthy(node.address)
    channels = await held(nodes, CHANNELS)
    await come_to_the_end(followers + senders, readers, channels)
    print(f"{options.rounds} deaths of nodes and Redis behind {options.proxy}")
    total = check(world.acknowledged, channels, followers + senders)
    least = min(reader.returns for reader in followers)
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
