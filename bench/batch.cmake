# A lane's path with the model runtime.
tf_bench(bench_batch LIBS tf_stage tf_model)
