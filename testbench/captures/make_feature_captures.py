# SPDX-License-Identifier: Apache-2.0
"""Writes NAME.pcap for each feature program: the arguments that make each feature program take its corners.

Usage: make_feature_captures.py OUTPUT_DIRECTORY. A feature frame is EtherType 0x88b5, 64 bytes of
arguments, 192 bytes for results (../programs/features/feature.h). Deterministic.
"""

import os
import random
import struct
import sys

import frames as f
import scenario as s

FEATURE = 0x88B5
CORNERS = [0, 1, 2, 7, 31, 32, 42, 63, 64, 0x7F, 0x80, 0xFF, 0x100, 0x7FFF, 0x8000, 0xFFFF, 0x10000,
           0x7FFFFFFF, 0x80000000, 0xFFFFFFF9, 0xFFFFFFFF, 0x100000000, 0x7FFFFFFFFFFFFFFF,
           0x8000000000000000, 0xFFFFFFFF80000000, 0xFFFFFFFFFFFFFFFE, 0xFFFFFFFFFFFFFFFF]


def feature(arguments, more=b""):
    """A feature frame; `more` follows the results."""
    assert len(arguments) <= 64
    return f.eth(arguments.ljust(64, b"\0") + bytes(192) + more, FEATURE)


def words(*values):
    return struct.pack(f"<{len(values)}Q", *values)


def others():
    """Frames that the programs pass on."""
    return [f.udp_frame(s.CLIENT, s.SERVER, 1, 2, size=64), f.eth(bytes(255), FEATURE)]


def pairs():
    """Two operands: every pair of corners, then random ones."""
    rng = random.Random(3)
    out = [feature(words(a, b) + f.filler(48, a & 255)) for a in CORNERS for b in CORNERS]
    out += [feature(words(rng.getrandbits(64), rng.getrandbits(64 >> i % 6)) + rng.randbytes(48))
            for i in range(100)]
    return out + others()


def few_pairs():
    rng = random.Random(4)
    out = [feature(words(a, b)) for a in CORNERS[::3] for b in CORNERS[::4]]
    return out + [feature(words(rng.getrandbits(64), rng.getrandbits(64))) for _ in range(60)]


def random_bytes():
    rng = random.Random(5)
    return [feature(rng.randbytes(64)) for _ in range(40)] + [
        feature(bytes([byte]) * 64) for byte in (0, 1, 0x7F, 0x80, 0xFF)] + others()


def compare_exchange():
    """Values that atomics.bpf.c finds in its cells, so that the exchange takes place."""
    cells = [struct.unpack_from("<Q", f.filler(72, 5 * i), 40)[0] for i in range(4)]
    out = [feature(words(a, 0x1111111111111111 * (i + 1))) for i, a in enumerate(cells)]
    out += [feature(words(0x10000000 * i + i, i)) for i in range(16)]
    return out + few_pairs()


def operations(*steps, size=300, kind=FEATURE):
    arguments = b"".join(struct.pack("<BBh", which, 0, delta) for which, delta in steps)
    return f.eth((arguments.ljust(16, b"\0") + f.filler(4096))[:size - 14], kind)


def adjust():
    head, tail, meta = 1, 2, 3
    out = [operations(), operations(size=30), operations(size=29), operations(size=46)]
    # Into the headroom: 256 bytes, of which the kernel keeps 40; and down to 14 bytes.
    for delta in (-1, -20, -40, -215, -216, -217, -256, 1, 14, 100, 254, 285, 286, 287, 300, 32767,
                  -32768):
        out.append(operations((head, delta)))
    for delta in (-1, -100, -240, -254, -285, -286, -287, -300, 1, 4, 128, 3219, 3220, 3221, 3500,
                  32767, -32768):
        out.append(operations((tail, delta)))
    for delta in (-4, -8, -32, -36, -64, -252, -256, -3, -1, 4, 0):
        out.append(operations((meta, delta)))
    out += [
        operations((head, -216), (head, -1)), operations((head, -200), (head, 200)),
        operations((head, 100), (head, -100)), operations((head, 100), (head, -300)),
        operations((head, -28), (tail, -100), (head, 8), (tail, 50)),
        operations((tail, -200), (tail, 200)),  # what grows back is zero
        operations((tail, 3220), (tail, 1), (tail, -3400), (tail, 10)),
        operations((meta, -16), (head, -20)), operations((meta, -16), (head, -205)),
        operations((meta, -16), (head, 4)), operations((meta, -32), (meta, -4)),
        operations((meta, -8), (meta, -8), (meta, 8), (meta, 12)),
        operations((meta, -4), (tail, 8), (head, -8), (head, 30)),
        operations((head, -216), (meta, -4)), operations((head, -212), (meta, -4)),
        operations((head, -210), (meta, -4)),
        operations((head, 286), (head, 1)), operations((tail, -286), (tail, -1)),
        operations((tail, 100), size=f.LONGEST), operations((tail, 1), size=f.LONGEST),
        operations((head, 2000), (tail, -1000), size=3500),
        operations((tail, -286), (head, -216), (tail, 3220)),
    ]
    return out


def map_errors():
    out = []
    any_, no_exist, exist = 0, 1, 2
    for flags in (any_, no_exist, exist, 3, 4, 8, 1 << 32):
        for key in (0, 1, 7, 8, 9, 0xFFFFFFFF):
            for value in (10, 11, 14):
                out.append(feature(struct.pack("<IIQQ", key, 0, value, flags)))
    # The small hash: filled to its four entries, then full, then replaced.
    for key in range(100, 108):
        for flags in (exist, no_exist, any_):
            out.append(feature(struct.pack("<IIQQ", key, 0, key, flags)))
    return out + others()


def percpu_hash():
    out = []
    for turn in range(3):
        for label in range(40):
            out.append(feature(struct.pack("<III", label, label * 7, 0xABCD), f.filler(turn * 50)))
    for label in range(0, 60, 2):  # deletions, some of what is not there
        out.append(feature(struct.pack("<III", label, label * 7, 0xABCD) + bytes(51) + b"\xff"))
    for label in range(120):  # to the limit of 128 entries and beyond
        out.append(feature(struct.pack("<III", label, label, 1)))
    return out + others()


def longest_prefix():
    def ask(length, address):
        return feature(struct.pack("<I", length) + f.ip(address))
    out = []
    for a in ("10.1.2.3", "10.1.2.200", "10.1.2.4", "10.1.3.4", "10.9.9.9", "11.0.0.1", "192.0.2.1",
              "192.0.2.2", "192.0.2.70", "0.0.0.0", "255.255.255.255", "128.0.0.0", "127.255.255.255"):
        for length in (32, 31, 25, 24, 16, 8, 1, 0, 33, 128, 0xFFFFFFFF):
            out.append(ask(length, a))
    for a in ("2001:db8::1", "2001:db8:1::1", "2001:db8:1::", "2001:db8:1::2", "2001:db8:1:8000::1",
              "2001:db9::", "fd00::1", "fc00::1", "::", "ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff"):
        for length in (128, 127, 64, 49, 48, 32, 7, 0):
            out.append(ask(length, a))
    return out + others()


def longest_prefix_update():
    def do(operation, address, length, value=0, flags=0):
        return feature(struct.pack("<I4sIIQ", length, f.ip(address), operation, value, flags))
    look, insert, delete = 0, 1, 2
    out = [do(insert, "10.1.2.9", n, 500 + n, flags) for flags in (2, 1, 1, 0, 2, 3, 4)
           for n in (24, 0, 8, 32, 25)]
    out += [do(look, "10.1.2.9", 32), do(look, "10.1.2.200", 32), do(look, "9.9.9.9", 32)]
    out += [do(delete, "10.1.2.77", 24), do(delete, "10.1.2.9", 24), do(delete, "10.1.2.9", 31),
            do(delete, "0.0.0.0", 0), do(look, "9.9.9.9", 32), do(look, "10.1.2.9", 31)]
    for n in (33, 64, 0xFFFFFFFF):  # longer than the key
        out += [do(insert, "10.1.2.9", n), do(delete, "10.1.2.9", n), do(look, "10.1.2.9", n)]
    out += [do(insert, f"10.64.{n}.1", 32, 1000 + n) for n in range(36)]  # 32 entries are the limit
    out += [do(insert, "10.64.3.1", 32, 7), do(insert, "10.64.3.1", 32, 8, 2)]  # replaced when full
    out += [do(delete, f"10.64.{n}.1", 32) for n in range(0, 36, 3)]
    out += [do(insert, f"10.{n}.0.0", 16, 2000 + n) for n in range(12)]
    return out + [do(look, f"10.{n}.1.1", 32) for n in range(14)] + others()


def globals_():
    rng = random.Random(6)
    return [feature(struct.pack("<IIQ", n * 5, 0, rng.getrandbits(40))) for n in range(40)] + others()


def loops():
    rng = random.Random(7)
    out = [feature(b"\1\2ab\3\0\4\4wxyz\0\xee", rng.randbytes(n)) for n in (0, 1, 2, 500, 3000, 3250)]
    out += [feature(bytes([0xEE if i == at else 1 + i % 30 for i in range(64)])) for at in range(0, 64, 7)]
    return out + [feature(rng.randbytes(64)) for _ in range(20)] + others()


def slots():
    return [feature(struct.pack("<I", slot)) for slot in
            (0, 1, 2, 3, 7, 8, 9, 0x7FFFFFFF, 0xFFFFFFFF, 0, 1, 2)] + others()


def redirects():
    return [feature(struct.pack("<III", key, fallback, which)) for which in (0, 1, 2)
            for key in (0, 1, 3, 7, 8, 70000, 0xFFFFFFFF) for fallback in range(4)] + others()


def ethertypes():
    return [f.eth(bytes(50), kind) for kind in (0x800, 0x806, 0x86DD, 0x800, 0x88CC, 0x800)] + [
        f.udp_frame(s.CLIENT, s.SERVER, 1, 2, size=size) for size in (60, 1514, 1515, 3520)]


def firewall_outside():
    out = []
    for a, a_port, b, b_port, protocol in s.FIREWALL_OPEN:
        make = f.tcp_frame if protocol == f.TCP else f.udp_frame
        out += [make(a, b, a_port, b_port), make(b, a, b_port, a_port),
                make(a, b, a_port, b_port + 1), make("198.51.100.66", b, a_port, b_port)]
        out += [make(a, b, b_port, a_port)]  # the sorting of ports is apart from that of addresses
    return out * 3 + [f.echo_frame(s.CLIENT, s.SERVER)]


def handover():
    rng = random.Random(8)
    return [feature(struct.pack("<IIQ", steps, 0, rng.getrandbits(40 + i))) for i in range(3)
            for steps in range(16)] + [feature(struct.pack("<IIQ", 1 + 16 * n, 0, n)) for n in range(6)] + others()


def handover_shared():
    return [feature(struct.pack("<II", kind, label)) for label in range(9) for kind in range(4)]


def handover_tail_calls():
    return [feature(struct.pack("<IIQ", slot, way, value)) for value in (1, 2, 6, 0xFFFFFFFFFF)
            for way in (0, 1) for slot in (0, 1, 2, 3, 9)] + others()


def map_choice():
    rng = random.Random(9)
    return [feature(struct.pack("<IIQI", rng.randrange(8), rng.randrange(14), rng.getrandbits(48), rng.randrange(5)))
            for _ in range(120)] + others()


def totals():
    rng = random.Random(11)
    return [feature(struct.pack("<II", rng.randrange(4), rng.getrandbits(32))) for _ in range(100)] + others()


def every_operation():
    rng = random.Random(10)
    kinds = list(range(13)) + list(range(16, 26)) + list(range(32, 39)) + list(range(48, 53))

    def one(kind):
        return struct.pack("<BBH", kind, rng.randrange(256) if kind in (5, 6, 34, 35, 38, 49, 51) else rng.randrange(18),
                           rng.choice((rng.randrange(4), rng.randrange(600), rng.getrandbits(16))))

    # Runs of one kind fill a map and empty it again; mixed ones come between.
    out = [feature(b"".join(one(kind) for _ in range(16))) for kind in kinds for _ in range(2)]
    return out + [feature(b"".join(one(rng.choice(kinds)) for _ in range(16))) for _ in range(150)] + others()


def iterators():
    rng = random.Random(10)
    ranges = [(0, 10), (5, 5), (6, 5), (-3, 3), (-0x80000000, 0x7FFFFFFF), (0, 8388608 + 1), (-1, 8388608),
              (0x7FFFFFFF - 4, 0x7FFFFFFF), (-0x80000000, -0x80000000 + 4), (3, 5000), (0, 0)]
    bits = [0, 1, 1 << 63, 0xFFFFFFFFFFFFFFFF, 0x8000000100000000, 0xAAAAAAAAAAAAAAAA]
    return [feature(struct.pack("<ii4Q", a, b, *(rng.choice(bits + [rng.getrandbits(64)]) for _ in range(4))))
            for a, b in ranges for _ in range(4)] + others()


def dynptrs():
    rng = random.Random(11)
    edges = [0, 1, 8, 14, 200, 255, 256, 262, 263, 264, 269, 270, 271, 504, 511, 512, 513, 0xFFFFFF, 0xFFFFFFFF]
    return [feature(struct.pack("<4I", *(rng.choice(edges + [rng.randrange(300)] * 8) for _ in range(4))) + rng.randbytes(48),
                    rng.randbytes(rng.choice((0, 0, 40)))) for _ in range(150)] + others()


def strings():
    def two(a, b):
        return feature(a.ljust(32, b"\0")[:32] + b.ljust(32, b"\0")[:32])
    rng = random.Random(12)
    out = [two(a, b) for a in (b"", b"a", b"abc", b"ABC", b"abcabcabd", b"x" * 32, b"\xe4\xc4z", b"hello, world")
           for b in (b"", b"a", b"abd", b"ABC", b"c\x03", b"bc", b"x" * 32, b"\xc4\xe4Z", b"lo", b"world", b"o\x05")]
    return out + [two(bytes(rng.choice(b"abAB\0") for _ in range(32)), bytes(rng.choice(b"abAB\0") for _ in range(rng.randrange(4))))
                  for _ in range(120)] + others()


def locks():
    rng = random.Random(13)
    return [feature(struct.pack("<IIQ", rng.randrange(20), 0, rng.getrandbits(40))) for _ in range(80)] + others()


def ordered():
    rng = random.Random(14)
    return [feature(struct.pack("<QI", rng.getrandbits(64), count)) for count in (0, 1, 2, 7, 8, 1000, 0xFFFF, 0x10003)
            for _ in range(3)] + others()


def callbacks():
    rng = random.Random(15)
    return [feature(struct.pack("<IIQ", rounds, rng.randrange(40), rng.getrandbits(30)))
            for rounds in (0, 1, 2, 10, 50, 1000, 8388609, 0xFFFFFFFF) for _ in range(6)] + others()


FEATURES = {
    "adjust": adjust, "alignment": random_bytes, "arithmetic": pairs, "atomics": compare_exchange,
    "callbacks": callbacks, "dynptrs": dynptrs, "iterators": iterators, "locks": locks, "objects": few_pairs,
    "ordered": ordered, "strings": strings,
    "checksums": random_bytes, "comparison": pairs, "environment": random_bytes,
    "firewall_outside": firewall_outside, "globals": globals_, "handover": handover,
    "handover_shared": handover_shared,
    "handover_tail_calls": handover_tail_calls, "map_choice": map_choice, "legacy_maps": ethertypes,
    "longest_prefix": longest_prefix,
    "longest_prefix_update": longest_prefix_update, "loops": loops, "map_errors": map_errors,
    "operations": every_operation, "percpu_hash": percpu_hash, "redirects": redirects, "several_programs": ethertypes,
    "arithmetic_v3": pairs, "comparison_v3": pairs, "legacy_maps_btf": ethertypes,
    "signed_v4": pairs, "subprograms": few_pairs, "tail_call_from_subprogram": slots,
    "tail_calls": slots, "totals": totals,
}


def main():
    os.makedirs(sys.argv[1], exist_ok=True)
    for name, make in FEATURES.items():
        f.write_pcap(os.path.join(sys.argv[1], name + ".pcap"), make())


if __name__ == "__main__":
    main()
