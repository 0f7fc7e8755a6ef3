tf_fuzz(fuzz_recording LIBS tf_file)
tf_fuzz(fuzz_shm LIBS tf_sink)
tf_fuzz(fuzz_tape LIBS tf_file)
