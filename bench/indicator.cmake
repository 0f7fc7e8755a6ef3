# The indicators and the feature plan (PERF's B5). The smoke run is a test, so that it cannot rot.
if(NOT TF_BENCH)
  return()
endif()
add_executable(bench_indicator bench_indicator.c batch_loops.c)
target_compile_options(bench_indicator PRIVATE ${TF_WARNINGS})
target_link_libraries(bench_indicator PRIVATE tf_expr tf_stage tf_indicator tf_vector tf_core m)
add_test(NAME bench_indicator_smoke COMMAND bench_indicator --smoke)
set_tests_properties(bench_indicator_smoke PROPERTIES LABELS bench TIMEOUT 60)
