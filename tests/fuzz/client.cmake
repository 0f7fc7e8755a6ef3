tf_fuzz(fuzz_client_frames LIBS tf_client)
