# B1: our ingest beside libwebsockets' client.
add_executable(bench_ingest bench_ingest.c peer_lws.c)
target_compile_options(bench_ingest PRIVATE ${TF_WARNINGS})
target_include_directories(bench_ingest PRIVATE ${CMAKE_CURRENT_SOURCE_DIR})
target_link_libraries(bench_ingest PRIVATE tf_io tf_wire tf_core PkgConfig::LWS)
add_test(NAME bench_ingest_smoke COMMAND bench_ingest --smoke)
set_tests_properties(bench_ingest_smoke PROPERTIES LABELS bench TIMEOUT 60)

# B2: the same over TLS.
tf_bench(bench_wss LIBS tf_io tf_wire PkgConfig::LWS PkgConfig::OPENSSL)
target_sources(bench_wss PRIVATE peer_lws.c)
