# What a tape takes on disk, and how quickly it is read back.
tf_bench(bench_tape LIBS tf_file tf_feed PkgConfig::ZSTD)
