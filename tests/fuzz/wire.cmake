tf_fuzz(fuzz_ws LIBS tf_wire)
tf_fuzz(fuzz_http LIBS tf_wire)
tf_fuzz(fuzz_tls_record LIBS tf_wire)
target_sources(fuzz_tls_record PRIVATE ${CMAKE_SOURCE_DIR}/tests/adapters/wire/record_seal.c)
