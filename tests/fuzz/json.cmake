tf_fuzz(fuzz_json LIBS tf_json)
target_include_directories(fuzz_json PRIVATE ${CMAKE_SOURCE_DIR}/tests/adapters/wire) # json_probe.h
tf_fuzz(fuzz_json_paths LIBS tf_json)
target_sources(fuzz_json_paths PRIVATE json_paths_sse2.c json_paths_swar.c json_paths_swar_layout.c json_paths_swar_learn.c json_paths_swar_levels.c
  json_paths_swar_read.c json_paths_swar_steps.c)
target_include_directories(fuzz_json_paths PRIVATE ${CMAKE_SOURCE_DIR}/tests/adapters/wire)
set_source_files_properties(json_paths_swar.c json_paths_swar_layout.c json_paths_swar_learn.c json_paths_swar_levels.c json_paths_swar_read.c
  json_paths_swar_steps.c PROPERTIES
  COMPILE_OPTIONS "-U__SSE2__;-include;${CMAKE_CURRENT_SOURCE_DIR}/json_paths_swar_names.h")
