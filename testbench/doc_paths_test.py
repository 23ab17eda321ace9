#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Checks that every path named in backticks in a .md file exists, relative to the repository or to that file.

usage: doc_paths_test.py ROOT. Build products (build/...), options, patterns and commands are passed over."""
import os
import re
import subprocess
import sys

PATH = re.compile(r"`([A-Za-z0-9_.][A-Za-z0-9_./-]*)`")
FILE_ENDINGS = (".md", ".h", ".cc", ".c", ".sv", ".def", ".py", ".sh", ".txt", ".vlt", ".data", ".json", ".in")


def looks_like_path(text):
    if text.startswith(("build/", "/", "NAME", ".")):
        return False
    return text.endswith(FILE_ENDINGS) or (text.endswith("/") and text.count("/") >= 1)


def main(root):
    listed = subprocess.run(["git", "-C", root, "ls-files", "*.md"], capture_output=True, text=True)
    files = listed.stdout.split()
    if not files:
        for folder, _, names in os.walk(root):
            files += [os.path.relpath(os.path.join(folder, n), root) for n in names if n.endswith(".md")]
    missing = 0
    checked = 0
    for name in files:
        with open(os.path.join(root, name), encoding="utf-8") as text:
            for number, line in enumerate(text, 1):
                for path in PATH.findall(line):
                    if not looks_like_path(path):
                        continue
                    checked += 1
                    places = [os.path.join(root, path), os.path.join(root, os.path.dirname(name), path),
                              os.path.join(root, os.path.dirname(name), "include/kiln", path),
                              os.path.join(root, "compiler/include/kiln", path)]
                    if not any(os.path.exists(place) for place in places):
                        print(f"{name}:{number}: no such file: {path}")
                        missing += 1
    print(f"{checked} paths in {len(files)} pages checked, {missing} missing")
    return 1 if missing or not checked else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1]))
