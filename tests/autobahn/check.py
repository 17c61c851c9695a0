"""Reads the index of an Autobahn report and fails unless every case is strictly OK.

    check.py REPORTS/index.json [--with-compression]

"Strictly" means that NON-STRICT fails: it is the suite's word for an answer that the RFC allows but
that came late or out of order, and this project promises more than that. A case counts as passed when
both what was exchanged (`behavior`) and how the connection ended (`behaviorClose`) are OK.

The number of cases is checked too, group by group, so that a run that stopped half-way, or a template
that excludes a case, cannot pass for a complete one.
"""

import argparse
import collections
import json
import sys

# autobahntestsuite 0.8.2: how many cases each group has. Case 9.9.1 exists but the suite never runs it.
CASES = {
    "1": 16,  # framing
    "2": 11,  # pings and pongs
    "3": 7,  # reserved bits
    "4": 10,  # opcodes
    "5": 20,  # fragmentation
    "6": 145,  # UTF-8
    "7": 37,  # close
    "9": 54,  # limits and performance
    "10": 1,  # automatic fragmentation
}
COMPRESSION_CASES = {
    "12": 90,  # permessage-deflate, different payloads
    "13": 126,  # permessage-deflate, different parameters
}

# These three cases have no right answer: whatever happens, the suite itself writes INFORMATIONAL.
INFORMATIONAL = {
    "7.1.6": "256 KiB, a text message and a close are sent at once: RFC 6455 7.1.1 leaves open whether "
    "the messages before the close are still answered",
    "7.13.1": "close code 5000: RFC 6455 7.4.2 does not define the codes from 5000 on",
    "7.13.2": "close code 65535: likewise",
}


def case_key(case_id):
    return [int(part) for part in case_id.split(".")]


def check(index, expected_groups):
    """The complaints about a report, in the order of the cases."""
    complaints = []
    if len(index) != 1:
        return [f"the report has {len(index)} agents, expected exactly one: {sorted(index)}"]
    (results,) = index.values()

    counts = collections.Counter(case_id.split(".")[0] for case_id in results)
    for group in sorted(set(counts) | set(expected_groups), key=int):
        expected = expected_groups.get(group, 0)
        if counts[group] != expected:
            complaints.append(f"group {group}: {counts[group]} cases ran, expected {expected}")

    for case_id in sorted(results, key=case_key):
        result = results[case_id]
        outcome = (result["behavior"], result["behaviorClose"])
        if outcome == ("OK", "OK"):
            continue
        if outcome == ("INFORMATIONAL", "INFORMATIONAL") and case_id in INFORMATIONAL:
            continue
        complaints.append(
            f"case {case_id}: behavior {outcome[0]}, close {outcome[1]}"
            f" (peer's close code: {result['remoteCloseCode']}; see {result['reportfile']})"
        )
    return complaints


def main():
    arguments = argparse.ArgumentParser()
    arguments.add_argument("index")
    arguments.add_argument("--with-compression", action="store_true")
    options = arguments.parse_args()

    try:
        with open(options.index) as file:
            index = json.load(file)
    except (OSError, ValueError) as error:
        sys.exit(f"autobahn: no readable report: {error}")

    expected_groups = dict(CASES)
    if options.with_compression:
        expected_groups.update(COMPRESSION_CASES)

    complaints = check(index, expected_groups)
    for complaint in complaints:
        print(complaint)
    total = sum(expected_groups.values())
    if complaints:
        sys.exit(f"autobahn: {len(complaints)} complaints, {total} cases expected")
    print(f"autobahn: {total} of {total} cases passed ({len(INFORMATIONAL)} of them informational by definition)")


if __name__ == "__main__":
    main()
