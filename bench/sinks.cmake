# Every sink, each beside the fewest calls that do the same.
if(NATS_FOUND AND HIREDIS_FOUND AND RDKAFKA_FOUND)
  tf_bench(bench_sinks LIBS tf_stage tf_sink tf_client)
  target_sources(bench_sinks PRIVATE sink_ends.c sink_peers.c)
endif()
