# F69's figure: a tick that the worker misses, from the deadline to its answer.
tf_bench(bench_deadline LIBS tf_stage tf_serve tf_model)
add_dependencies(bench_deadline gpu-stub)
