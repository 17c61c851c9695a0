"""The short_polling example, polled by requests in the loop that tutorials show."""

import datetime

import requests

from harness import PATIENCE, ExampleTest, request


class ShortPolling(ExampleTest):
    example = "short_polling"

    def setUp(self):
        self.session = self.enterContext(requests.Session())
        self.session.trust_env = False
        self.poll()  # What other tests have left.

    def poll(self):
        response = self.session.get(self.server.url + "/poll", timeout=PATIENCE)
        response.raise_for_status()
        return response.json()

    def send(self, message):
        response = self.session.post(self.server.url + "/send", json={"message": message}, timeout=PATIENCE)
        self.assertEqual((response.status_code, response.json()), (200, {"status": "received"}))

    def test_a_poll_loop_gets_every_message_once_and_in_order(self):
        received = []
        for n in range(10):
            self.send(f"{n} ü 𝄞")
            if n % 3 == 2:
                received += self.poll()["messages"]
        received += self.poll()["messages"]
        self.assertEqual(received, [f"{n} ü 𝄞" for n in range(10)])
        self.assertEqual(self.poll()["messages"], [])

    def test_a_message_may_be_any_json(self):
        messages = [None, True, 1, 0.1, 1763712345.1234567, "", [], {"b": 1, "a": [{}]}]
        for message in messages:
            self.send(message)
        self.assertEqual(self.poll()["messages"], messages)

    def test_the_timestamp_is_now_in_utc(self):
        text = self.poll()["timestamp"]
        self.assertRegex(text, r"\A\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?Z\Z")
        age = datetime.datetime.now(datetime.timezone.utc) - datetime.datetime.fromisoformat(text)
        self.assertLess(abs(age.total_seconds()), PATIENCE)

    def test_what_is_no_message_is_refused_in_json(self):
        for body in (b"", b"hello", b"{", b'{"message": "a"', b"\xff", b'{"massage": 1}', b"[]", b"1", b"[" * 60_000):
            response = self.session.post(self.server.url + "/send", data=body, timeout=PATIENCE)
            self.assertEqual(response.status_code, 400, body[:20])
            self.assertEqual(list(response.json()), ["error"])
        self.assertEqual(self.poll()["messages"], [])

    def test_only_the_newest_thousand_wait(self):
        self.post_all("/send", [b'{"message": %d}' % n for n in range(1_010)])
        self.assertEqual(self.poll()["messages"], list(range(10, 1_010)))

    def test_head_takes_nothing_away(self):
        self.send("kept")
        length = self.get("/poll", method="HEAD")["content-length"]
        self.assertEqual(self.get("/poll", method="HEAD")["content-length"], length)
        answer = self.get("/poll")
        self.assertEqual((answer.json()["messages"], answer["content-length"]), (["kept"], length))
        self.assertEqual(self.poll()["messages"], [])

    def test_what_waits_is_no_more_than_a_mebibyte(self):
        self.post_all("/send", [b'{"message": "%d %s"}' % (n, b"x" * 60_000) for n in range(40)])
        waiting = [message.split()[0] for message in self.poll()["messages"]]
        self.assertEqual(waiting, [str(n) for n in range(40 - len(waiting), 40)])
        self.assertEqual(len(waiting), 2**20 // 60_005)
        body = b'{"message": "%s"}' % (b"x" * 65_536)
        answer = self.exchange(request(self.server, "POST", "/send", f"Content-Length: {len(body)}") + body)
        self.assertEqual(answer.status, 413)
        self.assertEqual(self.poll()["messages"], [])
