# The JSON scanner, decimals and times: what every venue's decoder stands on.
tf_library(tf_json SOURCES decimal.c hmac_sha256.c json.c json_array.c json_layout.c json_layout_learn.c json_levels.c json_skip.c json_steps.c json_unescape.c rfc3339.c)
# For venues that compress under the websocket.
tf_library(tf_gzip SOURCES gzip.c DEPS tf_core PkgConfig::ZLIB)
