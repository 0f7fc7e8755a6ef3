# The wire alone, without sockets: framing and TLS records over memory. B1 and B2 proper are bench_ingest.
tf_bench(bench_ws LIBS tf_wire PkgConfig::OPENSSL)
