tf_fuzz(fuzz_json LIBS tf_json)
target_include_directories(fuzz_json PRIVATE ${CMAKE_SOURCE_DIR}/tests/adapters/wire) # json_probe.h
