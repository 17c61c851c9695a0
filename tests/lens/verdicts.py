"""Whether a server answers what the lens says that it must: python3 tests/lens/verdicts.py LINES, which `lens --json` wrote."""

import json
import sys
from collections import Counter

# Codes that say that a rule was broken.
RULES = (1002, 1007)


def compare(lines):
    """Counts what the lens said, and what was answered otherwise."""
    first, asked, closes, counts, unknown = {}, {}, {}, Counter(), 0
    for line in lines:
        if not line.startswith("{"):
            continue
        thing = json.loads(line)
        number, problem = thing["connection"], thing["problem"]
        counts[thing["kind"]] += 1
        unknown += thing["kind"] == "unknown"
        # That a connection ends within a frame is said of nobody's message.
        code = problem and problem.get("close")
        if code and code != 1006 and thing["from"] == "client":
            first.setdefault(number, (code, problem["rule"]))
        assert not (code and code != 1006 and thing["from"] == "server"), thing
        if thing["kind"] == "frame" and thing["opcode"] == "close":
            if thing["from"] == "server":
                closes.setdefault(number, thing["code"])
            elif not problem:
                asked[number] = thing["code"]
    wrong = []
    for number in sorted({*first, *closes}):
        said, answered = first.get(number, (None, None))[0], closes.get(number)
        # A client may close, too, also for such a reason, and is answered with what it has said.
        echoed = answered is not None and answered == asked.get(number)
        if said != answered and not echoed and (said in RULES or answered in RULES):
            wrong.append((number, first.get(number), answered))
    return counts, unknown, first, wrong


if __name__ == "__main__":
    with open(sys.argv[1]) as lines:
        counts, unknown, first, wrong = compare(lines)
    print(", ".join(f"{count} {kind}" for kind, count in counts.most_common()))
    print("broken rules:", ", ".join(f"{count} of {rule[1]} ({rule[0]})" for rule, count in Counter(first.values()).most_common()))
    for number, said, answered in wrong:
        print(f"connection {number}: the lens says {said}, the server {answered}")
    print(f"{len(wrong)} verdicts differ, {unknown} things are unknown")
    sys.exit(bool(wrong or unknown))
