"""tail at the hub itself: each way, where it begins and ends, and a hub that is killed and comes back."""

import functools
import signal

from support import ClientTest, Hub, start, program

WAYS = ("websocket", "sse", "long-poll", "short-poll")


def each_way(test):
    """A test that is given a way and a channel of its own, once per way."""

    @functools.wraps(test)
    def run(self):
        for way in WAYS:
            with self.subTest(way):
                self.hub.revive()
                test(self, way, self.channel())

    return run


class Tail(ClientTest):
    @classmethod
    def setUpClass(cls):
        cls.hub = start(cls, Hub)

    def setUp(self):
        self.hub.revive()

    @each_way
    def test_events_come_in_order_with_everything_they_carry(self, way, channel):
        ids = [self.hub.publish(channel, data, event) for data, event in (("", None), ("a\r\nb\n", "tick"), ("\u20ac\0", None))]
        tail = self.tail(self.hub.url + channel, "--transport", way, "--count", "4")
        self.assert_event(tail, id=ids[0], event="message", data="")
        # An event stream has no way to say which line ending it was.
        self.assert_event(tail, id=ids[1], event="tick", data="a\nb\n" if way == "sse" else "a\r\nb\n")
        self.assert_event(tail, id=ids[2], event="message", data="\u20ac\0")
        last = self.hub.publish(channel, b"\xff\x00")
        self.assert_event(tail, id=last, data="/wA=", encoding="base64")
        self.assertEqual(tail.exit_code(), 0)
        self.assertIn(f"connected: {way}", tail.rest(tail.err))

    @each_way
    def test_it_begins_behind_a_given_id(self, way, channel):
        ids = [self.hub.publish(channel, str(number)) for number in range(5)]
        tail = self.tail(self.hub.url + channel, "--transport", way, "--last-event-id", ids[2], "--count", "2")
        self.assert_event(tail, id=ids[3], data="3")
        self.assert_event(tail, id=ids[4], data="4")
        self.assertEqual(tail.exit_code(), 0)

    @each_way
    def test_it_begins_now(self, way, channel):
        self.hub.publish(channel, "old")
        tail = self.tail(self.hub.url + channel, "--transport", way, "--from-now", "--count", "1")
        tail.says("connected")
        new = self.hub.publish(channel, "new")
        self.assert_event(tail, id=new, data="new")

    def test_without_json_it_prints_the_data(self):
        channel = self.channel()
        self.hub.publish(channel, "one\ntwo")
        tail = self.run_program(program("tail"), self.hub.url + channel, "--count", "1")
        self.assertEqual(tail.rest(tail.out), ["one", "two"])

    def test_a_count_of_none_reads_nothing(self):
        tail = self.tail(self.hub.url + self.channel(), "--count", "0")
        self.assertEqual((tail.exit_code(), tail.rest(tail.out)), (0, []))

    def test_a_mistake_in_the_command_is_told(self):
        for arguments in (["ftp://127.0.0.1/"], ["http://127.0.0.1/", "--transport", "pigeon"], []):
            with self.subTest(arguments):
                tail = self.run_program(program("tail"), *arguments)
                self.assertNotEqual(tail.exit_code(), 0)
                self.assertEqual(tail.rest(tail.out), [])

    @each_way
    def test_a_hub_that_is_killed_is_waited_for_and_what_is_missing_is_told(self, way, channel):
        first = self.hub.publish(channel, "one")
        tail = self.tail(self.hub.url + channel, "--transport", way)
        self.assert_event(tail, id=first, data="one")
        self.hub.kill()
        tail.says("lost: ")
        self.hub.start()
        second = self.hub.publish(channel, "two")
        # The hub keeps its log in memory: what was between the two is unknown.
        self.assert_event(tail, event="gap")
        self.assert_event(tail, id=second, data="two")
        third = self.hub.publish(channel, "three")
        self.assert_event(tail, id=third, data="three")

    @each_way
    def test_a_hub_that_shuts_down_politely_is_waited_for_too(self, way, channel):
        tail = self.tail(self.hub.url + channel, "--transport", way)
        first = self.hub.publish(channel, "one")
        self.assert_event(tail, id=first, data="one")
        self.assertEqual(self.hub.process.stop(signal.SIGTERM), 0)
        tail.says("lost: ")
        self.hub.start()
        second = self.hub.publish(channel, "two")
        self.assert_event(tail, event="gap")
        self.assert_event(tail, id=second, data="two")

    def test_a_hub_that_is_not_there_yet_is_waited_for(self):
        hub = Hub()
        hub.kill()
        channel = self.channel()
        tail = self.tail(hub.url + channel, "--count", "1")
        tail.says("lost: .*refused")
        hub.start()
        self.addCleanup(hub.kill)
        hub.publish(channel, "here")
        self.assert_event(tail, data="here")
