"""tail as an EventSource, at event streams that no hub sends: better-sse's, Node's http's and http.server's."""

import time

from servers import EventStreams
from support import ClientTest, NodeServers, start


class StreamTest(ClientTest):
    def read(self, target, *arguments):
        return self.tail(self.url + target, "--transport", "sse", *arguments)

    def assert_fails(self, tail, why):
        self.assertEqual(tail.exit_code(), 1)
        tail.says(why)


class Checks:
    def test_a_stream_is_read_as_the_whatwg_text_has_it(self):
        tail = self.read("/stream", "--count", "6")
        self.assert_event(tail, id="1", event="named", data="one")
        self.assert_event(tail, id="1", event="message", data="two\nlines ")
        self.assert_event(tail, id="3", event="message", data="\n")
        self.assert_event(tail, id="3", event="message", data="\u20ac \U0001f600")
        self.assert_event(tail, id="", event="message", data="the id is reset")
        self.assert_event(tail, id="", event="message", data="last")
        self.assertEqual(tail.exit_code(), 0)

    def test_the_place_is_kept_half_an_event_is_dropped_and_204_ends_it(self):
        began = time.monotonic()
        tail = self.read("/numbers")
        for number in range(1, 7):
            self.assert_event(tail, id=str(number), event="message", data=str(number))
        self.assertIsNone(tail.line())
        self.assertEqual(tail.exit_code(), 0)
        told = tail.rest(tail.err)
        self.assertEqual(told.count("connected: sse"), 3, told)
        # `retry` says 50 ms; what the client's own backoff adds is below a second each time.
        self.assertLess(time.monotonic() - began, 10)

    def test_an_id_of_nothing_takes_the_place_back(self):
        tail = self.read("/reset", "--count", "3")
        self.assert_event(tail, id="7", data="seven")
        self.assert_event(tail, id="", data="none")
        self.assert_event(tail, id="", data="forgotten")

    def test_events_without_an_id_are_no_repetitions(self):
        tail = self.read("/inherit", "--count", "4")
        for number, data in ((1, "one"), (1, "no id"), (1, "nor this"), (2, "two")):
            self.assert_event(tail, id=f"{number}-0", data=data)

    def test_a_given_id_is_where_it_begins(self):
        tail = self.read("/numbers", "--last-event-id", "4")
        self.assert_event(tail, id="5", data="5")
        self.assert_event(tail, id="6", data="6")
        self.assertIsNone(tail.line())

    def test_the_fields_of_the_request_are_an_event_sources(self):
        tail = self.read("/fields", "--last-event-id", "a b", "--count", "1")
        self.assert_event(tail, data="text/event-stream|no-store|a b")

    def test_redirects_are_followed(self):
        for status in (301, 302, 303, 307, 308):
            with self.subTest(status):
                tail = self.read(f"/redirect?status={status}", "--count", "2")
                self.assert_event(tail, id="1", data="1")
                self.assert_event(tail, id="2", data="2")
                self.assertEqual(tail.exit_code(), 0)

    def test_redirects_without_end_are_not(self):
        self.assert_fails(self.read("/loop"), "redirects too often")

    def test_another_media_type_fails(self):
        self.assert_fails(self.read("/html"), "answered with text/html")

    def test_another_status_fails(self):
        self.assert_fails(self.read("/nothing"), "answered 404")

    def test_a_busy_server_is_asked_again_when_it_said(self):
        began = time.monotonic()
        tail = self.read("/busy", "--count", "1")
        tail.says("answered 503.*again in [12][.]")
        self.assert_event(tail, data="now")
        self.assertGreater(time.monotonic() - began, 0.9)


class PythonHttpServer(Checks, StreamTest):
    @classmethod
    def setUpClass(cls):
        cls.url = start(cls, EventStreams).url


class NodeHttp(Checks, StreamTest):
    @classmethod
    def setUpClass(cls):
        cls.url = start(cls, NodeServers).plain


class BetterSse(StreamTest):
    @classmethod
    def setUpClass(cls):
        cls.url = start(cls, NodeServers).better

    def test_events_with_names(self):
        tail = self.read("/", "--count", "2")
        # Without an id of the program's, better-sse makes one.
        self.assertNotEqual(self.assert_event(tail, event="message", data='"plain"')["id"], "")
        self.assert_event(tail, id="a b", event="named", data='{"text":"\u20ac\\n\\nthree lines"}')
        self.assertEqual(tail.exit_code(), 0)

    def test_the_place_is_kept(self):
        tail = self.read("/numbers", "--count", "5")
        for number in range(1, 6):
            self.assert_event(tail, id=str(number), event="number", data=str(number))
        self.assertEqual(tail.exit_code(), 0)
