"""The echo_client example, with a server of the websockets library in place of Autobahn's."""

import os
import subprocess
import threading
import unittest
import urllib.parse

from websockets.sync.server import serve

from harness import PATIENCE


class EchoClient(unittest.TestCase):
    def test_every_case_is_run_under_the_name_that_was_given(self):
        asked, echoed = [], []

        def handler(socket):
            url = urllib.parse.urlsplit(socket.request.path)
            asked.append((url.path, dict(urllib.parse.parse_qsl(url.query))))
            if url.path == "/getCaseCount":
                socket.send("2")
            elif url.path == "/runCase":
                socket.send("hello")
                echoed.append(socket.recv(timeout=PATIENCE))

        name = "barewire &b=c%41 #1 \u00fc+"
        with serve(handler, "127.0.0.1", 0) as server:
            serving = threading.Thread(target=server.serve_forever)
            serving.start()
            url = "ws://127.0.0.1:%d" % server.socket.getsockname()[1]
            command = [os.environ["BAREWIRE_ECHO_CLIENT"], "--server", url, "--agent", name]
            try:
                done = subprocess.run(command, capture_output=True, text=True, timeout=PATIENCE)
            finally:
                server.shutdown()
                serving.join()
        self.assertEqual((done.returncode, done.stdout, done.stderr), (0, "2 cases run\n", ""))
        cases = [("/runCase", {"case": case, "agent": name}) for case in ("1", "2")]
        self.assertEqual(asked, [("/getCaseCount", {}), *cases, ("/updateReports", {"agent": name})])
        self.assertEqual(echoed, ["hello"] * 2)
