#include "wire/json_layout.h"

#include "wire/json_hot.h"

/* To learn a layout costs as much as some ten messages. So only what comes a second time is learned, and it is paid for: by
 * messages that had one, and by every sixteenth without. What a session begins with is free. */
#define LEARN_COST   16u
#define CREDIT_START (LEARN_COST * TF_JSON_LAYOUTS * 2)

/* ---- comparing ---- */

#define WAY_PLAIN (TF_JSON_LAYOUT_WAYS - 1)

#if defined(__SSE2__)
#include <immintrin.h>

static bool matches_sse2(const tf_json_block_t *b, uint32_t cnt, const char *bytes) {
  const __m128i quote = _mm_set1_epi8('"'), slash = _mm_set1_epi8('\\');
  uint64_t      wrong = 0;
  for (; cnt > 0 && wrong == 0; cnt--, b++, bytes += 64) {
    uint64_t quotes = 0, apart = 0;
    for (uint32_t i = 0; i < 64; i += 16) {
      __m128i here    = _mm_loadu_si128((const __m128i *)(const void *)(bytes + i));
      __m128i least   = _mm_loadu_si128((const __m128i *)(const void *)(b->least + i));
      __m128i most    = _mm_loadu_si128((const __m128i *)(const void *)(b->most + i));
      __m128i clamped = _mm_min_epu8(_mm_max_epu8(here, least), most);
      __m128i good = _mm_andnot_si128(_mm_cmpeq_epi8(here, slash), _mm_cmpeq_epi8(here, clamped));
      apart |= (uint64_t)(0xffff ^ (uint32_t)_mm_movemask_epi8(good)) << i;
      quotes |= (uint64_t)(uint32_t)_mm_movemask_epi8(_mm_cmpeq_epi8(here, quote)) << i;
    }
    wrong = ((quotes ^ b->quotes) | apart) & b->inside;
  }
  return wrong == 0;
}

__attribute__((target("avx2"))) static bool matches_avx2(const tf_json_block_t *b, uint32_t cnt,
                                                         const char *bytes) {
  const __m256i quote = _mm256_set1_epi8('"'), slash = _mm256_set1_epi8('\\');
  uint64_t      wrong = 0;
  for (; cnt > 0 && wrong == 0; cnt--, b++, bytes += 64) {
    uint64_t quotes = 0, apart = 0;
    for (uint32_t i = 0; i < 64; i += 32) {
      __m256i here    = _mm256_loadu_si256((const __m256i *)(const void *)(bytes + i));
      __m256i least   = _mm256_loadu_si256((const __m256i *)(const void *)(b->least + i));
      __m256i most    = _mm256_loadu_si256((const __m256i *)(const void *)(b->most + i));
      __m256i clamped = _mm256_min_epu8(_mm256_max_epu8(here, least), most);
      __m256i good =
          _mm256_andnot_si256(_mm256_cmpeq_epi8(here, slash), _mm256_cmpeq_epi8(here, clamped));
      apart |= (uint64_t) ~(uint32_t)_mm256_movemask_epi8(good) << i;
      quotes |= (uint64_t)(uint32_t)_mm256_movemask_epi8(_mm256_cmpeq_epi8(here, quote)) << i;
    }
    wrong = ((quotes ^ b->quotes) | apart) & b->inside;
  }
  return wrong == 0;
}

__attribute__((target("avx512f,avx512bw"))) static bool
matches_avx512(const tf_json_block_t *b, uint32_t cnt, const char *bytes) {
  const __m512i quote = _mm512_set1_epi8('"'), slash = _mm512_set1_epi8('\\');
  uint64_t      wrong = 0;
  for (; cnt > 0 && wrong == 0; cnt--, b++, bytes += 64) {
    __m512i   here    = _mm512_loadu_si512(bytes);
    __mmask64 below   = _mm512_cmplt_epu8_mask(here, _mm512_loadu_si512(b->least));
    __mmask64 above   = _mm512_cmpgt_epu8_mask(here, _mm512_loadu_si512(b->most));
    __mmask64 quotes  = _mm512_cmpeq_epi8_mask(here, quote);
    __mmask64 slashes = _mm512_cmpeq_epi8_mask(here, slash);
    wrong             = ((quotes ^ b->quotes) | below | above | slashes) & b->inside;
  }
  return wrong == 0;
}

tf_json_places_t tf_json_layout_places(const char *p) {
  tf_json_places_t places = {0, 0};
  for (uint32_t i = 0; i < 64; i += 16) {
    __m128i here   = _mm_loadu_si128((const __m128i *)(const void *)(p + i));
    __m128i quotes = _mm_cmpeq_epi8(here, _mm_set1_epi8('"'));
    __m128i others = _mm_or_si128(_mm_cmpeq_epi8(here, _mm_set1_epi8(',')),
                                  _mm_or_si128(_mm_cmpeq_epi8(here, _mm_set1_epi8(':')),
                                               _mm_cmpeq_epi8(here, _mm_set1_epi8('.'))));
    places.quotes |= (uint64_t)(uint32_t)_mm_movemask_epi8(quotes) << i;
    places.others |= (uint64_t)(uint32_t)_mm_movemask_epi8(others) << i;
  }
  return places;
}

tf_json_layout_matches_t tf_json_layout_way(uint32_t i) {
  if (i == 0)
    return __builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512bw") ? matches_avx512
                                                                                   : NULL;
  if (i == 1) return __builtin_cpu_supports("avx2") ? matches_avx2 : NULL;
  return i == WAY_PLAIN ? matches_sse2 : NULL;
}
#else
static bool matches_bytewise(const tf_json_block_t *b, uint32_t cnt, const char *bytes) {
  for (; cnt > 0; cnt--, b++, bytes += 64)
    for (uint32_t i = 0; i < 64 && (b->inside >> i & 1) != 0; i++) {
      uint8_t here = (uint8_t)bytes[i];
      if (here < b->least[i] || here > b->most[i] || here == '\\') return false;
      if ((here == '"') != (b->quotes >> i & 1)) return false;
    }
  return true;
}

tf_json_places_t tf_json_layout_places(const char *p) {
  tf_json_places_t places = {0, 0};
  for (uint32_t i = 0; i < 64; i++) {
    places.quotes |= (uint64_t)(p[i] == '"') << i;
    places.others |= (uint64_t)(p[i] == ',' || p[i] == ':' || p[i] == '.') << i;
  }
  return places;
}

tf_json_layout_matches_t tf_json_layout_way(uint32_t i) {
  return i == WAY_PLAIN ? matches_bytewise : NULL;
}
#endif

/* ---- layouts by their length ---- */

void tf_json_layouts_init(tf_json_layouts_t *layouts) {
  memset(layouts, 0, sizeof *layouts);
  layouts->credit = CREDIT_START;
  layouts->hand   = 1;
  for (uint32_t i = TF_JSON_LAYOUT_WAYS; i-- > 0;)
    if (tf_json_layout_way(i) != NULL) layouts->matches = tf_json_layout_way(i);
}

static uint8_t *head_of(tf_json_layouts_t *layouts, size_t bytes_cnt) {
  return &layouts->heads[bytes_cnt % TF_JSON_LAYOUTS];
}

static bool is_guarded(const tf_json_layout_t *layout) {
  for (uint32_t i = 0; i < layout->guard_cnt; i++) {
    const tf_json_object_t *object = layout->guards[i].object;
    if (object->child != layout->guards[i].child || object->second != layout->guards[i].second)
      return false;
  }
  return true;
}

const tf_json_layout_t *tf_json_layout_find(tf_json_layouts_t *layouts, const char *bytes,
                                            size_t bytes_cnt) {
  uint8_t *link = head_of(layouts, bytes_cnt);
  for (uint32_t try = 0; *link != 0 && try < TF_JSON_LAYOUT_TRIES; try++) {
    tf_json_layout_t *layout = &layouts->rows[*link];
    if (layout->bytes_cnt == bytes_cnt &&
        layouts->matches(layout->blocks, layout->block_cnt, bytes) && is_guarded(layout)) {
      if (TF_UNLIKELY(try > 0)) { /* to the front */
        uint8_t *head = head_of(layouts, bytes_cnt), at = *link;
        *link        = layout->next;
        layout->next = *head;
        *head        = at;
      }
      layout->was_used = true;
      layouts->credit += layouts->credit < CREDIT_START;
      return layout;
    }
    link = &layout->next;
  }
  return NULL;
}

/* ---- taking ---- */

TF_INLINE int64_t decimal_of(const tf_json_take_t *take, const char *floor, const char *p) {
  int64_t mantissa = tf_decimal_of_form(p, floor, take->bytes, take->part);
  return take->is_negative ? -mantissa : mantissa;
}

/* More digits than fit a register of them; perhaps more than fit a number. */
__attribute__((noinline)) static void take_wide(tf_json_t *json, const tf_json_take_t *take,
                                                const char *p) {
  tf_json_value_t *value     = take->value;
  bool             is_quoted = (take->what & 0xff) == TF_JSON_STRING;
  int8_t           exp       = 0;
  if (tf_decimal_read_wide(p, &value->as.mantissa, &exp) == take->bytes)
    value->what = take->what | (uint32_t)(uint8_t)exp << 24;
  else
    tf_json_skip_decimal(json, p - is_quoted, value);
}

tf_json_result_t tf_json_layout_take(const tf_json_layout_t *layout, tf_json_t *json,
                                     const char *bytes) {
  const char           *floor = json->floor;
  const tf_json_take_t *take = layout->takes, *end = take + layout->take_cnt;
  for (; take < end; take++) {
    tf_json_value_t *value = take->value;
    const char      *p     = bytes + take->at;
    switch ((tf_json_take_kind_t)take->kind) {
    case TF_JSON_TAKE_ROWS_TO:
      value->as.levels.cnt = json->row_cnt - value->as.levels.first;
      /* fallthrough */
    case TF_JSON_TAKE_SPAN:
      value->bytes     = p;
      value->bytes_cnt = take->bytes;
      value->what      = take->what;
      break;
    case TF_JSON_TAKE_DECIMAL:
      value->as.mantissa = decimal_of(take, floor, p);
      value->what        = take->what;
      break;
    case TF_JSON_TAKE_WIDE: take_wide(json, take, p); break;
    case TF_JSON_TAKE_WIDE_U64: tf_json_skip_u64(json, p, value); break;
    case TF_JSON_TAKE_PRICE: {
      if (TF_UNLIKELY(json->row_cnt == json->row_cap)) return TF_JSON_LIMIT;
      tf_event_t *row    = &json->rows[json->row_cnt];
      row->u.level.price = decimal_of(take, floor, p);
      row->price_exp     = (int8_t)(0 - take->part);
      break;
    }
    case TF_JSON_TAKE_QTY: {
      tf_event_t *row  = &json->rows[json->row_cnt++];
      row->u.level.qty = decimal_of(take, floor, p);
      row->qty_exp     = (int8_t)(0 - take->part);
      break;
    }
    case TF_JSON_TAKE_ROWS_FROM: value->as.levels.first = json->row_cnt; break;
    case TF_JSON_TAKE_SEEN: take->object->seen = take->seen; break;
    case TF_JSON_TAKE_ITEM:
      take->object->seen = take->seen;
      take->object->on_item(json, take->object);
      if (TF_UNLIKELY(json->result != TF_JSON_OK)) return (tf_json_result_t)json->result;
      break;
    }
  }
  json->element_cnt = layout->element_cnt;
  return TF_JSON_OK;
}

/* ---- room ---- */

static void unlink_layout(tf_json_layouts_t *layouts, uint8_t at) {
  uint8_t *link = head_of(layouts, layouts->rows[at].bytes_cnt);
  while (*link != at && *link != 0) link = &layouts->rows[*link].next;
  if (*link == at) *link = layouts->rows[at].next;
}

/* A number for messages whose values stand in the same places; words may have commas, which does no harm. */
static uint32_t hash_places(const char *bytes, size_t bytes_cnt) {
  uint64_t hash = bytes_cnt;
  for (size_t at = 0; at < bytes_cnt; at += 64) {
    size_t           left   = bytes_cnt - at;
    uint64_t         inside = left >= 64 ? UINT64_MAX : (UINT64_C(1) << left) - 1;
    tf_json_places_t places = tf_json_layout_places(bytes + at);
    hash                    = (hash ^ (places.quotes & inside)) * UINT64_C(0x9e3779b97f4a7c15);
    hash = (hash ^ hash >> 29 ^ (places.others & inside)) * UINT64_C(0xd6e8feb86659fd93);
  }
  return (uint32_t)(hash >> 32) | 1; /* 0: nothing; even: barred */
}

static uint32_t *once_of(tf_json_layouts_t *layouts, uint32_t hash) {
  return &layouts->once[(hash >> 8) % TF_JSON_LAYOUTS_ONCE];
}

void tf_json_layout_bar(tf_json_layouts_t *layouts, const char *bytes, size_t bytes_cnt) {
  uint32_t hash           = hash_places(bytes, bytes_cnt);
  *once_of(layouts, hash) = hash & ~1u;
}

tf_json_layout_t *tf_json_layout_room(tf_json_layouts_t *layouts, const char *bytes,
                                      size_t bytes_cnt) {
  uint32_t  hash     = hash_places(bytes, bytes_cnt);
  uint32_t *once     = once_of(layouts, hash);
  bool      is_again = *once == hash;
  layouts->credit++;
  if (*once == (hash & ~1u)) return NULL;
  *once = hash;
  if (!is_again || layouts->credit < LEARN_COST) return NULL;
  layouts->credit -= LEARN_COST;
  for (;;) {
    uint32_t          at     = layouts->hand;
    tf_json_layout_t *layout = &layouts->rows[at];
    layouts->hand            = at + 1 < TF_JSON_LAYOUTS ? at + 1 : 1;
    if (layout->was_used) {
      layout->was_used = false;
      continue;
    }
    if (layout->bytes_cnt != 0) unlink_layout(layouts, (uint8_t)at);
    memset(layout, 0, offsetof(tf_json_layout_t, takes));
    return layout;
  }
}

void tf_json_layout_add(tf_json_layouts_t *layouts, tf_json_layout_t *layout, size_t bytes_cnt) {
  uint8_t *head     = head_of(layouts, bytes_cnt);
  layout->bytes_cnt = (uint16_t)bytes_cnt;
  layout->next      = *head;
  *head             = (uint8_t)(layout - layouts->rows);
}
