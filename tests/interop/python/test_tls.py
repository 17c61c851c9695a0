"""https and wss, with the TLS of others: OpenSSL under Python and curl, and openssl itself for how connections end."""

import json
import os
import socket
import ssl
import subprocess

import requests
from websockets.exceptions import InvalidStatus
from websockets.sync.client import connect

from harness import PATIENCE, ExampleTest, HubTest

CERTIFICATES = os.environ["BAREWIRE_CERTIFICATES"]
CA = f"{CERTIFICATES}/ca.pem"
SERVER = ("--tls-cert", f"{CERTIFICATES}/server.pem", "--tls-key", f"{CERTIFICATES}/server.key")


def context(**changes):
    context = ssl.create_default_context(cafile=CA)
    for name, value in changes.items():
        setattr(context, name, value)
    return context


class Secured:
    """Connections to an example that speaks TLS."""

    options = SERVER

    def secured(self, context=None):
        """A connection behind its handshake."""
        plain = socket.create_connection(self.server.address, PATIENCE)
        self.addCleanup(plain.close)
        stream = (context or globals()["context"]()).wrap_socket(plain, server_hostname="localhost")
        self.addCleanup(stream.close)
        return stream

    def request(self, target, *fields):
        return "\r\n".join([f"GET {target} HTTP/1.1", "Host: localhost", *fields, "", ""]).encode()


class Hub(Secured, HubTest):
    def get(self, target, **options):
        return requests.get(self.server.url + target, verify=CA, timeout=PATIENCE, **options)

    def post(self, data):
        posted = requests.post(self.server.url + self.channel, data, verify=CA, timeout=PATIENCE)
        self.assertEqual(posted.status_code, 201)
        return posted.json()["id"]

    def test_requests_and_keep_alive(self):
        with requests.Session() as session:
            url = self.server.url + self.channel
            for n in range(20):
                session.post(url, str(n), verify=CA, timeout=PATIENCE).raise_for_status()
            polled = session.get(url, verify=CA, timeout=PATIENCE).json()
        self.assertEqual([event["data"] for event in polled["events"]], [str(n) for n in range(20)])

    def test_both_versions_and_every_suite_of_each(self):
        for version in (ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3):
            stream = self.secured(context(minimum_version=version, maximum_version=version))
            stream.sendall(self.request("/channels/a", "Connection: close"))
            self.assertTrue(stream.read(15).startswith(b"HTTP/1.1 200"))
        for suite in ("ECDHE-ECDSA-AES128-GCM-SHA256", "ECDHE-ECDSA-CHACHA20-POLY1305"):
            only = context(maximum_version=ssl.TLSVersion.TLSv1_2)
            only.set_ciphers(suite)
            self.assertEqual(self.secured(only).cipher()[0], suite)

    def test_what_is_older_is_refused(self):
        for option in ("-tls1", "-tls1_1"):
            done = subprocess.run(
                ["openssl", "s_client", option, "-connect", self.server.host], capture_output=True, input=b"", timeout=PATIENCE
            )
            self.assertNotEqual(done.returncode, 0, option)

    def test_application_protocols(self):
        for offered, agreed in ((["h2", "http/1.1"], "http/1.1"), (["http/1.1"], "http/1.1"), ([], None)):
            agreeing = context()
            if offered:
                agreeing.set_alpn_protocols(offered)
            self.assertEqual(self.secured(agreeing).selected_alpn_protocol(), agreed)
        only = context()
        only.set_alpn_protocols(["h2"])
        with self.assertRaisesRegex(ssl.SSLError, "(?i)no.application.protocol"):
            self.secured(only)

    def test_an_event_stream(self):
        self.post("first")
        with self.get(self.channel, headers={"Accept": "text/event-stream"}, stream=True) as stream:
            lines = stream.iter_lines(decode_unicode=True)
            self.assertIn("data: first", lines)
            self.post("x" * 100_000)
            self.assertIn("data: " + "x" * 100_000, lines)

    def test_a_long_poll_and_a_large_batch(self):
        self.post("y" * 900_000)
        polled = self.get(self.channel, headers={"Prefer": "wait=20"}).json()
        self.assertEqual(len(polled["events"][0]["data"]), 900_000)

    def test_a_websocket(self):
        url = self.server.ws_url + self.channel
        with connect(url, ssl=context(), server_hostname="localhost") as socket:
            self.post("hello")
            self.assertEqual(json.loads(socket.recv(PATIENCE))["data"], "hello")

    def test_curl(self):
        self.post("hello")
        url = self.server.url + self.channel
        curl = ["curl", "--noproxy", "*", "--silent", "--show-error", "--max-time", str(PATIENCE)]
        polled = subprocess.run([*curl, "--cacert", CA, url], capture_output=True, check=True)
        self.assertEqual(json.loads(polled.stdout)["events"][0]["data"], "hello")
        self.assertEqual(subprocess.run([*curl, url], capture_output=True).returncode, 60)

    def test_a_request_in_plaintext(self):
        answer = requests.get(f"http://{self.server.host}{self.channel}", timeout=PATIENCE)
        self.assertEqual(answer.status_code, 400)
        self.assertIn("https://", answer.text)

    def test_the_origin_of_a_page(self):
        url = self.server.ws_url + self.channel
        secure, plain = self.server.url, self.server.url.replace("https", "http")
        with connect(url, ssl=context(), origin=secure):
            pass
        with self.assertRaises(InvalidStatus) as refused, connect(url, ssl=context(), origin=plain):
            pass
        self.assertEqual(refused.exception.response.status_code, 403)

    def test_the_end_is_said(self):
        for version in (ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3):
            stream = self.secured(context(maximum_version=version))
            # Without it, a connection that is cut is an error here.
            stream.suppress_ragged_eofs = False
            stream.sendall(self.request(self.channel, "Connection: close"))
            said = b""
            while piece := stream.read(65536):
                said += piece
            self.assertTrue(said.startswith(b"HTTP/1.1 200"))

    def test_openssl_sees_close_notify(self):
        command = ["openssl", "s_client", "-connect", self.server.host, "-CAfile", CA, "-verify_return_error", "-ign_eof", "-msg"]
        asked = self.request(self.channel, "Connection: close")
        done = subprocess.run(command, input=asked, capture_output=True, timeout=PATIENCE)
        said = done.stdout.decode(errors="replace")
        self.assertEqual(done.returncode, 0, done.stderr.decode())
        self.assertRegex(said, r"<<< TLS 1\.3, Alert \[length 0002\], warning close_notify")
        self.assertIn("Verify return code: 0 (ok)", said)

    def test_half_a_request_and_an_end_disturb_nobody(self):
        for _ in range(20):
            stream = self.secured()
            stream.sendall(self.request(self.channel)[:20])
            stream.close()
        self.assertEqual(self.get(self.channel).status_code, 200)

    def test_sessions_are_resumed(self):
        again = context(maximum_version=ssl.TLSVersion.TLSv1_3)
        first = self.secured(again)
        first.sendall(self.request(self.channel))
        first.read(10)
        plain = socket.create_connection(self.server.address, PATIENCE)
        with again.wrap_socket(plain, server_hostname="localhost", session=first.session) as second:
            self.assertTrue(second.session_reused)
            second.sendall(self.request(self.channel, "Connection: close"))
            self.assertTrue(second.read(15).startswith(b"HTTP/1.1 200"))

    def commanded(self, command, told, *options):
        """What openssl prints when it is told a command, until it has said so, and then asks."""
        client = ["openssl", "s_client", "-connect", self.server.host, "-CAfile", CA, *options]
        with subprocess.Popen(client, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.STDOUT) as client:
            self.addCleanup(client.kill)
            client.stdin.write(command)
            client.stdin.flush()
            for line in client.stdout:
                if told in line:
                    client.stdin.write(self.request(self.channel, "Connection: close"))
                    client.stdin.flush()
                yield line

    def test_renegotiation_is_refused(self):
        said = b"".join(self.commanded(b"R\n", b"RENEGOTIATING", "-tls1_2"))
        self.assertNotIn(b"HTTP/1.1 200 OK", said)
        self.assertIn(b"renegotiation", said)
        self.assertEqual(self.get(self.channel).status_code, 200)

    def test_keys_are_updated(self):
        # K: and the other side is asked to do so, too.
        self.assertIn(b"HTTP/1.1 200 OK\r\n", self.commanded(b"K\n", b"KEYUPDATE", "-tls1_3"))


class Echo(Secured, ExampleTest):
    example = "echo"

    def test_messages_of_many_sizes(self):
        with connect(self.server.ws_url, ssl=context(), max_size=None) as socket:
            for size in (0, 1, 125, 126, 16_383, 16_384, 16_385, 65_536, 3_000_000):
                message = os.urandom(size)
                socket.send(message)
                self.assertEqual(socket.recv(PATIENCE), message)


class Clients(HubTest):
    """Our clients with our server, as programs."""

    options = SERVER

    def tail(self, *options, url=None):
        url = url or self.server.url + self.channel
        command = [os.environ["BAREWIRE_TAIL"], url, "--count", "1", *options]
        return subprocess.run(command, capture_output=True, text=True, timeout=PATIENCE)

    def setUp(self):
        super().setUp()
        requests.post(self.server.url + self.channel, "hello", verify=CA, timeout=PATIENCE)

    def test_tail(self):
        for way in ("websocket", "sse", "long-poll", "short-poll"):
            done = self.tail("--transport", way, "--ca", CA)
            self.assertEqual((done.stdout, done.returncode), ("hello\n", 0), done.stderr)

    def test_tail_says_whom_it_does_not_trust(self):
        done = self.tail("--ca", f"{CERTIFICATES}/unknown.pem")
        self.assertNotEqual(done.returncode, 0)
        self.assertIn("nobody who is trusted", done.stderr)
