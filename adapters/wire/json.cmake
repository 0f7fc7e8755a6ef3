# The JSON scanner and the decimals: what every venue's decoder stands on.
tf_library(tf_json SOURCES decimal.c json.c json_skip.c json_unescape.c)
