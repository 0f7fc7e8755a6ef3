/* The rest of it: json.c defines names that the others define too. */
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
#include "../../adapters/wire/json.c"
