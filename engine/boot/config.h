/* The configuration: one plain struct that boot reads, made from defaults, a profile, a YAML file
 * and --set arguments, in that order; the later wins.
 *
 * What keys there are is said once, in config_keys.def: each row there is a field here (the section
 * engine is tf_config_engine_t, and so on), its check, its default and its documentation
 * (`tickfuse schema`). Where a value came from is kept, so that every message about it, also one
 * of a later stage, can name file:line:column.
 *
 * Control plane: loading mallocs. A loaded config is immutable; any thread may read it. All strings
 * belong to it and end with tf_config_free. */
#ifndef TF_BOOT_CONFIG_H
#define TF_BOOT_CONFIG_H

#include "boot/config_report.h"
#include "core/log.h"
#include "tf/err.h"
#include "tf/event.h"
#include "tf/feed.h"

#define TF_CONFIG_SETS_MAX 64

/* The words of WORD keys, in the order of config_keys.def; bits of WORDS keys likewise. */
enum tf_config_profile {
  TF_CONFIG_PROFILE_BASIC,
  TF_CONFIG_PROFILE_STANDARD,
  TF_CONFIG_PROFILE_AGGRESSIVE,
  TF_CONFIG_PROFILE_MAXIMUM
};
enum tf_config_isa {
  TF_CONFIG_ISA_AUTO,
  TF_CONFIG_ISA_SCALAR,
  TF_CONFIG_ISA_AVX2,
  TF_CONFIG_ISA_AVX512
};
enum tf_config_ready { TF_CONFIG_READY_ALL, TF_CONFIG_READY_RULES, TF_CONFIG_READY_NONE };
enum tf_config_restore { TF_CONFIG_RESTORE_LEARNT, TF_CONFIG_RESTORE_EXACT };
enum tf_config_idle { TF_CONFIG_IDLE_SPIN, TF_CONFIG_IDLE_YIELD, TF_CONFIG_IDLE_SLEEP };
enum tf_config_io { TF_CONFIG_IO_AUTO, TF_CONFIG_IO_URING, TF_CONFIG_IO_EPOLL };
enum tf_config_stages {
  TF_CONFIG_STAGE_ACQUIRE = 1,
  TF_CONFIG_STAGE_BUFFER  = 2,
  TF_CONFIG_STAGE_COMPUTE = 4,
  TF_CONFIG_STAGE_DECIDE  = 8,
  TF_CONFIG_STAGE_EMIT    = 16,
  TF_CONFIG_STAGES_LANE   = 14, /* what one instrument never has on two threads */
  TF_CONFIG_STAGES_ALL    = 31
};
enum tf_config_precision {
  TF_CONFIG_PRECISION_AUTO,
  TF_CONFIG_PRECISION_FP32,
  TF_CONFIG_PRECISION_BF16,
  TF_CONFIG_PRECISION_FP16,
  TF_CONFIG_PRECISION_INT8
};
enum tf_config_backend {
  TF_CONFIG_BACKEND_AUTO,
  TF_CONFIG_BACKEND_CPU,
  TF_CONFIG_BACKEND_ONNXRUNTIME,
  TF_CONFIG_BACKEND_KSERVE,
  TF_CONFIG_BACKEND_GPU,
  TF_CONFIG_BACKEND_STUB
};
enum tf_config_features { TF_CONFIG_FEATURES_LANE, TF_CONFIG_FEATURES_GPU };
enum tf_config_no_answer {
  TF_CONFIG_NO_ANSWER_HOLD,
  TF_CONFIG_NO_ANSWER_LAST,
  TF_CONFIG_NO_ANSWER_FALLBACK,
  TF_CONFIG_NO_ANSWER_CPU,
  TF_CONFIG_NO_ANSWER_AUTO
};
enum tf_config_binary { TF_CONFIG_BINARY_AUTO, TF_CONFIG_BINARY_ON, TF_CONFIG_BINARY_OFF };
enum tf_config_crossing {
  TF_CONFIG_CROSSING_KEEP,
  TF_CONFIG_CROSSING_SORT,
  TF_CONFIG_CROSSING_REFUSE
};
enum tf_config_priority {
  TF_CONFIG_PRIORITY_HIGH,
  TF_CONFIG_PRIORITY_NORMAL,
  TF_CONFIG_PRIORITY_LOW
};
enum tf_config_combine {
  TF_CONFIG_COMBINE_MEAN,
  TF_CONFIG_COMBINE_WEIGHTED,
  TF_CONFIG_COMBINE_MEDIAN,
  TF_CONFIG_COMBINE_VOTE
};
enum tf_config_overrun {
  TF_CONFIG_OVERRUN_COUNT,
  TF_CONFIG_OVERRUN_SKIP,
  TF_CONFIG_OVERRUN_LAST,
  TF_CONFIG_OVERRUN_FALLBACK
};
enum tf_config_at_end { TF_CONFIG_AT_END_STOP, TF_CONFIG_AT_END_LOOP };
enum tf_config_emit { TF_CONFIG_EMIT_EVERY, TF_CONFIG_EMIT_ACTIONS };
enum tf_config_sink_policy {
  TF_CONFIG_SINK_AUTO /* the sink's own choice; behind it tf_overflow_t, one higher */
};
enum tf_config_sink_format {
  TF_CONFIG_FORMAT_BINARY,
  TF_CONFIG_FORMAT_JSON,
  TF_CONFIG_FORMAT_CBOR
};
enum tf_config_times { TF_CONFIG_TIMES_OURS, TF_CONFIG_TIMES_KEPT };
enum tf_config_capture_policy {
  TF_CONFIG_CAPTURE_AUTO, /* stop beside an engine, block without */
  TF_CONFIG_CAPTURE_BLOCK,
  TF_CONFIG_CAPTURE_STOP
};
enum tf_config_group_store { TF_CONFIG_GROUP_DIR, TF_CONFIG_GROUP_NATS, TF_CONFIG_GROUP_REDIS };

enum tf_config_bar_kind {
  TF_CONFIG_BAR_TIME,           /* interval_ns */
  TF_CONFIG_BAR_TICKS,          /* amount trades */
  TF_CONFIG_BAR_VOLUME,         /* amount base units */
  TF_CONFIG_BAR_NOTIONAL,       /* amount quote units */
  TF_CONFIG_BAR_TICK_IMBALANCE, /* amount, from here on: trades of the first bar */
  TF_CONFIG_BAR_VOLUME_IMBALANCE,
  TF_CONFIG_BAR_NOTIONAL_IMBALANCE,
  TF_CONFIG_BAR_TICK_RUNS,
  TF_CONFIG_BAR_VOLUME_RUNS,
  TF_CONFIG_BAR_NOTIONAL_RUNS,
  TF_CONFIG_BAR_KIND_CNT
};
enum tf_config_bar_clock { TF_CONFIG_BAR_CLOCK_RECV, TF_CONFIG_BAR_CLOCK_EVENT };
enum tf_config_bar_gaps { TF_CONFIG_BAR_GAPS_NONE, TF_CONFIG_BAR_GAPS_FLAT };

/* Value types that are more than one word. */
typedef struct tf_config_texts {
  const char *const *items;
  uint32_t           item_cnt; /* instruments: 0 = all that appear */
} tf_config_texts_t;

typedef struct tf_config_weights {
  const double *items;
  uint32_t      item_cnt; /* 0: none were given */
} tf_config_weights_t;

typedef struct tf_config_rate {
  uint32_t cnt_max; /* 0: no limit */
  uint64_t window_ns;
} tf_config_rate_t;

typedef struct tf_config_url {
  const char *host; /* NULL: not given. Without brackets */
  const char *path; /* of keys that take one: "/v2/models/x"; else NULL */
  uint16_t    port; /* the scheme's own where the text names none */
  bool        tls;  /* wss, https */
} tf_config_url_t;

typedef struct tf_config_urls {
  const tf_config_url_t *items;
  uint32_t               item_cnt; /* 0: not given */
} tf_config_urls_t;

typedef struct tf_config_listen {
  const char *host; /* a numeric address; NULL: off */
  uint16_t    port; /* 0: a free one */
} tf_config_listen_t;

typedef struct tf_config_bar_size {
  uint8_t  kind; /* enum tf_config_bar_kind */
  uint64_t interval_ns;
  double   amount;
} tf_config_bar_size_t;

typedef struct tf_config_hours {
  uint64_t open_ns;   /* time of day */
  uint64_t length_ns; /* 1min .. 24h */
} tf_config_hours_t;
typedef struct tf_config_range {
  bool   is_set;
  double min, max; /* infinite where the text leaves it out */
} tf_config_range_t;

/* C types of the rows' TYPE column. */
#define TF_CONFIG_CTYPE_BOOL     bool
#define TF_CONFIG_CTYPE_U32      uint32_t
#define TF_CONFIG_CTYPE_POW2     uint32_t
#define TF_CONFIG_CTYPE_CPU      int32_t
#define TF_CONFIG_CTYPE_DURATION uint64_t
#define TF_CONFIG_CTYPE_SIZE     uint64_t
#define TF_CONFIG_CTYPE_RATE     tf_config_rate_t
#define TF_CONFIG_CTYPE_SPEED    uint64_t
#define TF_CONFIG_CTYPE_WORD     uint8_t
#define TF_CONFIG_CTYPE_WORDS    uint32_t
#define TF_CONFIG_CTYPE_NAME     const char *
#define TF_CONFIG_CTYPE_IDENT    const char *
#define TF_CONFIG_CTYPE_TEXT     const char *
#define TF_CONFIG_CTYPE_FILE     const char * /* resolved, see config_value.c */
#define TF_CONFIG_CTYPE_TEXTS    tf_config_texts_t
#define TF_CONFIG_CTYPE_URL      tf_config_url_t
#define TF_CONFIG_CTYPE_URLS     tf_config_urls_t
#define TF_CONFIG_CTYPE_LISTEN   tf_config_listen_t
#define TF_CONFIG_CTYPE_BAR      tf_config_bar_size_t
#define TF_CONFIG_CTYPE_HOURS    tf_config_hours_t
#define TF_CONFIG_CTYPE_OFFSET   int64_t
#define TF_CONFIG_CTYPE_EXPRS    tf_config_texts_t
#define TF_CONFIG_CTYPE_WEIGHTS  tf_config_weights_t
#define TF_CONFIG_CTYPE_RANGE    tf_config_range_t

#define TF_CONFIG_FIELD_(key, type, field, ...) TF_CONFIG_CTYPE_##type field;
#define TF_CONFIG_GROUP_(key, kind, section, field, cnt_field, cap, ...)                           \
  TF_CONFIG_GROUP_##kind##_(section, field, cnt_field, cap)
#define TF_CONFIG_GROUP_SECTION_(section, field, cnt_field, cap) tf_config_##section##_t field;
#define TF_CONFIG_GROUP_LIST_(section, field, cnt_field, cap)                                      \
  tf_config_##section##_t field[cap];                                                              \
  uint32_t                cnt_field;
#define TF_CONFIG_GROUP_MAP_   TF_CONFIG_GROUP_LIST_
#define TF_CONFIG_GROUP_ITEMS_ TF_CONFIG_GROUP_LIST_

typedef struct tf_config_lane {
#define LANE_KEY TF_CONFIG_FIELD_
#include "boot/config_keys.def"
} tf_config_lane_t;

typedef struct tf_config_engine { /* and lanes[lane_cnt] */
#define ENGINE_KEY   TF_CONFIG_FIELD_
#define ENGINE_GROUP TF_CONFIG_GROUP_
#include "boot/config_keys.def"
} tf_config_engine_t;

typedef struct tf_config_fallback {
#define FALLBACK_KEY TF_CONFIG_FIELD_
#include "boot/config_keys.def"
} tf_config_fallback_t;

typedef struct tf_config_feed { /* and fallbacks[fallback_cnt] */
#define FEED_KEY   TF_CONFIG_FIELD_
#define FEED_GROUP TF_CONFIG_GROUP_
#include "boot/config_keys.def"
} tf_config_feed_t;

#define TF_CONFIG_INSTRUMENTS_ROOM 16u

/* Instruments that a feed may be told of while it runs, beside those that it names. */
TF_INLINE uint32_t tf_config_feed_room(const tf_config_feed_t *feed) {
  uint32_t named = feed->instruments.item_cnt;
  if (named == 0) return 0; /* all that appear */
  if (feed->instruments_max == 0) return TF_CONFIG_INSTRUMENTS_ROOM;
  return feed->instruments_max > named ? feed->instruments_max - named : 0;
}

typedef struct tf_config_session {
#define SESSION_KEY TF_CONFIG_FIELD_
#include "boot/config_keys.def"
} tf_config_session_t;

typedef struct tf_config_bar { /* session.hours.length_ns 0: there are no sessions */
#define BAR_KEY   TF_CONFIG_FIELD_
#define BAR_GROUP TF_CONFIG_GROUP_
#include "boot/config_keys.def"
} tf_config_bar_t;

TF_INLINE bool tf_config_bar_learns(const tf_config_bar_t *bar) {
  return bar->size.kind >= TF_CONFIG_BAR_TICK_IMBALANCE;
}

/* Of bars that learn: what trades_min and trades_max are where they are left out. */
TF_INLINE uint32_t tf_config_bar_trades_min(const tf_config_bar_t *bar) {
  const uint32_t tenth = (uint32_t)(bar->size.amount / 10);
  return bar->trades_min ? bar->trades_min : tenth > 2 ? tenth : 2;
}

TF_INLINE uint32_t tf_config_bar_trades_max(const tf_config_bar_t *bar) {
  return bar->trades_max ? bar->trades_max : (uint32_t)(bar->size.amount * 10);
}
typedef struct tf_config_peer {
#define PEER_KEY TF_CONFIG_FIELD_
#include "boot/config_keys.def"
} tf_config_peer_t;

typedef struct tf_config_universe {
#define UNIVERSE_KEY TF_CONFIG_FIELD_
#include "boot/config_keys.def"
} tf_config_universe_t;

typedef struct tf_config_text_model {
#define TEXT_MODEL_KEY TF_CONFIG_FIELD_
#include "boot/config_keys.def"
} tf_config_text_model_t;

typedef struct tf_config_reader { /* and classifier, embedder */
#define READER_KEY   TF_CONFIG_FIELD_
#define READER_GROUP TF_CONFIG_GROUP_
#include "boot/config_keys.def"
} tf_config_reader_t;

TF_INLINE bool tf_config_text_model_is_given(const tf_config_text_model_t *model) {
  return model->file || model->registry;
}

typedef struct tf_config_feature {
#define FEATURE_KEY TF_CONFIG_FIELD_
#include "boot/config_keys.def"
} tf_config_feature_t;

typedef struct tf_config_model {
#define MODEL_KEY TF_CONFIG_FIELD_
#include "boot/config_keys.def"
} tf_config_model_t;

/* In models[].registry: what becomes the instrument's symbol (BTCUSDT), its name (BTCUSDT.BINANCE-SPOT). */
#define TF_CONFIG_OF_SYMBOL     "{symbol}"
#define TF_CONFIG_OF_INSTRUMENT "{instrument}"

/* In any text: what `tickfuse group` makes the number of an engine's partition, four digits. */
#define TF_CONFIG_OF_PARTITION "{partition}"

/* Is it one an instrument, its file the base of them all? */
TF_INLINE bool tf_config_model_has_owns(const tf_config_model_t *model) {
  for (const char *at = model->registry; at && *at; at++)
    if (*at == '{') return true;
  return false;
}

/* Does its registry's newest version, or the one that is asked for, serve from the start? */
TF_INLINE bool tf_config_model_is_swappable(const tf_config_model_t *model) {
  return model->registry && !tf_config_model_has_owns(model);
}

typedef struct tf_config_model_cache {
#define MODEL_CACHE_KEY TF_CONFIG_FIELD_
#include "boot/config_keys.def"
} tf_config_model_cache_t;

typedef struct tf_config_gpu {
#define GPU_KEY TF_CONFIG_FIELD_
#include "boot/config_keys.def"
} tf_config_gpu_t;

/* Does a runtime beside the lane answer it, or a worker on the tick? auto may come to be of the latter. */
TF_INLINE bool tf_config_model_is_foreign(const tf_config_model_t *model) {
  return model->backend == TF_CONFIG_BACKEND_ONNXRUNTIME ||
         model->backend == TF_CONFIG_BACKEND_KSERVE;
}
TF_INLINE bool tf_config_model_is_remote(const tf_config_model_t *model) {
  return model->backend == TF_CONFIG_BACKEND_GPU || model->backend == TF_CONFIG_BACKEND_STUB;
}

/* What is not said depends on the backend. */
TF_INLINE uint64_t tf_config_model_deadline_ns(const tf_config_model_t *model) {
  if (model->deadline_ns) return model->deadline_ns;
  return tf_config_model_is_foreign(model) ? UINT64_C(50000000) : UINT64_C(100000);
}
TF_INLINE int tf_config_model_no_answer(const tf_config_model_t *model) {
  if (model->no_answer != TF_CONFIG_NO_ANSWER_AUTO) return model->no_answer;
  if (tf_config_model_is_foreign(model)) return TF_CONFIG_NO_ANSWER_HOLD;
  return model->fallback ? TF_CONFIG_NO_ANSWER_FALLBACK : TF_CONFIG_NO_ANSWER_CPU;
}

typedef struct tf_config_strategy {
#define STRATEGY_KEY TF_CONFIG_FIELD_
#include "boot/config_keys.def"
} tf_config_strategy_t;

typedef struct tf_config_sink {
#define SINK_KEY TF_CONFIG_FIELD_
#include "boot/config_keys.def"
} tf_config_sink_t;

typedef struct tf_config_control {
#define CONTROL_KEY TF_CONFIG_FIELD_
#include "boot/config_keys.def"
} tf_config_control_t;

typedef struct tf_config_http {
#define HTTP_KEY TF_CONFIG_FIELD_
#include "boot/config_keys.def"
} tf_config_http_t;

typedef struct tf_config_capture {
#define CAPTURE_KEY TF_CONFIG_FIELD_
#include "boot/config_keys.def"
} tf_config_capture_t;

typedef struct tf_config_membership { /* of a group */
#define MEMBERSHIP_KEY TF_CONFIG_FIELD_
#include "boot/config_keys.def"
} tf_config_membership_t;

/* One effective value, in the table's order, as `check` prints it and as the hash covers it. */
typedef struct tf_config_value tf_config_value_t;
struct tf_config_value {
  const char              *path;   /* "strategies[0].cooldown" */
  const char              *text;   /* canonical: "250ms" */
  uint32_t                 source; /* index of the config's sources */
  uint32_t                 line, col;
  const tf_config_value_t *next;
};

typedef enum tf_config_origin {
  TF_CONFIG_ORIGIN_DEFAULT,
  TF_CONFIG_ORIGIN_PROFILE,
  TF_CONFIG_ORIGIN_FILE,
  TF_CONFIG_ORIGIN_SET
} tf_config_origin_t;

typedef struct tf_config {
  /* engine, feeds[feed_cnt], bars[bar_cnt], peers[peer_cnt], universe, features[feature_cnt],
   * models[model_cnt], model_cache, gpu, texts, strategies[strategy_cnt], sinks[sink_cnt], control, http, capture, group */
#define ROOT_GROUP TF_CONFIG_GROUP_
#include "boot/config_keys.def"

  const char              *path;       /* of the file, as given */
  uint8_t                  sha256[32]; /* over "path=text\n" of all values */
  uint64_t                 hash;       /* its first 8 bytes, little endian: the journal's */
  const tf_config_value_t *values;
  struct tf_config_store  *store; /* config.c's own */
} tf_config_t;

/* Names that the engine was built with, for checking with nearest name. A NULL list is not checked:
 * whoever uses the name then reports it, with tf_config_where. */
typedef struct tf_config_known {
  const char *const *venues;
  uint32_t           venue_cnt;
  const char *const *sinks;
  uint32_t           sink_cnt;
  const char *const *policies;
  uint32_t           policy_cnt;
} tf_config_known_t;

/* Loads path, applies sets[] ("engine.idle=spin", "feeds.0.url=ws://127.0.0.1:9001"; the value is
 * YAML, collections in flow style), checks everything. known and errors may be NULL. On failure
 * *config is NULL, all errors found are in errors, and the thread's error record carries the first:
 * E_CONFIG_FILE, _SYNTAX, _KEY, _VALUE, _CONFLICT, E_CORE_NO_MEMORY. */
tf_err_t tf_config_load(const char *path, const char *const *sets, uint32_t set_cnt,
                        const tf_config_known_t *known, tf_config_errors_t *errors,
                        tf_config_t **config);
/* The same of a text instead of a file; name: what errors call it. */
tf_err_t tf_config_load_text(const char *name, const char *text, const char *const *sets,
                             uint32_t set_cnt, const tf_config_known_t *known,
                             tf_config_errors_t *errors, tf_config_t **config);
void     tf_config_free(tf_config_t *config); /* NULL is fine */

/* The effective value at a path ("strategies[0].buy"), NULL when there is none. */
const tf_config_value_t *tf_config_value_at(const tf_config_t *config, const char *path);

tf_config_origin_t tf_config_origin_of(const tf_config_value_t *value);

/* Where a value came from, for people: "configs/x.yaml:12:7", "--set engine.idle=spin", "profile
 * basic" or "default". Writes to buf and returns it. */
const char *tf_config_origin_text(const tf_config_t *config, const tf_config_value_t *value,
                                  char *buf, size_t cap);

/* "configs/x.yaml:12:7: strategies[0].buy", the head of a later stage's error about that value. For
 * a path without a value of its own, the config file's name and the path. */
const char *tf_config_where(const tf_config_t *config, const char *path, char *buf, size_t cap);

#endif
