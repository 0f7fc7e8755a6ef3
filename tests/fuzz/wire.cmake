tf_fuzz(fuzz_ws LIBS tf_wire)
tf_fuzz(fuzz_http LIBS tf_wire)
