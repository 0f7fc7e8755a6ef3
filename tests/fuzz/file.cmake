tf_fuzz(fuzz_capture LIBS tf_file)
tf_fuzz(fuzz_journal LIBS tf_file)
tf_fuzz(fuzz_recording LIBS tf_file)
tf_fuzz(fuzz_shm LIBS tf_sink)
