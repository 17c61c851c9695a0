"""A store that is larger than what a hub may hold in memory; see `run`.

What is shown: the hub is killed, opens the store again in so much time, and then readers from the beginning get all of it in
each way while publishing goes on. What the process takes meanwhile is bounded by its caches and its hot part, whatever the
store holds, and does not grow while they read.
"""

import argparse
import asyncio
import json
import os
import statistics
import tempfile
import time

from hub import MIB, Hub, Wire

SIZE = 4096
PUBLISHERS = 64
# The cache of the store is 32 MiB, and the hot part of a channel 16 MiB: once as it is and once in each of the encodings of
# the three readers, as far as it is filled while they read. Far below what is stored.
ROOM = 128 * MIB
# By how much the memory in the last third of the reading may be above that of the second.
STEADY = 16 * MIB


def body(number):
    return f"{number:>10} ".encode().ljust(SIZE, b".")


async def publish(address, numbers):
    """POSTs what comes from `numbers` on one connection; ends when they do."""
    async with Wire(address) as wire:
        for number in numbers:
            status, answer = await wire.ask("POST", "/channels/large", (), body(number))
            assert status == 201, (status, answer)


async def fill(address, count):
    numbers = iter(range(count))
    await asyncio.gather(*(publish(address, numbers) for _ in range(PUBLISHERS)))


class Reading:
    """What a reader has got so far: a count is enough, as each message says its number and ids grow."""

    def __init__(self, way):
        self.way, self.seen, self.count, self.last, self.took = way, None, 0, "0-0", None

    def take(self, told, event, data):
        assert event == "message", f"{self.way}: {event} behind {self.last}"
        self.seen[int(data[:10])] += 1
        self.last = told
        self.count += 1

    async def read(self, address, target, count, whole):
        self.seen = bytearray(whole)
        began = time.monotonic()
        async with Wire(address) as wire:
            if self.way == "event stream":
                async for event in wire.events(target):
                    self.take(*event)
                    if self.count == count:
                        break
            elif self.way == "WebSocket":
                await wire.upgrade(target)
                async for event in wire.messages():
                    self.take(*event)
                    if self.count == count:
                        break
            else:
                cursor = ""
                while self.count < count:
                    status, answer = await wire.ask("GET", target + cursor)
                    answer = json.loads(answer)
                    assert status == 200 and not answer.get("gap"), (status, self.count)
                    for event in answer["events"]:
                        self.take(event["id"], event["event"], event["data"])
                    cursor = f"?last_event_id={answer['last_id']}"
        self.took = time.monotonic() - began
        assert all(seen == 1 for seen in self.seen[:count]), f"{self.way}: a message is missing or there twice"


async def watch(hub, samples):
    while True:
        samples.append(hub.memory())
        await asyncio.sleep(0.1)


async def go_on(address, numbers):
    """Publishes slowly what comes behind all that, so that there is a hot part."""
    async with Wire(address) as wire:
        for number in numbers:
            status, answer = await wire.ask("POST", "/channels/large", (), body(number))
            assert status == 201, (status, answer)
            await asyncio.sleep(0.001)


async def run(options, store):
    count = options.mib * MIB // SIZE
    hub = Hub(options.hub, store, "--retain-messages", "0", "--retain-bytes", "0")
    hub.wait()
    began = time.monotonic()
    await fill(hub.address, count)
    took = time.monotonic() - began
    print(f"{count} messages of {SIZE} B published in {took:.1f} s; {hub.memory() // MIB} MiB resident, the file has {os.stat(store).st_size // MIB} MiB")
    hub.kill()

    hub = Hub(options.hub, store, "--retain-messages", "0", "--retain-bytes", "0")
    try:
        opening = hub.wait(120)
        opened = hub.memory()
        print(f"after kill -9 it listens in {opening:.2f} s; {opened // MIB} MiB resident")
        samples, readings = [], [Reading(way) for way in ("event stream", "WebSocket", "short poll")]
        watching = asyncio.create_task(watch(hub, samples))
        more = asyncio.create_task(go_on(hub.address, range(count, count + count // 4)))
        whole = count + count // 4
        await asyncio.gather(*(reading.read(hub.address, "/channels/large", count, whole) for reading in readings))
        watching.cancel()
        more.cancel()
        await asyncio.gather(watching, more, return_exceptions=True)
        read = hub.read_from_files()
    finally:
        hub.kill()
    third = len(samples) // 3
    middle, end = max(samples[third : 2 * third]), max(samples[2 * third :])
    for reading in readings:
        print(f"{reading.way}: all of it in {reading.took:.1f} s, {options.mib / reading.took:.0f} MiB/s")
    print(
        f"resident: {statistics.median(samples) // MIB} MiB in the middle, {max(samples) // MIB} MiB at most, "
        f"{middle // MIB} and {end // MIB} MiB at most in the second and last third; {read // MIB} MiB read from the file"
    )
    assert max(samples) < ROOM, f"{max(samples) // MIB} MiB are more than {ROOM // MIB}"
    assert end < middle + STEADY, "it grows while they read"
    assert opening < options.opening, f"it took {opening:.1f} s to open"


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("hub")
    parser.add_argument("--mib", type=int, default=256)
    parser.add_argument("--opening", type=float, default=10, help="seconds that opening may take")
    options = parser.parse_args()
    print(f"large: {options.mib} MiB", flush=True)
    with tempfile.TemporaryDirectory() as folder:
        asyncio.run(run(options, os.path.join(folder, "store")))


if __name__ == "__main__":
    main()
