# A lane's compute stage with the model runtime.
tf_bench(bench_swap LIBS tf_stage tf_model)
