#!/usr/bin/env python3
"""npm `ai-sdk-provider-codex-cli`, a provider of the AI SDK (npm `ai`), drives `llmx app-server`.

    python3 tests/live/clients/ai_sdk_provider.py [--llmx PATH]

Its jobs are in ai_sdk_provider.mjs.
"""
import json
import os
import shutil
import subprocess

import desk as place

if not shutil.which("npm"):
    place.skip("there is no npm")
modules = place.npm_packages("ai-sdk-provider", "ai-sdk-provider-codex-cli@1.4.1", "ai@6.0.0", "zod@4")
desk = place.Desk()
script = f"{modules}/jobs.mjs"
# Node looks for packages from where a script lies.
shutil.copy(os.path.join(place.HERE, "ai_sdk_provider.mjs"), script)
given = {"llmx": desk.llmx, "work": desk.work, "environment": desk.environment}
ran = subprocess.run(["node", script, json.dumps(given)], env={**os.environ, **desk.environment}, timeout=2 * place.PATIENCE,
                     stdout=subprocess.PIPE, text=True, check=False)
for line in ran.stdout.splitlines():
    name, why = json.loads(line)
    with desk.job(name):
        assert why is None, why
with desk.job("the end of the script"):
    assert ran.returncode == 0, ran.returncode
desk.leave()
