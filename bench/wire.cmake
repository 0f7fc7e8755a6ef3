# B12: wire to decision, joined as bench_path is.
tf_bench(bench_wire LIBS tf_boot tf_io tf_indicator tf_policy tf_model tf_feed tf_sink tf_file tf_wire)
target_sources(bench_wire PRIVATE ${CMAKE_SOURCE_DIR}/tools/tickfuse/registry.c)
target_include_directories(bench_wire PRIVATE ${CMAKE_SOURCE_DIR}/tools/tickfuse)
