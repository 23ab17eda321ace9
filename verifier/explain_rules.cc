// SPDX-License-Identifier: Apache-2.0
//
// For each message of the verifier: what it means for this program, and what would have made it safe. The
// table at the end is searched from the top.
#include <bit>

#include "refusal.h"

namespace kiln::verifier {
namespace {

std::string bytes_text(s64 first, s64 bytes) {
  return bytes == 1 ? fmt::format("byte {}", first) : fmt::format("bytes {} to {}", first, first + bytes - 1);
}

std::string start_of(RegType type) { return type == RegType::kPacketMeta ? "data_meta" : "data"; }
std::string end_of(RegType type) { return type == RegType::kPacketMeta ? "data" : "data_end"; }

Words packet_access(const Refusal& f) {
  const Reg* reg = f.reg();
  const s64 off = f.number("off="), bytes = f.number("size=");
  const RegType type = reg == nullptr ? RegType::kPacket : reg->type;
  const s64 known = reg == nullptr ? 0 : std::max(reg->extra, 0);
  const bool variable = reg != nullptr && !reg->bounds.is_constant();
  const std::string base = variable ? "the pointer with the variable offset" : start_of(type);
  Words w;
  if (off < 0) {
    w.reason = fmt::format("This {} begins {} bytes in front of {}.", f.access_word(), -off, base);
    w.suggestion = fmt::format("do not move the pointer below {}; use bpf_xdp_adjust_head to make room in front of it",
                               start_of(type));
    return w;
  }
  w.reason = fmt::format("This {} touches {} behind {}, and on this path {}.", f.access_word(),
                         bytes_text(off, bytes), base,
                         known == 0 ? "no comparison says that any byte there lies in the packet"
                                    : fmt::format("only {} bytes there are known to lie in the packet", known));
  if (variable) {
    w.suggestion = fmt::format("after adding the offset, compare that pointer + {} with {} and leave if it is greater, "
                               "before this {}", off + bytes, end_of(type), f.access_word());
  } else {
    w.suggestion = fmt::format("compare {} + {} with {} and leave if it is greater, before this {}", base, off + bytes,
                               end_of(type), f.access_word());
  }
  return w;
}

Words packet_outside(const Refusal& f) {
  Words w;
  w.reason = fmt::format("On this path {} is known to lie at data_end or beyond it.", f.reg_name());
  w.suggestion = fmt::format("do this {} on the other way out of the comparison with data_end", f.access_word());
  return w;
}

Words maybe_null(const Refusal& f) {
  Words w;
  const bool math = f.contains("pointer arithmetic");
  w.reason = fmt::format("{} may be NULL on this path and is {}.", f.reg_known(),
                         math ? "used in arithmetic" : "accessed or handed on");
  w.suggestion = fmt::format("test {} against NULL before this {}", f.reg_name(),
                             math ? "arithmetic" : f.access_word());
  return w;
}

Words not_a_pointer(const Refusal& f) {
  Words w;
  const Reg* reg = f.reg();
  const auto moved = last_call(f.failure(), true);
  if (reg != nullptr && reg->is_scalar() && moved && !reg->bounds.is_constant()) {
    w.reason = fmt::format("{} is a number here: a call that can move the packet has made all packet pointers invalid.",
                           f.reg_name());
    w.suggestion = "after that call load data and data_end from the context again, and compare again";
    w.focus = {f.reg_number(), *moved, "packet pointers are lost here"};
    return w;
  }
  if (reg != nullptr && reg->is_scalar() && reg->bounds.is_constant() && reg->bounds.value() == 0) {
    w.reason = fmt::format("{} is NULL on this path.", f.reg_name());
    w.suggestion = fmt::format("test the pointer itself against NULL before this {}; a second test of the bytes that it was chosen by "
                               "does not count, since they are loaded anew and nothing is known of them then", f.access_word());
    return w;
  }
  w.reason = fmt::format("{} is used as a pointer and is not one that may be accessed.", f.reg_known());
  w.suggestion = f.contains("'scalar'")
                     ? "access memory through a pointer that the verifier can follow (context, packet, map value, stack); "
                       "kernel memory is read with bpf_probe_read_kernel"
                     : "use a pointer to memory (context, packet, map value, stack) here";
  return w;
}

Words not_readable(const Refusal& f) {
  Words w;
  const unsigned reg = f.reg_number().value_or(0);
  const bool exits = f.decoded().form == Form::kExit;
  const auto call = last_call(f.failure(), false);
  if (exits && reg == 0) {
    w.reason = "The program ends on this path without a return value in R0.";
    w.suggestion = "return a value on every path";
  } else if (reg >= 1 && reg <= 5 && call) {
    w.reason = fmt::format("{} is read, but R1 to R5 do not outlive a call.", f.reg_name());
    w.suggestion = fmt::format("keep the value in R6 to R9 or on the stack across the call, or set {} again after it",
                               f.reg_name());
  } else {
    w.reason = fmt::format("{} is read, and on this path nothing was written to it.", f.reg_name());
    w.suggestion = fmt::format("initialise {} on every path before this instruction", f.reg_name());
  }
  return w;
}

/// "& 63" for a region of 64 bytes and elements that fit.
std::string mask_hint(s64 size, s64 bytes) {
  const u64 room = size >= bytes ? static_cast<u64>(size - bytes + 1) : 0;
  return room < 2 ? "" : fmt::format(", or mask it with & {}", std::bit_floor(room) - 1);
}

Words region_access(const Refusal& f, std::string_view what, std::string_view size_word) {
  Words w;
  const s64 size = f.number(size_word), off = f.number(" off="), bytes = f.number(" size=");
  const Reg* reg = f.reg();
  const bool variable = reg != nullptr && !reg->bounds.is_constant();
  w.reason = fmt::format("This {} {} {} of {}, which has {} bytes.", f.access_word(),
                         variable ? "may touch" : "touches", bytes_text(off, bytes), what, size);
  w.suggestion = variable ? fmt::format("before this {} check that the offset is at most {} (index < number of elements)"
                                        "{}", f.access_word(), size - bytes, mask_hint(size, bytes))
                          : fmt::format("keep the access within {} bytes, or make the value larger", size);
  return w;
}
Words map_value(const Refusal& f) { return region_access(f, "the map value", "value_size="); }
Words memory(const Refusal& f) { return region_access(f, "the memory", "mem_size="); }

Words no_upper_bound(const Refusal& f) {
  Words w;
  const bool argument = f.contains("use 'var &= const'");
  w.reason = fmt::format("{} has no upper limit that is small enough on this path.", f.reg_known());
  const Reg* reg = f.reg();
  std::string mask;
  if (reg != nullptr && reg->type == RegType::kMapValue) {
    mask = mask_hint(f.failure().object.maps[static_cast<std::size_t>(reg->extra)].value_size, 1);
  }
  w.suggestion = argument ? fmt::format("limit the size before the call, as in: if ({0} > MAX) return; or {0} &= MAX",
                                        "size")
                          : fmt::format("compare the index with its limit before adding it (if (i >= N) return){}, in "
                                        "the width in which it is used", mask);
  return w;
}

Words may_be_negative(const Refusal& f) {
  Words w;
  w.reason = fmt::format("{} can be negative on this path.", f.reg_known());
  w.suggestion = "make the number unsigned, or check that it is >= 0 before this use";
  return w;
}

Words may_be_nothing(const Refusal& f) {
  Words w;
  w.reason = fmt::format("{} is a size, and may be 0 on this path.", f.reg_known());
  w.suggestion = fmt::format("leave before the call if the size is 0, and if it is more than {} may touch", f.helper());
  return w;
}

Words wild_offset(const Refusal& f) {
  Words w;
  const bool pointer_first = f.decoded().form == Form::kAluReg && f.failure().state != nullptr &&
                             f.failure().state->reg(f.insn().dst).is_pointer();
  const unsigned scalar = pointer_first ? f.insn().src : f.insn().dst;
  w.focus.reg = scalar;
  w.reason = fmt::format("R{} is added to a pointer without being limited to what an offset can be.", scalar);
  w.suggestion = is_remainder(f.failure(), scalar)
                     ? "compare what % gave with the number of elements before adding it to a pointer (if (i >= N) return): Linux 6.18 "
                       "knows no range of it; a power of two and & need no comparison"
                     : "limit the number on both sides before adding it to a pointer (if (i >= N) return, with i unsigned)";
  return w;
}

Words bad_arithmetic(const Refusal&) {
  Words w;
  w.reason = "This arithmetic would make a pointer that can't be followed.";
  w.suggestion = "only add or subtract numbers to or from pointers, in 64 bits; compare data_end and map pointers, do not "
                 "compute with them";
  return w;
}

Words stack_access(const Refusal& f) {
  Words w;
  w.reason = fmt::format("This {} lies outside of the 512 bytes of stack below R10.", f.access_word());
  w.suggestion = "keep the offset between -512 and -1 from R10, with the whole access below 0; check an index before it "
                 "goes into an array on the stack";
  return w;
}

Words spill_size(const Refusal&) {
  return {"Part of a pointer would be stored or loaded.", "store and load pointers whole, 8 bytes at an aligned place", {}};
}

Words misaligned(const Refusal&) {
  return {"The address is not a multiple of the access's size.",
          "align the object, or copy it byte by byte (__builtin_memcpy of a packed struct)", {}};
}

Words context_access(const Refusal& f) {
  Words w;
  const bool store = f.decoded().form != Form::kLoad;
  const s64 off = f.number("off="), bytes = f.number("size=");
  w.reason = fmt::format("The context of a program of this type has no field that may be {} at offset {} with {} bytes.",
                         store ? "written" : "read", off, bytes);
  w.suggestion = store ? "do not write this field of the context"
                       : "read whole fields of the context's structure, at their own size, that exist for this program type";
  return w;
}

Words modified_context(const Refusal& f) {
  Words w;
  w.reason = fmt::format("{} no longer points at its beginning.", f.reg_known());
  w.suggestion = "use the pointer as it was given, with the offset in the access itself";
  return w;
}

Words wrong_argument(const Refusal& f) {
  Words w;
  const Reg* reg = f.reg();
  if (reg != nullptr && reg->type == RegType::kMapValue && f.contains("expected=map_ptr")) {
    const MapSpec& map = f.failure().object.maps[static_cast<std::size_t>(reg->extra)];
    if ((map.type == MapType::kArrayOfMaps || map.type == MapType::kHashOfMaps) && !map.inner) {
      w.reason = fmt::format("The object does not say what the maps in '{}' look like, so {} is not known to be one.", map.name,
                             f.reg_name());
      w.suggestion = "declare them in the map's definition: __array(values, struct { ... })";
      return w;
    }
  }
  const std::size_t expected = f.failure().message.find("expected=");
  const std::string_view wanted =
      expected == std::string_view::npos ? "something else" : f.failure().message.substr(expected + 9);
  w.reason = fmt::format("{} takes {} in {}, and {} does not fit.", f.helper(), wanted, f.reg_name(), f.reg_known());
  w.suggestion = fmt::format("pass {} as argument {}", wanted, f.reg_number().value_or(1));
  return w;
}

Words return_value(const Refusal& f) {
  Words w;
  w.focus.reg = 0;
  const std::size_t range = f.failure().message.find("should have been in ");
  w.reason = range == std::string_view::npos
                 ? "The program returns what is not a number."
                 : fmt::format("The program may return a value outside of {}.", f.failure().message.substr(range + 20));
  w.suggestion = "return one of the constants that the program type knows, on every path";
  return w;
}

Words reference_leak(const Refusal& f) {
  Words w;
  const s64 insn = f.number("alloc_insn=");
  const Program& program = f.failure().program;
  std::string release = "release it";
  if (insn >= 0 && static_cast<std::size_t>(insn) < program.insns.size()) {
    w.focus.insn = static_cast<u32>(insn);
    const std::string_view name = helper_name(static_cast<u32>(program.insns[static_cast<std::size_t>(insn)].imm));
    release = name.starts_with("ringbuf") ? "hand it to bpf_ringbuf_submit or bpf_ringbuf_discard"
              : name.starts_with("sk")    ? "hand it to bpf_sk_release"
                                          : "release it with the function that belongs to it";
  }
  w.reason = fmt::format("What instruction {} acquired is still held where this path ends.", insn);
  w.suggestion = fmt::format("{} on every path before the exit", release);
  return w;
}

Words endless(const Refusal& f) {
  Words w;
  const bool loop = f.contains("infinite loop") || f.contains("back-edge");
  w.reason = loop ? "This place is reached again with nothing changed, so the loop may never end."
                  : "The verifier has walked as many instructions or kept as many branches as it may.";
  w.suggestion = loop ? "count the turns and leave the loop at a constant number; or use bpf_loop"
                      : "make loops shorter, move their bodies into global functions (verified once) or use bpf_loop";
  return w;
}

Words dead_code(const Refusal&) {
  return {"No path leads to this instruction.", "remove the code, or the jump over it", {}};
}

Words broken_shape(const Refusal&) {
  return {"The program's jumps or its end are not where they may be.",
          "end every function with exit or a jump, and jump only within the function; recompile the object", {}};
}

Words kernel_variable(const Refusal&) {
  return {"The running kernel does not give the address of this variable or function (extern with __ksym): it is built without the names of its variables, or has none of that name.",
          "read what is needed with a helper or kernel function, or through a pointer that the program is given", {}};
}

Words unknown_function(const Refusal& f) {
  return {fmt::format("{} does not exist here, or not for this program type.", f.helper()),
          "call a function that this program type has, or change the program's section", {}};
}

Words no_counterpart(const Refusal&) {
  return {"The source uses a field or type of the kernel here that the kernel's BTF does not have, so no offset could be put in (CO-RE).",
          "do so only where bpf_core_field_exists() or bpf_core_type_exists() says that it is there; or name the kernel's BTF with --btf",
          {}};
}

Words nameless_type(const Refusal&) {
  return {"What type the program is of is not known: the section's name is none of those that say it.",
          "rename the section as libbpf has it (SEC(\"xdp\"), SEC(\"tc\"), SEC(\"socket\") and so on), or say --type", {}};
}

Words unknown_type(const Refusal&) {
  return {"What programs of this type may do is not known here.", "move the code to a section of a type that is", {}};
}

Words no_licence(const Refusal& f) {
  return {fmt::format("{} is only for programs under a licence compatible with the GPL.", f.helper()),
          "declare such a licence: char _license[] SEC(\"license\") = \"GPL\"", {}};
}

Words map_direction(const Refusal&) {
  return {"The map's flags forbid this access by programs.",
          "make the map without that flag, or access it from user space only", {}};
}

Words wrong_map(const Refusal& f) {
  return {fmt::format("{} does not work on a map of this type.", f.helper()), "use a map type that the function is for", {}};
}

Words stack_too_deep(const Refusal&) {
  return {"The functions on one chain of calls need more stack than there is.",
          "move large objects from the stack into a per-CPU array, or inline fewer levels of calls", {}};
}

Words zero_division(const Refusal&) { return {"A constant divisor is 0.", "divide by what is not 0", {}}; }
Words wide_shift(const Refusal&) { return {"A constant shift is as wide as the register.", "shift by less", {}}; }
Words frame_pointer(const Refusal&) {
  return {"R10 always points at the frame and can't be written.", "copy it to another register and change that", {}};
}
Words many_pointers(const Refusal&) {
  return {"This instruction accesses different kinds of memory on different paths.",
          "access each kind in its own branch", {}};
}
Words packet_write(const Refusal&) {
  return {"Programs of this type may not write the packet directly.", "use bpf_skb_store_bytes, or another type", {}};
}

struct Row {
  std::string_view words;  ///< in the message
  Words (*explain)(const Refusal&);
};

constexpr Row kRows[] = {
    {"invalid access to packet", packet_access},
    {"offset is outside of the packet", packet_outside},
    {"_or_null'", maybe_null},
    {"_or_null prohibited", maybe_null},
    {"null-check it first", maybe_null},
    {"_or_null expected", maybe_null},
    {"invalid mem access", not_a_pointer},
    {"!read_ok", not_readable},
    {"invalid access to map value", map_value},
    {"invalid access to memory", memory},
    {"unbounded memory access", no_upper_bound},
    {"min value is negative", may_be_negative},
    {"unbounded min value", wild_offset},
    {"makes ", wild_offset},
    {"math between", wild_offset},
    {"pointer offset", wild_offset},
    {"arithmetic", bad_arithmetic},
    {"on pointer prohibited", bad_arithmetic},
    {"pointer prohibited", bad_arithmetic},
    {"subtract", bad_arithmetic},
    {"invalid size of register", spill_size},
    {"cannot spill", spill_size},
    {" stack R", stack_access},
    {"misaligned", misaligned},
    {"invalid bpf_context access", context_access},
    {"dereference of modified", modified_context},
    {"disallowed", modified_context},
    {" expected=", wrong_argument},
    {"At program exit", return_value},
    {"Unreleased reference", reference_leak},
    {"infinite loop", endless},
    {"back-edge", endless},
    {"too large. Processed", endless},
    {"too complex", endless},
    {"unreachable insn", dead_code},
    {"jump out of range", broken_shape},
    {"last insn is not", broken_shape},
    {"GPL", no_licence},
    {"failed to find the address", kernel_variable},
    {"cannot use helper", unknown_function},
    {"unknown func", unknown_function},
    {"invalid zero-sized read", may_be_nothing},
    {"invalid func unknown#195896080", no_counterpart},  // what stands in for such an instruction
    {"missing BPF prog type", nameless_type},
    {"program type ", unknown_type},
    {"is not supported", unknown_function},
    {"cannot pass map_type", wrong_map},
    {"map forbidden", map_direction},
    {"combined stack size", stack_too_deep},
    {"call stack", stack_too_deep},
    {"div by zero", zero_division},
    {"invalid shift", wide_shift},
    {"frame pointer is read only", frame_pointer},
    {"different pointers", many_pointers},
    {"cannot write into packet", packet_write},
};

}  // namespace

Words words_for(const Refusal& refusal) {
  for (const Row& row : kRows) {
    if (refusal.contains(row.words)) {
      return row.explain(refusal);
    }
  }
  return {};
}

}  // namespace kiln::verifier
