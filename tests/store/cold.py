"""A crowd of readers of history at once, beside one reader of what is new; see `run`.

What is shown: after a start nothing is in the hub's memory, and so many event streams ask for a channel from its beginning at
the same moment. Each gets all of it. They share what is read from the file; each holds one page at most; and a reader of
another channel gets what is published there meanwhile.
"""

import argparse
import asyncio
import multiprocessing
import os
import selectors
import socket
import statistics
import tempfile
import time

from hub import MIB, Hub, Wire

# The history: so many messages of so many bytes.
MESSAGES, SIZE = 64, 4096
# For each reader a page that it has not taken yet, and its state; besides them what the hub itself takes.
PAGE, STATE, ROOM = 64 << 10, 8 << 10, 64 * MIB
# The file is read at most so often as a part of once for each reader.
SHARED = 1 / 20
EVERY = 0.005


async def fill(address):
    async with Wire(address) as wire:
        for number in range(MESSAGES):
            status, answer = await wire.ask("POST", "/channels/cold", (), f"{number} ".encode().ljust(SIZE, b"."))
            assert status == 201, (status, answer)


def crowd(address, readers, pipe):
    """Reads the channel on so many connections; tells when they are connected, and how long it took until all had all."""
    selector = selectors.DefaultSelector()
    request = b"GET /channels/cold HTTP/1.1\r\nHost: store\r\nAccept: text/event-stream\r\n\r\n"
    ends, streams = {}, []
    for _ in range(readers):
        stream = socket.create_connection(address)
        stream.setblocking(False)
        streams.append(stream)
    pipe.send("here")
    pipe.recv()
    began = time.monotonic()
    for stream in streams:
        stream.send(request)
        selector.register(stream, selectors.EVENT_READ)
        ends[stream] = (0, b"")
    while ends:
        for key, _ in selector.select(60) or end_of(len(ends)):
            stream = key.fileobj
            part = stream.recv(1 << 20)
            if not part:
                raise SystemExit("a stream has ended early")
            count, before = ends[stream]
            # A mark may be cut in two.
            count += (before + part).count(b"\ndata: ") - before.count(b"\ndata: ")
            ends[stream] = (count, part[-6:])
            if count == MESSAGES:
                selector.unregister(stream)
                del ends[stream]
    pipe.send(time.monotonic() - began)


def end_of(left):
    raise SystemExit(f"{left} readers get nothing for a minute")


async def publish(address):
    async with Wire(address) as wire:
        while True:
            status, answer = await wire.ask("POST", "/channels/hot", (), str(time.monotonic()).encode())
            assert status == 201, (status, answer)
            await asyncio.sleep(EVERY)


async def follow(address, delays):
    async with Wire(address) as wire:
        await wire.upgrade("/channels/hot?from=now")
        async for _, event, data in wire.messages():
            assert event == "message", event
            delays.append(time.monotonic() - float(data))


async def watch(hub, samples):
    while True:
        samples.append(hub.memory())
        await asyncio.sleep(0.05)


def delay(delays):
    delays = sorted(delays)
    return f"{statistics.median(delays) * 1e3:.1f} ms in the middle, {delays[-1] * 1e3:.0f} ms at most of {len(delays)}"


async def run(options, store):
    hub = Hub(options.hub, store)
    hub.wait()
    await fill(hub.address)
    hub.kill()
    hub = Hub(options.hub, store)
    tasks = []
    try:
        hub.wait()
        delays, samples = [], []
        here, there = multiprocessing.Pipe()
        process = multiprocessing.Process(target=crowd, args=(hub.address, options.readers, there), daemon=True)
        process.start()
        there.close()
        await asyncio.to_thread(here.recv)
        tasks = [asyncio.create_task(work) for work in (follow(hub.address, delays), publish(hub.address))]
        await asyncio.sleep(1)
        alone, connected, read = list(delays), hub.memory(), hub.read_from_files()
        delays.clear()
        tasks.append(asyncio.create_task(watch(hub, samples)))
        here.send("go")
        took = await asyncio.to_thread(here.recv)
        read = hub.read_from_files() - read
        beside = list(delays)
        process.join()
        for task in tasks:
            if task.done():
                task.result()
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        hub.kill()
    history = MESSAGES * SIZE
    print(f"all {options.readers} have {history >> 10} KiB in {took:.1f} s, {options.readers * history / took / MIB:.0f} MiB/s together")
    print(f"{read / MIB:.1f} MiB were read from the file: the history {read / history:.0f} times for {options.readers} readers")
    print(f"resident: {connected // MIB} MiB with all connected, {max(samples) // MIB} MiB at most while they read")
    print(f"a hot reader's delay alone: {delay(alone)} messages")
    print(f"and beside them: {delay(beside)} messages")
    allowed = ROOM + options.readers * (PAGE + STATE)
    assert max(samples) < allowed, f"more than {allowed // MIB} MiB"
    assert read < history * max(20, options.readers * SHARED), "they do not share what is read"
    assert beside, "the hot reader got nothing meanwhile"


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("hub")
    parser.add_argument("--readers", type=int, default=5000)
    options = parser.parse_args()
    print(f"cold: {options.readers} readers", flush=True)
    with tempfile.TemporaryDirectory() as folder:
        asyncio.run(run(options, os.path.join(folder, "store")))


if __name__ == "__main__":
    main()
