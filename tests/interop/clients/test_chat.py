"""chat: two of them talk, through pipes."""

import json
import signal
import subprocess

from support import PATIENCE, ClientTest, Hub, Nginx, program, start


class Chat(ClientTest):
    @classmethod
    def setUpClass(cls):
        cls.hub = start(cls, Hub)

    def setUp(self):
        self.hub.revive()

    def chat(self, channel, name):
        chat = self.run_program(program("chat"), self.hub.url + channel, "--name", name, stdin=subprocess.PIPE)
        chat.says("connected: websocket")
        return chat

    def say(self, chat, *lines):
        chat.process.stdin.write("".join(line + "\n" for line in lines).encode())
        chat.process.stdin.flush()

    def test_two_of_them_talk(self):
        channel = self.channel()
        ada, grace = self.chat(channel, "Ada"), self.chat(channel, "Grace")
        self.say(ada, "hello", "\u20ac \"quoted\"")
        self.assertEqual(grace.line(), "Ada: hello")
        self.assertEqual(grace.line(), 'Ada: \u20ac "quoted"')
        self.say(grace, "hello yourself")
        self.assertEqual(ada.line(), "Grace: hello yourself")
        self.say(ada, "bye")
        self.assertEqual(grace.line(), "Ada: bye")

    def test_history_comes_first_and_plain_text_is_printed(self):
        channel = self.channel()
        self.hub.publish(channel, "from \x1b[31mcurl")
        ada = self.chat(channel, "Ada")
        self.assertEqual(ada.line(), "from  [31mcurl")
        self.say(ada, "one")
        grace = self.chat(channel, "Grace")
        self.say(grace, "two")
        self.assertEqual([grace.line(), grace.line()], ["from  [31mcurl", "Ada: one"])
        self.assertEqual(ada.line(), "Grace: two")

    def test_the_end_of_input_sends_what_was_said_and_ends(self):
        channel = self.channel()
        command = [program("chat"), self.hub.url + channel, "--name", "Ada"]
        # Several times, as it is a race between what was said last and the end.
        for _ in range(10):
            done = subprocess.run(command, input=b"one\ntwo\n", capture_output=True, timeout=PATIENCE)
            self.assertEqual(done.returncode, 0, done.stderr)
        tail = self.tail(self.hub.url + channel, "--count", "20")
        said = [json.loads(self.next_event(tail)["data"])["text"] for _ in range(20)]
        self.assertEqual(said, ["one", "two"] * 10)

    def test_where_it_can_only_listen_it_says_what_was_not_sent_and_listens_on(self):
        nginx = Nginx(self.hub)
        self.addCleanup(nginx.process.stop, signal.SIGKILL)
        channel = self.channel()
        chat = self.run_program(program("chat"), nginx.plain_url + channel, stdin=subprocess.PIPE)
        chat.says("can only listen here: ")
        for line in ("hello", "again"):
            self.say(chat, line)
            chat.says(f"^not sent: {line}: ")
            self.hub.publish(channel, f"behind {line}")
            self.assertEqual(chat.line(), f"behind {line}")
        chat.process.stdin.close()
        chat.says("^Error: not everything was sent$")
        self.assertEqual(chat.exit_code(), 1)

    def test_a_channel_that_cannot_be_read_ends_it_with_the_reason(self):
        chat = self.run_program(program("chat"), self.hub.url + "/nowhere", stdin=subprocess.PIPE)
        chat.says("^Error: the server answered 404")
        self.assertEqual(chat.exit_code(), 1)

    def test_an_interrupt_ends_it_cleanly(self):
        for number in (signal.SIGINT, signal.SIGTERM):
            with self.subTest(number):
                self.assertEqual(self.chat(self.channel(), "Ada").stop(number), 0)

    def test_a_hub_that_comes_back_is_talked_over_again(self):
        channel = self.channel()
        ada, grace = self.chat(channel, "Ada"), self.chat(channel, "Grace")
        self.say(ada, "before")
        self.assertEqual(grace.line(), "Ada: before")
        self.hub.kill()
        ada.says("lost: ")
        grace.says("lost: ")
        self.hub.start()
        ada.says("connected: ")
        grace.says("connected: ")
        self.say(ada, "after")
        self.assertEqual(grace.line(), "Ada: after")
