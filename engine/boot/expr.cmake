# Expressions and what they compile to. tf_plan is what a lane runs; tf_expr makes it from text.
tf_library(tf_plan SOURCES feature_plan.c DEPS tf_core)
tf_library(tf_expr SOURCES expr.c feature_compile.c feature_resolve.c rule.c DEPS tf_plan tf_core)
