"""A hub with webhooks, and receivers in Python that do what a test says."""

import http.server
import json
import os
import queue
import re
import subprocess
import threading
import time
import unittest
import urllib.error
import urllib.request

# How long anything may take before a test gives up. Never used to synchronise.
PATIENCE = 30
SECRET = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"
SCHEDULE = "0.1,0.2"


class Program:
    """A running example."""

    def __init__(self, name, *options):
        program = os.environ["BAREWIRE_" + name.upper()]
        self.process = subprocess.Popen(
            [program, "--listen", "127.0.0.1:0", *options], stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, text=True
        )
        while match := self.process.stdout.readline():
            if found := re.fullmatch(r"listening on (http://127\.0\.0\.1:\d+)\n", match):
                self.url = found[1]
                return
        raise AssertionError(f"{name} did not say where it listens")

    def kill(self):
        self.process.kill()
        self.process.wait()
        self.process.stdout.close()

    def ask(self, method, path, body=None, **fields):
        """The status and the body of an answer."""
        data = body.encode() if isinstance(body, str) else body
        headers = {"Content-Type": "application/json"} | {name.replace("_", "-"): value for name, value in fields.items()}
        request = urllib.request.Request(self.url + path, data, headers, method=method)
        try:
            with urllib.request.urlopen(request, timeout=PATIENCE) as answer:
                return answer.status, answer.read()
        except urllib.error.HTTPError as error:
            with error:
                return error.code, error.read()

    def publish(self, channel, text):
        status, body = self.ask("POST", f"/channels/{channel}", text)
        assert status == 201, (status, body)
        return json.loads(body)["id"]

    def register(self, channel, url, **more):
        status, body = self.ask("POST", f"/channels/{channel}/webhooks", json.dumps({"url": url, **more}))
        assert status == 201, (status, body)
        return json.loads(body)

    def webhooks(self, channel):
        return json.loads(self.ask("GET", f"/channels/{channel}/webhooks")[1])


class Receiver:
    """Answers each request as `react(number, request)` says: a status, or a pair of a status and fields; None ends the
    connection without an answer."""

    def __init__(self, react=lambda number, delivery: 204, port=0):
        receiver = self
        self.deliveries = queue.Queue()
        self.count = 0
        self.lock = threading.Lock()

        class Handler(http.server.BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_POST(self):
                body = self.rfile.read(int(self.headers["Content-Length"]))
                delivery = {"path": self.path, "headers": dict(self.headers.items()), "body": body, "at": time.monotonic()}
                with receiver.lock:
                    number = receiver.count
                    receiver.count += 1
                reaction = react(number, delivery)
                receiver.deliveries.put(delivery)
                if reaction is None:
                    self.close_connection = True
                    return
                status, fields = reaction if isinstance(reaction, tuple) else (reaction, {})
                self.send_response(status)
                for name, value in fields.items():
                    self.send_header(name, value)
                self.send_header("Content-Length", "0")
                self.end_headers()

            def log_message(self, *_):
                pass

        class Server(http.server.ThreadingHTTPServer):
            request_queue_size = 512

            def handle_error(self, *_):
                # Senders are killed here.
                pass

        self.server = Server(("127.0.0.1", port), Handler)
        self.url = f"http://127.0.0.1:{self.server.server_port}/hook"
        threading.Thread(target=self.server.serve_forever, daemon=True).start()

    def next(self):
        return self.deliveries.get(timeout=PATIENCE)

    def close(self):
        self.server.shutdown()
        self.server.server_close()


class WebhookTest(unittest.TestCase):
    """One hub for each test."""

    options = ()

    def start(self, name="hub", *options):
        program = Program(name, *options)
        self.addCleanup(program.kill)
        return program

    def hub(self, *options):
        return self.start("hub", "--webhooks", "--webhook-allow", "127.0.0.0/8", "--webhook-schedule", SCHEDULE, *options)

    def receiver(self, *arguments, **options):
        receiver = Receiver(*arguments, **options)
        self.addCleanup(receiver.close)
        return receiver
