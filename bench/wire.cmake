# B12 and B13: whole paths over a market of their own, joined as bench_path is.
foreach(bench bench_wire bench_memory)
  tf_bench(${bench} LIBS tf_boot tf_io tf_indicator tf_policy tf_model tf_feed tf_sink tf_file tf_wire)
  target_sources(${bench} PRIVATE bench_market.c ${CMAKE_SOURCE_DIR}/tools/tickfuse/registry.c)
  target_include_directories(${bench} PRIVATE ${CMAKE_SOURCE_DIR}/tools/tickfuse)
endforeach()
