tf_fuzz(fuzz_tape LIBS tf_file)
