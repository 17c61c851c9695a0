"""tail through nginx, which lets everything through or does what it does when it is told nothing."""

import subprocess

from support import ClientTest, Hub, Nginx, program, start

WAYS = ("websocket", "sse", "long-poll", "short-poll")


class Proxied(ClientTest):
    @classmethod
    def setUpClass(cls):
        cls.hub = start(cls, Hub)
        cls.nginx = start(cls, Nginx, cls.hub)

    def setUp(self):
        self.hub.revive()

    def follow(self, base, way, connected):
        """Reads what was published before and while it reads."""
        channel = self.channel()
        before = self.hub.publish(channel, "before")
        tail = self.tail(base + channel, "--transport", way, "--count", "4")
        tail.says(f"connected: {connected}$")
        self.assert_event(tail, id=before, event="message", data="before")
        for number in range(3):
            published = self.hub.publish(channel, f"\u20ac {number}\n", "tick")
            # Each has to arrive before the next one is published: nothing waits in a buffer.
            self.assert_event(tail, id=published, event="tick", data=f"\u20ac {number}\n")
        self.assertEqual(tail.exit_code(), 0)

    def test_every_way_gets_through(self):
        for way in WAYS:
            with self.subTest(way):
                self.follow(self.nginx.open, way, way)

    def test_the_best_way_is_taken(self):
        self.follow(self.nginx.open, "auto", "websocket")

    def test_without_the_upgrade_the_next_way_is_taken(self):
        self.follow(self.nginx.plain, "auto", "sse")

    def test_every_other_way_gets_through_untold(self):
        for way in WAYS[1:]:
            with self.subTest(way):
                self.follow(self.nginx.plain, way, way)

    def test_without_the_upgrade_a_websocket_alone_fails(self):
        tail = self.tail(self.nginx.plain + self.channel(), "--transport", "websocket")
        self.assertEqual(tail.exit_code(), 1)

    def test_chat_listens_where_it_cannot_speak(self):
        channel = self.channel()
        self.hub.publish(channel, "hello")
        chat = self.run_program(program("chat"), self.nginx.plain + channel, stdin=subprocess.PIPE)
        self.assertEqual(chat.line(), "hello")
        chat.says("can only listen here: the server answered ")

    def test_a_hub_that_is_killed_behind_it_is_waited_for(self):
        for base, way in ((self.nginx.open, "websocket"), (self.nginx.plain, "sse")):
            with self.subTest(way):
                channel = self.channel()
                tail = self.tail(base + channel)
                tail.says(f"connected: {way}$")
                first = self.hub.publish(channel, "one")
                self.assert_event(tail, id=first, data="one")
                self.hub.kill()
                tail.says("lost: ")
                self.hub.start()
                second = self.hub.publish(channel, "two")
                self.assert_event(tail, event="gap")
                self.assert_event(tail, id=second, data="two")
