/* The scanner once more, without SSE2 (see json.cmake) and with its symbols renamed. */
#define tf_decimal_format   swar_decimal_format
#define tf_decimal_parse    swar_decimal_parse
#define tf_decimal_pow10    swar_decimal_pow10
#define tf_decimal_scan     swar_decimal_scan
#define tf_decimal_tails    swar_decimal_tails
#define tf_decimal_u64_scan swar_decimal_u64_scan
#define tf_json_orders_init swar_json_orders_init
#define tf_json_read        swar_json_read
#define tf_json_skip_failed swar_json_skip_failed
#define tf_json_skip_string swar_json_skip_string
#define tf_json_skip_value  swar_json_skip_value
#define tf_json_unescape    swar_json_unescape
#define JSON_DIGEST         json_digest_swar
#include "../../adapters/wire/decimal.c"
#include "../../adapters/wire/json_skip.c"
#include "../../adapters/wire/json_unescape.c"
#include "json_digest.h"
