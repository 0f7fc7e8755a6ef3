# Snapshots of a running lane; joins the same tables as the binary.
tf_bench(bench_snapshot LIBS tf_boot tf_indicator tf_vector tf_cross tf_policy tf_gpu tf_text tf_model tf_feed tf_runtimes tf_sink tf_store tf_file tf_wire PkgConfig::JANSSON)
target_sources(bench_snapshot PRIVATE ${CMAKE_SOURCE_DIR}/tools/tickfuse/registry.c ${CMAKE_SOURCE_DIR}/tools/tickfuse/snapshot_file.c)
target_include_directories(bench_snapshot PRIVATE ${CMAKE_SOURCE_DIR}/tools/tickfuse)
