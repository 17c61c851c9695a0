"""Kills a hub with a store again and again under publishers and readers; see `run`.

What is shown, after so many deaths:

1. Every message that was acknowledged (201, or seen by its own publisher on its WebSocket) is there once, under that id.
2. Ids grow, over all lives.
3. Every reader has got the channel from its first message on as it is in the end: no gap, no repeat, nothing else, although
   each comes back with its cursor dozens of times.
4. A POST that is tried again under its key is published once, and its answer names the first id.
5. Of what a WebSocket sends on one connection, what is kept is a beginning of it: nothing is lost in between.
"""

import argparse
import asyncio
import collections
import json
import os
import random
import tempfile
import time

from hub import GONE, Hub, Wire, as_id, history

CHANNELS = ["a", "b"]
# For each channel.
POSTING, SENDING = 3, 1
# Frames that a WebSocket is ahead of what it has seen come back.
AHEAD = 8
# A dead hub is noticed at once; this is for what would be a fault.
PATIENCE = 30
# Seconds in which a hub starts and opens a small store.
OPENING = 0.03


def body(name, number):
    """A message that says whose it is. Some fill pages of the file, most do not."""
    return f"{name} {number} ".encode() + b"." * (20_000 if number % 97 == 0 else number * 31 % 400)


def label(data):
    return data.rstrip(".").strip()


class World:
    """What publishers and readers share: where the hub is, and whether it is time to end."""

    def __init__(self):
        self.address = None
        self.publishing = True
        # Seconds that a publisher rests after a message.
        self.rest = 0
        self.acknowledged = {name: {} for name in CHANNELS}
        self.again = 0
        self.tried = 0

    async def alive(self):
        while self.address is None:
            await asyncio.sleep(0.001)
        return Wire(self.address)


async def post(world, channel, name, dice):
    """POSTs one message after the other, each until it is acknowledged."""
    number, acknowledged, kept = 0, world.acknowledged[channel], collections.deque(maxlen=50)
    while world.publishing:
        try:
            async with await world.alive() as wire:
                while world.publishing:
                    text = body(name, number)
                    known = acknowledged.get(label(text.decode()))
                    fields = [f"Idempotency-Key: {name}-{number}"]
                    status, answer = await asyncio.wait_for(wire.ask("POST", f"/channels/{channel}", fields, text), PATIENCE)
                    if status == 503:
                        await asyncio.sleep(0.01)
                        break
                    assert status == 201, (status, answer)
                    told = json.loads(answer)["id"]
                    assert known is None or known == told, f"{name} {number} is {known} and {told}"
                    acknowledged[label(text.decode())] = told
                    kept.append(number)
                    # Now and then one that has an answer is sent once more, also in a later life.
                    last = max(kept)
                    number = dice.choice(kept) if number == last and dice.random() < 0.1 else last + 1
                    world.again += number <= last
                    if world.rest:
                        await asyncio.sleep(world.rest)
        except GONE:
            # No answer: it is sent again, whether it was kept or not.
            world.tried += 1
            await asyncio.sleep(dice.random() * 0.01)


class Follower:
    """A reader that comes back with its cursor. What it has got is to be the channel."""

    def __init__(self, world, channel, way):
        self.world, self.channel, self.way = world, channel, way
        self.got, self.returns = [], 0

    def target(self):
        cursor = f"?last_event_id={self.got[-1][0]}" if self.got else ""
        return f"/channels/{self.channel}{cursor}"

    def take(self, told, event, data):
        assert event == "message", f"{self.way} of {self.channel} is told {event} behind {self.got[-1:]}: {data[:100]}"
        if self.got:
            assert as_id(told) > as_id(self.got[-1][0]), f"{self.way} of {self.channel}: {told} behind {self.got[-1][0]}"
        self.got.append((told, label(data)))

    async def follow(self):
        while True:
            try:
                async with await self.world.alive() as wire:
                    self.returns += 1
                    await self.read(wire)
            except GONE:
                await asyncio.sleep(0.001)

    async def read(self, wire):
        if self.way == "event stream":
            async for event in wire.events(self.target()):
                self.take(*event)
        elif self.way == "WebSocket":
            await wire.upgrade(self.target())
            async for event in wire.messages():
                self.take(*event)
        while True:
            fields = ["Prefer: wait=20"] if self.way == "long poll" else []
            status, answer = await wire.ask("GET", self.target(), fields)
            if status == 503:
                raise ConnectionError(status)
            assert status in (200, 204), (status, answer)
            answer = json.loads(answer) if status == 200 else {"events": []}
            assert not answer.get("gap"), f"{self.way} of {self.channel} has a gap behind {self.got[-1:]}"
            for event in answer["events"]:
                self.take(event["id"], event["event"], event["data"])
            if not fields:
                await asyncio.sleep(0.01)


class Sender(Follower):
    """A WebSocket that publishes, and reads what everybody publishes: there it finds what became of its own."""

    def __init__(self, world, channel, name):
        super().__init__(world, channel, name)
        self.number, self.connections = 0, []

    async def read(self, wire):
        await wire.upgrade(self.target())
        mine, ahead = [], 0
        self.connections.append(mine)
        while True:
            while self.world.publishing and ahead < AHEAD:
                wire.send(body(self.way, self.number))
                mine.append(label(body(self.way, self.number).decode()))
                self.number, ahead = self.number + 1, ahead + 1
            told, event, data = await anext(self.source(wire))
            self.take(told, event, data)
            if label(data) in mine[-AHEAD:]:
                ahead -= 1
                if self.world.rest and self.world.publishing:
                    await asyncio.sleep(self.world.rest)
                self.world.acknowledged[self.channel][label(data)] = told

    def source(self, wire):
        if getattr(wire, "source", None) is None:
            wire.source = wire.messages()
        return wire.source


async def deaths(world, options, dice, program, store):
    """Lives of the hub, each ended at a random moment; gives the one that is left alive."""
    starts, early = [], 0
    for number in range(options.rounds):
        hub = Hub(program, store, "--loops", str(1 + number % 2))
        if dice.random() < 0.25:
            # It dies while it starts, or while it opens what the one before has left.
            early += 1
            await asyncio.sleep(dice.random() * OPENING)
        else:
            while not hub.poll():
                await asyncio.sleep(0.001)
                assert time.monotonic() - hub.began < PATIENCE, "it does not open any more"
            starts.append(hub.started)
            world.address = hub.address
            await asyncio.sleep(dice.random() * options.life)
        world.address = None
        hub.kill()
    hub = Hub(program, store)
    hub.wait(PATIENCE)
    starts.append(hub.started)
    world.address = hub.address
    return hub, starts, early


async def run(options, store):
    dice = random.Random(options.seed)
    world = World()
    followers = [
        Follower(world, channel, way)
        for channel in CHANNELS
        for way in ("event stream", "WebSocket", "long poll", "short poll")
    ]
    senders = [Sender(world, channel, f"sender {channel}{number}") for channel in CHANNELS for number in range(SENDING)]
    readers = [asyncio.create_task(reader.follow()) for reader in followers + senders]
    posting = [
        asyncio.create_task(post(world, channel, f"poster {channel}{number}", random.Random(dice.random())))
        for channel in CHANNELS
        for number in range(POSTING)
    ]

    killing = asyncio.create_task(deaths(world, options, dice, options.hub, store))
    done, _ = await asyncio.wait([killing, *readers, *posting], return_when=asyncio.FIRST_COMPLETED)
    for task in done:
        task.result()
    hub, starts, early = killing.result()
    try:
        world.publishing = False
        await asyncio.wait_for(asyncio.gather(*posting), PATIENCE)
        # What is read now is all there is; then once more, in yet another life.
        channels = {}
        for channel in CHANNELS:
            channels[channel] = await history(hub.address, f"/channels/{channel}")
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
    finally:
        code = hub.stop()
    assert code == 0, f"it ended with {code}"
    hub = Hub(options.hub, store)
    try:
        hub.wait(PATIENCE)
        for channel in CHANNELS:
            assert await history(hub.address, f"/channels/{channel}") == channels[channel], "after an orderly end"
    finally:
        hub.kill()

    for channel, messages in channels.items():
        ids = [as_id(told) for told, _ in messages]
        assert all(a < b for a, b in zip(ids, ids[1:])), f"ids of {channel} do not grow"
        kept = {label(data): told for told, data in messages}
        assert len(kept) == len(messages), f"a message of {channel} is there twice"
        for text, told in world.acknowledged[channel].items():
            assert kept.get(text) == told, f"{text} of {channel} was acknowledged as {told} and is {kept.get(text)}"
        for reader in followers + senders:
            if reader.channel == channel:
                whole = [(told, label(data)) for told, data in messages]
                assert reader.got == whole, f"{reader.way} of {channel} has {len(reader.got)} of {len(whole)} messages"
        for sender in senders:
            if sender.channel == channel:
                for sent in sender.connections:
                    there = [text in kept for text in sent]
                    assert there == sorted(there, reverse=True), f"{sender.way}: something in between is missing"

    total = sum(map(len, channels.values()))
    acknowledged = sum(map(len, world.acknowledged.values()))
    least = min(reader.returns for reader in followers)
    print(f"{options.rounds} deaths, {early} of them while it opened the store; opening took {max(starts) * 1e3:.0f} ms at most")
    print(f"{total} messages kept, {acknowledged} of them acknowledged, all of these there once; {total - acknowledged} in doubt were kept")
    print(f"{world.tried} requests had no answer and were tried again; {world.again} were sent again though they had one")
    print(f"{len(followers) + len(senders)} readers came back {least} times or more and have every message once")
    assert total > 20 * options.rounds, "too little was published to show anything"


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("hub")
    parser.add_argument("--rounds", type=int, default=50)
    parser.add_argument("--life", type=float, default=1.0, help="seconds that a life lasts at most")
    parser.add_argument("--seed", type=int, default=int.from_bytes(os.urandom(4), "big"))
    options = parser.parse_args()
    # The moments of the deaths are those of the seed; what the hub was doing then is up to the machine.
    print(f"kill: --seed {options.seed}", flush=True)
    with tempfile.TemporaryDirectory() as folder:
        asyncio.run(run(options, os.path.join(folder, "store")))


if __name__ == "__main__":
    main()
