# SPDX-License-Identifier: Apache-2.0
"""Writes NAME.maps.json, what the programs' maps hold when they start.

Usage: make_maps.py OUTPUT_DIRECTORY. The shape is that of `bpftool map dump -j`, keyed by map name;
what is not listed is empty or zero. The addresses are in captures/scenario.py.
"""

import json
import os
import struct
import sys

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "captures"))
import scenario as s  # noqa: E402
from frames import filler, ip, mac  # noqa: E402

LOOPBACK = 1  # ifindex that every redirect goes to
XDP_DROP, XDP_TX, SWAP_MACS = 1, 3, 2


def u16be(x):
    return struct.pack("!H", x)


def u32(*words):
    return struct.pack(f"<{len(words)}I", *words)


def u64(*words):
    return struct.pack(f"<{len(words)}Q", *words)


def address16(text):
    """An address in 16 bytes; IPv4 in the first four."""
    return ip(text).ljust(16, b"\0")


def family(text):
    return struct.pack("<H", 10 if ":" in text else 2)


def entries(pairs):
    as_hex = [f"0x{byte:02x}" for byte in range(256)]
    return [{"key": [as_hex[b] for b in key], "value": [as_hex[b] for b in value]}
            for key, value in pairs]


def devmap(keys):
    return entries((u32(key), u32(LOOPBACK)) for key in keys)


def router_ipv4():
    routes = []
    for prefix, source, port, gateway in s.ROUTES:
        address, length = prefix.split("/")
        routes.append((u32(int(length)) + ip(address),
                       mac(source) + bytes(2) + u32(port) + (ip(gateway) if gateway else bytes(4))))
    return {
        "routes": entries(routes),
        "arp_table": entries((ip(a), mac(m) + bytes(2)) for a, m in s.NEIGHBOURS.items()),
        "hosts": entries((ip(a), mac(d) + mac(m) + u32(port)) for a, d, m, port in s.HOSTS),
        "ports": devmap(s.ROUTER_PORTS),
    }


def rxq_info(action, options):
    return {"config": entries([(u32(0), u32(action, LOOPBACK, options))])}


def tx_ip_tunnel():
    def entry(address, protocol, port, source, destination, next_hop):
        key = (address16(address) + u16be(port) + family(address) + bytes([protocol]) + bytes(3))
        return key, address16(source) + address16(destination) + family(source) + mac(next_hop)
    return {"tunnels": entries(entry(*row) for row in s.TUNNELS + [s.TUNNEL_WRONG_FAMILY])}


def firewall_ports():
    return {"ports": devmap([0, 1])}


def firewall_outside():
    rows = []
    for a, a_port, b, b_port, protocol in s.FIREWALL_OPEN:
        # The program compares the fields as the little-endian numbers that it loads.
        low, high = sorted([ip(a)[::-1], ip(b)[::-1]])
        low_port, high_port = sorted([u16be(a_port)[::-1], u16be(b_port)[::-1]])
        rows.append((low[::-1] + high[::-1] + low_port[::-1] + high_port[::-1] +
                     bytes([protocol]) + bytes(3), u32(0, 7)))
    return firewall_ports() | {"connections": entries(rows)}


def fill_ring(reals, size):
    """Consistent hashing as in Google's Maglev: each real walks its own permutation of the slots."""
    ring = [None] * size
    walk = []
    for real in reals:
        seed = (real * 2654435761) & 0xFFFFFFFF
        walk.append([seed % size, (seed >> 7) % (size - 1) + 1])
    filled = 0
    while True:
        for number, real in enumerate(reals):
            at, step = walk[number]
            while ring[at] is not None:
                at = (at + step) % size
            ring[at] = real
            walk[number][0] = at
            filled += 1
            if filled == size:
                return ring


def katran():
    addresses = {1 + i: a for i, a in enumerate(s.REALS4)}
    addresses |= {1 + len(s.REALS4) + i: a for i, a in enumerate(s.REALS6)}
    four = [n for n, a in addresses.items() if ":" not in a]
    six = [n for n, a in addresses.items() if ":" in a]
    rings = []
    for address, _, _, _, number in s.VIPS:
        # VIP 3 is IPv4 with servers of both kinds.
        reals = six if ":" in address else four + six if number == 3 else four
        base = number * s.RING_SIZE
        rings += [(u32(base + slot), u32(real))
                  for slot, real in enumerate(fill_ring(reals, s.RING_SIZE))]
    return {
        "vips": entries((address16(a) + u16be(port) + bytes([protocol, 0]), u32(flags, number))
                        for a, port, protocol, flags, number in s.VIPS),
        "reals": entries((u32(n), address16(a) + bytes([":" in a]) + bytes(3))
                         for n, a in addresses.items()),
        "control": entries([(u32(0), mac(s.KATRAN_ROUTER) + bytes(2))]),
        "rings": entries(rings),
    }


def longest_prefix():
    four = [("0.0.0.0", 0, 100), ("10.0.0.0", 8, 101), ("10.1.0.0", 16, 102), ("10.1.2.0", 24, 103),
            ("10.1.2.128", 25, 104), ("10.1.2.3", 32, 105), ("128.0.0.0", 1, 106),
            ("192.0.2.0", 31, 107), ("192.0.2.64", 29, 108)]
    six = [("2001:db8::", 32, 201), ("2001:db8:1::", 48, 202), ("2001:db8:1:8000::", 49, 203),
           ("2001:db8:1::1", 128, 204), ("2001:db8:1::", 127, 205), ("fd00::", 7, 206)]
    return {
        "prefixes4": entries((u32(n) + ip(a), u32(v)) for a, n, v in four),
        "prefixes6": entries((u32(n) + ip(a), u64(v)) for a, n, v in six),
    }


FILES = {
    "router_ipv4": router_ipv4,
    "rxq_info": lambda: rxq_info(XDP_DROP, 0),
    "rxq_info.tx": lambda: rxq_info(XDP_TX, SWAP_MACS),
    "redirect_map": lambda: {"ports": devmap([0])},
    "tx_ip_tunnel": tx_ip_tunnel,
    "simple_firewall": firewall_ports,
    "katran": katran,
    "features/alignment": lambda: {"bytes": entries([(u32(0), filler(64, 3))])},
    "features/atomics": lambda: {"cells": entries(
        (u32(i), filler(72, 5 * i)) for i in range(4))},
    "features/checksums": lambda: {"block": entries([(u32(0), filler(512, 9))])},
    "features/firewall_outside": firewall_outside,
    "features/longest_prefix": longest_prefix,
    "features/redirects": lambda: {"ports": devmap([0, 3]), "named_ports": devmap([0, 70000])},
}


def main():
    for name, make in FILES.items():
        path = os.path.join(sys.argv[1], name + ".maps.json")
        os.makedirs(os.path.dirname(path), exist_ok=True)
        with open(path, "w", encoding="ascii") as out:
            json.dump(make(), out, separators=(",", ":"))


if __name__ == "__main__":
    main()
