tf_library(tf_boot
  SOURCES control.c control_request.c control_socket.c engine.c feature_schema.c ledger.c model_inputs.c model_places.c model_server.c peer_config.c publish.c remotes.c remotes_show.c runtimes.c serving.c snapshot.c worker_program.c
  DEPS tf_config tf_expr tf_stage tf_io PkgConfig::JANSSON)
