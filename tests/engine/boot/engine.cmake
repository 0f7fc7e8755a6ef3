tf_test(test_ledger LIBS tf_boot LABELS unit)
