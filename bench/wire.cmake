# B12 and B13: whole paths over a market of their own, joined as bench_path is.
set(wire_benches bench_wire)
if(NOT TF_ALLOC_SEAL) # it counts by a malloc of its own
  list(APPEND wire_benches bench_memory)
endif()
foreach(bench ${wire_benches})
  tf_bench(${bench} LIBS tf_boot tf_io tf_indicator tf_vector tf_cross tf_policy tf_gpu tf_text tf_model tf_feed tf_runtimes tf_sink tf_store tf_file tf_wire)
  target_sources(${bench} PRIVATE bench_market.c ${CMAKE_SOURCE_DIR}/tools/tickfuse/registry.c)
  target_include_directories(${bench} PRIVATE ${CMAKE_SOURCE_DIR}/tools/tickfuse)
endforeach()
