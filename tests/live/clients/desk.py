"""What the tests with published clients share: where a client is installed, where it works, which of its jobs are done.

Clients are installed below target/live, from their registry and at one version each, unless they are there. Where one cannot
be had, its test says SKIPPED and leaves with 77.
"""
import argparse
import contextlib
import os
import shutil
import subprocess
import sys
import tempfile
import traceback

HERE = os.path.dirname(os.path.abspath(__file__))
ROOT = os.path.dirname(os.path.dirname(os.path.dirname(HERE)))
LIVE = f"{ROOT}/target/live"
SKIPPED = 77
# How long anything that a client waits for may take, in seconds: only a test that hangs comes near it.
PATIENCE = 60
# What the scripted model's structured answer is asked for with.
SCHEMA = {"type": "object", "properties": {"answer": {"type": "integer"}}, "required": ["answer"],
          "additionalProperties": False}
sys.path.insert(0, os.path.dirname(HERE))
import scripted_model  # noqa: E402


def skip(why):
    print(f"SKIPPED: {why}")
    sys.exit(SKIPPED)


def in_python_with(*packages, without_dependencies=()):
    """Goes on in a Python that has these packages; the first names the place. Some pin a binary that no registry has."""
    place = f"{LIVE}/{packages[0].split('==')[0]}"
    if sys.prefix == place:
        return
    try:
        if not os.path.exists(f"{place}/installed"):
            subprocess.check_call([sys.executable, "-m", "venv", place])
            pip = [f"{place}/bin/pip", "install", "-q", "--ignore-requires-python"]
            alone = [package for package in packages if package in without_dependencies]
            for package in alone:
                subprocess.check_call([*pip, "--no-deps", package])
            if others := [package for package in packages if package not in alone]:
                subprocess.check_call([*pip, *others])
            open(f"{place}/installed", "w").close()
    except (subprocess.CalledProcessError, OSError) as why:
        skip(f"{packages[0]} cannot be installed: {why}")
    os.execv(f"{place}/bin/python", [f"{place}/bin/python", *sys.argv])


def npm_packages(name, *packages):
    """-> the directory whose node_modules has these packages"""
    place = f"{LIVE}/{name}"
    try:
        if not os.path.exists(f"{place}/installed"):
            os.makedirs(place, exist_ok=True)
            subprocess.check_call(["npm", "install", "--silent", "--omit=optional", "--prefix", place, *packages])
            open(f"{place}/installed", "w").close()
    except (subprocess.CalledProcessError, OSError) as why:
        skip(f"{packages[0]} cannot be installed: {why}")
    return place


@contextlib.contextmanager
def listening(desk, token):
    """A server on a WebSocket that wants this token; gives its address."""
    environment = {**desk.environment, "LISTEN_TOKEN": token}
    command = [desk.llmx, "app-server", "--listen", "ws://127.0.0.1:0", "--token-env", "LISTEN_TOKEN"]
    with subprocess.Popen(command, cwd=desk.work, env=environment, stderr=subprocess.PIPE, text=True) as server:
        try:
            lines = iter(server.stderr.readline, "")
            yield next(line.split("listening on: ")[1].strip() for line in lines if "listening on: " in line)
        finally:
            server.terminate()
            server.wait(PATIENCE)


class Desk:
    """A home with the scripted model in its configuration, a directory to work in, and what came of each job."""

    def __init__(self, sandbox="danger-full-access"):
        parser = argparse.ArgumentParser()
        parser.add_argument("--llmx", default=f"{ROOT}/target/debug/llmx")
        self.llmx = os.path.abspath(parser.parse_args().llmx)
        self.home = tempfile.mkdtemp(prefix="llmx-home-")
        self.work = tempfile.mkdtemp(prefix="llmx-work-")
        scripted_model.write_config(self.home, scripted_model.start(), sandbox)
        self.environment = {"LLMX_HOME": self.home, "HOME": self.home, "PATH": os.environ["PATH"]}
        self.failed = []

    @contextlib.contextmanager
    def job(self, name):
        """One thing that the client does; it fails by raising, and the next is done all the same."""
        try:
            yield
        except Exception:  # whatever the client raises
            self.failed.append(name)
            print(f"FAIL {name}\n{traceback.format_exc()}", flush=True)
        else:
            print(f"ok   {name}", flush=True)

    def file(self, name):
        return os.path.join(self.work, name)

    def took(self, name):
        """Whether the file was there; it is not any more."""
        there = os.path.exists(self.file(name))
        if there:
            os.remove(self.file(name))
        return there

    def forget(self):
        shutil.rmtree(self.home, ignore_errors=True)
        shutil.rmtree(self.work, ignore_errors=True)

    def leave(self):
        self.forget()
        print(f"{len(self.failed)} failed: {', '.join(self.failed)}" if self.failed else "all jobs done")
        sys.exit(1 if self.failed else 0)
