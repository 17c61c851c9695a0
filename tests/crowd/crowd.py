"""What a crowd costs the one who works; see `run`. Everybody who measures is a process of their own."""

import argparse
import contextlib
import multiprocessing
import os
import resource
import selectors
import socket
import statistics
import subprocess
import sys
import time

# The channel's load: so many messages at once, so often, each of so many bytes.
BURST, EVERY, SIZE = 10, 0.02, 1024

MIB = 1 << 20
# What the crowd may cost, from the limits of src/limits.rs and src/channel. For each connection its state: two pages are
# generous. For each that does not read, what lies between it and the high-water mark. The channel retains at most 16 MiB,
# once more in each of the two encodings that only the crowd reads, in vectors that grow by doubling.
STATE, HIGH_WATER, RETAINED, ENCODINGS = 8 << 10, 64 << 10, 16 * MIB, 2


def allowed(idle, slow):
    return (idle + slow) * STATE + slow * HIGH_WATER + ENCODINGS * 2 * RETAINED


class Hub:
    def __init__(self, program):
        self.process = subprocess.Popen(
            [program, "--listen", "127.0.0.1:0"], stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, text=True
        )
        line = self.process.stdout.readline()
        host, port = line.removeprefix("listening on http://").split(":")
        self.address = (host, int(port))

    def memory(self):
        with open(f"/proc/{self.process.pid}/status") as status:
            line = next(line for line in status if line.startswith("VmRSS:"))
        return int(line.split()[1]) * 1024

    def connections(self):
        return sum(
            os.readlink(descriptor.path).startswith("socket:")
            for descriptor in os.scandir(f"/proc/{self.process.pid}/fd")
        )


def ask(address, target, *fields, buffer=None):
    """Sends a GET and reads the head of its answer; gives the socket and what came behind the head."""
    stream = socket.socket()
    if buffer:
        stream.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, buffer)
    stream.settimeout(30)
    stream.connect(address)
    stream.sendall("\r\n".join([f"GET {target} HTTP/1.1", "Host: crowd", *fields, "", ""]).encode())
    head = b""
    while b"\r\n\r\n" not in head:
        # Not a byte more of a stream that is not to be read.
        part = stream.recv(1 if buffer else 4096)
        if not part:
            raise ConnectionError(head)
        head += part
    head, _, rest = head.partition(b"\r\n\r\n")
    if head.split(b" ", 2)[1] not in (b"101", b"200"):
        raise ConnectionError(head)
    return stream, rest


UPGRADE = (
    "Connection: Upgrade",
    "Upgrade: websocket",
    "Sec-WebSocket-Version: 13",
    "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==",
)
# A client's frame without a payload, masked with zeros.
PONG = b"\x8a\x80\0\0\0\0"


def frames(stream, data):
    """The frames of a server: opcode and payload."""
    data = bytearray(data)
    while True:
        while len(data) < 2 or len(data) < (need := {126: 4, 127: 10}.get(data[1], 2)):
            data += stream.recv(65536) or end_of(stream)
        length = data[1] if need == 2 else int.from_bytes(data[2:need], "big")
        while len(data) < need + length:
            data += stream.recv(65536) or end_of(stream)
        yield data[0] & 15, bytes(data[need : need + length])
        del data[: need + length]


def end_of(stream):
    raise ConnectionError(f"{stream} ended")


def publish(address, channel, seconds):
    """Publishes for a time and returns the number of messages. Each says its number and when it was sent."""
    stream = socket.create_connection(address)
    count, began = 0, time.monotonic()
    while time.monotonic() - began < seconds:
        requests = []
        for number in range(count, count + BURST):
            body = f"{number} {time.monotonic_ns()} ".encode().ljust(SIZE, b".")
            requests.append(f"POST {channel} HTTP/1.1\r\nHost: crowd\r\nContent-Length: {SIZE}\r\n\r\n".encode() + body)
        stream.sendall(b"".join(requests))
        answers = b""
        while answers.count(b"HTTP/1.1 201 ") < BURST or not answers.endswith(b"}"):
            answers += stream.recv(65536) or end_of(stream)
        count += BURST
        time.sleep(max(0, began + count // BURST * EVERY - time.monotonic()))
    # The last one says that it is.
    stream.sendall(f"POST {channel} HTTP/1.1\r\nHost: crowd\r\nContent-Length: 3\r\n\r\nend".encode())
    stream.recv(65536)
    stream.close()
    return count


def follow(address, channel, pipe):
    """The reader: sends the delay of each message, in seconds, and how many were missing, to `pipe`."""
    stream, rest = ask(address, channel + "?from=now", *UPGRADE, "Sec-WebSocket-Protocol: raw")
    stream.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    pipe.send("here")
    delays, lost = [], 0
    for opcode, payload in frames(stream, rest):
        if opcode == 9:
            stream.sendall(PONG)
        elif payload == b"end":
            break
        else:
            number, sent = map(int, payload.split()[:2])
            delays.append((time.monotonic_ns() - sent) / 1e9)
            lost += number != len(delays) - 1
    pipe.send((delays, lost))


def crowd(address, channel, idle, slow, pipe):
    """Idle WebSockets, which answer pings, and readers that never read, until it is told to go."""
    selector = selectors.DefaultSelector()
    silent = []
    for number in range(idle):
        stream, _ = ask(address, f"/channels/idle-{number % 100}", *UPGRADE)
        stream.setblocking(False)
        selector.register(stream, selectors.EVENT_READ)
    for number in range(slow):
        way = UPGRADE if number % 2 else ("Accept: text/event-stream",)
        silent.append(ask(address, channel, *way, buffer=4096)[0])
    pipe.send("here")
    selector.register(pipe, selectors.EVENT_READ)
    answered = 0
    while True:
        for key, _ in selector.select():
            if key.fileobj is pipe:
                pipe.send(answered)
                return
            if not key.fileobj.recv(4096):
                end_of(key.fileobj)
            with contextlib.suppress(BlockingIOError):
                key.fileobj.send(PONG)
                answered += 1


def start(work, *arguments):
    ours, theirs = multiprocessing.Pipe()
    process = multiprocessing.Process(target=work, args=(*arguments, theirs), daemon=True)
    process.start()
    theirs.close()
    if ours.recv() != "here":
        raise AssertionError(work)
    return process, ours


def measure(hub, channel, seconds):
    """The delays of a reader of a busy channel, and the server's memory at the end."""
    reader, pipe = start(follow, hub.address, channel)
    count = publish(hub.address, channel, seconds)
    delays, lost = pipe.recv()
    memory = hub.memory()
    reader.join()
    return delays, lost + abs(count - len(delays)), memory


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("hub")
    parser.add_argument("--idle", type=int, default=5000)
    parser.add_argument("--slow", type=int, default=200)
    parser.add_argument("--seconds", type=float, default=20)
    options = parser.parse_args()
    if options.seconds > 25:
        parser.error("at most 25 seconds: who takes nothing for 60 s is dropped")
    descriptors = resource.getrlimit(resource.RLIMIT_NOFILE)[0]
    if descriptors < options.idle + options.slow + 100:
        print(f"crowd: too few file descriptors: ulimit -n is {descriptors}", file=sys.stderr)
        sys.exit(2)
    hub = Hub(options.hub)
    try:
        problems = compare(hub, options)
    finally:
        hub.process.terminate()
        code = hub.process.wait(30)
    if code != 0:
        problems.append(f"the hub ended with exit code {code} after SIGTERM")
    for problem in problems:
        print(f"crowd: FAILED: {problem}", file=sys.stderr)
    sys.exit(bool(problems))


def compare(hub, options):
    before = hub.memory()
    alone = measure(hub, "/channels/alone", options.seconds)
    people, pipe = start(crowd, hub.address, "/channels/among", options.idle, options.slow)
    arrived = hub.connections()
    # First they take what the buffers of the system hold, each a copy of everything; then they take nothing any more.
    filling = measure(hub, "/channels/among", options.seconds)
    blocked = measure(hub, "/channels/among", options.seconds)
    stayed = hub.connections()
    pipe.send("go")
    answered = pipe.recv()
    people.join()
    # The server notices within a moment that they have gone, and once a second gives back what nobody reads.
    time.sleep(5)

    columns = (alone, filling, blocked)
    line("", "alone", "crowd filling", "crowd blocked")
    for name, value in (
        ("delay, median", statistics.median),
        ("delay, 99 %", lambda delays: statistics.quantiles(delays, n=100)[98]),
        ("delay, longest", max),
    ):
        line(name, *(f"{1000 * value(delays):.2f} ms" for delays, _, _ in columns))
    line("messages received", *(len(delays) for delays, _, _ in columns))
    line("messages lost", *(lost for _, lost, _ in columns))
    line("server's memory (VmRSS)", *(f"{memory / MIB:.1f} MiB" for _, _, memory in columns))
    taken, bound = max(filling[2], blocked[2]) - alone[2], allowed(options.idle, options.slow)
    print(
        f"one reader of {BURST / EVERY:.0f} messages of {SIZE} bytes a second, {options.seconds:.0f} s in each column\n"
        f"the crowd: {options.idle} idle WebSockets ({answered} pings answered) and {options.slow} readers that never read;"
        f" the server had {arrived} sockets when all had come and {stayed} at the end\n"
        f"memory: {before / MIB:.1f} MiB at the beginning, {hub.memory() / MIB:.1f} MiB when the crowd had gone;"
        f" it took {taken / MIB:.1f} MiB, and {bound / MIB:.0f} MiB are allowed",
        flush=True,
    )
    problems = []
    if any(lost for _, lost, _ in columns):
        problems.append("messages were lost")
    if taken > bound:
        problems.append("the crowd takes more memory than the limits promise")
    if stayed < options.idle + options.slow:
        problems.append("somebody of the crowd was dropped")
    return problems


def line(name, *values):
    print(f"{name:26}" + "".join(f"{value:>16}" for value in values))


main()
