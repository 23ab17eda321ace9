#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Runs one golden file: a command of kiln, and what it must print and return.

usage: run_golden.py BUILD_DIR FILE [--bless]

A file holds `$ COMMAND` lines, each followed by `> ` lines (standard output), `! ` lines (standard error) and
`= STATUS`. Commands run in the shell with $KILN, $BUILD and a fresh $TMP as working directory. In
expected lines `...` stands for any text. --bless writes what was printed into the file."""
import os
import re
import subprocess
import sys
import tempfile


def matches(expected, got):
    pattern = ".*".join(re.escape(part) for part in expected.split("..."))
    return re.fullmatch(pattern, got) is not None


def run(command, build, folder):
    env = dict(os.environ, KILN=os.path.join(build, "kiln"), BUILD=build, TMP=folder)
    done = subprocess.run(["bash", "-c", command], cwd=folder, env=env, capture_output=True, text=True,
                          timeout=120)
    clean = lambda text: text.replace(folder, "$TMP").replace(build, "$BUILD")
    return ([f"> {line}".rstrip() for line in clean(done.stdout).splitlines()] +
            [f"! {line}".rstrip() for line in clean(done.stderr).splitlines()] + [f"= {done.returncode}"])


def main(build, path, bless):
    with open(path, encoding="utf-8") as text:
        lines = text.read().splitlines()
    output, failures, commands = [], 0, 0
    with tempfile.TemporaryDirectory() as folder:
        at = 0
        while at < len(lines):
            line = lines[at]
            output.append(line)
            at += 1
            if not line.startswith("$ "):
                continue
            commands += 1
            expected = []
            while at < len(lines) and lines[at][:2] in ("> ", "! ", "= ", ">", "!"):
                expected.append(lines[at].rstrip())
                at += 1
            got = run(line[2:], build, folder)
            same = len(expected) == len(got) and all(map(matches, expected, got))
            output += expected if same else got
            if not same and not bless:
                failures += 1
                print(f"{path}: {line}\nexpected:\n  " + "\n  ".join(expected) + "\ngot:\n  " + "\n  ".join(got))
    if bless:
        with open(path, "w", encoding="utf-8") as text:
            text.write("\n".join(output) + "\n")
    if commands == 0:
        print(f"{path}: no command in this file")
        return 1
    return 1 if failures else 0


if __name__ == "__main__":
    sys.exit(main(os.path.abspath(sys.argv[1]), sys.argv[2], "--bless" in sys.argv))
