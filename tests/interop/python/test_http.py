"""HTTP/1.1 on a bare socket: what goes out and what comes back, byte by byte."""

import json

from harness import HANDSHAKE, HubTest, request


class Status(HubTest):
    def test_a_path_that_is_not_there_is_404(self):
        for target in ("/nothing", "/channels", "/channels/", "/channels/a/b", "/channels//", "//channels/a"):
            with self.subTest(target=target):
                self.assertEqual(self.get(target).status, 404)

    def test_a_method_that_is_not_allowed_is_405_and_says_which_are(self):
        for method in ("PUT", "DELETE", "PATCH"):
            with self.subTest(method=method):
                answer = self.get(self.channel, "Content-Length: 0", method=method)
                self.assertEqual(answer.status, 405)
                allowed = {token.strip() for token in answer["allow"].split(",")}
                self.assertLessEqual({"GET", "HEAD", "POST"}, allowed)
                self.assertNotIn(method, allowed)

    def test_the_page_cannot_be_posted_to(self):
        answer = self.get("/", "Content-Length: 0", method="POST")
        self.assertEqual(answer.status, 405)
        self.assertIn("GET", answer["allow"])

    def test_the_page_is_html(self):
        answer = self.get("/")
        self.assertEqual(answer.status, 200)
        self.assertTrue(answer["content-type"].startswith("text/html"))

    def test_head_is_get_without_the_body(self):
        self.publish("x")
        for target in ("/", self.channel):
            with self.subTest(target=target):
                connection = self.connect()
                head = connection.exchange(request(self.server, "HEAD", target))
                # The next answer begins where the head ended, so no body was sent.
                get = connection.exchange(request(self.server, "GET", target))
                self.assertEqual((head.status, get.status), (200, 200))
                self.assertEqual(head["content-type"], get["content-type"])
                if head.get("content-length") is not None:
                    self.assertEqual(head["content-length"], get["content-length"])

    def test_head_of_a_missing_path_is_404_without_a_body(self):
        connection = self.connect()
        self.assertEqual(connection.exchange(request(self.server, "HEAD", "/nothing")).status, 404)
        self.assertEqual(connection.exchange(request(self.server, "GET", "/")).status, 200)

    def test_answers_carry_a_date(self):
        pattern = r"\A(Mon|Tue|Wed|Thu|Fri|Sat|Sun), \d\d [A-Z][a-z]{2} \d{4} \d\d:\d\d:\d\d GMT\Z"
        self.assertRegex(self.get("/")["date"], pattern)

    def test_an_absolute_target_is_served(self):
        self.assertEqual(self.get(self.server.url + self.channel).status, 200)


class KeepAlive(HubTest):
    def test_one_connection_serves_many_requests(self):
        connection = self.connect()
        for n in range(100):
            post = request(self.server, "POST", self.channel, "Content-Length: 1") + b"x"
            self.assertEqual(connection.exchange(post).status, 201)
            answer = connection.exchange(request(self.server, "GET", self.channel))
            self.assertEqual(len(answer.json()["events"]), n + 1)

    def test_an_error_that_is_no_framing_error_leaves_it_open(self):
        connection = self.connect()
        for target, status in (("/nothing", 404), (self.channel + "?last_event_id=abc", 400), (self.channel, 200)):
            self.assertEqual(connection.exchange(request(self.server, "GET", target)).status, status)

    def test_connection_close_is_honoured(self):
        connection = self.connect()
        answer = connection.exchange(request(self.server, "GET", self.channel, "Connection: close"))
        self.assertEqual(answer.status, 200)
        self.assertEqual(answer["connection"].lower(), "close")
        self.assertTrue(connection.is_closed())

    def test_a_head_may_come_byte_by_byte(self):
        connection = self.connect()
        for byte in request(self.server, "POST", self.channel, "Content-Length: 5") + b"hello":
            connection.send(bytes([byte]))
        self.assertEqual(connection.answer().status, 201)
        self.assertEqual(self.poll()["events"][0]["data"], "hello")

    def test_empty_lines_before_a_request_are_skipped(self):
        connection = self.connect()
        self.assertEqual(connection.exchange(b"\r\n" + request(self.server, "GET", "/")).status, 200)

    def test_half_a_close_still_gets_the_answer(self):
        connection = self.connect()
        connection.send(request(self.server, "GET", self.channel))
        connection.socket.shutdown(1)
        self.assertEqual(connection.answer().status, 200)
        self.assertTrue(connection.is_closed())


class Pipelining(HubTest):
    def test_requests_are_answered_one_after_the_other(self):
        post = request(self.server, "POST", self.channel, "Content-Length: 1")
        get = request(self.server, "GET", self.channel)
        connection = self.connect()
        connection.send(post + b"a" + post + b"b" + get + post + b"c" + get)
        ids = [self.read_id(connection.answer()), self.read_id(connection.answer())]
        self.assertEqual([event["id"] for event in connection.answer().json()["events"]], ids)
        ids.append(self.read_id(connection.answer()))
        self.assertEqual([event["id"] for event in connection.answer().json()["events"]], ids)

    def test_a_hundred_requests_in_one_segment_keep_their_order(self):
        post = request(self.server, "POST", self.channel, "Content-Length: 2")
        connection = self.connect()
        connection.send(b"".join(post + b"%02d" % n for n in range(100)))
        ids = [self.read_id(connection.answer()) for _ in range(100)]
        events = self.poll()["events"]
        self.assertEqual([event["id"] for event in events], ids)
        self.assertEqual([event["data"] for event in events], [f"{n:02}" for n in range(100)])

    def test_a_request_behind_a_long_poll_waits_for_it(self):
        connection = self.connect()
        wait = request(self.server, "GET", self.channel, "Prefer: wait=60")
        connection.send(wait + request(self.server, "GET", "/nothing"))
        self.assertTrue(connection.is_silent())
        id = self.publish("woken")
        self.assertEqual(connection.answer().json()["last_id"], id)
        self.assertEqual(connection.answer().status, 404)

    def test_polls_before_an_upgrade_and_frames_behind_it_are_all_answered(self):
        get = request(self.server, "GET", self.channel)
        connection = self.connect()
        frame = b"\x81\x82\0\0\0\0hi"
        connection.send(get + get + request(self.server, "GET", self.channel, *HANDSHAKE) + frame)
        self.assertEqual([connection.answer().status for _ in range(3)], [200, 200, 101])
        head = connection.exactly(2)
        self.assertEqual(head[0], 0x81)
        self.assertEqual(json.loads(connection.exactly(head[1]))["data"], "hi")


class Http10(HubTest):
    def test_a_request_without_host_is_answered_and_the_connection_closed(self):
        connection = self.connect()
        connection.send(f"GET {self.channel} HTTP/1.0\r\n\r\n".encode())
        answer = connection.answer()
        self.assertEqual(answer.status, 200)
        self.assertIsNone(answer.get("transfer-encoding"))
        self.assertEqual(json.loads(answer.body)["events"], [])
        self.assertTrue(connection.is_closed())

    def test_a_post_is_published(self):
        connection = self.connect()
        connection.send(f"POST {self.channel} HTTP/1.0\r\nContent-Length: 1\r\n\r\nx".encode())
        self.assertEqual(connection.answer().status, 201)
        self.assertEqual(len(self.poll()["events"]), 1)

    def test_an_event_stream_is_not_chunked(self):
        self.publish("x")
        connection = self.connect()
        connection.send(f"GET {self.channel} HTTP/1.0\r\nAccept: text/event-stream\r\n\r\n".encode())
        head = connection.head()
        self.assertEqual(head.status, 200)
        self.assertIsNone(head.get("transfer-encoding"))
        self.assertIsNone(head.get("content-length"))
        lines = iter(connection.input.readline, b"")
        self.assertIn(b"data: x\n", lines)


class Bodies(HubTest):
    def test_continue_is_sent_before_the_body_is(self):
        connection = self.connect()
        connection.send(request(self.server, "POST", self.channel, "Content-Length: 2", "Expect: 100-continue"))
        self.assertEqual(connection.head().status, 100)
        connection.send(b"hi")
        self.assertEqual(connection.answer().status, 201)

    def test_a_body_that_will_be_refused_is_not_asked_for(self):
        for fields, status in (
            ([f"Content-Length: {(1 << 20) + 1}"], 413),
            (["Content-Length: 2", "Origin: http://example.com"], 403),
        ):
            with self.subTest(fields=fields):
                connection = self.connect()
                connection.send(request(self.server, "POST", self.channel, *fields, "Expect: 100-continue"))
                self.assertEqual(connection.head().status, status)

    def test_another_expectation_is_417(self):
        # RFC 9110 10.1.1 lets a server answer 417; it must not wait for something else.
        answer = self.exchange(request(self.server, "POST", self.channel, "Content-Length: 1", "Expect: more") + b"x")
        self.assertIn(answer.status, (201, 417))

    def test_chunks_are_joined(self):
        chunked = request(self.server, "POST", self.channel, "Transfer-Encoding: chunked")
        body = b"3\r\nabc\r\n1;name=value\r\nd\r\n00A\r\n0123456789\r\n0\r\nTrailer: x\r\n\r\n"
        connection = self.connect()
        # The next request on the connection shows that the body ended where it should.
        connection.send(chunked + body + request(self.server, "GET", self.channel))
        self.assertEqual(connection.answer().status, 201)
        self.assertEqual(connection.answer().json()["events"][0]["data"], "abcd0123456789")

    def test_a_chunked_body_over_the_limit_is_413(self):
        connection = self.connect()
        connection.send(request(self.server, "POST", self.channel, "Transfer-Encoding: chunked"))
        chunk = b"10000\r\n" + b"x" * 0x10000 + b"\r\n"
        try:
            for _ in range(17):
                connection.send(chunk)
        except OSError:
            pass  # The answer may come, and the connection end, before all is sent.
        self.assertEqual(connection.answer().status, 413)
        self.assertEqual(self.poll()["events"], [])


class Limits(HubTest):
    def test_a_target_over_8_kib_is_414(self):
        self.assertEqual(self.get("/" + "x" * 8192).status, 414)

    def test_a_hundred_and_first_field_is_431(self):
        # With Host, these make 100 and 101.
        fields = [f"X-{n}: x" for n in range(100)]
        self.assertEqual(self.get("/", *fields[:99]).status, 200)
        self.assertEqual(self.get("/", *fields).status, 431)

    def test_a_head_over_16_kib_is_431(self):
        self.assertEqual(self.get("/", "X: " + "x" * 16384).status, 431)

    def test_a_head_over_16_kib_that_never_ends_is_431(self):
        connection = self.connect()
        connection.send(b"GET / HTTP/1.1\r\nX: " + b"x" * 16384)
        self.assertEqual(connection.answer().status, 431)
        self.assertTrue(connection.is_closed())


class Refused(HubTest):
    """Requests whose end or meaning is in doubt: 400 (or 501), the connection closed, nothing published."""

    def refuse(self, head, body=b"x", statuses=(400,)):
        # What follows the body must never be taken for a request.
        smuggled = request(self.server, "POST", self.channel, "Content-Length: 8") + b"smuggled"
        connection = self.connect()
        connection.send(head + body + smuggled)
        answer = connection.answer()
        self.assertIn(answer.status, statuses)
        self.assertTrue(connection.is_closed(), f"the connection stayed open after {answer}")
        self.assertEqual(self.poll()["events"], [])

    def post(self, *fields):
        return request(self.server, "POST", self.channel, *fields)

    def test_a_length_and_a_transfer_coding(self):
        self.refuse(self.post("Content-Length: 1", "Transfer-Encoding: chunked"), b"1\r\nx\r\n0\r\n\r\n")

    def test_lengths_that_are_not_a_number(self):
        for value in ("+1", "-1", "0x1", "1_0", "1 1", "1,2", "", "1a", "18446744073709551617", "９"):
            with self.subTest(value=value):
                self.refuse(self.post(f"Content-Length: {value}"))

    def test_two_different_lengths(self):
        self.refuse(self.post("Content-Length: 1", "Content-Length: 2"))

    def test_transfer_codings_other_than_chunked_alone(self):
        for value in ("gzip, chunked", "chunked, chunked", "chunked, gzip", "identity", "xchunked", ""):
            with self.subTest(value=value):
                self.refuse(self.post(f"Transfer-Encoding: {value}"), b"1\r\nx\r\n0\r\n\r\n", (400, 501))

    def test_broken_chunks(self):
        for body in (
            b"0x1\r\nx\r\n0\r\n\r\n",
            b"+1\r\nx\r\n0\r\n\r\n",
            b"-1\r\nx\r\n0\r\n\r\n",
            b"1_\r\nx\r\n0\r\n\r\n",
            b"\r\nx\r\n0\r\n\r\n",
            b"10000000000000001\r\nx\r\n0\r\n\r\n",
            b"1\nx\r\n0\r\n\r\n",
            b"1;a\nb\r\nx\r\n0\r\n\r\n",
            b"1\r\nxx\r\n0\r\n\r\n",
            b"1\r\nx\n0\r\n\r\n",
        ):
            with self.subTest(body=body):
                self.refuse(self.post("Transfer-Encoding: chunked"), body)

    def test_a_transfer_coding_in_http_1_0(self):
        head = f"POST {self.channel} HTTP/1.0\r\nHost: {self.server.host}\r\nTransfer-Encoding: chunked\r\n\r\n"
        self.refuse(head.encode(), b"1\r\nx\r\n0\r\n\r\n")

    def test_no_host_two_hosts_or_an_invalid_one(self):
        line = f"POST {self.channel} HTTP/1.1\r\nContent-Length: 1\r\n"
        for hosts in ("", "Host: a\r\nHost: a\r\n", "Host: a b\r\n", "Host: user@a\r\n", "Host: a/b\r\n", "Host: a:b\r\n"):
            with self.subTest(hosts=hosts):
                self.refuse(f"{line}{hosts}\r\n".encode())

    def test_malformed_fields(self):
        for field in (
            "X : space before the colon",
            " X: space before the name",
            "X: a\0b",
            "X: a\rb",
            "no colon",
            ": no name",
            "X(): not a token",
            "X: folded\r\n onto the next line",
        ):
            with self.subTest(field=field):
                self.refuse(self.post("Content-Length: 1", field))

    def test_malformed_request_lines(self):
        for line in (
            f"POST {self.channel}",
            f"POST {self.channel} HTTP/1.1 ",
            f"POST  {self.channel} HTTP/1.1",
            f"PO ST {self.channel} HTTP/1.1",
            f"POST {self.channel} HTTP/1.",
            f"POST {self.channel} http/1.1",
            f"POST {self.channel.lstrip('/')} HTTP/1.1",
        ):
            with self.subTest(line=line):
                self.refuse(f"{line}\r\nHost: {self.server.host}\r\nContent-Length: 1\r\n\r\n".encode())

    def test_another_major_version(self):
        for version in ("HTTP/2.0", "HTTP/0.9", "HTTP/3.0"):
            with self.subTest(version=version):
                head = f"POST {self.channel} {version}\r\nHost: {self.server.host}\r\nContent-Length: 1\r\n\r\n"
                self.refuse(head.encode(), statuses=(400, 505))
