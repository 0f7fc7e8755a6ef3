tf_test(test_expr LIBS tf_expr)
