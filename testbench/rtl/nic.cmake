# A model per module under test: few and small, because each costs build time.

add_library(nic_memory_model STATIC)
kiln_verilate(nic_memory_model bpf_memory_system Vnic_memory Cores=2 MapBytes=262144 Maps=16)
kiln_test(nic_map_test LABEL rtl
  SOURCES nic_keyless_test.cc nic_map_test.cc nic_service_test.cc
  DEPS nic_memory_model kiln_maps fmt::fmt)

add_library(nic_narrow_model STATIC)
kiln_verilate(nic_narrow_model kiln_nic Vnic_narrow ImemWords=1024 MapBytes=65536 Maps=4)
add_library(nic_wide_model STATIC)
kiln_verilate(nic_wide_model kiln_nic Vnic_wide
  Cores=3 DataWidth=512 ImemWords=1024 MapBytes=65536 Maps=4)
kiln_test(nic_test LABEL rtl
  SOURCES nic_test.cc nic_handover_test.cc
  DEPS nic_narrow_model nic_wide_model kiln_compiler fmt::fmt)
