tf_library(tf_boot
  SOURCES engine.c ledger.c publish.c
  DEPS tf_config tf_expr tf_stage tf_io)
