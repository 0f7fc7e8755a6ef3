tf_fuzz(fuzz_binance LIBS tf_feed)
