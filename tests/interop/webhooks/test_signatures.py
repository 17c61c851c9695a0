"""Signatures both ways: what the hub sends is verified by libraries that others wrote, and what they sign by ours."""

import datetime
import json
import logging
import pathlib
import subprocess
import threading

from flask import Flask, request
from standardwebhooks import Webhook
from werkzeug.serving import make_server

from support import SECRET, WebhookTest

NODE = ["node", str(pathlib.Path(__file__).parent / "receiver.mjs"), SECRET]


class Signatures(WebhookTest):
    def test_flask_with_the_library_of_pypi_verifies_what_is_sent(self):
        webhook, seen = Webhook(SECRET), []
        done = threading.Event()
        app = Flask(__name__)

        @app.post("/hook")
        def hook():
            seen.append(webhook.verify(request.get_data(), dict(request.headers)))
            if len(seen) == 3:
                done.set()
            return "", 204

        logging.getLogger("werkzeug").setLevel(logging.ERROR)
        server = make_server("127.0.0.1", 0, app, threaded=True)
        threading.Thread(target=server.serve_forever, daemon=True).start()
        self.addCleanup(server.shutdown)
        hub = self.hub()
        hub.register("a", f"http://127.0.0.1:{server.server_port}/hook", secret=SECRET)
        ids = [hub.publish("a", text) for text in ("eins", "gr\u00fcn \U0001f331", '{"a":[1]}')]
        self.assertTrue(done.wait(30))
        self.assertEqual([message["data"] for message in seen], ["eins", "gr\u00fcn \U0001f331", '{"a":[1]}'])
        self.assertEqual([message["id"] for message in seen], ids)
        for message in seen:
            self.assertEqual((message["type"], message["channel"]), ("message", "a"))
            datetime.datetime.fromisoformat(message["timestamp"])

    def test_node_with_the_library_of_npm_verifies_what_is_sent(self):
        node = subprocess.Popen(NODE, stdout=subprocess.PIPE, text=True)
        self.addCleanup(node.wait)
        self.addCleanup(node.kill)
        port = node.stdout.readline().split()[-1]
        hub = self.hub()
        hub.register("a", f"http://127.0.0.1:{port}/", secret=SECRET)
        for text in ("one", "gr\u00fcn"):
            hub.publish("a", text)
            delivery = json.loads(node.stdout.readline())
            self.assertTrue(delivery["verified"], delivery)
            self.assertEqual(json.loads(delivery["body"])["data"], text)
        node.stdout.close()

    def test_what_they_sign_is_verified(self):
        example = self.start("webhook", "--secret", SECRET)
        text = '{"test": 2432232314}'
        at = datetime.datetime.now(tz=datetime.timezone.utc)
        python = {
            "webhook-id": "msg_from_python",
            "webhook-timestamp": str(int(at.timestamp())),
            "webhook-signature": Webhook(SECRET).sign("msg_from_python", at, text),
        }
        node = json.loads(subprocess.run([*NODE, "sign", text], capture_output=True, check=True).stdout)
        for fields in (python, node):
            self.assertEqual(example.ask("POST", "/hook", text, **fields)[0], 204)
            self.assertEqual(example.process.stdout.readline(), text + "\n")
            self.assertEqual(example.ask("POST", "/hook", text + " ", **fields)[0], 401)
            for name in fields:
                wrong = fields | {name: fields[name][:-1] + ("1" if fields[name][-1] == "0" else "0")}
                self.assertEqual(example.ask("POST", "/hook", text, **wrong)[0], 401, name)
                lacking = {other: value for other, value in fields.items() if other != name}
                self.assertEqual(example.ask("POST", "/hook", text, **lacking)[0], 401, name)

    def test_the_example_sends_to_itself(self):
        example = self.start("webhook", "--secret", SECRET)
        example.register("demo", example.url + "/hook", secret=SECRET)
        example.publish("demo", "hello")
        self.assertIn('"data":"hello"', example.process.stdout.readline())

    def test_both_secrets_sign_while_one_replaces_the_other(self):
        hub, receiver = self.hub(), self.receiver()
        hook = hub.register("a", receiver.url, secret=SECRET)
        status, body = hub.ask("POST", f"/channels/a/webhooks/{hook['id']}/secret")
        self.assertEqual(status, 200)
        hub.publish("a", "x")
        delivery = receiver.next()
        for secret in (SECRET, json.loads(body)["secret"]):
            Webhook(secret).verify(delivery["body"], delivery["headers"])
