"""Publishes and polls over and over on fresh connections, and says how long that took, how many connections the server had
and what memory it took at most.

    probe.py --before URL PID                          for a few seconds, on an idle server; fills a channel
    probe.py --connections N --gone SECONDS URL PID    until N connections have come and gone

While it does so it looks at how late this process itself wakes up: a machine that is too busy to wake a sleeper in time is
no fault of the server's. Exit code 0 if every round took less than a second and the connections had gone in time.
"""

import argparse
import http.client
import json
import os
import statistics
import sys
import threading
import time
import urllib.parse

LIMIT = 1.0
# Several rounds a second.
PAUSE = 0.1
IDLE_SECONDS = 3
# What the slow readers are sent: with the JSON around it nearly as much as a poll's batch holds.
PARTS, PART = 15, b"x" * (64 << 10)


def exchange(address, method, target, body=None):
    connection = http.client.HTTPConnection(*address, timeout=30)
    try:
        connection.request(method, target, body)
        answer = connection.getresponse()
        return answer.status, json.load(answer)
    finally:
        connection.close()


class Probe:
    """Publishes, and polls from where it was: it gets what it has published, and nothing else."""

    def __init__(self, address):
        self.address = address
        _, batch = exchange(address, "GET", "/channels/probe?from=now")
        self.cursor = batch["last_id"]

    def round(self, number):
        began = time.monotonic()
        data = f"probe {number}"
        status, published = exchange(self.address, "POST", "/channels/probe", data)
        assert status == 201, (status, published)
        status, batch = exchange(self.address, "GET", "/channels/probe?last_event_id=" + self.cursor)
        self.cursor = batch["last_id"]
        assert status == 200 and [event["data"] for event in batch["events"]] == [data], (status, batch)
        return time.monotonic() - began


class Lateness(threading.Thread):
    """How much later than it asked for a sleeping thread wakes up: the worst since the last look."""

    def __init__(self):
        super().__init__(daemon=True)
        self.worst = 0

    def run(self):
        while True:
            began = time.monotonic()
            time.sleep(0.01)
            self.worst = max(self.worst, time.monotonic() - began - 0.01)

    def take(self):
        worst, self.worst = self.worst, 0
        return worst


def sockets(pid):
    """How many sockets a process has, its listener not counted."""
    count = -1
    for descriptor in os.scandir(f"/proc/{pid}/fd"):
        try:
            count += os.readlink(descriptor.path).startswith("socket:")
        except FileNotFoundError:
            pass
    return count


def memory(pid, name):
    with open(f"/proc/{pid}/status") as status:
        line = next(line for line in status if line.startswith(name + ":"))
    return int(line.split()[1]) / 1024


def milliseconds(seconds):
    return f"{1000 * seconds:.1f} ms"


def report(when, rounds, late, pid):
    ordered = sorted(rounds)
    print(
        f"{when}: {len(rounds)} rounds of publish and poll:",
        f"median {milliseconds(statistics.median(ordered))},",
        f"99 % within {milliseconds(ordered[-1 - len(ordered) // 100])}, worst {milliseconds(ordered[-1])}",
        f"(this machine woke a sleeper at most {milliseconds(late)} late);",
        f"server's memory {memory(pid, 'VmRSS'):.1f} MiB now, at most {memory(pid, 'VmHWM'):.1f} MiB",
        flush=True,
    )


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--before", action="store_true")
    parser.add_argument("--connections", type=int)
    parser.add_argument("--gone", type=float)
    parser.add_argument("url")
    parser.add_argument("pid", type=int)
    options = parser.parse_args()
    where = urllib.parse.urlsplit(options.url)
    address = (where.hostname, where.port)
    if options.before:
        for _ in range(PARTS):
            exchange(address, "POST", "/channels/large", PART)
    probe, lateness = Probe(address), Lateness()
    lateness.start()
    rounds, problems, late, peak, gone = [], [], 0, 0, None
    began = time.monotonic()
    while gone is None:
        try:
            rounds.append(probe.round(len(rounds)))
        except OSError as error:
            problems.append(f"after {time.monotonic() - began:.1f} s: {error}")
            rounds.append(LIMIT)
        was_late = lateness.take()
        late = max(late, was_late)
        passed = time.monotonic() - began
        if rounds[-1] >= LIMIT:
            problems.append(
                f"after {passed:.1f} s a round took {milliseconds(rounds[-1])};"
                f" the machine itself was {milliseconds(was_late)} late"
            )
        if options.before:
            gone = passed if passed > IDLE_SECONDS else None
        else:
            count = sockets(options.pid)
            peak = max(peak, count)
            if peak >= options.connections and count < options.connections // 100:
                gone = passed
            elif passed > options.gone:
                problems.append(f"{count} connections are still there after {passed:.0f} s, of {peak} at most")
                break
        time.sleep(PAUSE)
    # What was held for them is given back within a moment.
    time.sleep(0 if options.before else 2)
    report("idle" if options.before else "attacked", rounds, late, options.pid)
    if gone and not options.before:
        print(f"{peak} connections at most, all ended by the server within {gone:.0f} s")
    for problem in problems:
        print(f"slow: {problem}", file=sys.stderr)
    sys.exit(bool(problems))


main()
