"""The commands that people type: curl, as a process."""

import json
import subprocess

from harness import PATIENCE, HubTest

LIMITS = ["--noproxy", "*", "--silent", "--show-error", "--max-time", str(PATIENCE)]


class Curl(HubTest):
    def curl(self, *arguments, target=None, input=None):
        """What curl printed on its two outputs; it has to succeed."""
        command = ["curl", *LIMITS, *arguments, self.server.url + (target or self.channel)]
        done = subprocess.run(command, input=input, capture_output=True, timeout=2 * PATIENCE)
        self.assertEqual(done.returncode, 0, done.stderr.decode())
        return done.stdout, done.stderr.decode()

    def status(self, *arguments, **options):
        output, _ = self.curl("--output", "/dev/null", "--write-out", "%{http_code}", *arguments, **options)
        return int(output)

    def test_publish_and_short_poll(self):
        published, _ = self.curl("--data", "hello")
        polled, _ = self.curl()
        id = json.loads(published)["id"]
        self.assertEqual(
            json.loads(polled)["events"], [{"id": id, "event": "message", "data": "hello"}]
        )

    def test_statuses(self):
        self.assertEqual(self.status("--data", "x"), 201)
        self.assertEqual(self.status(), 200)
        self.assertEqual(self.status("--head"), 200)
        self.assertEqual(self.status("--request", "DELETE"), 405)
        self.assertEqual(self.status(target="/nothing"), 404)
        self.assertEqual(self.status(target=self.channel + "?last_event_id=abc"), 400)
        self.assertEqual(self.status("--data", "x", "--header", "Origin: http://example.com"), 403)
        self.assertEqual(self.status("--header", "Prefer: wait=1", target=self.channel + "?from=now"), 204)

    def test_resume(self):
        ids = [json.loads(self.curl("--data", str(n))[0])["id"] for n in range(3)]
        polled, _ = self.curl("--header", f"Last-Event-ID: {ids[0]}")
        self.assertEqual([event["id"] for event in json.loads(polled)["events"]], ids[1:])

    def test_a_long_poll_is_woken(self):
        command = ["curl", *LIMITS, "--header", "Prefer: wait=20", self.server.url + self.channel]
        with subprocess.Popen(command, stdout=subprocess.PIPE) as poll:
            id = self.publish("woken")
            output, _ = poll.communicate(timeout=PATIENCE)
        self.assertEqual(json.loads(output)["last_id"], id)

    def test_an_event_stream_is_shown_as_it_arrives(self):
        old = self.publish("old")
        command = ["curl", *LIMITS, "--no-buffer", "--header", "Accept: text/event-stream", self.server.url + self.channel]
        with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as stream:
            self.assertIn(f"id: {old}\n", stream.stdout)
            self.assertIn("data: old\n", stream.stdout)
            new = self.publish("new", "?event=price")
            self.assertEqual(
                sorted(line for line in [stream.stdout.readline() for _ in range(4)] if line != "\n"),
                sorted([f"id: {new}\n", "event: price\n", "data: new\n"]),
            )
            stream.kill()

    def test_expect_100_continue(self):
        output, trace = self.curl("--verbose", "--header", "Expect: 100-continue", "--data", "hello")
        self.assertIn("< HTTP/1.1 100 ", trace)
        self.assertIn("< HTTP/1.1 201 ", trace)
        self.assertEqual(self.poll()["events"][0]["id"], json.loads(output)["id"])

    def test_expect_100_continue_with_too_large_a_body_is_413(self):
        body = b"x" * ((1 << 20) + 1)
        arguments = ["--header", "Expect: 100-continue", "--header", "Content-Type: text/plain", "--data-binary", "@-"]
        self.assertEqual(self.status(*arguments, input=body), 413)

    def test_a_chunked_upload(self):
        body = bytes(range(256)) * 1000
        arguments = ["--header", "Transfer-Encoding: chunked", "--header", "Expect:", "--data-binary", "@-"]
        self.assertEqual(self.status(*arguments, input=body), 201)
        self.assertEqual(self.poll()["events"][0]["encoding"], "base64")

    def test_http_1_0(self):
        self.assertEqual(self.status("--http1.0", "--data", "x"), 201)
        output, trace = self.curl("--http1.0", "--verbose")
        self.assertEqual(len(json.loads(output)["events"]), 1)
        self.assertNotIn("transfer-encoding", trace.lower())

    def test_a_connection_is_used_again(self):
        url = self.server.url + self.channel
        _, trace = self.curl("--verbose", "--data", "x", url)
        self.assertRegex(trace.lower(), "re-?using existing")

    def test_compression_may_be_asked_for(self):
        self.publish("x")
        self.assertEqual(len(json.loads(self.curl("--compressed")[0])["events"]), 1)
