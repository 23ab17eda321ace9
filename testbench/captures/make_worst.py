# SPDX-License-Identifier: Apache-2.0
"""Writes the worst cases that every program must survive: OUTPUT_DIRECTORY/worst/*.pcap, one file
per kind, and OUTPUT_DIRECTORY/worst.pcap, some of each in turn.

Usage: make_worst.py OUTPUT_DIRECTORY. Deterministic: no clock, seeded random numbers only.
Addresses are mostly those that some program knows, so that hostile frames get past the first lookup.
"""

import os
import random
import struct
import sys

import frames as f
from scenario import CLIENT, CLIENT6, SERVER, SERVER6

V4, V6 = (CLIENT, SERVER), (CLIENT6, SERVER6)


def flood_one_flow():
    """64-byte frames of one flow that all programs serve: UDP port 53."""
    return [f.udp_frame(*V4, 4242, 53, size=64)] * 256


def flood_many_flows():
    """64-byte frames, each of another flow, UDP and TCP, some of them seen twice."""
    rng = random.Random(2)
    out = []
    for n in range(400):
        client = f"198.51.{100 + n % 3}.{n % 251 + 1}"
        port = 1024 + n * 13
        if n % 2:
            out.append(f.tcp_frame(client, SERVER, port, 80, size=64,
                                   flags=f.SYN if n % 4 == 1 else f.ACK))
        else:
            out.append(f.udp_frame(client, SERVER, port, 53, size=64))
        if n % 5 == 0:
            out.append(rng.choice(out))
    return out


def _whole_frames():
    echo = f.echo_frame(*V4, size=98)
    quoted = f.udp_frame(SERVER, CLIENT, 53, 4242, size=70)[14:]
    return [
        f.udp_frame(*V4, 4242, 53, size=64), f.tcp_frame(*V4, 4242, 80, size=64), echo,
        f.unreachable_frame("192.0.2.1", SERVER, quoted),
        f.udp_frame(*V6, 4242, 53, size=80), f.tcp_frame(*V6, 4242, 80, size=90),
        f.echo_frame(*V6, size=98), f.arp_frame(CLIENT, SERVER),
        f.udp_frame(*V4, 4242, 53, size=72, vlans=[(f.ETH_VLAN, 7)]),
        f.udp_frame(*V4, 4242, 53, size=76, vlans=[(f.ETH_QINQ, 7), (f.ETH_VLAN, 8)]),
    ]


def malformed():
    out = []
    for whole in _whole_frames():  # every truncation
        out += [whole[:n] for n in range(f.SHORTEST, len(whole) + 1)]
    segment = f.udp(f.filler(26), *V4, 4242, 53)
    for ihl in range(16):  # below 5, longer than the frame
        out.append(f.eth(f.ipv4(segment, f.UDP, *V4, ihl=ihl), f.ETH_IPV4))
    for total in (0, 1, 19, 20, 27, 53, 55, 0x7FFF, 0xFFFF):
        out.append(f.eth(f.ipv4(segment, f.UDP, *V4, total_length=total), f.ETH_IPV4))
    for length in (0, 7, 33, 35, 0xFFFF):
        out.append(f.eth(f.ipv6(f.udp(f.filler(26), *V6, 4242, 53), f.UDP, *V6, length=length),
                         f.ETH_IPV6))
    options = [b"\1" * 4, b"\7\7\4" + bytes(5), b"\x94\4\0\0" * 10]  # no-ops, record route, alerts
    out += [f.eth(f.ipv4(segment, f.UDP, *V4, options=o), f.ETH_IPV4) for o in options]
    for version in (0, 5, 6, 15):  # a version that contradicts the EtherType
        packet = bytearray(f.ipv4(segment, f.UDP, *V4))
        packet[0] = version << 4 | 5
        out.append(f.eth(bytes(packet), f.ETH_IPV4))
    out += [f.eth(f.ipv4(segment, f.UDP, *V4), kind) for kind in (0, 0x05FF, 0x0600, 0x8847, 0xFFFF)]
    for ttl in (0, 1, 2, 255):
        out.append(f.eth(f.ipv4(segment, f.UDP, *V4, ttl=ttl), f.ETH_IPV4))
    for protocol in range(0, 256, 5):
        out.append(f.eth(f.ipv4(segment, protocol, *V4), f.ETH_IPV4))
    for sport, dport in ((0, 53), (53, 0), (0, 0), (65535, 65535)):
        out.append(f.udp_frame(*V4, sport, dport, size=64))
    for a, b in (("0.0.0.0", SERVER), (CLIENT, "255.255.255.255"), (SERVER, SERVER),
                 ("127.0.0.1", "127.0.0.1"), ("224.0.0.1", "240.0.0.1")):
        out.append(f.udp_frame(a, b, 4242, 53, size=64))
    rng = random.Random(1)
    out += [rng.randbytes(rng.randrange(f.SHORTEST, 200)) for _ in range(64)]
    for _ in range(64):  # valid frames with some bytes changed
        frame = bytearray(rng.choice(_whole_frames()))
        for _ in range(rng.randrange(1, 4)):
            frame[rng.randrange(len(frame))] = rng.randrange(256)
        out.append(bytes(frame))
    return out


def fragments():
    """First, middle and last fragments in and out of order, overlapping, tiny; IPv6 as well."""
    data = f.udp(f.filler(2000), *V4, 4242, 53)
    out = []
    for size in (8, 1480, 512):
        pieces = []
        for at in range(0, min(len(data), 6 * size), size):
            more = 0x2000 if at + size < len(data) else 0
            pieces.append(f.eth(f.ipv4(data[at:at + size], f.UDP, *V4, ident=size,
                                       fragment=more | at // 8), f.ETH_IPV4))
        out += pieces + pieces[::-1]
    for bits in (0x4000, 0x8000, 0x2000, 0x0001, 0x1FFF, 0x6001, 0xFFFF):
        out.append(f.eth(f.ipv4(data[:64], f.UDP, *V4, fragment=bits), f.ETH_IPV4))
    six = f.udp(f.filler(1200), *V6, 4242, 53)
    for at in range(0, len(six), 400):
        more = int(at + 400 < len(six))
        header = struct.pack("!BBHI", f.UDP, 0, at | more, 99)
        out.append(f.eth(f.ipv6(header + six[at:at + 400], f.FRAGMENT, *V6), f.ETH_IPV6))
    return out


def vlan():
    """No tag, one, two, three; both tag protocols; priority tags; a tag at the end of the frame."""
    out = []
    for tags in ([], [(f.ETH_VLAN, 1)], [(f.ETH_QINQ, 0xE001)], [(f.ETH_QINQ, 5), (f.ETH_VLAN, 6)],
                 [(f.ETH_VLAN, 5), (f.ETH_VLAN, 0x1FFF)],
                 [(f.ETH_QINQ, 5), (f.ETH_VLAN, 6), (f.ETH_VLAN, 7)]):
        for pair in (V4, V6):
            out.append(f.udp_frame(*pair, 4242, 53, size=90, vlans=tags))
            out.append(f.tcp_frame(*pair, 4242, 80, size=100, vlans=tags))
            out.append(f.echo_frame(*pair, size=100, vlans=tags))
    one = f.eth(b"", f.ETH_VLAN)
    out += [one + bytes(n) for n in range(5)]
    two = f.eth(struct.pack("!HH", 1, f.ETH_VLAN), f.ETH_QINQ)
    out += [two + bytes(n) for n in range(5)]
    return out


def ipv6_extensions():
    """Hop-by-hop, routing and destination options, alone, chained, and cut off."""
    def extension(following, words):
        pad = 4 + 8 * words  # one PadN option fills the header
        return bytes([following, words, 1, pad]) + bytes(pad)
    segment = f.udp(f.filler(40), *V6, 4242, 53)
    chains = [[f.HOP_OPTIONS], [f.DST_OPTIONS], [f.ROUTING], [f.HOP_OPTIONS, f.DST_OPTIONS],
              [f.HOP_OPTIONS, f.ROUTING, f.DST_OPTIONS], [f.DST_OPTIONS] * 8]
    out = []
    for chain in chains:
        for words in (0, 1, 5):
            body = segment
            following = f.UDP
            for kind in reversed(chain):
                body = extension(following, words) + body
                following = kind
            whole = f.eth(f.ipv6(body, following, *V6), f.ETH_IPV6)
            out += [whole, whole[:54 + 4], whole[:len(whole) // 2]]
    out.append(f.eth(f.ipv6(b"", 59, *V6), f.ETH_IPV6))  # no next header
    return out


def jumbo():
    """Around every limit: 600, 1514, 2 KiB, 3,500 bytes, and the longest frame."""
    out = []
    for size in (599, 600, 601, 1513, 1514, 1515, 2047, 2048, 2049, 3499, 3500, 3501, f.LONGEST):
        out.append(f.udp_frame(*V4, 4242, 53, size=size))
        out.append(f.tcp_frame(*V6, 4242, 80, size=size))
        out.append(f.echo_frame(*V4, size=size))
    return out


def short():
    """14 to 64 bytes: zeros, ones, and whole small packets with padding."""
    out = []
    for size in range(f.SHORTEST, 65):
        out += [bytes(size), b"\xff" * size]
        out += [f.eth(bytes(size - 14), kind) for kind in (f.ETH_IPV4, f.ETH_IPV6, f.ETH_VLAN)]
    small = f.eth(f.ipv4(f.udp(b"", *V4, 4242, 53), f.UDP, *V4), f.ETH_IPV4)
    out += [small, small.ljust(60, b"\0"), small.ljust(64, b"\xaa")]
    return out


def in_turn(sets, count):
    """One frame of each set in turn, spread evenly over it, `count` in all."""
    each = count // len(sets)
    return [frames[i * len(frames) // each] for i in range(each) for frames in sets]


def main():
    directory = os.path.join(sys.argv[1], "worst")
    os.makedirs(directory, exist_ok=True)
    sets = []
    for make in (flood_one_flow, flood_many_flows, malformed, fragments, vlan, ipv6_extensions,
                 jumbo, short):
        sets.append(make())
        f.write_pcap(os.path.join(directory, make.__name__ + ".pcap"), sets[-1])
    f.write_pcap(os.path.join(sys.argv[1], "worst.pcap"), in_turn(sets, 400))


if __name__ == "__main__":
    main()
