tf_fuzz(fuzz_binance LIBS tf_feed)
tf_fuzz(fuzz_events LIBS tf_feed)
tf_fuzz(fuzz_in_band LIBS tf_feed)
