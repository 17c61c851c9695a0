"""What pages of other origins are told by the servers that they fetch from, byte by byte; page.test.mjs has the pages."""

import contextlib
import unittest

from harness import Connection, Example, request

ORIGIN = "Origin: http://localhost:3000"
PATHS = {
    "short_polling": {"GET": ["/poll"], "POST": ["/send"]},
    "long_polling": {"GET": ["/long-poll?client_id=a", "/api/updates"], "POST": ["/broadcast"]},
    "server_sent_events": {"GET": ["/stream"], "POST": ["/broadcast"]},
}


class Pages(unittest.TestCase):
    def test_every_answer_may_be_read_by_every_page(self):
        for name, paths in PATHS.items():
            server = Example(name, *(["--wait", "0.1"] if name == "long_polling" else []))
            self.addCleanup(server.kill)

            def head_of(method, path, *fields, body=b""):
                with contextlib.closing(Connection(server.address)) as connection:
                    connection.send(request(server, method, path, ORIGIN, f"Content-Length: {len(body)}", *fields) + body)
                    return connection.head()

            for method, path in [(method, path) for method in paths for path in paths[method]]:
                with self.subTest(name, method=method, path=path):
                    preflight = head_of("OPTIONS", path, f"Access-Control-Request-Method: {method}")
                    self.assertEqual((preflight.status, preflight["access-control-allow-origin"]), (204, "*"))
                    self.assertIn(method, preflight["access-control-allow-methods"].split(", "))
                    fields = {field.lower() for field in preflight["access-control-allow-headers"].split(", ")}
                    self.assertLessEqual({"content-type", "x-last-event-id", "last-event-id"}, fields)
                    self.assertGreater(int(preflight["access-control-max-age"]), 0)
                    # Once in vain (a timeout, or no JSON), once with success.
                    answers = [head_of(method, path, body=body) for body in (b"", b'{"message": 1}')]
                    expected = [400, 200] if method == "POST" else [204, 204] if path == "/api/updates" else [200, 200]
                    self.assertEqual([answer.status for answer in answers], expected)
                    for answer in answers:
                        self.assertEqual(answer["access-control-allow-origin"], "*")
                        self.assertIsNone(answer.get("access-control-allow-credentials"))
