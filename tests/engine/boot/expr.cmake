tf_test(test_expr LIBS tf_expr)
tf_test(test_feature_peer LIBS tf_expr tf_stage tf_indicator)
tf_test(test_feature_plan LIBS tf_expr tf_indicator)
tf_test(test_rule LIBS tf_expr tf_indicator tf_policy)
