# bpf_core against its reference (core_ref.h), with 8 and with 16 threads.
file(STRINGS ${PROJECT_SOURCE_DIR}/rtl/core.f core_files)
list(TRANSFORM core_files PREPEND ${PROJECT_SOURCE_DIR}/rtl/)

# Random start values, so that a forgotten reset shows: --x-initial unique with the test's seed.
set(core_args --assert --x-assign unique --x-initial unique)
add_library(core_models STATIC core_models.cc)
verilate(core_models PREFIX Vcore8 TOP_MODULE bpf_core SOURCES ${core_files}
  VERILATOR_ARGS ${core_args} -GThreads=8 -GWindowBytes=4096 -GCoreId=3)
verilate(core_models PREFIX Vcore16 TOP_MODULE bpf_core SOURCES ${core_files}
  VERILATOR_ARGS ${core_args} -GThreads=16 -GWindowBytes=2048 -GCoreId=3)

kiln_test(bpf_core_test LABEL rtl
  SOURCES core_test.cc core_io_test.cc core_random_test.cc core_ref.cc
  DEPS core_models kiln_compiler)
