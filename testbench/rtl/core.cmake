# bpf_core against its reference (core_ref.h), with 8 and with 16 threads. Random start values, so that
# a forgotten reset shows: --x-initial unique with the test's seed, which kiln_verilate() does not do.
add_library(core_models STATIC)
foreach(build "8;4096" "16;2048")
  list(GET build 0 threads)
  list(GET build 1 window)
  verilate(core_models PREFIX Vcore${threads} TOP_MODULE bpf_core
    SOURCES ${KILN_RTL_FILES} INCLUDE_DIRS ${KILN_RTL_DIR}
    VERILATOR_ARGS -O3 --assert --x-assign unique --x-initial unique
    -GThreads=${threads} -GWindowBytes=${window} -GCoreId=3)
endforeach()
target_compile_options(core_models PRIVATE -w)  # generated code

kiln_test(barrel_core_test LABEL rtl
  SOURCES core_test.cc core_io_test.cc core_random_test.cc core_ref.cc
  DEPS core_models kiln_compiler)
target_compile_options(barrel_core_test PRIVATE -Wno-unused-parameter)  # verilated_types.h
