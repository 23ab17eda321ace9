#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
#
# ./dev area: the size of one core and of the whole NIC, see area.py --help.
exec python3 "$(dirname "$0")/area.py" "$@"
