# A thousand instruments on one lane, one in flood; the engine is the binary itself.
tf_bench(bench_many LIBS tf_wire)
target_sources(bench_many PRIVATE many_venue.c off_core.c peer_recv.c)
add_dependencies(bench_many tickfuse)
