tf_test(test_group LIBS tf_boot LABELS unit)
tf_test(test_ledger LIBS tf_boot LABELS unit)
tf_test(test_control LIBS tf_boot LABELS unit stress)
tf_test(test_placement_rule LIBS tf_boot LABELS unit)
