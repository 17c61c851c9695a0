"""A Redis without persistence is killed: whoever missed something is told a gap, and nobody else; see `run`.

Each round some readers are up to date when Redis dies, and some come back later with an older cursor. What the first have
had is all there was, so that they go on without a gap, on every node; what lay behind the cursors of the others they get
where a node still holds it, and are told a gap where none does.
"""

import argparse
import asyncio
import json

from cluster import PATIENCE, Node, Redis, folder, healthy
from hub import GONE, Wire, as_id

CHANNELS = [f"c{number}" for number in range(5)]


async def publish(address, channel, data):
    """Publishes until it is taken; gives the id."""
    while True:
        try:
            async with Wire(address) as wire:
                status, answer = await asyncio.wait_for(wire.ask("POST", f"/channels/{channel}", body=data), PATIENCE)
        except GONE:
            continue
        if status == 201:
            return json.loads(answer)["id"]
        assert status == 503, (status, answer)
        await asyncio.sleep(0.05)


class Reader:
    """Follows a channel on one connection, which never ends."""

    def __init__(self, address, channel, way, cursor):
        self.address, self.channel, self.way, self.cursor = address, channel, way, cursor
        self.got, self.gaps = [], 0

    async def follow(self):
        async with Wire(self.address) as wire:
            target = f"/channels/{self.channel}?last_event_id={self.cursor}"
            if self.way == "WebSocket":
                await wire.upgrade(target)
            source = wire.messages() if self.way == "WebSocket" else wire.events(target)
            async for told, event, _ in source:
                if event == "gap":
                    self.gaps += 1
                    continue
                assert not self.got or as_id(told) > as_id(self.got[-1]), f"{told} behind {self.got[-1]}"
                self.got.append(told)

    async def reaches(self, last, task):
        for _ in range(PATIENCE * 100):
            if self.got and self.got[-1] == last:
                return
            if task.done():
                task.result()
                raise AssertionError(f"{self.way} of {self.channel} has ended")
            await asyncio.sleep(0.01)
        raise AssertionError(f"{self.way} of {self.channel} does not come to {last}: {self.got[-3:]}")


async def run(options):
    with folder() as path:
        redis = Redis(path)
        await redis.listens()
        nodes = [Node(options.hub, redis.port) for _ in range(3)]
        try:
            for node in nodes:
                await node.listens()
            addresses = [node.address for node in nodes]
            firsts = {channel: await publish(addresses[0], channel, b"first") for channel in CHANNELS}
            ways = ("event stream", "WebSocket")
            readers = [
                Reader(address, channel, way, firsts[channel]) for address in addresses for channel in CHANNELS for way in ways
            ]
            tasks = [asyncio.create_task(reader.follow()) for reader in readers]
            late = told_gaps = 0
            published = {channel: [first] for channel, first in firsts.items()}
            for number in range(options.rounds):
                lasts = {}
                for channel in CHANNELS:
                    for count in range(3):
                        lasts[channel] = await publish(addresses[(number + count) % 3], channel, b"before")
                        published[channel].append(lasts[channel])
                for reader, task in zip(readers, tasks):
                    await reader.reaches(lasts[reader.channel], task)
                redis.kill()
                redis.start()
                await redis.listens()
                afters = {channel: await publish(addresses[number % 3], channel, b"after") for channel in CHANNELS}
                for reader, task in zip(readers, tasks):
                    await reader.reaches(afters[reader.channel], task)
                    assert reader.gaps == 0, f"{reader.way} of {reader.channel} has missed nothing"
                for channel in CHANNELS:
                    published[channel].append(afters[channel])
                # This one holds nothing but what Redis has.
                fresh = Node(options.hub, redis.port)
                nodes.append(fresh)
                await fresh.listens()
                for address in [*addresses, fresh.address]:
                    await healthy(address)
                    for channel in CHANNELS:
                        # One that was up to date and comes back now, and one that was not.
                        for cursor in (lasts[channel], firsts[channel]):
                            reader = Reader(address, channel, "event stream", cursor)
                            task = asyncio.create_task(reader.follow())
                            await reader.reaches(afters[channel], task)
                            task.cancel()
                            all_of_it = published[channel][published[channel].index(cursor) + 1 :]
                            told = f"{channel} on {address} behind {cursor}: {reader.gaps} gaps, {len(reader.got)} of {len(all_of_it)}"
                            assert reader.gaps == (reader.got != all_of_it), told
                            if address == fresh.address:
                                assert reader.gaps == (cursor != lasts[channel]), told
                            told_gaps += reader.gaps
                            late += 1
                nodes.remove(fresh)
                fresh.stop()
                firsts = afters
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)
            print(f"{options.rounds} times all that Redis had was lost: {len(readers)} readers that had missed nothing were told no gap,")
            print(f"and of {late} that came later the {told_gaps} who had missed something were told one, and nobody else")
        finally:
            for process in [*nodes, redis]:
                process.stop()


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("hub")
    parser.add_argument("--rounds", type=int, default=3)
    asyncio.run(run(parser.parse_args()))


if __name__ == "__main__":
    main()
