"""The long_polling example, with requests in threads as the clients that wait."""

import concurrent.futures
import contextlib
import itertools
import json
import signal
import threading
import time

import requests

from harness import PATIENCE, Connection, Example, ExampleTest, request

WAIT = 0.6
CLIENTS = itertools.count(1)


class LongPolling(ExampleTest):
    example = "long_polling"
    options = ("--wait", "30")

    def setUp(self):
        self.session = self.enterContext(requests.Session())
        self.session.trust_env = False
        self.pool = self.enterContext(concurrent.futures.ThreadPoolExecutor())
        self.client = f"client {next(CLIENTS)} ü"

    def poll(self, client=None):
        url = self.server.url + "/long-poll"
        with requests.Session() as session:
            session.trust_env = False
            response = session.get(url, params={"client_id": client or self.client}, timeout=PATIENCE)
        self.assertEqual(response.status_code, 200, response.text)
        self.assertLessEqual({"timestamp", "message", "status"}, set(response.json()))
        return response.json()

    def broadcast(self, message):
        """Broadcasts, and says to how many clients."""
        response = self.session.post(self.server.url + "/broadcast", json={"message": message}, timeout=PATIENCE)
        self.assertEqual((response.status_code, response.json()["status"]), (200, "broadcasted"), response.text)
        return response.json()["clients"]

    def park(self, client=None, target=None, *fields):
        """A poll that waits, on a connection of its own."""
        connection = self.connect()
        target = target or "/long-poll?client_id=" + requests.utils.quote(client or self.client)
        connection.send(request(self.server, "GET", target, *fields))
        self.assertTrue(connection.is_silent())
        return connection

    def updates(self, after=None):
        fields = {} if after is None else {"X-Last-Event-Id": str(after)}
        response = self.session.get(self.server.url + "/api/updates", headers=fields, timeout=PATIENCE)
        self.assertEqual(response.status_code, 200, response.text)
        return response.json()

    # /long-poll

    def test_who_waits_is_answered_by_the_next_message(self):
        waiting = self.park()
        self.broadcast({"text": "hello"})
        answer = waiting.answer().json()
        self.assertEqual((answer["message"], answer["status"]), ({"text": "hello"}, "data"))

    def test_a_poll_loop_gets_every_message_once_and_in_order(self):
        parked = self.park()
        received, count = [], 50

        def loop():
            while len(received) < count:
                answer = self.poll()
                if answer["status"] == "data":
                    received.append(answer["message"])

        self.broadcast(0)
        received.append(parked.answer().json()["message"])
        looping = self.pool.submit(loop)
        for n in range(1, count):
            self.broadcast(n)
        looping.result(PATIENCE)
        self.assertEqual(received, list(range(count)))

    def test_clients_count_from_their_first_poll_on_and_each_gets_every_message(self):
        before = self.broadcast("nobody new")
        clients = [f"{self.client} {n}" for n in range(3)]
        waiting = [self.park(client) for client in clients]
        self.assertEqual(self.broadcast("first"), before + 3)
        self.assertEqual(self.broadcast("second"), before + 3)
        for client, connection in zip(clients, waiting):
            self.assertEqual(connection.answer().json()["message"], "first")
            self.assertEqual(self.poll(client)["message"], "second")

    def test_two_polls_of_one_client_share_its_messages(self):
        waiting = [self.park(), self.park()]
        self.broadcast(1)
        self.broadcast(2)
        self.assertEqual([connection.answer().json()["message"] for connection in waiting], [1, 2])

    def test_a_poll_that_was_given_up_takes_no_message_with_it(self):
        for end in (Connection.close, lambda connection: connection.socket.shutdown(1)):
            gone = self.park()
            end(gone)
            self.broadcast("for the next poll")
            self.assertEqual(self.poll()["message"], "for the next poll")

    def test_a_poll_needs_a_client(self):
        for target in ("/long-poll", "/long-poll?client=1"):
            answer = self.get(target)
            self.assertEqual((answer.status, list(answer.json())), (400, ["error"]))

    def test_a_queue_keeps_the_newest_thousand(self):
        waiting = self.park()
        self.broadcast("goes to the poll")
        self.assertEqual(waiting.answer().json()["message"], "goes to the poll")
        self.post_all("/broadcast", [b'{"message": %d}' % n for n in range(1_001)])
        self.assertEqual([self.poll()["message"] for _ in range(3)], [1, 2, 3])

    def test_head_takes_no_message_away_and_does_not_wait(self):
        self.park().close()
        self.broadcast("kept")
        for target in ("/long-poll", "/long-poll?client_id=" + requests.utils.quote(self.client), "/long-poll?client_id=new"):
            answer = self.get(target, method="HEAD")
            self.assertEqual((answer.status, answer["allow"]), (405, "GET, OPTIONS"))
        self.assertEqual(self.poll()["message"], "kept")

    def test_what_is_kept_is_no_more_than_a_mebibyte(self):
        self.park().close()
        self.post_all("/broadcast", [b'{"message": "%d %s"}' % (n, b"x" * 60_000) for n in range(40)])
        first = 40 - 2**20 // 60_005
        self.assertEqual([self.poll()["message"].split()[0] for _ in range(2)], [str(first), str(first + 1)])
        kept = [event["message"].split()[0] for event in self.updates(0)["events"]]
        self.assertEqual(kept, [str(n) for n in range(first, 40)])
        body = b'{"message": "%s"}' % (b"x" * 65_536)
        post = request(self.server, "POST", "/broadcast", f"Content-Length: {len(body)}") + body
        self.assertEqual(self.exchange(post).status, 413)

    # /broadcast

    def test_what_is_no_message_is_refused_in_json(self):
        for body in (b"", b"hello", b'{"massage": 1}', b"[]"):
            response = self.session.post(self.server.url + "/broadcast", data=body, timeout=PATIENCE)
            self.assertEqual((response.status_code, list(response.json())), (400, ["error"]), body)

    # /api/updates

    def test_a_cursor_gets_what_came_after_it(self):
        self.broadcast("one")
        seen = self.updates()["lastEventId"]
        for message in ("two", "three"):
            self.broadcast(message)
        answer = self.updates(seen)
        self.assertEqual([(event["id"], event["message"]) for event in answer["events"]], [(seen + 1, "two"), (seen + 2, "three")])
        self.assertEqual(answer["lastEventId"], seen + 2)
        self.assertEqual(self.updates(seen + 1)["events"], answer["events"][1:])

    def test_a_cursor_at_the_end_waits_for_the_next_event(self):
        self.broadcast("one")
        seen = self.updates(0)["lastEventId"]
        waiting = [self.park(None, "/api/updates", f"X-Last-Event-Id: {seen}") for _ in range(3)]
        self.broadcast("two")
        for connection in waiting:
            answer = connection.answer().json()
            self.assertEqual([event["message"] for event in answer["events"]], ["two"])
            self.assertEqual(answer["lastEventId"], seen + 1)

    def test_a_cursor_that_is_still_to_come_is_of_another_life_and_gets_everything(self):
        self.broadcast("one")
        self.assertEqual(self.updates(1_000_000), self.updates(0))

    def test_who_has_seen_nothing_may_say_so_as_scripts_do(self):
        self.broadcast("one")
        everything = self.updates(0)
        for nothing in (None, "", "null"):
            self.assertEqual(self.updates(nothing), everything)

    def test_a_cursor_is_a_number(self):
        for cursor in ("x", "-1", "1.5", "undefined", "99999999999999999999"):
            answer = self.get("/api/updates", f"X-Last-Event-Id: {cursor}")
            self.assertEqual((answer.status, list(answer.json())), (400, ["error"]), cursor)


class Deadlines(ExampleTest):
    example = "long_polling"
    options = ("--wait", str(WAIT))

    def test_a_poll_ends_with_a_timeout_and_the_connection_serves_on(self):
        connection = self.connect()
        for _ in range(2):
            started = time.monotonic()
            answer = connection.exchange(request(self.server, "GET", "/long-poll?client_id=late")).json()
            self.assertEqual((answer["message"], answer["status"]), (None, "timeout"))
            self.assertGreaterEqual(time.monotonic() - started, WAIT * 0.9)

    def test_a_message_that_comes_after_the_timeout_is_for_the_next_poll(self):
        connection = self.connect()
        poll = request(self.server, "GET", "/long-poll?client_id=later")
        self.assertEqual(connection.exchange(poll).json()["status"], "timeout")
        body = b'{"message": "kept"}'
        post = request(self.server, "POST", "/broadcast", f"Content-Length: {len(body)}") + body
        self.assertEqual(self.exchange(post).status, 200)
        self.assertEqual(connection.exchange(poll).json()["message"], "kept")

    def test_updates_end_with_204(self):
        connection = self.connect()
        # A number above the last one is of another life: everything of this one is new to its owner.
        answer = connection.exchange(request(self.server, "GET", "/api/updates", "X-Last-Event-Id: 1000000"))
        last = json.loads(answer.body)["lastEventId"] if answer.status == 200 else 0
        answer = connection.exchange(request(self.server, "GET", "/api/updates", f"X-Last-Event-Id: {last}"))
        self.assertEqual((answer.status, answer.body), (204, b""))
        self.assertEqual(self.get("/nowhere").status, 404)

    def test_a_race_between_timeouts_and_messages_loses_and_doubles_nothing(self):
        count, received = 30, []
        self.get("/long-poll?client_id=racer")

        def publish():
            for n in range(count):
                body = b'{"message": %d}' % n
                self.exchange(request(self.server, "POST", "/broadcast", f"Content-Length: {len(body)}") + body)
                time.sleep(WAIT / 7)

        publisher = threading.Thread(target=publish)
        publisher.start()
        connection = self.connect()
        while len(received) < count:
            answer = connection.exchange(request(self.server, "GET", "/long-poll?client_id=racer")).json()
            if answer["status"] == "data":
                received.append(answer["message"])
            if len(received) % 5 == 4:
                time.sleep(WAIT / 3)
        publisher.join()
        self.assertEqual(received, list(range(count)))


class Crowd(ExampleTest):
    example = "long_polling"
    options = ("--wait", "10")

    def ask(self, client):
        """A poll that is given up at once, but is heard."""
        with contextlib.closing(self.connect()) as connection:
            connection.send(request(self.server, "GET", f"/long-poll?client_id={client}"))

    def broadcast(self, message):
        body = json.dumps({"message": message}).encode()
        post = request(self.server, "POST", "/broadcast", f"Content-Length: {len(body)}") + body
        return self.exchange(post).json()["clients"]

    def next_of(self, client):
        with contextlib.closing(self.connect()) as connection:
            return connection.exchange(request(self.server, "GET", f"/long-poll?client_id={client}")).json()["message"]

    def test_who_has_been_silent_longest_is_forgotten_for_who_is_new(self):
        for client in ("silent", "active"):
            self.ask(client)
        messages = itertools.count()
        while self.broadcast(next(messages)) < 2:
            pass
        for _ in range(3):
            self.broadcast(next(messages))
        first = self.next_of("active")
        connection = self.connect()
        connection.send(request(self.server, "GET", "/long-poll?client_id=waiting"))
        self.assertTrue(connection.is_silent())
        for n in range(10_100):
            if n == 5_000:
                self.assertEqual(self.next_of("active"), first + 1)
            self.ask(n)
        # A request that waits is answered all the same.
        answer = connection.answer()
        self.assertEqual((answer.status, answer.json()["status"]), (200, "timeout"))
        self.assertEqual(self.next_of("active"), first + 2)
        connection.send(request(self.server, "GET", "/long-poll?client_id=silent"))
        self.assertTrue(connection.is_silent())
        self.assertEqual(self.broadcast("new"), 10_000)
        self.assertEqual(connection.answer().json()["message"], "new")


class Shutdown(ExampleTest):
    example = "long_polling"

    def test_who_waits_is_answered_before_the_server_ends(self):
        for number in (signal.SIGTERM, signal.SIGINT):
            server = Example("long_polling")
            self.addCleanup(server.kill)
            polls = {}
            for target in ("/long-poll?client_id=a", "/api/updates"):
                polls[target] = Connection(server.address)
                self.addCleanup(polls[target].close)
                polls[target].send(request(server, "GET", target))
                self.assertTrue(polls[target].is_silent())
            server.signal(number)
            self.assertEqual(polls["/long-poll?client_id=a"].answer().json()["status"], "timeout")
            self.assertEqual(polls["/api/updates"].answer().status, 204)
            for connection in polls.values():
                self.assertTrue(connection.is_closed())
                connection.close()
            self.assertEqual(server.exit_code(), 0)
