# bench_model: the MLP rows of B6 and B8. ONNX Runtime is not in Debian, so the peer is plain C.
if(TF_BENCH)
  add_executable(bench_model bench_model.c)
  target_compile_options(bench_model PRIVATE ${TF_WARNINGS})
  target_link_libraries(bench_model PRIVATE tf_model tf_core)
  add_test(NAME bench_model_smoke COMMAND bench_model --smoke)
  set_tests_properties(bench_model_smoke PROPERTIES LABELS bench)
endif()
