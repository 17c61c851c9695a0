"""The hub behind nginx and HAProxy, with the very configurations that the README gives, and behind an nginx that is told
nothing. The clients are tail and chat, and where a proxy must not be hidden by their patience, bare requests."""

import concurrent.futures
import http.client
import json
import re
import subprocess
import time
import urllib.error
import urllib.request

from support import PATIENCE, ClientTest, Haproxy, Hub, Nginx, fenced_in_readme, program, publish, start
from websockets.sync.client import connect

WAYS = ("websocket", "sse", "long-poll", "short-poll")
MIB = 1 << 20
# Sooner than the first heartbeat of a stream (15 s), which might push out what a proxy holds back.
PROMPT = 5


class Bare:
    """Requests to `url` without a client's patience."""

    def request(self, url, headers=None, data=None, timeout=PATIENCE):
        request = urllib.request.Request(url, data, headers or {})
        try:
            answer = urllib.request.urlopen(request, timeout=timeout)
        except urllib.error.HTTPError as error:
            answer = error
        self.addCleanup(answer.close)
        return answer

    def stream(self, url, timeout=PATIENCE):
        stream = self.request(url, {"Accept": "text/event-stream"}, timeout=timeout)
        self.assertEqual(stream.headers["Content-Type"], "text/event-stream")
        self.assertEqual(self.read_block(stream), ["retry: 2000"])
        return stream

    def read_block(self, stream):
        """The next block of an event stream that is not only a comment; nothing at its end."""
        block = []
        while line := stream.readline().decode():
            if line == "\n" and block:
                break
            if line != "\n" and not line.startswith(":"):
                block.append(line.removesuffix("\n"))
        return block

    def socket(self, url, **options):
        url = url.replace("http", "ws", 1)
        options = {"ping_interval": None, "compression": None, "max_size": None, "proxy": None, **options}
        return self.enterContext(connect(url, **options))


class Behind(Bare, ClientTest):
    """One hub behind one proxy for all tests of a class."""

    proxy_class = None

    @classmethod
    def setUpClass(cls):
        cls.hub = start(cls, Hub)
        cls.proxy = start(cls, cls.proxy_class, cls.hub)

    def setUp(self):
        self.hub.revive()
        self.proxy.revive()

    def follow(self, base, way, connected):
        """Reads what was published before and while it reads."""
        channel = self.channel()
        before = self.hub.publish(channel, "before")
        tail = self.tail(base + channel, "--transport", way, "--count", "4")
        tail.says(f"connected: {connected}$")
        self.assert_event(tail, id=before, event="message", data="before")
        for number in range(3):
            published = publish(base + channel, f"\u20ac {number}\n", "tick")
            # Each has to arrive before the next one is published: nothing waits in a buffer.
            self.assert_event(tail, id=published, event="tick", data=f"\u20ac {number}\n")
        self.assertEqual(tail.exit_code(), 0)


class Checks:
    def test_every_way_gets_through(self):
        for way in WAYS:
            with self.subTest(way):
                self.follow(self.proxy.url, way, way)

    def test_the_best_way_is_taken(self):
        self.follow(self.proxy.url, "auto", "websocket")

    def test_an_event_arrives_while_the_stream_stays_open(self):
        channel = self.channel()
        stream = self.stream(self.proxy.url + channel, timeout=PROMPT)
        delays = []
        for number in range(10):
            began = time.monotonic()
            published = publish(self.proxy.url + channel, str(number))
            # Reading fails after `PROMPT` seconds.
            self.assertEqual(self.read_block(stream), [f"id: {published}", f"data: {number}"])
            delays.append(time.monotonic() - began)
        # HAProxy may wait 200 ms for more. The quickest tells, however busy the machine is.
        self.assertLess(min(delays), 0.1)

    def test_a_long_poll_waits_for_what_comes(self):
        channel = self.channel()
        with concurrent.futures.ThreadPoolExecutor() as pool:
            waiting = pool.submit(self.request, self.proxy.url + channel + "?from=now", {"Prefer": "wait=20"})
            # One may come before the poll does, which then begins behind it: the next one is for it.
            while not waiting.done():
                published = self.hub.publish(channel, "news")
                concurrent.futures.wait([waiting], 0.2)
            answer = waiting.result()
        self.assertEqual(answer.status, 200)
        self.assertLessEqual(json.load(answer)["last_id"], published)

    def test_a_long_poll_without_news_gets_its_204(self):
        began = time.monotonic()
        answer = self.request(self.proxy.url + self.channel() + "?wait=1")
        self.assertEqual((answer.status, answer.read()), (204, b""))
        self.assertGreaterEqual(time.monotonic() - began, 1)

    def test_one_connection_carries_many_requests(self):
        channel = self.channel()
        connection = http.client.HTTPConnection("127.0.0.1", self.proxy.port, timeout=PATIENCE)
        self.addCleanup(connection.close)
        for number in range(50):
            connection.request("POST", channel, body=str(number))
            answer = connection.getresponse()
            self.assertEqual(answer.status, 201)
            published = json.load(answer)["id"]
            connection.request("GET", channel)
            answer = connection.getresponse()
            self.assertEqual((answer.status, json.load(answer)["last_id"]), (200, published))

    def test_a_message_of_a_mebibyte_gets_through(self):
        channel = self.channel()
        socket = self.socket(self.proxy.url + channel)
        stream = self.stream(self.proxy.url + channel)
        # Half of it up through the WebSocket, the other by POST; each comes down in every way.
        for letter, send in (("w", socket.send), ("p", lambda data: publish(self.proxy.url + channel, data))):
            data = letter * MIB
            send(data)
            self.assertEqual(json.loads(socket.recv(PATIENCE))["data"], data)
            self.assertEqual(self.read_block(stream)[1], "data: " + data)
        batch = json.load(self.request(self.proxy.url + channel))
        self.assertEqual([event["data"] for event in batch["events"]], ["w" * MIB])
        self.assertTrue(batch["more"])
        self.assertEqual(self.request(self.proxy.url + channel, data=bytes(MIB + 1)).status, 413)

    def test_binary_stays_binary(self):
        socket = self.socket(self.proxy.url + self.channel(), subprotocols=["raw"])
        self.assertEqual(socket.subprotocol, "raw")
        socket.send(bytes(range(256)))
        self.assertEqual(socket.recv(PATIENCE), bytes(range(256)))

    def test_closing_passes_in_both_directions(self):
        for code in (1000, 4321):
            socket = self.socket(self.proxy.url + self.channel())
            socket.close(code, "so long")
            self.assertEqual((socket.close_code, socket.close_reason), (code, ""))

    def test_the_origin_is_compared_with_what_the_browser_asked(self):
        channel = self.channel()
        own, foreign = self.proxy.url, "http://b.example"
        # Behind TLS it would have to be allowed by name: the server can't know.
        secure = own.replace("http", "https")
        for origin, status in ((own, 201), (foreign, 403), (secure, 403)):
            with self.subTest(origin):
                self.assertEqual(self.request(self.proxy.url + channel, {"Origin": origin}, b"x").status, status)
        self.socket(self.proxy.url + channel, origin=own)

    def test_a_proxy_that_was_restarted_leaves_no_gap(self):
        for way in WAYS:
            with self.subTest(way):
                channel = self.channel()
                published = self.hub.publish(channel, "before")
                tail = self.tail(self.proxy.url + channel, "--transport", way)
                tail.says(f"connected: {way}$")
                self.assert_event(tail, id=published, data="before")
                self.proxy.kill()
                tail.says("lost: ")
                missed = [self.hub.publish(channel, str(number)) for number in range(3)]
                self.proxy.start()
                for number in range(3):
                    self.assert_event(tail, id=missed[number], event="message", data=str(number))
                published = self.hub.publish(channel, "after")
                self.assert_event(tail, id=published, data="after")

    def test_a_hub_that_is_killed_behind_it_is_waited_for(self):
        for way in ("websocket", "sse"):
            with self.subTest(way):
                channel = self.channel()
                tail = self.tail(self.proxy.url + channel, "--transport", way)
                tail.says(f"connected: {way}$")
                first = self.hub.publish(channel, "one")
                self.assert_event(tail, id=first, data="one")
                self.hub.kill()
                tail.says("lost: ")
                self.hub.start()
                second = self.hub.publish(channel, "two")
                self.assert_event(tail, event="gap")
                self.assert_event(tail, id=second, data="two")


class BehindHaproxy(Checks, Behind):
    proxy_class = Haproxy


class BehindNginx(Checks, Behind):
    proxy_class = Nginx

    def test_an_nginx_told_nothing_lets_the_next_way_through(self):
        self.follow(self.proxy.plain_url, "auto", "sse")

    def test_an_nginx_told_nothing_lets_every_other_way_through(self):
        for way in WAYS[1:]:
            with self.subTest(way):
                self.follow(self.proxy.plain_url, way, way)

    def test_without_the_upgrade_a_websocket_alone_fails(self):
        tail = self.tail(self.proxy.plain_url + self.channel(), "--transport", "websocket")
        self.assertEqual(tail.exit_code(), 1)

    def test_chat_listens_where_it_cannot_speak(self):
        channel = self.channel()
        self.hub.publish(channel, "hello")
        chat = self.run_program(program("chat"), self.proxy.plain_url + channel, stdin=subprocess.PIPE)
        self.assertEqual(chat.line(), "hello")
        chat.says("can only listen here: the server answered ")


class Silence(Bare, ClientTest):
    """The proxies bear what is silent by design: the longest long poll (60 s), and streams beyond every timeout."""

    def look_on(self, proxy):
        self.assertEqual(set(re.findall(r"\b\d+s\b", fenced_in_readme(proxy.program()))) - {"5s", "75s"}, set())
        channel = proxy.url + self.channel()
        socket, stream = self.socket(channel), self.stream(channel)
        began = time.monotonic()
        # More than the server grants.
        self.assertEqual(self.request(channel + "?wait=600", timeout=90).status, 204)
        self.assertGreaterEqual(time.monotonic() - began, 60)
        time.sleep(80 - 60)
        published = publish(channel, "still here")
        self.assertEqual(self.read_block(stream), [f"id: {published}", "data: still here"])
        self.assertEqual(json.loads(socket.recv(PATIENCE))["id"], published)

    def test_silence_is_borne(self):
        hub = start(type(self), Hub)
        proxies = [start(type(self), proxy, hub) for proxy in (Haproxy, Nginx)]
        with concurrent.futures.ThreadPoolExecutor() as pool:
            for done in [pool.submit(self.look_on, proxy) for proxy in proxies]:
                done.result()
