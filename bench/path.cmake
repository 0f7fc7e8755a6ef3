# B6, B7: the whole path. It joins the same tables as the binary.
add_executable(bench_path bench_path.c bench_print.c ${CMAKE_SOURCE_DIR}/tools/tickfuse/registry.c)
target_compile_options(bench_path PRIVATE ${TF_WARNINGS})
target_include_directories(bench_path PRIVATE ${CMAKE_CURRENT_SOURCE_DIR} ${CMAKE_SOURCE_DIR}/tools/tickfuse)
target_link_libraries(bench_path PRIVATE tf_boot tf_indicator tf_policy tf_model tf_feed tf_sink tf_file tf_wire PkgConfig::JANSSON m)
add_test(NAME bench_path_smoke COMMAND bench_path --smoke WORKING_DIRECTORY ${CMAKE_SOURCE_DIR})
set_tests_properties(bench_path_smoke PROPERTIES LABELS bench TIMEOUT 60)
