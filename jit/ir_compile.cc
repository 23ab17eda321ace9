// SPDX-License-Identifier: Apache-2.0
#include "ir_compile.h"

#include "direct_helpers.h"

namespace kiln {
namespace {

/// kMaps: helpers that work on a known map are called in a form for just that one.
void use_direct_helpers(ir::Function& f, const MapTargets& targets) {
  for (const ir::BlockId block : f.order) {
    for (const ir::Id id : f.blocks[block].nodes) {
      if (f.nodes[id].op != ir::Op::kCall || f.nodes[id].count == 0) {
        continue;
      }
      const ir::Id handle = f.resolve(f.operands[f.nodes[id].list]);
      if (f.nodes[handle].op != ir::Op::kMapHandle) {
        continue;
      }
      const auto map = static_cast<std::size_t>(f.nodes[handle].imm);
      const DirectForm form = direct_form(static_cast<std::uint32_t>(f.nodes[id].imm), targets.maps.descriptor(map));
      if (form != DirectForm::kNone) {
        f.nodes[id].aux = static_cast<std::uint8_t>(form);
        const ir::Id view = f.constant(reinterpret_cast<std::uintptr_t>(&targets.views[map]));
        f.operands[f.nodes[id].list] = view;
      }
    }
  }
}

/// Map references as what registers hold on this host.
void resolve_maps(ir::Function& f, const MapSet& maps) {
  const auto arena = reinterpret_cast<std::uintptr_t>(maps.arena().data());
  for (ir::Id id = 0; id < f.nodes.size(); ++id) {
    const ir::Node n = f.nodes[id];
    if (n.op == ir::Op::kMapHandle && !f.is_replaced(id)) {
      f.replace(id, f.constant(map_handle(static_cast<std::uint32_t>(n.imm))));
    } else if (n.op == ir::Op::kMapAddress && !f.is_replaced(id)) {
      const std::uint32_t offset = static_cast<std::uint32_t>(n.imm >> 32);
      f.replace(id, f.constant(arena + maps.descriptor(static_cast<std::uint32_t>(n.imm)).entries + offset));
    }
  }
}

}  // namespace

Result<ir::Function> compile_ir(const Code& code, const Facts& facts, std::uint32_t number, const MapTargets& targets,
                                ir::PassSet passes, bool has_crc32) {
  if (code.program == nullptr || !code.verified || code.functions.size() != code.program->subprograms.size()) {
    return Error{Errc::kUnsupported, "only verified programs have an intermediate form"};
  }
  std::vector<std::uint32_t> frame_bytes;
  for (const Function& function : code.functions) {
    frame_bytes.push_back(function.frame_bytes);
  }
  auto built = ir::build_ir(*code.program, facts, number, frame_bytes, passes);
  if (!built) {
    return built.error();
  }
  ir::Function f = std::move(*built);
  const MapSet& maps = targets.maps;
  for (std::size_t map = 0; map < maps.size(); ++map) {
    f.maps.push_back({maps.descriptor(map).key_size, maps.descriptor(map).value_size});
  }
  if (passes.has(ir::Pass::kMaps)) {
    inline_maps(f, targets, has_crc32);
  }
  if (passes.has(ir::Pass::kAlone) && !maps.is_shared()) {
    ir::make_atomics_plain(f);
  }
  ir::optimise(f, passes);
  if (passes.has(ir::Pass::kMaps)) {
    use_direct_helpers(f, targets);
  }
  resolve_maps(f, maps);
  ir::fold(f, passes);
  ir::remove_dead(f);
  ir::find_loops(f);
  return f;
}

Result<std::vector<std::optional<ir::Function>>> compile_program(const Code& code, const Facts& facts, const MapTargets& targets,
                                                                 ir::PassSet passes, bool has_crc32) {
  std::vector<std::optional<ir::Function>> functions(code.functions.size());
  std::vector<std::uint32_t> wanted = {0};
  for (const CodeInsn& insn : code.insns) {
    if (insn.op == Op::LD_CODE_ADDR) {
      wanted.push_back(insn.target);
    }
  }
  while (!wanted.empty()) {
    const std::uint32_t number = wanted.back();
    wanted.pop_back();
    if (functions[number]) {
      continue;
    }
    auto compiled = compile_ir(code, facts, number, targets, passes, has_crc32);
    if (!compiled) {
      return compiled.error();
    }
    for (const ir::BlockId block : compiled->order) {
      for (const ir::Id id : compiled->blocks[block].nodes) {
        if (compiled->nodes[id].op == ir::Op::kCallLocal) {
          wanted.push_back(static_cast<std::uint32_t>(compiled->nodes[id].imm));
        }
      }
    }
    functions[number] = std::move(*compiled);
  }
  return functions;
}

}  // namespace kiln
