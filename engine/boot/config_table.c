#include "boot/config_table.h"

#include <string.h>

#define REQUIRED "!required" /* no YAML default begins so: a tag */

#define KEY_(struct_name, key, TYPE, field, unit_, standard_, min_, max_, words_, help_)           \
  {.name     = #key,                                                                               \
   .type     = TF_CONFIG_TYPE_##TYPE,                                                              \
   .offset   = (uint32_t)offsetof(struct_name, field),                                             \
   .unit     = unit_,                                                                              \
   .standard = standard_,                                                                          \
   .min      = min_,                                                                               \
   .max      = max_,                                                                               \
   .words    = words_,                                                                             \
   .help     = help_},

#define GROUP_(struct_name, key, KIND, sub, field, cnt_field, cap_, standard_, help_)              \
  {.name       = #key,                                                                             \
   .kind       = TF_CONFIG_KIND_##KIND,                                                            \
   .section    = &section_##sub,                                                                   \
   .offset     = (uint32_t)offsetof(struct_name, field),                                           \
   .cnt_offset = CNT_OFFSET_##KIND(struct_name, cnt_field),                                        \
   .cap        = cap_,                                                                             \
   .standard   = standard_,                                                                        \
   .help       = help_},
#define CNT_OFFSET_SECTION(struct_name, cnt_field) 0
#define CNT_OFFSET_LIST(struct_name, cnt_field)    (uint32_t) offsetof(struct_name, cnt_field)
#define CNT_OFFSET_MAP                             CNT_OFFSET_LIST
#define CNT_OFFSET_ITEMS                           CNT_OFFSET_LIST

#define SECTION_(name, keys_, groups_, group_cnt_)                                                 \
  static const tf_config_section_t section_##name = {.bytes     = sizeof(tf_config_##name##_t),    \
                                                     .keys      = keys_,                           \
                                                     .key_cnt   = TF_ARRAY_CNT(keys_),             \
                                                     .groups    = groups_,                         \
                                                     .group_cnt = group_cnt_}

static const tf_config_key_t lane_keys[] = {
#define LANE_KEY(...) KEY_(tf_config_lane_t, __VA_ARGS__)
#include "boot/config_keys.def"
};
SECTION_(lane, lane_keys, NULL, 0);

static const tf_config_key_t engine_keys[] = {
#define ENGINE_KEY(...) KEY_(tf_config_engine_t, __VA_ARGS__)
#include "boot/config_keys.def"
};
static const tf_config_group_t engine_groups[] = {
#define ENGINE_GROUP(...) GROUP_(tf_config_engine_t, __VA_ARGS__)
#include "boot/config_keys.def"
};
SECTION_(engine, engine_keys, engine_groups, TF_ARRAY_CNT(engine_groups));

static const tf_config_key_t fallback_keys[] = {
#define FALLBACK_KEY(...) KEY_(tf_config_fallback_t, __VA_ARGS__)
#include "boot/config_keys.def"
};
SECTION_(fallback, fallback_keys, NULL, 0);

static const tf_config_key_t feed_keys[] = {
#define FEED_KEY(...) KEY_(tf_config_feed_t, __VA_ARGS__)
#include "boot/config_keys.def"
};
static const tf_config_group_t feed_groups[] = {
#define FEED_GROUP(...) GROUP_(tf_config_feed_t, __VA_ARGS__)
#include "boot/config_keys.def"
};
SECTION_(feed, feed_keys, feed_groups, TF_ARRAY_CNT(feed_groups));

static const tf_config_key_t session_keys[] = {
#define SESSION_KEY(...) KEY_(tf_config_session_t, __VA_ARGS__)
#include "boot/config_keys.def"
};
SECTION_(session, session_keys, NULL, 0);

static const tf_config_key_t bar_keys[] = {
#define BAR_KEY(...) KEY_(tf_config_bar_t, __VA_ARGS__)
#include "boot/config_keys.def"
};
static const tf_config_group_t bar_groups[] = {
#define BAR_GROUP(...) GROUP_(tf_config_bar_t, __VA_ARGS__)
#include "boot/config_keys.def"
};
SECTION_(bar, bar_keys, bar_groups, TF_ARRAY_CNT(bar_groups));

static const tf_config_key_t peer_keys[] = {
#define PEER_KEY(...) KEY_(tf_config_peer_t, __VA_ARGS__)
#include "boot/config_keys.def"
};
SECTION_(peer, peer_keys, NULL, 0);

static const tf_config_key_t universe_keys[] = {
#define UNIVERSE_KEY(...) KEY_(tf_config_universe_t, __VA_ARGS__)
#include "boot/config_keys.def"
};
SECTION_(universe, universe_keys, NULL, 0);

static const tf_config_key_t text_model_keys[] = {
#define TEXT_MODEL_KEY(...) KEY_(tf_config_text_model_t, __VA_ARGS__)
#include "boot/config_keys.def"
};
SECTION_(text_model, text_model_keys, NULL, 0);

static const tf_config_key_t reader_keys[] = {
#define READER_KEY(...) KEY_(tf_config_reader_t, __VA_ARGS__)
#include "boot/config_keys.def"
};
static const tf_config_group_t reader_groups[] = {
#define READER_GROUP(...) GROUP_(tf_config_reader_t, __VA_ARGS__)
#include "boot/config_keys.def"
};
SECTION_(reader, reader_keys, reader_groups, TF_ARRAY_CNT(reader_groups));

static const tf_config_key_t feature_keys[] = {
#define FEATURE_KEY(...) KEY_(tf_config_feature_t, __VA_ARGS__)
#include "boot/config_keys.def"
};
SECTION_(feature, feature_keys, NULL, 0);

static const tf_config_key_t model_keys[] = {
#define MODEL_KEY(...) KEY_(tf_config_model_t, __VA_ARGS__)
#include "boot/config_keys.def"
};
SECTION_(model, model_keys, NULL, 0);

static const tf_config_key_t model_cache_keys[] = {
#define MODEL_CACHE_KEY(...) KEY_(tf_config_model_cache_t, __VA_ARGS__)
#include "boot/config_keys.def"
};
SECTION_(model_cache, model_cache_keys, NULL, 0);

static const tf_config_key_t gpu_keys[] = {
#define GPU_KEY(...) KEY_(tf_config_gpu_t, __VA_ARGS__)
#include "boot/config_keys.def"
};
SECTION_(gpu, gpu_keys, NULL, 0);

static const tf_config_key_t strategy_keys[] = {
#define STRATEGY_KEY(...) KEY_(tf_config_strategy_t, __VA_ARGS__)
#include "boot/config_keys.def"
};
SECTION_(strategy, strategy_keys, NULL, 0);

static const tf_config_key_t sink_keys[] = {
#define SINK_KEY(...) KEY_(tf_config_sink_t, __VA_ARGS__)
#include "boot/config_keys.def"
};
SECTION_(sink, sink_keys, NULL, 0);

static const tf_config_key_t control_keys[] = {
#define CONTROL_KEY(...) KEY_(tf_config_control_t, __VA_ARGS__)
#include "boot/config_keys.def"
};
SECTION_(control, control_keys, NULL, 0);

static const tf_config_key_t http_keys[] = {
#define HTTP_KEY(...) KEY_(tf_config_http_t, __VA_ARGS__)
#include "boot/config_keys.def"
};
SECTION_(http, http_keys, NULL, 0);

static const tf_config_key_t capture_keys[] = {
#define CAPTURE_KEY(...) KEY_(tf_config_capture_t, __VA_ARGS__)
#include "boot/config_keys.def"
};
SECTION_(capture, capture_keys, NULL, 0);

static const tf_config_key_t membership_keys[] = {
#define MEMBERSHIP_KEY(...) KEY_(tf_config_membership_t, __VA_ARGS__)
#include "boot/config_keys.def"
};
SECTION_(membership, membership_keys, NULL, 0);

static const tf_config_group_t root_groups[] = {
#define ROOT_GROUP(...) GROUP_(tf_config_t, __VA_ARGS__)
#include "boot/config_keys.def"
};
const tf_config_section_t tf_config_table_root = {
    .bytes = sizeof(tf_config_t), .groups = root_groups, .group_cnt = TF_ARRAY_CNT(root_groups)};

const tf_config_profile_row_t tf_config_table_profiles[] = {
#define PROFILE_KEY(profile, key, value) {profile, key, value},
#include "boot/config_profiles.def"
};
const uint32_t tf_config_table_profile_cnt = TF_ARRAY_CNT(tf_config_table_profiles);

/* The bits of channels and books are those of the contracts; tests compare the words. */
TF_STATIC_ASSERT(TF_CHANNEL_TRADE == 1 && TF_CHANNEL_QUOTE == 2 && TF_CHANNEL_BOOK == 4 &&
                     TF_CHANNEL_TICKER == 8,
                 "feeds[].channels is trade|quote|book|ticker");
TF_STATIC_ASSERT(TF_BOOK_OK == 0 && TF_BOOK_NONE == 5 && TF_BOOK_STATE_CNT == 6,
                 "strategies[].books is ok|syncing|gap|stale|crossed|none");
TF_STATIC_ASSERT(TF_LOG_DEBUG == 0 && TF_LOG_FATAL == 5, "engine.log_level is debug .. fatal");

const char *tf_config_table_type_name(uint8_t type) {
  static const char *const names[] = {
      [TF_CONFIG_TYPE_BOOL]     = "true or false",
      [TF_CONFIG_TYPE_U32]      = "whole number",
      [TF_CONFIG_TYPE_POW2]     = "power of two",
      [TF_CONFIG_TYPE_CPU]      = "whole number",
      [TF_CONFIG_TYPE_DURATION] = "duration",
      [TF_CONFIG_TYPE_SIZE]     = "size",
      [TF_CONFIG_TYPE_RATE]     = "rate",
      [TF_CONFIG_TYPE_SPEED]    = "speed",
      [TF_CONFIG_TYPE_WORD]     = "word",
      [TF_CONFIG_TYPE_WORDS]    = "list of words",
      [TF_CONFIG_TYPE_NAME]     = "name",
      [TF_CONFIG_TYPE_IDENT]    = "identifier",
      [TF_CONFIG_TYPE_TEXT]     = "text",
      [TF_CONFIG_TYPE_FILE]     = "file",
      [TF_CONFIG_TYPE_TEXTS]    = "list of texts",
      [TF_CONFIG_TYPE_URL]      = "url",
      [TF_CONFIG_TYPE_URLS]     = "list of urls",
      [TF_CONFIG_TYPE_LISTEN]   = "address",
      [TF_CONFIG_TYPE_BAR]      = "bar size",
      [TF_CONFIG_TYPE_HOURS]    = "hours",
      [TF_CONFIG_TYPE_OFFSET]   = "offset from UTC",
      [TF_CONFIG_TYPE_EXPRS]    = "list of expressions",
      [TF_CONFIG_TYPE_WEIGHTS]  = "list of numbers",
      [TF_CONFIG_TYPE_RANGE]    = "range",
  };
  TF_STATIC_ASSERT(TF_ARRAY_CNT(names) == TF_CONFIG_TYPE_CNT, "every type has a name");
  TF_ASSERT(type < TF_CONFIG_TYPE_CNT);
  return names[type];
}

const char *tf_config_table_word(const char *words, uint32_t idx, size_t *bytes_cnt) {
  for (; idx > 0; idx--) {
    words = strchr(words, '|');
    if (!words) return NULL;
    words++;
  }
  *bytes_cnt = strcspn(words, "|");
  return words;
}

uint32_t tf_config_table_word_cnt(const char *words) {
  uint32_t cnt = 1;
  for (; *words; words++) cnt += *words == '|';
  return cnt;
}

int tf_config_table_word_find(const char *words, const char *text) {
  size_t      bytes_cnt, text_cnt = strlen(text);
  const char *word;
  for (uint32_t i = 0; (word = tf_config_table_word(words, i, &bytes_cnt)) != NULL; i++)
    if (bytes_cnt == text_cnt && memcmp(word, text, text_cnt) == 0) return (int)i;
  return -1;
}

const char *tf_config_table_words_text(const char *words, char *buf, size_t cap) {
  size_t used = 0;
  for (; *words && used + 3 < cap; words++) {
    buf[used++] = *words == '|' ? ',' : *words;
    if (*words == '|') buf[used++] = ' ';
  }
  buf[used] = '\0';
  return buf;
}
