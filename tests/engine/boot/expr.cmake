tf_test(test_expr LIBS tf_expr)
tf_test(test_feature_peek LIBS tf_expr tf_indicator)
tf_test(test_feature_plan LIBS tf_expr tf_indicator)
tf_test(test_rule LIBS tf_expr tf_indicator tf_policy)
