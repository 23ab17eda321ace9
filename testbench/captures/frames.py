# SPDX-License-Identifier: Apache-2.0
"""Builds frames byte by byte and reads and writes pcap files. Standard library only.

Not a packet toolkit: it knows Ethernet, VLAN tags, IPv4, IPv6, UDP, TCP and ICMP, computes lengths
and checksums unless told otherwise, and lets every field be wrong on purpose.
"""

import ipaddress
import struct

ETH_IPV4, ETH_ARP, ETH_VLAN, ETH_QINQ, ETH_IPV6 = 0x0800, 0x0806, 0x8100, 0x88A8, 0x86DD
ICMP, IPIP, TCP, UDP, IN_IPV6, ROUTING, FRAGMENT, ICMPV6, HOP_OPTIONS, DST_OPTIONS = (
    1, 4, 6, 17, 41, 43, 44, 58, 0, 60)
SYN, ACK, FIN = 2, 16, 1

# Locally administered addresses: no vendor's.
MAC_A, MAC_B, MAC_ROUTER = "02:00:00:00:00:0a", "02:00:00:00:00:0b", "02:00:00:00:00:fe"
LONGEST = 3520  # what fits in the kernel's test-run page: 4096 - 256 headroom - 320 tailroom
SHORTEST = 14


def mac(text):
    return bytes(int(part, 16) for part in text.split(":"))


def ip(text):
    return ipaddress.ip_address(text).packed


def checksum(data):
    """The Internet checksum, RFC 1071."""
    if len(data) % 2:
        data += b"\0"
    total = sum(struct.unpack(f"!{len(data) // 2}H", data))
    while total >> 16:
        total = (total & 0xFFFF) + (total >> 16)
    return ~total & 0xFFFF


def eth(payload, kind, src=MAC_A, dst=MAC_B, vlans=()):
    """vlans: (tag protocol, VLAN id), the outermost first."""
    tags = b"".join(struct.pack("!HH", tpid, vid) for tpid, vid in vlans)
    return mac(dst) + mac(src) + tags + struct.pack("!H", kind) + payload


def ipv4(payload, protocol, src, dst, *, ttl=64, tos=0, ident=0, fragment=0x4000, options=b"",
         ihl=None, total_length=None):
    words = 5 + len(options) // 4
    header = struct.pack(
        "!BBHHHBBH4s4s", 0x40 | (words if ihl is None else ihl), tos,
        words * 4 + len(payload) if total_length is None else total_length, ident, fragment, ttl,
        protocol, 0, ip(src), ip(dst)) + options
    return header[:10] + struct.pack("!H", checksum(header)) + header[12:] + payload


def ipv6(payload, protocol, src, dst, *, hops=64, traffic_class=0, flow=0, length=None):
    return struct.pack("!IHBB16s16s", 6 << 28 | traffic_class << 20 | flow,
                       len(payload) if length is None else length, protocol, hops, ip(src),
                       ip(dst)) + payload


def _pseudo(src, dst, protocol, length):
    a, b = ip(src), ip(dst)
    if len(a) == 4:
        return a + b + struct.pack("!BBH", 0, protocol, length)
    return a + b + struct.pack("!IHBB", length, 0, 0, protocol)


def _sealed(segment, at, src, dst, protocol):
    """Fills in the checksum at offset `at`."""
    value = checksum(_pseudo(src, dst, protocol, len(segment)) + segment)
    return segment[:at] + struct.pack("!H", value or 0xFFFF) + segment[at + 2:]


def udp(payload, src, dst, sport, dport):
    segment = struct.pack("!HHHH", sport, dport, 8 + len(payload), 0) + payload
    return _sealed(segment, 6, src, dst, UDP)


def tcp(payload, src, dst, sport, dport, flags=ACK, seq=1):
    segment = struct.pack("!HHIIBBHHH", sport, dport, seq, 0, 0x50, flags, 1024, 0, 0) + payload
    return _sealed(segment, 16, src, dst, TCP)


def icmp(kind, code, rest, payload=b""):
    message = struct.pack("!BBH4s", kind, code, 0, rest) + payload
    return message[:2] + struct.pack("!H", checksum(message)) + message[4:]


def icmpv6(kind, code, rest, payload, src, dst):
    return _sealed(struct.pack("!BBH4s", kind, code, 0, rest) + payload, 2, src, dst, ICMPV6)


def _ip_frame(segment, protocol, src, dst, **fields):
    macs = {k: fields.pop(k) for k in ("smac", "dmac", "vlans") if k in fields}
    link = {"src": macs.get("smac", MAC_A), "dst": macs.get("dmac", MAC_B),
            "vlans": macs.get("vlans", ())}
    if len(ip(src)) == 4:
        return eth(ipv4(segment, protocol, src, dst, **fields), ETH_IPV4, **link)
    return eth(ipv6(segment, protocol, src, dst, **fields), ETH_IPV6, **link)


def filler(count, start=0):
    """Bytes that differ from their neighbours, so that a shifted copy shows."""
    return bytes((start + i * 7 + (i >> 8)) & 0xFF for i in range(count))


def ident_for(wanted, src, dst, sport, dport, **fields):
    """The IPv4 identification with which such a UDP frame's header checksum is `wanted`, not 0xffff."""
    plain = udp_frame(src, dst, sport, dport, ident=0, **fields)
    return (int.from_bytes(plain[24:26], "big") - wanted) % 0xFFFF


def udp_frame(src, dst, sport, dport, *, size=60, payload=None, **fields):
    """A whole frame of `size` bytes without FCS; 60 is the 64-byte frame of the benchmarks."""
    overhead = 14 + 4 * len(fields.get("vlans", ())) + (20 if len(ip(src)) == 4 else 40) + 8
    data = filler(max(0, size - overhead)) if payload is None else payload
    return _ip_frame(udp(data, src, dst, sport, dport), UDP, src, dst, **fields)


def tcp_frame(src, dst, sport, dport, *, size=60, flags=ACK, seq=1, **fields):
    overhead = 14 + 4 * len(fields.get("vlans", ())) + (20 if len(ip(src)) == 4 else 40) + 20
    data = filler(max(0, size - overhead))
    return _ip_frame(tcp(data, src, dst, sport, dport, flags, seq), TCP, src, dst, **fields)


def echo_frame(src, dst, *, number=1, size=60, **fields):
    v4 = len(ip(src)) == 4
    data = filler(max(0, size - 14 - (20 if v4 else 40) - 8))
    rest = struct.pack("!HH", 77, number)
    if v4:
        return _ip_frame(icmp(8, 0, rest, data), ICMP, src, dst, **fields)
    return _ip_frame(icmpv6(128, 0, rest, data, src, dst), ICMPV6, src, dst, **fields)


def unreachable_frame(src, dst, quoted, *, code=4, **fields):
    """An ICMP error from src to dst that quotes an IP packet (without Ethernet header)."""
    if len(ip(src)) == 4:
        return _ip_frame(icmp(3, code, struct.pack("!HH", 0, 1400), quoted), ICMP, src, dst,
                         **fields)
    return _ip_frame(icmpv6(2, 0, struct.pack("!I", 1400), quoted, src, dst), ICMPV6, src, dst,
                     **fields)


def arp_frame(src, dst):
    body = struct.pack("!HHBBH6s4s6s4s", 1, ETH_IPV4, 6, 4, 1, mac(MAC_A), ip(src), bytes(6),
                       ip(dst))
    return eth(body + bytes(18), ETH_ARP, dst="ff:ff:ff:ff:ff:ff")


def write_pcap(path, frames):
    """Microsecond pcap, Ethernet, one frame per microsecond from time 0: the same bytes every time."""
    frames = list(frames)
    if not frames:
        raise ValueError(f"{path}: no frames")
    with open(path, "wb") as out:
        out.write(struct.pack("<IHHiIII", 0xA1B2C3D4, 2, 4, 0, 0, 65535, 1))
        for number, frame in enumerate(frames):
            if not SHORTEST <= len(frame) <= LONGEST:
                raise ValueError(f"{path}: frame {number} has {len(frame)} bytes")
            out.write(struct.pack("<IIII", number // 1000000, number % 1000000, len(frame),
                                  len(frame)))
            out.write(frame)


def read_pcap(path):
    """The frames of a little-endian pcap file, without their times."""
    with open(path, "rb") as file:
        data = file.read()
    magic, _, _, _, _, _, link = struct.unpack_from("<IHHiIII", data)
    if magic not in (0xA1B2C3D4, 0xA1B23C4D) or link != 1:
        raise ValueError(f"{path}: not an Ethernet pcap in this byte order")
    at = 24
    while at < len(data):
        kept = struct.unpack_from("<IIII", data, at)[2]
        yield data[at + 16:at + 16 + kept]
        at += 16 + kept
