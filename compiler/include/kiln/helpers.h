// SPDX-License-Identifier: Apache-2.0
//
// The helper table (helpers.def) as data: what a helper is called, takes and returns, which programs
// may call it, and which engines carry it.
#pragma once

#include <array>
#include <cstdint>
#include <span>
#include <string_view>

#include <kiln/program.h>

namespace kiln {

/// What an argument register must hold. "Memory" is the stack, a map value, a ring buffer record and
/// the like, and packet bytes for helpers with HelperInfo::reads_packet().
enum class HelperArg : std::uint8_t {
  kNone,
  kVariadic,            ///< not checked; the helper may look at it (trace_printk)
  kAnything,            ///< any initialised register
  kScalar,              ///< a number
  kContext,
  kContextOrNull,
  kMapPtr,              ///< a map, known when the program is loaded
  kMapKey,              ///< read: key_size bytes of the map in the argument before
  kMapValue,            ///< read: value_size bytes of that map
  kMapValueOrNull,
  kMapValueUninit,      ///< written: value_size bytes
  kMemReadonly,         ///< read; its size is the next argument
  kMemReadonlyOrNull,   ///< the same, or NULL when the size is 0
  kMemWrite,            ///< read and written; size in the next argument
  kMemWriteOrNull,
  kMemUninit,           ///< written without being read; size in the next argument
  kSize,                ///< of the memory in the argument before, > 0
  kSizeOrZero,
  kAllocSize,           ///< a constant: how much memory the result is
  kIpv4Header,          ///< read: 20 bytes
  kIpv6Header,          ///< read: 40 bytes
  kTcpHeader,           ///< read: 20 bytes
  kLongUninit,          ///< written: 8 bytes, aligned
  kIntWrite,            ///< read and written: 4 bytes, aligned
  kStackOrNull,         ///< passed on to a callback
  kFunction,            ///< a subprogram, called back
  kConstString,         ///< in a read-only map, ends with a zero
  kSpinLock,            ///< struct bpf_spin_lock in a map value
  kTimer,               ///< struct bpf_timer in a map value
  kKptrDest,            ///< a kernel pointer field of a map value
  kKptrRelease,         ///< an owned kernel pointer or NULL, given away
  kDynptr,              ///< struct bpf_dynptr on the stack, initialised
  kDynptrLocalUninit,   ///< ... made by the call, over program memory
  kDynptrRingbufUninit, ///< ... made by the call, a ring buffer record
  kDynptrRingbufRelease,
  kRingbufMemRelease,   ///< a reserved record, given away
  kSocketOrNull,        ///< a full socket
  kSockCommon,          ///< any socket that a program can look into
  kBtfSockCommon,       ///< the same, or the kernel's own struct
  kBtfSockCommonOrNull,
  kBtfSockCommonRelease,
  kPercpuBtf,           ///< a per-CPU variable of the kernel
  kBtfSockOrNull,       ///< the kernel's structs, by BTF: sock_common, task_struct, ...
  kBtfTcpSock,
  kBtfTask,
  kBtfTaskOrNull,
  kBtfCgroupOrNull,
  kBtfInode,
  kBtfInodeOrNull,
  kBtfFile,
  kBtfPath,
  kBtfSeqFile,
  kBtfSkBuff,
  kBtfXdpBuff,
  kBtfLinuxBinprm,
};

enum class HelperResult : std::uint8_t {
  kVoid,
  kInteger,
  kLength,               ///< a number: an errno, or at most the size argument
  kProcessor,            ///< a number: less than how many processors there may be
  kMapValue,
  kMapValueOrNull,       ///< (or the inner map, or the socket, that the map's elements are)
  kSocketOrNull,
  kSockCommonOrNull,
  kTcpSockOrNull,
  kRingbufMemOrNull,     ///< as long as the kAllocSize argument
  kDynptrMemOrNull,      ///< as long as the kAllocSize argument
  kPercpuVariable,
  kPercpuVariableOrNull,
  kKptrOrNull,           ///< what the field held
  kBtfTaskTrusted,       ///< the kernel's structs, by BTF
  kBtfPtRegs,
  kBtfSocketOrNull,
  kBtfTcpSockOrNull,
  kBtfTcp6SockOrNull,
  kBtfTcpTimewaitSockOrNull,
  kBtfTcpRequestSockOrNull,
  kBtfUdp6SockOrNull,
  kBtfUnixSockOrNull,
  kBtfMptcpSockOrNull,
};

/// Bytes of an argument whose size the kind says; 0: it does not.
constexpr std::uint32_t fixed_bytes(HelperArg arg) {
  switch (arg) {
    case HelperArg::kIpv4Header: return 20;
    case HelperArg::kIpv6Header: return 40;
    case HelperArg::kTcpHeader: return 20;
    case HelperArg::kLongUninit: return 8;
    case HelperArg::kIntWrite: return 4;
    default: return 0;
  }
}

/// Must the register be initialised?
constexpr bool is_checked(HelperArg arg) { return arg != HelperArg::kNone && arg != HelperArg::kVariadic; }

/// A union of these is HelperInfo::properties.
enum HelperProperty : std::uint16_t {
  kGplOnly = 1,
  kReadsPacket = 2,    ///< memory arguments may lie in the packet (pkt_access)
  kMovesPacket = 4,    ///< data and data_end may have moved afterwards
  kMightSleep = 8,     ///< only in sleepable programs
  kFastcall = 16,      ///< leaves the registers alone that it does not use
  kWritesMap = 32,     ///< not on a map that programs may only read
  kAcquires = 64,      ///< its result must be released
  kReleases = 128,     ///< ends what an argument refers to
  kCallsBack = 256,    ///< calls a subprogram
  kCastsPointer = 512, ///< its result is its argument under another type
};

/// The numbers by name, for code that treats one helper unlike others.
enum class HelperId : std::uint32_t {
#define KILN_HELPER(number, name, ...) name = number,
#include <kiln/helpers.def>
};

using EngineSet = std::uint8_t;
inline constexpr EngineSet kInterp = 1, kJit = 2, kKernel = 4, kNic = 8;
inline constexpr EngineSet kCpu = kInterp | kJit | kKernel, kAll = kCpu | kNic;

using ProgramSet = std::uint64_t;
constexpr ProgramSet program_set(ProgramType type) { return ProgramSet{1} << static_cast<unsigned>(type); }

struct HelperInfo {
  std::uint32_t number;
  std::string_view name;  ///< without the bpf_ prefix
  EngineSet engines;
  HelperResult result;
  std::array<HelperArg, 5> args;
  std::uint16_t properties;
  ProgramSet programs;

  bool has(HelperProperty property) const { return (properties & property) != 0; }
  bool is_for(ProgramType type) const { return (programs & program_set(type)) != 0; }
};

/// One row a helper, sorted by number, without gaps from 1 on.
std::span<const HelperInfo> helper_table();
/// The helper as most program types know it; nullptr if Linux 6.18 has none of that number.
const HelperInfo* find_helper(std::uint32_t number);
/// The helper as programs of this type know it; nullptr if they may not call it.
const HelperInfo* find_helper(std::uint32_t number, ProgramType type);
/// The kernel's name without bpf_; "" if there is none.
std::string_view helper_name(std::uint32_t number);

}  // namespace kiln
