# SPDX-License-Identifier: Apache-2.0
"""Do sources, cases, map contents, captures and expectations fit together? Needs no kernel.

Usage: programs_test.py BUILD, after the targets kiln_programs and kiln_captures.
"""

import collections
import glob
import json
import os
import subprocess
import sys
import tempfile
import unittest

HERE = os.path.dirname(os.path.abspath(__file__))
CAPTURES = os.path.join(HERE, "..", "captures")
sys.path[:0] = [HERE, CAPTURES]
import frames as f  # noqa: E402
import make_maps  # noqa: E402
import scenario  # noqa: E402
from cases import CASES, MAIN  # noqa: E402

BUILD = ""


def built(path):
    return os.path.join(BUILD, path)


class Fit(unittest.TestCase):
    def test_every_source_has_a_case(self):
        sources = {os.path.relpath(path, HERE)[:-len(".bpf.c")]
                   for path in glob.glob(HERE + "/**/*.bpf.c", recursive=True)
                   if "/kernels/" not in path and "/operations/" not in path}  # those are for kiln bench alone
        objects = {case.object[len("programs/"):-len(".bpf.o")] for case in CASES}
        self.assertLessEqual(sources, objects)
        self.assertEqual(len(MAIN), 13)  # twelve programs, one of them with two configurations

    def test_every_case_is_built(self):
        for case in CASES:
            for path in filter(None, (case.object, case.maps, case.bench, *case.captures)):
                self.assertGreater(os.path.getsize(built(path)), 24, path)

    def test_expectations_are_those_of_the_cases(self):
        there = {os.path.relpath(path, HERE + "/expected")[:-len(".json")]
                 for path in glob.glob(HERE + "/expected/**/*.json", recursive=True)}
        self.assertEqual(there, {case.name for case in CASES})
        for case in CASES:
            with open(f"{HERE}/expected/{case.name}.json", encoding="ascii") as file:
                wanted = {*case.captures, case.bench} - {""}
                self.assertEqual(set(json.load(file)), wanted, case.name)

    def test_benchmarks_are_one_flow_of_64_bytes(self):
        for case in MAIN:
            frames = list(f.read_pcap(built(case.bench)))
            self.assertEqual(len(set(frames)), 1)
            self.assertEqual(len(frames[0]), 604 if case.name == "adjust_tail" else 64, case.name)

    def test_captures_are_reproducible(self):
        with tempfile.TemporaryDirectory() as again:
            for script in ("make_worst", "make_program_captures", "make_feature_captures"):
                subprocess.run([sys.executable, f"{CAPTURES}/{script}.py", again], check=True)
            paths = glob.glob(again + "/**/*.pcap", recursive=True)
            self.assertGreater(len(paths), 40)
            for path in paths:
                with open(path, "rb") as one, open(built("captures/" + os.path.relpath(path, again)),
                                                   "rb") as other:
                    self.assertEqual(one.read(), other.read(), path)

    def test_every_frame_fits_the_engines(self):
        for path in glob.glob(built("captures") + "/**/*.pcap", recursive=True):
            sizes = [len(frame) for frame in f.read_pcap(path)]
            self.assertGreaterEqual(min(sizes), f.SHORTEST, path)
            self.assertLessEqual(max(sizes), f.LONGEST, path)

    def test_recorded_traffic_has_what_its_script_sends(self):
        seen = collections.Counter()
        for frame in f.read_pcap(os.path.join(CAPTURES, "real.pcap")):
            tag = frame[12:14] == b"\x81\x00"
            kind = int.from_bytes(frame[16:18] if tag else frame[12:14], "big")
            packet = frame[18:] if tag else frame[14:]
            protocol = {f.ETH_IPV4: 9, f.ETH_IPV6: 6}.get(kind)
            seen[kind, packet[protocol] if protocol else None] += 1
            seen["tag"] += tag
            seen["jumbo"] += len(frame) > 3000
            seen["fragment"] += kind == f.ETH_IPV4 and int.from_bytes(packet[6:8], "big") & 0x3FFF > 0
        for what in ((f.ETH_IPV4, f.ICMP), (f.ETH_IPV4, f.TCP), (f.ETH_IPV4, f.UDP),
                     (f.ETH_IPV6, f.ICMPV6), (f.ETH_IPV6, f.TCP), (f.ETH_IPV6, f.UDP),
                     (f.ETH_IPV6, f.FRAGMENT), (f.ETH_ARP, None), "tag", "jumbo", "fragment"):
            self.assertGreater(seen[what], 0, what)


class Ring(unittest.TestCase):
    """The consistent hashing of katran.maps.json."""

    def test_is_full_and_even(self):
        reals = [1, 2, 3, 4, 5]
        share = collections.Counter(make_maps.fill_ring(reals, scenario.RING_SIZE))
        self.assertEqual(set(share), set(reals))
        self.assertLessEqual(max(share.values()) - min(share.values()), 1)

    def test_a_lost_real_moves_little_else(self):
        before = make_maps.fill_ring([1, 2, 3, 4, 5], scenario.RING_SIZE)
        after = make_maps.fill_ring([1, 2, 4, 5], scenario.RING_SIZE)
        moved = sum(a != b for a, b in zip(before, after) if a != 3)
        self.assertLess(moved, scenario.RING_SIZE // 4)


if __name__ == "__main__":
    BUILD = sys.argv.pop(1)
    unittest.main()
