tf_fuzz(fuzz_event_post LIBS tf_source)
