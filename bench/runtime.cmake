# bench_runtime: models that other runtimes answer.
tf_bench(bench_runtime LIBS tf_runtimes tf_serve)
