# A model per module under test: few and small, because each costs build time.

add_library(nic_memory_model STATIC)
kiln_verilate(nic_memory_model bpf_memory_system Vnic_memory Cores=2 MapBytes=262144 Maps=16)
kiln_test(nic_map_test LABEL rtl
  SOURCES nic_map_test.cc nic_service_test.cc
  DEPS nic_memory_model kiln_maps)
