/* The names of the scanner that is built once more without SSE2 (json_paths_swar*.c), so that one program holds both. */
#ifndef TESTS_FUZZ_JSON_PATHS_SWAR_NAMES_H
#define TESTS_FUZZ_JSON_PATHS_SWAR_NAMES_H

#define tf_decimal_format          swar_decimal_format
#define tf_decimal_parse           swar_decimal_parse
#define tf_decimal_pow10           swar_decimal_pow10
#define tf_decimal_read_wide       swar_decimal_read_wide
#define tf_decimal_scan            swar_decimal_scan
#define tf_decimal_span_long       swar_decimal_span_long
#define tf_decimal_tails           swar_decimal_tails
#define tf_decimal_u64_scan        swar_decimal_u64_scan
#define tf_json_layout_add         swar_json_layout_add
#define tf_json_layout_bar         swar_json_layout_bar
#define tf_json_layout_find        swar_json_layout_find
#define tf_json_layout_learn       swar_json_layout_learn
#define tf_json_layout_places      swar_json_layout_places
#define tf_json_layout_room        swar_json_layout_room
#define tf_json_layout_take        swar_json_layout_take
#define tf_json_layout_way         swar_json_layout_way
#define tf_json_layouts_init       swar_json_layouts_init
#define tf_json_levels_read        swar_json_levels_read
#define tf_json_levels_read_worded swar_json_levels_read_worded
#define tf_json_orders_init        swar_json_orders_init
#define tf_json_read               swar_json_read
#define tf_json_skip_decimal       swar_json_skip_decimal
#define tf_json_skip_failed        swar_json_skip_failed
#define tf_json_skip_string        swar_json_skip_string
#define tf_json_skip_u64           swar_json_skip_u64
#define tf_json_skip_value         swar_json_skip_value
#define tf_json_steps_find         swar_json_steps_find
#define tf_json_steps_form         swar_json_steps_form
#define tf_json_steps_learn        swar_json_steps_learn
#define tf_json_steps_link         swar_json_steps_link
#define tf_json_unescape           swar_json_unescape

#endif
