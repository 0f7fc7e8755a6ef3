tf_bench(bench_text LIBS tf_text_import tf_text)
