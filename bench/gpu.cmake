# B9 and B10: the worker on a card; its smoke form asks the worker's twin on the CPU.
add_executable(bench_gpu bench_gpu.c bench_gpu_worker.c)
target_compile_options(bench_gpu PRIVATE ${TF_WARNINGS})
target_link_libraries(bench_gpu PRIVATE tf_model tf_flow tf_bench_print tf_core)
add_test(NAME bench_gpu_smoke COMMAND bench_gpu --smoke --json --worker $<TARGET_FILE:tickfuse-gpu-on-cpu>
  WORKING_DIRECTORY ${CMAKE_SOURCE_DIR})
set_tests_properties(bench_gpu_smoke PROPERTIES LABELS bench SKIP_RETURN_CODE 77 TIMEOUT 120)
