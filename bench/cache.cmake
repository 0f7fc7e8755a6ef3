# The cache of models, with the stores that are built and the model runtime.
tf_bench(bench_cache LIBS tf_serve tf_store tf_model)
target_sources(bench_cache PRIVATE ${CMAKE_SOURCE_DIR}/tests/adapters/store/redis_server.c)
target_include_directories(bench_cache PRIVATE ${CMAKE_SOURCE_DIR}/tests)
