#include "file/tape_column.h"

#include <string.h>
#include <zstd.h>

#include "core/error.h"

#define EXCEPTION_BYTES (sizeof(uint32_t) + sizeof(uint64_t))
#define CHUNK           512 /* values unpacked at a time: 4 KiB, so the passes over them stay in L1 */
#define PARTS_MAX       10 /* bitmap, eight planes, exceptions */

typedef size_t (*decode_fn)(tf_tape_codec_t *codec, const uint8_t *bytes, size_t bytes_cnt,
                            uint64_t *values, uint32_t cnt);

struct tf_tape_codec {
  decode_fn  decode;
  ZSTD_CCtx *compressor; /* NULL in a codec that only reads */
  ZSTD_DCtx *decompressor;
  int        level;
  uint32_t   value_cap;
  uint8_t   *planes;     /* (8 x value_cap) */
  uint8_t   *exceptions; /* (value_cap x EXCEPTION_BYTES) */
  uint64_t  *bitmap;     /* (value_cap / 64, rounded up) */
  uint64_t  *dense;      /* (value_cap) of a held column */
  uint64_t  *residues;   /* writing: (value_cap) r of the transform being tried */
  uint8_t   *other;      /* writing: the column by the other transform */
};

/* What a part costs: its bytes stored, and where they are a frame an eighth of those to produce.
 * A frame that saves less than a quarter is not made: on the USD-M recording a limit of 1/4, 1/3 and
 * 3/8 gave 3.26, 3.40 and 3.45 bytes an event, of which 84, 90 and 88 million a second of CPU were
 * read, on the quotes and trades of spot 5.35, 5.68 and 6.04 bytes (EPYC, 2026-11-21). */
#define COST(stored_bytes, frame_bytes) ((stored_bytes) + (frame_bytes) / 8)

TF_INLINE uint32_t words_of(uint32_t bit_cnt) { return (bit_cnt + 63) / 64; }

/* ---- reading: hot ----------------------------------------------------------------------------*/

TF_INLINE uint64_t unzigzag(uint64_t r) { return r >> 1 ^ -(r & 1); }

/* values[i] = the bytes of place i in the planes. Width by width, so that each loop has a constant
 * number of loads and no branch. */
#define COMBINE(WIDTH, EXPRESSION)                                                                 \
  case WIDTH:                                                                                      \
    for (uint32_t i = 0; i < cnt; i++) values[i] = (EXPRESSION);                                   \
    break;
#define AT(p) ((uint64_t)planes[p][i] << 8 * (p))

TF_INLINE void combine(uint64_t *restrict values, const uint8_t *const *restrict planes,
                       uint32_t width, uint32_t cnt) {
  switch (width) {
    COMBINE(1, AT(0))
    COMBINE(2, AT(0) | AT(1))
    COMBINE(3, AT(0) | AT(1) | AT(2))
    COMBINE(4, AT(0) | AT(1) | AT(2) | AT(3))
    COMBINE(5, AT(0) | AT(1) | AT(2) | AT(3) | AT(4))
    COMBINE(6, AT(0) | AT(1) | AT(2) | AT(3) | AT(4) | AT(5))
    COMBINE(7, AT(0) | AT(1) | AT(2) | AT(3) | AT(4) | AT(5) | AT(6))
    COMBINE(8, AT(0) | AT(1) | AT(2) | AT(3) | AT(4) | AT(5) | AT(6) | AT(7))
  default: memset(values, 0, cnt * sizeof *values); break;
  }
}

/* The transform undone in place; last is the value before the chunk. */
TF_INLINE uint64_t restore(uint64_t *values, const tf_tape_column_header_t *column, uint32_t cnt,
                           uint64_t last) {
  const uint64_t divisor = column->divisor, base = column->base;
  if (column->transform == TF_TAPE_ABSOLUTE) {
    for (uint32_t i = 0; i < cnt; i++) values[i] = values[i] * divisor + base;
    return last;
  }
  if (divisor == 1)
    for (uint32_t i = 0; i < cnt; i++) values[i] = last += unzigzag(values[i]);
  else
    for (uint32_t i = 0; i < cnt; i++) values[i] = last += unzigzag(values[i]) * divisor;
  return last;
}

TF_INLINE uint32_t exception_idx(const uint8_t *exceptions, uint32_t i) {
  uint32_t idx;
  memcpy(&idx, exceptions + (size_t)i * sizeof idx, sizeof idx);
  return idx;
}

TF_INLINE uint64_t exception_value(const uint8_t *exceptions, uint32_t cnt, uint32_t i) {
  uint64_t value;
  memcpy(&value, exceptions + (size_t)cnt * sizeof(uint32_t) + (size_t)i * sizeof value,
         sizeof value);
  return value;
}

/* False: an exception's place is none of the column, or not behind the one before. */
TF_INLINE bool unpack(const tf_tape_column_header_t *column, const uint8_t *const *planes,
                      const uint8_t *exceptions, uint64_t *values) {
  uint64_t last = column->base;
  uint32_t e    = 0;
  for (uint32_t from = 0; from < column->value_cnt; from += CHUNK) {
    uint32_t       cnt = column->value_cnt - from < CHUNK ? column->value_cnt - from : CHUNK;
    const uint8_t *at[8];
    for (uint32_t p = 0; p < column->width; p++) at[p] = planes[p] + from;
    combine(values + from, at, column->width, cnt);
    for (; e < column->exception_cnt; e++) {
      uint32_t idx = exception_idx(exceptions, e);
      if (idx < from) return false;
      if (idx >= from + cnt) break;
      values[idx] = exception_value(exceptions, column->exception_cnt, e);
    }
    last = restore(values + from, column, cnt, last);
  }
  return e == column->exception_cnt;
}

/* 64 values of a held column, or fewer at its end. dense: behind the value that holds now. Words with
 * few changes are filled from change to change; others go bit by bit, without a branch. */
TF_INLINE const uint64_t *spread(uint64_t changes, const uint64_t *dense, uint64_t *values,
                                 uint32_t cnt) {
  if (__builtin_popcountll(changes) > 6) {
    for (uint32_t i = 0; i < cnt; i++) {
      dense += changes >> i & 1;
      values[i] = dense[-1];
    }
    return dense;
  }
  for (uint32_t i = 0; i < cnt;) {
    uint32_t end   = changes ? (uint32_t)__builtin_ctzll(changes) : cnt;
    uint64_t value = i < end ? dense[-1] : 0;
    for (; i < end; i++) values[i] = value;
    dense += changes != 0;
    if (changes) values[i++] = dense[-1];
    changes &= changes - 1;
    if (!changes) {
      value = dense[-1];
      for (; i < cnt; i++) values[i] = value;
    }
  }
  return dense;
}

/* One part's want bytes, in place or in scratch. False when it does not hold exactly so many. */
static bool part_open(tf_tape_codec_t *codec, const tf_tape_part_header_t *header,
                      const uint8_t *bytes, size_t want, void *scratch, const uint8_t **part) {
  *part = scratch;
  switch (header->mode) {
  case TF_TAPE_RAW: *part = bytes; return header->bytes == want;
  case TF_TAPE_SAME: memset(scratch, header->value, want); return header->bytes == 0;
  case TF_TAPE_ZSTD:
    return ZSTD_decompressDCtx(codec->decompressor, scratch, want, bytes, header->bytes) == want;
  default: return false;
  }
}

/* The bits behind bit cnt in its byte. They are set, so that a bitmap tells its length. */
TF_INLINE uint64_t padding(uint32_t cnt) {
  return cnt % 8 ? (UINT64_C(0xff) << cnt % 8 & 0xff) << (cnt % 64 - cnt % 8) : 0;
}

/* The bitmap of cnt bits in the codec's words, the bits behind them cleared. False: it does not say
 * what the column's header says. */
TF_INLINE bool bitmap_open(tf_tape_codec_t *codec, const tf_tape_column_header_t *column,
                           const uint8_t *bytes, uint32_t cnt) {
  uint32_t word_cnt = words_of(cnt), set = 0;
  if (bytes != (const uint8_t *)codec->bitmap) memcpy(codec->bitmap, bytes, (cnt + 7) / 8);
  if (cnt % 64) {
    uint64_t last = 0;
    memcpy(&last, codec->bitmap + word_cnt - 1, (cnt % 64 + 7) / 8);
    if ((last & padding(cnt)) != padding(cnt)) return false;
    codec->bitmap[word_cnt - 1] = last & ~padding(cnt);
  }
  for (uint32_t w = 0; w < word_cnt; w++) set += (uint32_t)__builtin_popcountll(codec->bitmap[w]);
  return (codec->bitmap[0] & 1) && set == column->value_cnt;
}

static bool header_valid(const tf_tape_column_header_t *column, size_t bytes_cnt, uint32_t cnt) {
  return cnt >= 1 && column->transform <= TF_TAPE_DELTA && column->width <= 8 &&
         column->is_held <= 1 && column->divisor != 0 &&
         (column->is_held ? column->value_cnt >= 1 && column->value_cnt <= cnt
                          : column->value_cnt == cnt) &&
         column->exception_cnt <= column->value_cnt && column->bytes <= bytes_cnt;
}

TF_INLINE size_t decode(tf_tape_codec_t *codec, const uint8_t *bytes, size_t bytes_cnt,
                        uint64_t *values, uint32_t cnt) {
  tf_tape_column_header_t column;
  if (bytes_cnt < sizeof column || cnt > codec->value_cap) return 0;
  memcpy(&column, bytes, sizeof column);
  if (!header_valid(&column, bytes_cnt - sizeof column, cnt)) return 0;
  uint32_t plane_end = column.is_held + column.width;
  uint32_t part_cnt  = plane_end + (column.exception_cnt > 0);
  size_t   used      = part_cnt * sizeof(tf_tape_part_header_t);
  if (used > column.bytes) return 0;
  const uint8_t *headers = bytes + sizeof column, *parts[PARTS_MAX] = {0};
  for (uint32_t p = 0; p < part_cnt; p++) {
    tf_tape_part_header_t header;
    memcpy(&header, headers + p * sizeof header, sizeof header);
    if (header.bytes > column.bytes - used) return 0;
    size_t want    = column.value_cnt;
    void  *scratch = codec->planes + (size_t)(p - column.is_held) * codec->value_cap;
    if (p < column.is_held) {
      want    = (cnt + 7) / 8;
      scratch = codec->bitmap;
    } else if (p >= plane_end) {
      want    = column.exception_cnt * EXCEPTION_BYTES;
      scratch = codec->exceptions;
    }
    if (!part_open(codec, &header, headers + used, want, scratch, &parts[p])) return 0;
    used += header.bytes;
  }
  if (used != column.bytes) return 0;
  if (column.is_held && !bitmap_open(codec, &column, parts[0], cnt)) return 0;
  uint64_t *dense = column.is_held ? codec->dense : values;
  if (!unpack(&column, parts + column.is_held, parts[plane_end], dense)) return 0;
  const uint64_t *at = dense;
  for (uint32_t from = 0; column.is_held && from < cnt; from += 64)
    at = spread(codec->bitmap[from / 64], at, values + from, cnt - from < 64 ? cnt - from : 64);
  return sizeof column + used;
}

/* The same once more for instruction sets with wider vectors and a bit count: all above is inlined. */
static size_t decode_plain(tf_tape_codec_t *codec, const uint8_t *bytes, size_t bytes_cnt,
                           uint64_t *values, uint32_t cnt) {
  return decode(codec, bytes, bytes_cnt, values, cnt);
}

#if defined(__x86_64__)
__attribute__((target("avx2,bmi,bmi2,popcnt"))) static size_t
decode_avx2(tf_tape_codec_t *codec, const uint8_t *bytes, size_t bytes_cnt, uint64_t *values,
            uint32_t cnt) {
  return decode(codec, bytes, bytes_cnt, values, cnt);
}

__attribute__((target("avx512f,avx512dq,avx512vl,avx512bw,bmi,bmi2,popcnt"))) static size_t
decode_avx512(tf_tape_codec_t *codec, const uint8_t *bytes, size_t bytes_cnt, uint64_t *values,
              uint32_t cnt) {
  return decode(codec, bytes, bytes_cnt, values, cnt);
}
#endif

size_t tf_tape_column_decode(tf_tape_codec_t *codec, const uint8_t *bytes, size_t bytes_cnt,
                             uint64_t *values, uint32_t cnt) {
  return codec->decode(codec, bytes, bytes_cnt, values, cnt);
}

static decode_fn best_decode(void) {
#if defined(__x86_64__)
  if (__builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512dq") &&
      __builtin_cpu_supports("avx512bw") && __builtin_cpu_supports("avx512vl"))
    return decode_avx512;
  if (__builtin_cpu_supports("avx2") && __builtin_cpu_supports("bmi2")) return decode_avx2;
#endif
  return decode_plain;
}

/* ---- writing ---------------------------------------------------------------------------------*/

static uint64_t zigzag(uint64_t delta) { return delta << 1 ^ -(delta >> 63); }
static uint64_t magnitude(uint64_t delta) { return delta >> 63 ? -delta : delta; }

static uint64_t gcd(uint64_t a, uint64_t b) {
  while (b) {
    uint64_t rest = a % b;
    a             = b;
    b             = rest;
  }
  return a;
}

/* Signed division that is known to be exact, on words. */
static uint64_t divided(uint64_t delta, uint64_t divisor) {
  return delta >> 63 ? -(-delta / divisor) : delta / divisor;
}

static void residues_absolute(tf_tape_codec_t *codec, const uint64_t *values,
                              tf_tape_column_header_t *column) {
  uint64_t *r       = codec->residues;
  int64_t   least   = (int64_t)values[0];
  uint64_t  divisor = 0;
  for (uint32_t i = 1; i < column->value_cnt; i++)
    if ((int64_t)values[i] < least) least = (int64_t)values[i];
  for (uint32_t i = 0; i < column->value_cnt; i++) {
    r[i] = values[i] - (uint64_t)least;
    if (divisor != 1) divisor = gcd(r[i], divisor);
  }
  column->base    = (uint64_t)least;
  column->divisor = divisor ? divisor : 1;
  if (column->divisor == 1) return;
  for (uint32_t i = 0; i < column->value_cnt; i++) r[i] /= column->divisor;
}

static void residues_delta(tf_tape_codec_t *codec, const uint64_t *values,
                           tf_tape_column_header_t *column) {
  uint64_t *r       = codec->residues;
  uint64_t  divisor = 0;
  /* The first steps like the second, so that an even walk is one byte that all have. */
  column->base = values[0] - (column->value_cnt > 1 ? values[1] - values[0] : 0);
  for (uint32_t i = 0; i < column->value_cnt; i++) {
    r[i] = values[i] - (i ? values[i - 1] : column->base);
    if (divisor != 1) divisor = gcd(magnitude(r[i]), divisor);
  }
  column->divisor = divisor ? divisor : 1;
  for (uint32_t i = 0; i < column->value_cnt; i++)
    r[i] = zigzag(column->divisor == 1 ? r[i] : divided(r[i], column->divisor));
}

/* The width that makes planes and exceptions together shortest, and how many exceptions it leaves. */
static void choose_width(const uint64_t *r, tf_tape_column_header_t *column) {
  uint32_t longer[9] = {0}; /* [w]: values that need more than w bytes */
  for (uint32_t i = 0; i < column->value_cnt; i++) {
    uint32_t bytes = r[i] ? (71 - (uint32_t)__builtin_clzll(r[i])) / 8 : 0;
    for (uint32_t w = 0; w < bytes; w++) longer[w]++;
  }
  size_t shortest = SIZE_MAX;
  for (uint8_t w = 0; w <= 8; w++) {
    size_t bytes = (size_t)w * column->value_cnt + longer[w] * EXCEPTION_BYTES;
    if (bytes >= shortest) continue;
    shortest              = bytes;
    column->width         = w;
    column->exception_cnt = longer[w];
  }
}

/* One part by its best mode: a frame must save a quarter, see COST. */
static size_t part_write(tf_tape_codec_t *codec, const void *part, size_t cnt,
                         tf_tape_part_header_t *header, uint8_t *out, size_t *cost) {
  const uint8_t *bytes = part;
  *header              = (tf_tape_part_header_t){.mode = TF_TAPE_SAME, .value = bytes[0]};
  if (memcmp(bytes, bytes + 1, cnt - 1) == 0) return 0;
  size_t used  = ZSTD_compressCCtx(codec->compressor, out, cnt - cnt / 4, bytes, cnt, codec->level);
  header->mode = TF_TAPE_ZSTD;
  *cost += COST(used, cnt);
  if (ZSTD_isError(used)) {
    *cost += cnt - COST(used, cnt);
    header->mode = TF_TAPE_RAW;
    used         = cnt;
    memcpy(out, bytes, cnt);
  }
  header->value = 0;
  header->bytes = (uint32_t)used;
  return used;
}

static void exceptions_gather(tf_tape_codec_t *codec, const tf_tape_column_header_t *column) {
  uint32_t have = 0;
  uint8_t *idxs = codec->exceptions, *values = idxs + column->exception_cnt * sizeof(uint32_t);
  for (uint32_t i = 0; i < column->value_cnt && have < column->exception_cnt; i++) {
    if (codec->residues[i] >> 8 * column->width == 0) continue;
    memcpy(idxs + have * sizeof i, &i, sizeof i);
    memcpy(values + have * sizeof(uint64_t), &codec->residues[i], sizeof(uint64_t));
    have++;
  }
}

/* The column of the residues at out; cost: what it takes to store and to read. */
static size_t column_write(tf_tape_codec_t *codec, tf_tape_column_header_t *column,
                           uint32_t bit_cnt, uint8_t *out, size_t *cost) {
  const uint64_t *r = codec->residues;
  choose_width(r, column);
  uint32_t plane_end = column->is_held + column->width;
  uint32_t part_cnt  = plane_end + (column->exception_cnt > 0);
  uint8_t *headers   = out + sizeof *column;
  size_t   used      = part_cnt * sizeof(tf_tape_part_header_t);
  *cost              = sizeof *column + used;
  for (uint32_t p = 0; p < part_cnt; p++) {
    const void           *part = codec->planes;
    size_t                cnt  = column->value_cnt;
    tf_tape_part_header_t header;
    if (p < column->is_held) {
      part = codec->bitmap;
      cnt  = (bit_cnt + 7) / 8;
    } else if (p < plane_end) {
      for (uint32_t i = 0; i < column->value_cnt; i++)
        codec->planes[i] = (uint8_t)(r[i] >> 8 * (p - column->is_held));
    } else {
      exceptions_gather(codec, column);
      part = codec->exceptions;
      cnt  = column->exception_cnt * EXCEPTION_BYTES;
    }
    used += part_write(codec, part, cnt, &header, headers + used, cost);
    memcpy(headers + p * sizeof header, &header, sizeof header);
  }
  column->bytes = (uint32_t)used;
  memcpy(out, column, sizeof *column);
  return sizeof *column + used;
}

/* The bitmap, and behind it the values that change, unless most do. Returns how many they are. */
static uint32_t hold(tf_tape_codec_t *codec, const uint64_t *values, uint32_t cnt) {
  uint32_t dense_cnt = 0;
  memset(codec->bitmap, 0, words_of(cnt) * sizeof *codec->bitmap);
  for (uint32_t i = 0; i < cnt; i++) {
    bool changes            = i == 0 || values[i] != values[i - 1];
    codec->dense[dense_cnt] = values[i];
    dense_cnt += changes;
    codec->bitmap[i / 64] |= (uint64_t)changes << i % 64;
  }
  codec->bitmap[(cnt - 1) / 64] |= padding(cnt);
  return dense_cnt;
}

size_t tf_tape_column_encode(tf_tape_codec_t *codec, const uint64_t *values, uint32_t cnt,
                             uint8_t *out) {
  TF_ASSERT(codec->compressor && cnt >= 1 && cnt <= codec->value_cap);
  uint32_t                dense_cnt = hold(codec, values, cnt);
  tf_tape_column_header_t absolute  = {.value_cnt = cnt};
  if (dense_cnt > 1 && dense_cnt < cnt - cnt / 4) { /* one value: an empty column says so */
    absolute.is_held   = 1;
    absolute.value_cnt = dense_cnt;
    values             = codec->dense;
  }
  tf_tape_column_header_t delta = absolute;
  absolute.transform            = TF_TAPE_ABSOLUTE;
  delta.transform               = TF_TAPE_DELTA;
  size_t cost, other_cost;
  residues_absolute(codec, values, &absolute);
  size_t bytes = column_write(codec, &absolute, cnt, out, &cost);
  if (bytes == sizeof absolute) return bytes;
  residues_delta(codec, values, &delta);
  size_t other_bytes = column_write(codec, &delta, cnt, codec->other, &other_cost);
  if (other_cost >= cost) return bytes;
  memcpy(out, codec->other, other_bytes);
  return other_bytes;
}

/* ---- lifetime --------------------------------------------------------------------------------*/

tf_err_t tf_tape_codec_start(tf_tape_codec_t **out, uint32_t value_cap, int level) {
  TF_ASSERT(value_cap >= 1 && value_cap <= TF_TAPE_BLOCK_EVENTS_MAX);
  *out                   = NULL;
  tf_tape_codec_t *codec = calloc(1, sizeof *codec);
  if (!codec) return TF_ERR(E_CORE_NO_MEMORY, "%zu bytes", sizeof *codec);
  codec->level        = level;
  codec->value_cap    = value_cap;
  codec->decode       = best_decode();
  codec->decompressor = ZSTD_createDCtx();
  codec->planes       = malloc((size_t)8 * value_cap);
  codec->exceptions   = malloc(value_cap * EXCEPTION_BYTES);
  codec->bitmap       = malloc(words_of(value_cap) * sizeof *codec->bitmap);
  codec->dense        = malloc(value_cap * sizeof *codec->dense);
  bool whole =
      codec->decompressor && codec->planes && codec->exceptions && codec->bitmap && codec->dense;
  if (level > 0) {
    codec->compressor = ZSTD_createCCtx();
    codec->residues   = malloc(value_cap * sizeof *codec->residues);
    codec->other      = malloc(TF_TAPE_COLUMN_BYTES_MAX(value_cap));
    whole             = whole && codec->compressor && codec->residues && codec->other;
  }
  if (!whole) {
    tf_tape_codec_stop(codec);
    return TF_ERR(E_CORE_NO_MEMORY, "memory for a tape's columns");
  }
  *out = codec;
  return TF_OK;
}

void tf_tape_codec_stop(tf_tape_codec_t *codec) {
  if (!codec) return;
  ZSTD_freeCCtx(codec->compressor);
  ZSTD_freeDCtx(codec->decompressor);
  free(codec->planes);
  free(codec->exceptions);
  free(codec->bitmap);
  free(codec->dense);
  free(codec->residues);
  free(codec->other);
  free(codec);
}
