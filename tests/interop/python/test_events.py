"""Server-Sent Events: the stream is parsed by the algorithm that browsers use."""

import base64
import json

import requests

from harness import PATIENCE, HubTest, request


class Events(HubTest):
    def test_retained_messages_come_first_then_new_ones(self):
        old = self.publish("old")
        stream = self.events()
        self.assertEqual(stream.next(), (old, "message", "old"))
        new = self.publish("new")
        self.assertEqual(stream.next(), (new, "message", "new"))

    def test_the_stream_names_a_retry_delay(self):
        self.publish("x")
        stream = self.events()
        stream.next()
        self.assertIsNotNone(stream.parser.retry)

    def test_the_event_field_is_left_out_for_plain_messages(self):
        self.publish("x")
        self.publish("y", "?event=price")
        connection = self.connect()
        connection.send(request(self.server, "GET", self.channel, "Accept: text/event-stream"))
        connection.head()
        body = b""
        for chunk in connection.chunks():
            body += chunk
            if b"data: y\n\n" in body:
                break
        self.assertNotIn(b"event: message", body)
        self.assertEqual(body.count(b"event: price\n"), 1)

    def test_lines_survive(self):
        for text, received in (
            ("one\ntwo", "one\ntwo"),
            ("one\r\ntwo\rthree", "one\ntwo\nthree"),
            ("\n", "\n"),
            ("ends\n", "ends\n"),
            (" leading space", " leading space"),
            ("id: 1\nevent: x\n\ndata: forged", "id: 1\nevent: x\n\ndata: forged"),
            ("", ""),
            ("ü € 𝄞 \u2028", "ü € 𝄞 \u2028"),
        ):
            with self.subTest(text=text):
                tail = self.poll("?from=now")["last_id"]
                id = self.publish(text)
                event = self.events(f"?last_event_id={tail}").next()
                self.assertEqual(event, (id, "message", received))

    def test_it_resumes_after_the_last_event_id(self):
        ids = [self.publish(str(n)) for n in range(4)]
        for stream in (self.events("", f"Last-Event-ID: {ids[1]}"), self.events(f"?last_event_id={ids[1]}")):
            self.assertEqual([event.id for event in stream.take(2)], ids[2:])

    def test_the_field_wins_over_the_query(self):
        ids = [self.publish(str(n)) for n in range(4)]
        stream = self.events(f"?last_event_id={ids[0]}", f"Last-Event-ID: {ids[2]}")
        self.assertEqual(stream.next().id, ids[3])

    def test_from_now_starts_at_the_tail(self):
        self.publish("old")
        stream = self.events("?from=now")
        id = self.publish("new")
        self.assertEqual(stream.next().id, id)

    def test_a_cursor_from_before_the_log_starts_with_a_gap(self):
        id = self.publish("x")
        gap, event = self.events("", "Last-Event-ID: 1-0").take(2)
        self.assertEqual(gap.event, "gap")
        self.assertEqual((event.id, event.event), (id, "message"))

    def test_a_malformed_cursor_is_400(self):
        answer = self.get(self.channel, "Accept: text/event-stream", "Last-Event-ID: abc")
        self.assertEqual(answer.status, 400)

    def test_data_that_is_not_utf8_travels_as_the_json_envelope(self):
        data = b"\xff\0\n\xfe"
        id = self.publish(data)
        event = self.events().next()
        envelope = json.loads(event.data)
        self.assertEqual(event.id, id)
        self.assertEqual(envelope["encoding"], "base64")
        self.assertEqual(base64.b64decode(envelope["data"], validate=True), data)

    def test_an_event_type_reaches_the_listener_of_that_name(self):
        self.publish("x", "?event=price")
        self.assertEqual(self.events().next().event, "price")

    def test_accept_may_list_more_than_the_stream(self):
        self.publish("x")
        answer = self.connect()
        answer.send(request(self.server, "GET", self.channel, "Accept: text/event-stream, application/json;q=0.5"))
        self.assertTrue(answer.head()["content-type"].startswith("text/event-stream"))

    def test_a_message_of_a_mebibyte_arrives_whole(self):
        self.publish("x" * (1 << 20))
        self.assertEqual(len(self.events().next().data), 1 << 20)

    def test_requests_reads_the_stream_line_by_line(self):
        id = self.publish("x")
        with requests.get(
            self.server.url + self.channel, headers={"Accept": "text/event-stream"}, stream=True, timeout=PATIENCE
        ) as answer:
            lines = answer.iter_lines(chunk_size=1, decode_unicode=True)
            self.assertIn(f"id: {id}", iter(lambda: next(lines), "data: x"))

    def test_two_hundred_messages_come_once_each_in_order_to_everyone(self):
        streams = [self.events() for _ in range(5)]
        ids = [self.publish(str(n)) for n in range(200)]
        for stream in streams:
            events = stream.take(200)
            self.assertEqual([event.id for event in events], ids)
            self.assertEqual([event.data for event in events], [str(n) for n in range(200)])

    def test_a_quiet_stream_has_a_comment_as_heartbeat(self):
        self.publish("x")
        stream = self.events()
        stream.next()
        before = stream.parser.comments
        while stream.parser.comments == before:
            self.assertEqual(list(stream.parser.feed(next(stream.body))), [])
