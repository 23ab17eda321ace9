# SPDX-License-Identifier: Apache-2.0
"""A VLAN interface in user space, for kernels built without 802.1Q.

Usage: vlan_tap.py TAP LOWER VLAN. Creates the TAP interface; what the stack sends on it leaves LOWER
with the tag, and what arrives there with the tag enters it without. Runs until killed. Linux only.
"""

import fcntl
import os
import select
import socket
import struct
import sys

TUNSETIFF, IFF_TAP, IFF_NO_PI = 0x400454CA, 2, 0x1000
SOL_PACKET, PACKET_AUXDATA, PACKET_OUTGOING = 263, 8, 4
ETH_ALL, VLAN_VALID = 3, 1 << 4
TAG = 0x8100


def main():
    name, lower, vlan = sys.argv[1], sys.argv[2], int(sys.argv[3])
    tap = os.open("/dev/net/tun", os.O_RDWR)
    fcntl.ioctl(tap, TUNSETIFF, struct.pack("16sH22x", name.encode(), IFF_TAP | IFF_NO_PI))
    wire = socket.socket(socket.AF_PACKET, socket.SOCK_RAW, socket.htons(ETH_ALL))
    wire.setsockopt(SOL_PACKET, PACKET_AUXDATA, 1)
    wire.bind((lower, ETH_ALL))
    while True:
        ready, _, _ = select.select([tap, wire], [], [])
        if tap in ready:
            frame = os.read(tap, 4096)
            wire.send(frame[:12] + struct.pack("!HH", TAG, vlan) + frame[12:])
        if wire in ready:
            # The kernel takes the tag out and hands it over beside the frame.
            frame, extra, _, source = wire.recvmsg(4096, socket.CMSG_SPACE(20))
            for level, kind, data in extra:
                if (level, kind) == (SOL_PACKET, PACKET_AUXDATA) and source[2] != PACKET_OUTGOING:
                    status, _, _, _, _, tci, _ = struct.unpack("IIIHHHH", data[:20])
                    if status & VLAN_VALID and tci & 0xFFF == vlan:
                        os.write(tap, frame)


if __name__ == "__main__":
    main()
