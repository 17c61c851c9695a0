"""A hub that is killed twenty times while somebody publishes through it, and who follows it, each in their own way.

The hub keeps its log in memory, so that every life begins with an empty one: what a reader had not got of the life
before is lost, and must be told; of each life it must get everything from the first message on, once and in order.
"""

import contextlib
import http.client
import random
import threading

from support import PATIENCE, ClientTest, Hub, start

WAYS = ("auto", "websocket", "sse", "long-poll", "short-poll")
RESTARTS = 20


class Publisher(threading.Thread):
    """Publishes without a pause, and remembers what the hub may have taken in each of its lives."""

    def __init__(self, hub, channel):
        super().__init__()
        self.hub, self.channel = hub, channel
        self.life, self.sent, self.done = 0, {0: []}, threading.Event()
        # Held while a hub is brought to life, so that a connection is one to the life that is noted.
        self.birth = threading.Lock()

    def run(self):
        while not self.done.wait(0.01):
            connection = http.client.HTTPConnection("127.0.0.1", self.hub.port, timeout=PATIENCE)
            with contextlib.suppress(OSError, http.client.HTTPException), contextlib.closing(connection):
                with self.birth:
                    connection.connect()
                    life, sent = self.life, self.sent[self.life]
                # If it is killed before it answers, nobody knows whether it got this one, which is its last.
                sent.append(f"{life}:{len(sent)}")
                connection.request("POST", self.channel, sent[-1])
                connection.getresponse().read()

    def rebirth(self):
        with self.birth:
            self.hub.start()
            self.life += 1
            self.sent[self.life] = []


class Restarts(ClientTest):
    def test_nothing_is_repeated_and_every_loss_is_told(self):
        moments = random.Random(1)
        hub, channel = start(type(self), Hub), self.channel()
        tails = {way: self.tail(hub.url + channel, "--transport", way) for way in WAYS}
        publisher = Publisher(hub, channel)
        publisher.start()
        try:
            seen = {way: [self.next_event(tail)] for way, tail in tails.items()}
            for _ in range(RESTARTS):
                threading.Event().wait(moments.uniform(0.2, 2.5))
                hub.kill()
                publisher.rebirth()
        finally:
            publisher.done.set()
            publisher.join(PATIENCE)
        last = hub.publish(channel, "last")
        publisher.sent[RESTARTS].append("last")
        for way, tail in tails.items():
            # Who has failed most often waits longest.
            while seen[way][-1]["id"] != last:
                seen[way].append(self.next_event(tail))
        for way, events in seen.items():
            with self.subTest(way):
                self.check(events, publisher.sent)

    def check(self, events, sent):
        news = [event for event in events if event["event"] != "gap"]
        self.assertEqual(len({event["id"] for event in news}), len(news), "an id came twice")
        got = {}
        life_before, told = 0, False
        for event in events:
            if event["event"] == "gap":
                told = True
                continue
            life = RESTARTS if event["data"] == "last" else int(event["data"].partition(":")[0])
            self.assertTrue(life == life_before or life > life_before and told, f"{life} came behind {life_before}, {told=}")
            life_before, told = life, False
            got.setdefault(life, []).append(event["data"])
        for life, data in got.items():
            self.assertEqual(data, sent[life][: len(data)], f"life {life}")
        self.assertGreater(len(got), 1)
