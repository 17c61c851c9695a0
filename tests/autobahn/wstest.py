"""wstest, with so many messages in each case of groups 12 and 13 (Python 2.7): wstest.py MESSAGES ARGUMENT...

The suite sends 1000 in each, which takes its Python most of an hour for the 216 cases.
"""

import sys

from autobahntestsuite import wstest
from autobahntestsuite.case import Case12_X_X, Case13_X_X

messages = int(sys.argv.pop(1))
for case in Case12_X_X + Case13_X_X:
    case.COUNT = messages
wstest.run()
