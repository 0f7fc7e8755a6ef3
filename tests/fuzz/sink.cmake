tf_fuzz(fuzz_datagram LIBS tf_core)
