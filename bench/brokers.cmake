# Sinks of brokers, each beside its client library's own loop.
if(NATS_FOUND AND HIREDIS_FOUND)
  tf_bench(bench_brokers LIBS tf_sink)
endif()
