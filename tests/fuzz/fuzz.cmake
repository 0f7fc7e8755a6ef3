# tf_fuzz(name LIBS lib...): a fuzz target name.c, which defines LLVMFuzzerTestOneInput, with its seeds
# in corpus/<name>/.
#
# With TF_FUZZ (clang, preset fuzz) it is a libFuzzer program under asan and ubsan, and its ctest is a
# short fuzz from the seeds; to fuzz for long:
#   build/fuzz/tests/fuzz/<name> -max_total_time=3600 /tmp/corpus tests/fuzz/corpus/<name>
# Otherwise fuzz_replay.c is its main, and its ctest runs the seeds, their prefixes and a fixed set of
# mutations of them.
set(TF_FUZZ_DIR ${CMAKE_CURRENT_LIST_DIR})
set(TF_FUZZ_RUNS 20000 CACHE STRING "runs of each libFuzzer target under ctest")

function(tf_fuzz_target name)
  cmake_parse_arguments(F "" "" "LIBS" ${ARGN})
  if(TF_FUZZ)
    add_executable(${name} ${name}.c)
    target_link_options(${name} PRIVATE -fsanitize=fuzzer)
  else()
    add_executable(${name} ${name}.c ${TF_FUZZ_DIR}/fuzz_replay.c)
  endif()
  target_compile_options(${name} PRIVATE ${TF_WARNINGS} -Wno-missing-prototypes)
  target_link_libraries(${name} PRIVATE ${F_LIBS} tf_core)
endfunction()

function(tf_fuzz name)
  tf_fuzz_target(${name} ${ARGN})
  set(corpus ${CMAKE_CURRENT_SOURCE_DIR}/corpus/${name})
  if(TF_FUZZ)
    set(grown ${CMAKE_CURRENT_BINARY_DIR}/grown/${name})
    file(MAKE_DIRECTORY ${grown})
    add_test(NAME ${name} COMMAND ${name} -runs=${TF_FUZZ_RUNS} -max_len=8192 -timeout=10
      -artifact_prefix=${CMAKE_CURRENT_BINARY_DIR}/${name}- ${grown} ${corpus})
  else()
    add_test(NAME ${name} COMMAND ${name} ${corpus})
  endif()
  set_tests_properties(${name} PROPERTIES LABELS fuzz TIMEOUT 300)
  tf_only_if_wanted(${name} fuzz)
endfunction()
