# Expressions, and what they compile to: feature plans and rules.
tf_library(tf_expr SOURCES expr.c feature_compile.c feature_layout.c feature_peer.c feature_resolve.c feature_view.c rule.c DEPS tf_stage tf_core)
