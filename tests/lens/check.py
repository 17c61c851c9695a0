"""The example `lens` as a proxy: tshark's view of the same bytes, recordings that replay, crowds, clear errors.

    EXAMPLES=target/debug/examples python3 tests/lens/check.py             all of it
    ... python3 tests/lens/check.py --record                               writes tests/lens/recordings anew
    EXAMPLES=target/release/examples ... --throughput                      beside a proxy that looks at nothing
"""

import base64
import json
import os
import re
import resource
import socket
import subprocess
import sys
import tempfile
import threading
import time
from pathlib import Path
from xml.etree import ElementTree

from sessions import EXAMPLES, SESSIONS, Program, connect, frame, large, read_until, upgrade
from verdicts import compare

HERE = Path(__file__).parent
# What a thousand connections may take in all, in bytes.
MOST_MEMORY = 400 << 20


def through_the_lens(server, client, record, pcap):
    """What the lens says of a client's session, and the port that tshark knows the server by."""
    server = Program(server)
    lens = Program("lens", "--to", f"127.0.0.1:{server.port}", "--json", "--record", record, "--pcap", pcap)
    client(lens.port)
    # The ends of connections are seen a moment later.
    time.sleep(0.3)
    output, code = lens.stop()
    server.stop()
    assert code == 0, code
    things = [json.loads(line) for line in output.splitlines() if line.startswith("{")]
    for thing in things:
        common = ["at", "connection", "from", "kind", "offset", "length"]
        assert list(thing)[:6] == common and "problem" in thing, thing
    return output, things, server.port


def tshark(pcap, port):
    command = ["tshark", "-r", pcap, "-d", f"tcp.port=={port},http", "-o", "http.desegment_body:TRUE", "-T", "pdml"]
    output = subprocess.run(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, check=True).stdout
    return ElementTree.fromstring(output)


def shown(element, name):
    found = element.find(f".//field[@name='{name}']")
    return None if found is None else found.get("show")


def value(element, name):
    found = element.find(f".//field[@name='{name}']")
    return None if found is None else found.get("value")


OPCODES = ["continuation", "text", "binary", *[f"reserved-{n}" for n in range(3, 8)], "close", "ping", "pong"]


def tsharks_things(pcap, port, record):
    """Frames, heads and chunks as tshark sees them: (connection, side, what)."""
    opened = re.findall(r"^\S+ (\d+) open \S+:(\d+) to ", Path(record).read_text(), re.M)
    numbers = {client: int(number) for number, client in opened}
    frames, heads, chunks = [], [], []
    for packet in tshark(pcap, port).iter("packet"):
        tcp = packet.find("proto[@name='tcp']")
        if tcp is None:
            continue
        side = "server" if shown(tcp, "tcp.srcport") == str(port) else "client"
        client = shown(tcp, "tcp.dstport" if side == "server" else "tcp.srcport")
        where = (numbers[client], side)
        protos = list(packet)
        for number, proto in enumerate(protos):
            if proto.get("name") == "websocket":
                length = next(
                    shown(proto, name)
                    for name in ("websocket.payload_length_ext_64", "websocket.payload_length_ext_16", "websocket.payload_length")
                    if shown(proto, name) is not None
                )
                payload = None
                inner = proto.find("field[@name='websocket.payload']")
                if inner is not None:
                    values = [field.get("value") for field in inner if field.get("value")]
                    if values:
                        payload = "".join(values[:2]) if shown(proto, "websocket.opcode") == "8" else values[0]
                    elif number + 1 < len(protos) and protos[number + 1].get("name") in ("data", "fake-field-wrapper"):
                        payload = value(protos[number + 1], "data.data")
                frames.append((*where, {
                    "fin": shown(proto, "websocket.fin") in ("1", "True"),
                    "rsv": int(shown(proto, "websocket.rsv"), 16),
                    "opcode": OPCODES[int(shown(proto, "websocket.opcode"))],
                    "mask": value(proto, "websocket.masking_key"),
                    "payload_length": int(length),
                    "payload": payload,
                }))
            if proto.get("name") == "http":
                if shown(proto, "http.request.method"):
                    heads.append((*where, (shown(proto, "http.request.method"), shown(proto, "http.request.uri"))))
                elif shown(proto, "http.response.code"):
                    heads.append((*where, int(shown(proto, "http.response.code"))))
                for field in proto.iter("field"):
                    if field.get("name") == "http.chunk_size":
                        chunks.append((*where, int(field.get("show"))))
    return frames, heads, chunks


def payload_of(thing):
    payload = thing["payload"]
    return base64.b64decode(payload) if thing.get("encoding") == "base64" else payload.encode()


def agree(name, things, pcap, port, record):
    """tshark and the lens say the same of every frame, head and chunk."""
    frames, heads, chunks = tsharks_things(pcap, port, record)
    by_side = lambda found: sorted(found, key=lambda one: one[:2])

    ours = [(t["connection"], t["from"], t) for t in things if t["kind"] == "frame"]
    assert len(ours) == len(frames), (name, len(ours), len(frames))
    compared, message = 0, b""
    for (*where, our), (*there, their) in zip(by_side(ours), by_side(frames)):
        assert where == there, (name, where, there)
        for key in ("fin", "rsv", "opcode", "mask", "payload_length"):
            assert our[key] == their[key], (name, key, our, their)
        if our.get("cut"):
            continue
        payload = payload_of(our)
        if our["opcode"] in ("text", "binary"):
            message = payload
        elif our["opcode"] == "continuation":
            message += payload
        whole = payload if our["opcode"] in ("close", "ping", "pong") else message
        if their["payload"] is not None and our["fin"]:
            assert whole.hex() == their["payload"], (name, our, their)
            compared += 1

    mask = lambda target: re.sub(r"(token=)[^&]*", lambda found: found[1] + "*" * (len(found[0]) - 6), target)
    ours = [
        (t["connection"], t["from"], (t["method"], t["target"]) if t["kind"] == "request" else t["status"])
        for t in things
        if t["kind"] in ("request", "response")
    ]
    theirs = [(c, s, (what[0], mask(what[1])) if s == "client" else what) for c, s, what in heads]
    assert by_side(ours) == by_side(theirs), (name, by_side(ours), by_side(theirs))

    ended = {(t["connection"], t["from"]) for t in things if t["kind"] == "chunk" and t["size"] == 0}
    ours = [(t["connection"], t["from"], t["size"]) for t in things if t["kind"] == "chunk"]
    # tshark shows the chunks of a body when it is complete.
    ours = [one for one in ours if one[:2] in ended]
    theirs = [one for one in chunks if one[:2] in ended]
    assert by_side(ours) == by_side(theirs), (name, by_side(ours), by_side(theirs))
    return len(frames), compared, len(heads), len(theirs)


def check_sessions(directory):
    total = [0, 0, 0, 0]
    for name, server, client in [*SESSIONS, ("large", "echo", large)]:
        record, pcap = f"{directory}/{name}.txt", f"{directory}/{name}.pcap"
        output, things, port = through_the_lens(server, client, record, pcap)
        assert os.stat(record).st_mode & 0o077 == 0, "others can read the recording"
        problems = [thing for thing in things if thing["problem"]]
        assert not problems or name == "tcp", problems
        assert things, name
        replayed = subprocess.run([f"{EXAMPLES}/lens", "--json", record], stdout=subprocess.PIPE, check=True).stdout
        lines = [line for line in output.splitlines() if line.startswith("{")]
        assert replayed.decode().splitlines() == lines, f"{name} does not replay to the same"
        counts = agree(name, things, pcap, port, record)
        total = [sum(pair) for pair in zip(total, counts)]
        print(f"{name}: {counts[0]} frames ({counts[1]} payloads), {counts[2]} heads, {counts[3]} chunks as tshark has them")
    assert total[0] >= 30 and total[1] >= 20 and total[2] >= 30 and total[3] >= 10, total


BROKEN = [
    b"\x81\x01a",
    frame(3, b""),
    frame(11, b""),
    b"\xc1\x80\x01\x02\x03\x04",
    frame(0, b"no message"),
    frame(1, b"a", fin=False) + frame(1, b"b"),
    frame(9, b"", fin=False),
    frame(9, b"x" * 126),
    frame(1, b"\xff"),
    frame(1, b"\xc3", fin=False) + frame(9, b"") + frame(0, b"("),
    frame(8, b"\x03"),
    frame(8, b"\x03\xed"),
    frame(8, b"\x03\xe8\xff"),
    b"\x82\xfe\x00\x05\x01\x02\x03\x04abcde",
    b"\x82\xff\x80\x00\x00\x00\x00\x00\x00\x00\x01\x02\x03\x04",
]


def check_verdicts():
    """What the lens says that the server must do, the server does."""
    server = Program("echo")
    lens = Program("lens", "--to", f"127.0.0.1:{server.port}", "--json")
    for broken in BROKEN:
        made = connect(lens.port)
        upgrade(made)
        read_until(made, b"\r\n\r\n")
        made.sendall(broken)
        while made.recv(65536):
            pass
        made.close()
    time.sleep(0.3)
    lines, _ = lens.stop()
    server.stop()
    _, unknown, first, wrong = compare(lines.splitlines())
    assert len(first) == len(BROKEN) and not wrong and not unknown, (len(first), wrong)
    print(f"{len(first)} broken rules are answered with the code that the lens names")


def check_errors(directory):
    lens = f"{EXAMPLES}/lens"
    run = lambda *arguments, **more: subprocess.run([lens, *arguments], capture_output=True, text=True, timeout=30, **more)
    missing = run(f"{directory}/none")
    assert missing.returncode == 1 and f"{directory}/none" in missing.stderr, missing
    other = Path(directory, "other")
    other.write_text("GET / HTTP/1.1\n")
    said = run(str(other))
    assert said.returncode == 1 and "line 1: this is no recording" in said.stderr, said
    whole = (HERE / "recordings/websocket.txt").read_bytes()
    cut = Path(directory, "cut")
    cut.write_bytes(whole[: whole.rindex(b" C ") + 5])
    said = run(str(cut), "--json")
    assert said.returncode == 1 and "the recording is cut here" in said.stderr, said
    assert said.stdout.count("\n") > 3, "what is before the cut is shown"
    said = run("--json", input=whole.decode())
    assert said.returncode == 0 and '"kind":"frame"' in said.stdout, said
    only = run(str(HERE / "recordings/websocket.txt"), "--json", "--only", "frames")
    assert {json.loads(line)["kind"] for line in only.stdout.splitlines()} == {"frame"}
    hidden = run(str(HERE / "recordings/websocket.txt"), "--no-pings")
    assert "ping fin" not in hidden.stdout and "2 pings and pongs are not shown" in hidden.stdout, hidden.stdout
    assert run("--listen", "127.0.0.1:0").returncode == 1
    # A target that can't be reached: nobody listens where something has just listened.
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    proxy = Program("lens", "--to", f"127.0.0.1:{port}", stderr=subprocess.PIPE)
    with connect(proxy.port) as made:
        assert made.recv(1) == b""
    proxy.stop()
    stderr = proxy.process.stderr.read().decode()
    assert f"--to 127.0.0.1:{port}" in stderr, stderr
    print("errors say what and where")


def check_crowd():
    """A thousand connections, each within a frame that is larger than is kept."""
    count = 1000
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (min(hard, 16384), hard))
    server = Program("echo")
    lens = Program("lens", "--to", f"127.0.0.1:{server.port}", "--json", "--only", "heads")
    header = frame(2, b"x" * 200_000)[:100_000]
    made = []
    for _ in range(count):
        one = connect(lens.port)
        upgrade(one)
        made.append(one)
    for one in made:
        read_until(one, b"\r\n\r\n")
        one.sendall(header)
    status = Path(f"/proc/{lens.process.pid}/status").read_text()
    memory = int(re.search(r"VmRSS:\s+(\d+)", status)[1]) << 10
    print(f"{count} connections, each within a frame of which 100,000 bytes came: {memory >> 20} MiB")
    assert memory < MOST_MEMORY, memory
    for one in made:
        one.close()
    lens.process.kill()
    lens.process.wait()
    server.stop()


def throughput():
    """Messages of 1 KiB that are echoed, through the lens and through a proxy that looks at nothing."""
    batch = frame(2, b"x" * 1024) * 64
    answer = 64 * (4 + 1024)
    rounds = 2000

    def rate(*arguments):
        server = Program("echo")
        to = f"127.0.0.1:{server.port}"
        lens = Program("lens", "--to", to, *arguments, keep=False)
        made = connect(lens.port)
        upgrade(made)
        read_until(made, b"\r\n\r\n")
        started = time.monotonic()
        sender = threading.Thread(target=lambda: [made.sendall(batch) for _ in range(rounds)])
        sender.start()
        left = answer * rounds
        while left:
            left -= len(made.recv(1 << 20))
        took = time.monotonic() - started
        sender.join()
        made.close()
        lens.stop()
        server.stop()
        return 64 * rounds / took

    for _ in range(3):
        blind, line, full = rate("--blind"), rate(), rate("--json")
        heads = rate("--only", "heads")
        print(
            f"blind {blind:,.0f}/s; --only heads {heads:,.0f}/s ({heads / blind:.2f}); "
            f"lines {line:,.0f}/s ({line / blind:.2f}); --json {full:,.0f}/s ({full / blind:.2f})"
        )


def record():
    for name, server, client in SESSIONS:
        with tempfile.TemporaryDirectory() as directory:
            through_the_lens(server, client, f"{HERE}/recordings/{name}.txt", f"{directory}/pcap")


if "--record" in sys.argv:
    record()
elif "--throughput" in sys.argv:
    throughput()
else:
    with tempfile.TemporaryDirectory() as made:
        check_sessions(made)
        check_errors(made)
    check_verdicts()
    check_crowd()
