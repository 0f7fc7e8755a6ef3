tf_fuzz(fuzz_kserve LIBS tf_runtimes)
