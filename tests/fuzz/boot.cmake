tf_fuzz(fuzz_config LIBS tf_config)
tf_fuzz(fuzz_expr LIBS tf_expr tf_indicator tf_policy)
tf_fuzz(fuzz_control LIBS tf_boot)
