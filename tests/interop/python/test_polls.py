"""Publishing and the two polls, with requests as the client and, where the bytes matter, without it."""

import base64
import json
import threading
import time

import requests

from harness import PATIENCE, HubTest, request


class Publish(HubTest):
    def test_a_post_is_answered_201_with_the_id(self):
        answer = requests.post(self.server.url + self.channel, data="hello", timeout=PATIENCE)
        self.assertEqual(answer.status_code, 201)
        self.assertRegex(answer.json()["id"], r"\A\d+-\d+\Z")

    def test_ids_grow_strictly(self):
        ids = [tuple(map(int, self.publish(str(n)).split("-"))) for n in range(50)]
        self.assertEqual(ids, sorted(set(ids)))

    def test_an_empty_body_is_a_message(self):
        id = self.publish("")
        self.assertEqual(self.poll()["events"], [{"id": id, "event": "message", "data": ""}])

    def test_the_event_type_comes_from_the_query(self):
        id = self.publish("x", "?event=price.changed")
        self.assertEqual(self.poll()["events"], [{"id": id, "event": "price.changed", "data": "x"}])

    def test_an_event_type_is_percent_decoded(self):
        self.publish("x", "?event=gr%C3%BC%C3%9Fe%20an")
        self.assertEqual(self.poll()["events"][0]["event"], "grüße an")

    def test_an_event_type_that_would_inject_a_line_is_refused(self):
        for type in ("a%0Adata:b", "a%0D", "a%00"):
            with self.subTest(type=type):
                answer = self.exchange(
                    request(self.server, "POST", f"{self.channel}?event={type}", "Content-Length: 1") + b"x"
                )
                self.assertEqual(answer.status, 400)
        self.assertEqual(self.poll()["events"], [])

    def test_channels_do_not_mix(self):
        self.publish("here")
        self.publish("there", channel=self.channel + "-other")
        self.assertEqual([event["data"] for event in self.poll()["events"]], ["here"])

    def test_a_channel_name_is_percent_decoded(self):
        self.publish("x")
        encoded = self.channel.replace("test", "%74est")
        self.assertEqual(len(self.get(encoded).json()["events"]), 1)

    def test_a_body_over_the_limit_is_413_and_publishes_nothing(self):
        answer = requests.post(self.server.url + self.channel, data=b"x" * ((1 << 20) + 1), timeout=PATIENCE)
        self.assertEqual(answer.status_code, 413)
        self.assertEqual(self.poll()["events"], [])

    def test_a_body_at_the_limit_is_published(self):
        self.publish(b"x" * (1 << 20))
        self.assertEqual(len(self.poll()["events"][0]["data"]), 1 << 20)

    def test_a_foreign_origin_is_403_and_publishes_nothing(self):
        host, port = self.server.address
        for origin in (
            "http://example.com",
            "null",
            f"https://{host}:{port}",
            f"http://{host}",
            f"http://{host}:{port}.example.com",
            f"http://{host}:{port}0",
            f"http://example.com/{host}:{port}",
        ):
            with self.subTest(origin=origin):
                answer = self.exchange(
                    request(self.server, "POST", self.channel, f"Origin: {origin}", "Content-Length: 1") + b"x"
                )
                self.assertEqual(answer.status, 403)
        self.assertEqual(self.poll()["events"], [])

    def test_a_second_origin_does_not_hide_behind_the_first(self):
        origins = (f"Origin: {self.server.url}", "Origin: http://example.com")
        for fields in (origins, origins[::-1]):
            with self.subTest(fields=fields):
                answer = self.exchange(request(self.server, "POST", self.channel, *fields, "Content-Length: 1") + b"x")
                self.assertIn(answer.status, (400, 403))
        self.assertEqual(self.poll()["events"], [])

    def test_the_own_origin_may_publish(self):
        fields = (f"Origin: {self.server.url}", "Content-Length: 1")
        answer = self.exchange(request(self.server, "POST", self.channel, *fields) + b"x")
        self.assertEqual(answer.status, 201)


class ShortPoll(HubTest):
    def test_an_empty_channel_answers_at_once(self):
        document = self.poll()
        self.assertEqual(document["events"], [])
        self.assertIn("last_id", document)

    def test_a_batch_has_everything_retained_and_the_last_id(self):
        ids = [self.publish(data) for data in ("one", "two", "three")]
        document = self.poll()
        self.assertEqual(
            document["events"],
            [{"id": id, "event": "message", "data": data} for id, data in zip(ids, ("one", "two", "three"))],
        )
        self.assertEqual(document["last_id"], ids[-1])
        self.assertFalse(document.get("more", False))
        self.assertFalse(document.get("gap", False))

    def test_it_resumes_after_the_last_event_id(self):
        ids = [self.publish(str(n)) for n in range(4)]
        by_field = self.poll("", f"Last-Event-ID: {ids[1]}")
        by_query = self.poll(f"?last_event_id={ids[1]}")
        self.assertEqual([event["id"] for event in by_field["events"]], ids[2:])
        self.assertEqual(by_query, by_field)

    def test_the_field_wins_over_the_query(self):
        # An EventSource keeps its URL when it reconnects, so the field is always the newer of the two.
        ids = [self.publish(str(n)) for n in range(4)]
        document = self.poll(f"?last_event_id={ids[0]}", f"Last-Event-ID: {ids[2]}")
        self.assertEqual([event["id"] for event in document["events"]], ids[3:])

    def test_with_nothing_new_the_last_id_is_the_cursor_that_was_given(self):
        id = self.publish("x")
        self.assertEqual(self.poll(f"?last_event_id={id}"), {"events": [], "last_id": id})

    def test_from_now_starts_at_the_tail_and_gives_a_cursor_to_go_on_from(self):
        self.publish("old")
        document = self.poll("?from=now")
        self.assertEqual(document["events"], [])
        id = self.publish("new")
        self.assertEqual([event["id"] for event in self.poll("?last_event_id=" + document["last_id"])["events"]], [id])

    def test_from_now_gives_a_usable_cursor_on_an_empty_channel(self):
        last_id = self.poll("?from=now")["last_id"]
        id = self.publish("new")
        document = self.poll(f"?last_event_id={last_id}")
        self.assertEqual([event["id"] for event in document["events"]], [id])
        self.assertFalse(document.get("gap", False))

    def test_a_cursor_from_before_the_log_is_a_gap(self):
        id = self.publish("x")
        document = self.poll("?last_event_id=1-0")
        self.assertIs(document["gap"], True)
        self.assertEqual([event["id"] for event in document["events"]], [id])

    def test_a_malformed_cursor_is_400(self):
        self.publish("x")
        for cursor in ("abc", "1-", "-1", "1-2-3", "1-x", "%201-0", "+1-0", "0x1-0", "1-99999999999999999999", "1_0-0"):
            with self.subTest(cursor=cursor):
                self.assertEqual(self.get(f"{self.channel}?last_event_id={cursor}").status, 400)
        self.assertEqual(self.get(self.channel, "Last-Event-ID: abc").status, 400)

    def test_data_that_is_not_utf8_travels_as_base64(self):
        data = bytes(range(256))
        id = self.publish(data)
        (event,) = self.poll()["events"]
        self.assertEqual(base64.b64decode(event.pop("data"), validate=True), data)
        self.assertEqual(event, {"id": id, "event": "message", "encoding": "base64"})

    def test_text_survives_json(self):
        text = "\"\\/\b\f\n\r\t\0\x1f\x7f\u2028 ü € 𝄞 </script>"
        self.publish(text)
        (event,) = self.poll()["events"]
        self.assertEqual(event["data"], text)
        self.assertNotIn("encoding", event)

    def test_a_batch_holds_at_most_a_thousand_messages(self):
        connection = self.connect()
        post = request(self.server, "POST", self.channel, "Content-Length: 1") + b"x"
        ids = [self.read_id(connection.exchange(post)) for _ in range(1001)]
        first = self.poll()
        self.assertEqual([event["id"] for event in first["events"]], ids[:1000])
        self.assertIs(first["more"], True)
        second = self.poll("?last_event_id=" + first["last_id"])
        self.assertEqual([event["id"] for event in second["events"]], ids[1000:])
        self.assertFalse(second.get("more", False))

    def test_a_batch_holds_at_most_a_mebibyte_but_at_least_one_message(self):
        ids = [self.publish(b"x" * size) for size in (1 << 20, 600_000, 400_000, 100_000)]
        batches, query = [], ""
        while True:
            document = self.poll(query)
            batches.append([event["id"] for event in document["events"]])
            if not document.get("more", False):
                break
            query = "?last_event_id=" + document["last_id"]
        self.assertEqual(sum(batches, []), ids)
        self.assertEqual(batches[0], ids[:1])
        self.assertGreaterEqual(len(batches), 3)

    def test_two_hundred_messages_keep_their_order(self):
        with requests.Session() as session:
            for n in range(200):
                answer = session.post(self.server.url + self.channel, data=str(n), timeout=PATIENCE)
                self.assertEqual(answer.status_code, 201)
            document = session.get(self.server.url + self.channel, timeout=PATIENCE).json()
        self.assertEqual([event["data"] for event in document["events"]], [str(n) for n in range(200)])


class LongPoll(HubTest):
    def parked(self, *fields, query=""):
        """A long poll that is seen to wait."""
        connection = self.connect()
        connection.send(request(self.server, "GET", self.channel + query, *fields))
        self.assertTrue(connection.is_silent(), "the poll did not wait")
        return connection

    def test_it_answers_at_once_when_there_is_something(self):
        id = self.publish("x")
        self.assertEqual([event["id"] for event in self.poll("", "Prefer: wait=60")["events"]], [id])

    def test_a_publish_wakes_it(self):
        connection = self.parked("Prefer: wait=60")
        id = self.publish("woken")
        answer = connection.answer()
        self.assertEqual(answer.status, 200)
        document = answer.json()
        self.assertEqual(document["events"], [{"id": id, "event": "message", "data": "woken"}])
        self.assertEqual(document["last_id"], id)

    def test_the_query_asks_for_the_same(self):
        connection = self.parked(query="?wait=60")
        self.publish("woken")
        self.assertEqual(connection.answer().status, 200)

    def test_a_publish_wakes_every_waiting_poll(self):
        connections = [self.parked("Prefer: wait=60") for _ in range(5)]
        self.publish("woken")
        for connection in connections:
            self.assertEqual(connection.answer().json()["events"][0]["data"], "woken")

    def test_a_publish_elsewhere_does_not_wake_it(self):
        connection = self.parked("Prefer: wait=60")
        self.publish("x", channel=self.channel + "-other")
        self.assertTrue(connection.is_silent())

    def test_at_the_deadline_it_is_204_without_a_body(self):
        for query, fields in (("", ["Prefer: wait=1"]), ("?wait=1", [])):
            with self.subTest(query=query, fields=fields):
                started = time.monotonic()
                connection = self.connect()
                answer = connection.exchange(request(self.server, "GET", self.channel + query, *fields))
                elapsed = time.monotonic() - started
                self.assertEqual(answer.status, 204)
                self.assertIsNone(answer.get("content-length"))
                self.assertIsNone(answer.get("transfer-encoding"))
                self.assertGreater(elapsed, 0.9)
                self.assertLess(elapsed, 10)
                # The connection lives on, and what comes next is an answer, not a stray body.
                self.assertEqual(connection.exchange(request(self.server, "GET", self.channel)).status, 200)

    def test_it_waits_at_the_tail(self):
        id = self.publish("old")
        for query in (f"?last_event_id={id}", "?from=now"):
            with self.subTest(query=query):
                connection = self.parked("Prefer: wait=60", query=query)
                new = self.publish("new")
                self.assertEqual([event["id"] for event in connection.answer().json()["events"]], [new])
                id = new

    def test_other_preferences_beside_the_wait_do_no_harm(self):
        connection = self.parked('Prefer: respond-async, wait=60; foo="a,b", handling=lenient')
        self.publish("x")
        self.assertEqual(connection.answer().status, 200)

    def test_a_gap_does_not_wait(self):
        self.publish("x")
        self.assertIs(self.poll("?last_event_id=1-0&wait=60")["gap"], True)

    def test_a_reader_that_hung_up_is_forgotten(self):
        for _ in range(50):
            self.parked_and_gone()
        self.publish("x")
        self.assertEqual(len(self.poll()["events"]), 1)

    def parked_and_gone(self):
        connection = self.connect()
        connection.send(request(self.server, "GET", self.channel, "Prefer: wait=60"))
        connection.close()

    def test_two_hundred_messages_come_once_each_in_order(self):
        received = []

        def read():
            cursor = ""
            with requests.Session() as session:
                while len(received) < 200:
                    answer = session.get(
                        self.server.url + self.channel + cursor, headers={"Prefer": "wait=20"}, timeout=PATIENCE
                    )
                    if answer.status_code == 200:
                        document = answer.json()
                        received.extend(event["data"] for event in document["events"])
                        cursor = "?last_event_id=" + document["last_id"]

        reader = threading.Thread(target=read, daemon=True)
        reader.start()
        for n in range(200):
            self.publish(json.dumps(n))
        reader.join(PATIENCE)
        self.assertEqual(received, [str(n) for n in range(200)])
