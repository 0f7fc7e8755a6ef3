# What idle strategies cost.
tf_bench(bench_idle LIBS tf_stage tf_io)
target_sources(bench_idle PRIVATE idle_lane.c)
