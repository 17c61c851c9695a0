"""The server_sent_events example, read with requests' iter_lines as tutorials do, and with a strict parser."""

import json
import signal

import requests

from harness import PATIENCE, Connection, EventStream, Example, ExampleTest, request


class ServerSentEvents(ExampleTest):
    example = "server_sent_events"

    def setUp(self):
        self.session = self.enterContext(requests.Session())
        self.session.trust_env = False

    def broadcast(self, message):
        """Broadcasts, and says to how many clients."""
        response = self.session.post(self.server.url + "/broadcast", json=message, timeout=PATIENCE)
        self.assertEqual((response.status_code, response.json()["status"]), (200, "sent"), response.text)
        return response.json()["clients"]

    def stream(self, *fields):
        stream = EventStream(self.connect(), self.server, "/stream", fields)
        self.assertEqual((stream.head.status, stream.head["content-type"]), (200, "text/event-stream"))
        self.assertEqual(stream.head["access-control-allow-origin"], "*")
        connected = stream.next()
        self.assertEqual((connected.event, connected.id), ("connected", ""))
        json.loads(connected.data)
        return stream

    def test_a_client_of_a_tutorial_reads_line_by_line(self):
        with self.session.get(self.server.url + "/stream", stream=True, timeout=PATIENCE) as response:
            received, sent = [], [{"price": 42}, ["ü", None], "text\nof two lines", 0.1, {}]
            event = None
            for line in response.iter_lines(chunk_size=1):
                line = line.decode()
                if line.startswith("event: "):
                    event = line.removeprefix("event: ")
                    if event == "connected":
                        with requests.Session() as session:
                            session.trust_env = False
                            for message in sent:
                                session.post(self.server.url + "/broadcast", json=message, timeout=PATIENCE)
                if line.startswith("data: ") and event == "message":
                    received.append(json.loads(line.removeprefix("data: ")))
                    if len(received) == len(sent):
                        break
        self.assertEqual(received, sent)

    def test_ids_count_up_by_one_for_all_streams_alike(self):
        streams = [self.stream(), self.stream()]
        for n in range(3):
            self.broadcast(n)
        first, second = [stream.take(3) for stream in streams]
        self.assertEqual(first, second)
        ids = [int(event.id) for event in first]
        self.assertEqual(ids, [ids[0], ids[0] + 1, ids[0] + 2])
        self.assertEqual({event.event for event in first}, {"message"})

    def test_the_answer_counts_the_streams_that_are_open(self):
        before = self.broadcast("x")
        streams = [self.stream() for _ in range(3)]
        self.assertEqual(self.broadcast("x"), before + 3)
        streams[0].connection.close()
        self.assertEqual(self.broadcast("x"), before + 2)
        streams[1].connection.socket.shutdown(1)
        self.assertEqual(len(streams[1].rest()), 2)  # And the end of the body, properly.
        self.assertEqual(self.broadcast("x"), before + 1)

    def test_who_connects_again_gets_what_it_missed(self):
        stream = self.stream()
        self.broadcast("seen")
        seen = stream.next().id
        stream.connection.close()
        for message in ("missed", "missed too"):
            self.broadcast(message)
        again = self.stream(f"Last-Event-ID: {seen}")
        self.broadcast("new")
        self.assertEqual([json.loads(event.data) for event in again.take(3)], ["missed", "missed too", "new"])

    def test_an_id_that_is_still_to_come_is_of_another_life_and_gets_everything(self):
        self.broadcast("kept")
        everything = self.stream("Last-Event-ID: 0")
        again = self.stream("Last-Event-ID: 1000000")
        self.broadcast("new")
        first = everything.next()
        self.assertEqual(again.next(), first)

    def test_what_is_kept_for_who_connects_again_is_no_more_than_a_mebibyte(self):
        stream = self.stream()
        self.post_all("/broadcast", [b'"%d %s"' % (n, b"x" * 60_000) for n in range(40)])
        seen = stream.next().id
        stream.connection.close()
        self.broadcast("new")
        again = self.stream(f"Last-Event-ID: {seen}")
        count = 2**20 // 60_005
        kept = [json.loads(event.data).split()[0] for event in again.take(count + 1)]
        self.assertEqual(kept, [*(str(n) for n in range(40 - count, 40)), "new"])
        body = b'"%s"' % (b"x" * 65_536)
        answer = self.exchange(request(self.server, "POST", "/broadcast", f"Content-Length: {len(body)}") + body)
        self.assertEqual(answer.status, 413)
        self.assertTrue(again.connection.is_silent())

    def test_what_is_no_json_is_refused_in_json_and_sent_to_nobody(self):
        stream = self.stream()
        for body in (b"", b"hello", b"{", b"\xff"):
            response = self.session.post(self.server.url + "/broadcast", data=body, timeout=PATIENCE)
            self.assertEqual((response.status_code, list(response.json())), (400, ["error"]), body)
        self.assertTrue(stream.connection.is_silent())

    def test_an_old_client_gets_the_same_without_chunks(self):
        connection = self.connect()
        connection.send(b"GET /stream HTTP/1.0\r\n\r\n")
        self.assertEqual(connection.head().get("transfer-encoding"), None)
        self.assertEqual(connection.exactly(len("event: connected\ndata: ")), b"event: connected\ndata: ")


class Heartbeats(ExampleTest):
    example = "server_sent_events"
    options = ("--heartbeat", "0.2")

    def test_heartbeats_come_again_and_again_and_leave_the_id_alone(self):
        stream = EventStream(self.connect(), self.server, "/stream")
        self.assertEqual(stream.next().event, "connected")
        self.exchange(request(self.server, "POST", "/broadcast", "Content-Length: 1") + b"1")
        events = stream.take(4)
        self.assertEqual(sorted({event.event for event in events}), ["heartbeat", "message"])
        self.assertEqual(events[-1].id, "1")
        self.assertIn("timestamp", json.loads(next(event.data for event in events if event.event == "heartbeat")))


class Shutdown(ExampleTest):
    example = "server_sent_events"

    def test_streams_end_properly(self):
        for number in (signal.SIGTERM, signal.SIGINT):
            server = Example("server_sent_events")
            self.addCleanup(server.kill)
            connection = Connection(server.address)
            self.addCleanup(connection.close)
            stream = EventStream(connection, server, "/stream")
            self.assertEqual(stream.next().event, "connected")
            server.signal(number)
            self.assertEqual(stream.rest(), [])  # A chunked body without its last chunk is an error here.
            self.assertTrue(connection.is_closed())
            connection.close()
            self.assertEqual(server.exit_code(), 0)
