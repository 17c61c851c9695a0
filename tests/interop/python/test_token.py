"""The example with a token, with the clients of programs and of pages."""

import os
import subprocess

import requests
from websockets.exceptions import InvalidStatus
from websockets.sync.client import connect

from harness import PATIENCE, ExampleTest

TOKEN = "mF_9.B5f-4.1JqM"  # RFC 6750 2.1
CHALLENGE, WRONG = "Bearer", 'Bearer error="invalid_token"'


class Token(ExampleTest):
    example = "token"
    options = ("--token", TOKEN)

    def ask(self, method="GET", path="/channels/demo", session=requests, **options):
        return session.request(method, self.server.url + path, timeout=PATIENCE, **options)

    def open(self, query="", **headers):
        return connect(f"{self.server.ws_url}/channels/demo{query}", additional_headers=headers, open_timeout=PATIENCE, proxy=None)

    def test_who_has_no_token_is_asked_for_one_and_nothing_happens(self):
        before = self.ask(headers={"Authorization": f"Bearer {TOKEN}"}).json()
        for method in ("GET", "POST"):
            answer = self.ask(method, data=b"x")
            self.assertEqual((answer.status_code, answer.headers["WWW-Authenticate"]), (401, CHALLENGE))
        with self.assertRaises(InvalidStatus) as refused:
            self.open()
        self.assertEqual(refused.exception.response.status_code, 401)
        self.assertEqual(self.ask(headers={"Authorization": f"Bearer {TOKEN}"}).json(), before)

    def test_a_wrong_token_is_said_to_be_wrong_wherever_it_is(self):
        for wrong in (TOKEN[:-1], TOKEN + "x", "x" * len(TOKEN)):
            for options in (
                {"headers": {"Authorization": f"Bearer {wrong}"}},
                {"headers": {"Cookie": f"token={wrong}"}},
                {"params": {"access_token": wrong}},
            ):
                answer = self.ask(**options)
                self.assertEqual((answer.status_code, answer.headers["WWW-Authenticate"]), (401, WRONG), options)

    def test_the_field_the_cookie_and_the_query_let_in(self):
        for options in (
            {"headers": {"Authorization": f"Bearer {TOKEN}"}},
            {"headers": {"Authorization": f"bearer  {TOKEN}"}},
            {"headers": {"Cookie": f"theme=dark; token={TOKEN}"}},
            {"params": {"access_token": TOKEN}},
        ):
            self.assertEqual(self.ask("POST", data=b"x", **options).status_code, 201, options)
            self.assertEqual(self.ask(**options).status_code, 200, options)
        for query, headers in (("", {"Authorization": f"Bearer {TOKEN}"}), ("", {"Cookie": f"token={TOKEN}"}), (f"?access_token={TOKEN}", {})):
            with self.open(query, **headers) as socket:
                self.assertIn('"data"', socket.recv(timeout=PATIENCE))

    def test_what_no_cookie_can_hold_is_no_token(self):
        program = [os.environ["BAREWIRE_TOKEN"], "--listen", "127.0.0.1:0", "--token", "a b;c"]
        ended = subprocess.run(program, stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=PATIENCE)
        self.assertEqual((ended.returncode, ended.stdout), (1, ""))
        self.assertIn("a token has letters", ended.stderr)

    def test_a_page_logs_in_and_its_cookie_does_the_rest(self):
        with requests.Session() as session:
            self.assertEqual(self.ask(path="/", session=session).status_code, 200)
            self.assertEqual(self.ask("POST", "/login", session, data="wrong").status_code, 403)
            self.assertEqual(self.ask(session=session).status_code, 401)
            answer = self.ask("POST", "/login", session, data=TOKEN)
            self.assertEqual(answer.status_code, 204)
            self.assertEqual(answer.headers["Set-Cookie"], f"token={TOKEN}; HttpOnly; SameSite=Strict; Path=/")
            self.assertEqual(self.ask("POST", session=session, data=b"x").status_code, 201)
            # The cookie comes with requests of other sites' pages too, if they are old browsers'.
            foreign = self.ask("POST", session=session, data=b"x", headers={"Origin": "https://evil.example"})
            self.assertEqual(foreign.status_code, 403)
