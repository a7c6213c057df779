#!/usr/bin/env python3
"""Every published client that has a test here, one after the other.

    python3 tests/live/clients/all.py [--llmx PATH]

Says of each how it went; exit code 0 if none failed. One that cannot be installed is told and does not count.
"""
import os
import subprocess
import sys

HERE = os.path.dirname(os.path.abspath(__file__))
SKIPPED = 77
ways = {0: "ok", SKIPPED: "skipped"}
results = []
for name in sorted(os.listdir(HERE)):
    if name.endswith(".py") and name not in ("all.py", "desk.py"):
        print(f"== {name}", flush=True)
        results.append((name, subprocess.call([sys.executable, os.path.join(HERE, name), *sys.argv[1:]])))
for name, code in results:
    print(f"{ways.get(code, 'FAILED'):8}{name}")
sys.exit(any(code not in ways for _, code in results))
