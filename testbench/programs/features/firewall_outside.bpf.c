/* SPDX-License-Identifier: Apache-2.0
 *
 * simple_firewall with every frame coming from outside: the half that replays on one interface do
 * not reach otherwise. The maps that go with it hold open connections.
 */
#define OUTSIDE_IFINDEX 1
#include "../simple_firewall.bpf.c"
