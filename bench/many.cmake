# A thousand instruments on one lane, one in flood; the engine is the binary itself.
tf_bench(bench_many LIBS tf_wire)
add_dependencies(bench_many tickfuse)
