"""Fills in a specification for wstest: spec.py TEMPLATE OUTDIR URL AGENT WITH_COMPRESSION > SPEC"""

import json
import sys

template, outdir, url, agent, with_compression = sys.argv[1:]
with open(template) as file:
    spec = json.load(file)
spec["outdir"] = outdir
if "servers" in spec:
    spec["servers"] = [{"agent": agent, "url": url}]
else:
    spec["url"] = url
if with_compression == "yes":
    spec["exclude-cases"] = []
json.dump(spec, sys.stdout, indent=4)
