#include "feed/crc32_join.h"

#include <pthread.h>
#include <zlib.h>

#include "wire/decimal.h"

/* Remainders are reflected, as zlib's are: the top bit is 1, the bit below it x. */
#define POLYNOMIAL UINT32_C(0xedb88320) /* without x^32 */

/* A product of two words has x^0 one bit below its top, so all powers here are divided by x once more: then its top bit
 * is 1 again, and nothing is shifted. powers[n + 1] is x^(8n - 1); powers[0] takes away the last byte between parts. */
static uint32_t powers[TF_CRC32_JOIN_BYTES_MAX + 2];
static uint32_t
    word_powers[2][2]; /* of a text's last eight bytes and those before them; and a byte behind */
static uint32_t       reduce_power; /* of what is above 64 bits */
static bool           may_multiply;
static pthread_once_t start_once = PTHREAD_ONCE_INIT;

static uint32_t times_x(uint32_t a) { return a & 1 ? a >> 1 ^ POLYNOMIAL : a >> 1; }

static uint32_t power_of_x(uint32_t n) {
  uint32_t power = UINT32_C(1) << 31;
  while (n-- > 0) power = times_x(power);
  return power;
}

static uint32_t by_x(uint32_t a) { /* the way back of times_x */
  return a >> 31 ? (a ^ POLYNOMIAL) << 1 | 1 : a << 1;
}

static void start(void) {
  uint32_t power = by_x(UINT32_C(1) << 31);
  for (int i = 0; i < 8; i++) power = by_x(power);
  for (size_t n = 0; n < TF_ARRAY_CNT(powers); n++) {
    powers[n] = power;
    for (int i = 0; i < 8; i++) power = times_x(power);
  }
  for (uint32_t behind = 0; behind < 2; behind++)
    for (uint32_t word = 0; word < 2; word++)
      word_powers[behind][word] = power_of_x(32 + 64 * word + 8 * behind - 1);
  reduce_power = power_of_x(64 - 1);
#if defined(__x86_64__)
  may_multiply = __builtin_cpu_supports("pclmul") != 0;
#endif
}

void tf_crc32_join_start(void) { pthread_once(&start_once, start); }

uint32_t tf_crc32_residue(const char *text, size_t bytes) {
  return ~(uint32_t)crc32_z(UINT32_MAX, (const uint8_t *)text, bytes);
}

/* From 64 bits, the top one 1, to a remainder: four zero bytes. */
static uint32_t reduce(uint64_t sum) {
  const z_crc_t *table = get_crc_table();
  uint32_t       low   = (uint32_t)sum;
  for (int i = 0; i < 4; i++) low = (uint32_t)table[low & 255] ^ low >> 8;
  return low ^ (uint32_t)(sum >> 32);
}

/* ---- with shifts ---- */

static uint64_t multiply(uint32_t a, uint32_t b) {
  uint64_t product = 0;
  for (uint32_t i = 0; i < 32; i++) product ^= (uint64_t)a << i & -(uint64_t)(b >> i & 1);
  return product;
}

/* Of the parts, with what all bits set before the first do. first: of the power behind the last part. */
static uint64_t sum_by_shifts(const tf_crc32_part_t *parts, uint32_t cnt, uint32_t first) {
  uint64_t sum    = 0;
  uint32_t behind = first;
  for (uint32_t i = cnt; i-- > 0;) {
    sum ^= multiply(parts[i].residue, powers[behind]);
    behind += parts[i].bytes;
  }
  return sum ^ multiply(UINT32_MAX, powers[behind]);
}

/* ---- with PCLMULQDQ ---- */

#if defined(__x86_64__)
#include <wmmintrin.h>
#define WITH_MULTIPLY __attribute__((target("pclmul")))

TF_INLINE WITH_MULTIPLY __m128i product(uint64_t a, uint32_t b) {
  return _mm_clmulepi64_si128(_mm_cvtsi64_si128((int64_t)a), _mm_cvtsi64_si128(b), 0);
}

static WITH_MULTIPLY uint64_t sum_by_multiply(const tf_crc32_part_t *parts, uint32_t cnt,
                                              uint32_t first) {
  __m128i  sum    = _mm_setzero_si128();
  uint32_t behind = first;
  for (uint32_t i = cnt; i-- > 0;) {
    sum = _mm_xor_si128(sum, product(parts[i].residue, powers[behind]));
    behind += parts[i].bytes;
  }
  return (uint64_t)_mm_cvtsi128_si64(_mm_xor_si128(sum, product(UINT32_MAX, powers[behind])));
}

/* From 96 bits, the top one 1, to a remainder: to 64 by a power, to 32 by Barrett's quotient. */
static inline WITH_MULTIPLY uint32_t reduce_wide(__m128i sum) {
  uint64_t low       = (uint64_t)_mm_cvtsi128_si64(sum);
  __m128i  two       = _mm_xor_si128(_mm_srli_si128(sum, 4), product((uint32_t)low, reduce_power));
  __m128i  constants = _mm_set_epi64x(0x1f7011641, 0x1db710641); /* x^64 / P, and P */
  __m128i  word      = _mm_set_epi64x(0, UINT32_MAX);
  __m128i  quotient  = _mm_clmulepi64_si128(_mm_and_si128(two, word), constants, 0x10);
  __m128i  whole     = _mm_clmulepi64_si128(_mm_and_si128(quotient, word), constants, 0x00);
  return (uint32_t)((uint64_t)_mm_cvtsi128_si64(_mm_xor_si128(two, whole)) >> 32);
}

/* Eight digits of a number below 10^8, the first in the lowest byte: fours, pairs and digits are parted in one
 * word. */
TF_INLINE uint64_t eight_digits(uint32_t number) {
  uint64_t v = number / 10000 | (uint64_t)(number % 10000) << 32;
  uint64_t q = v * 10486 >> 20 & UINT64_C(0x0000007f0000007f); /* a hundredth */
  v          = q | (v - q * 100) << 16;
  q          = v * 103 >> 10 & UINT64_C(0x000f000f000f000f); /* a tenth */
  return q | (v - q * 10) << 8;
}

/* Fourteen, so that a point and a byte behind fit into 16 too. */
#define DIGITS_END UINT64_C(100000000000000)
#define POINT_MAX  13

/* Read from [n] on, n 1 to 15, what makes a zero a point n digits before the end; from [16] on nothing. */
static const uint8_t dots[32] = {[15] = '0' ^ '.'};

/* The text of a number at the end of 16 bytes, zeros before it. */
TF_INLINE __m128i text_of(tf_crc32_number_t number, uint32_t *bytes) {
  uint64_t mantissa = (uint64_t)number.mantissa;
  uint32_t point = (uint32_t)-number.exp, place = point == 0 ? 16 : point;
  __m128i  part   = tf_decimal_tail_(place); /* without a point all digits stay where they are */
  __m128i  dot    = _mm_loadu_si128((const __m128i *)(const void *)(dots + place));
  __m128i  digits = _mm_set_epi64x((int64_t)eight_digits((uint32_t)(mantissa % 100000000)),
                                   (int64_t)eight_digits((uint32_t)(mantissa / 100000000)));
  uint32_t zeros  = (uint32_t)_mm_movemask_epi8(_mm_cmpeq_epi8(digits, _mm_setzero_si128()));
  uint32_t first  = (uint32_t)__builtin_ctz(~zeros | 1u << (15 - point));
  *bytes          = 16 - first + (point > 0);
  __m128i whole   = _mm_srli_si128(_mm_andnot_si128(part, digits), 1);
  __m128i text    = _mm_or_si128(_mm_and_si128(part, digits), whole);
  text            = _mm_xor_si128(_mm_or_si128(text, _mm_set1_epi8('0')), dot);
  return _mm_and_si128(text, tf_decimal_tail_(*bytes));
}

/* The residue of 16 bytes, and of a zero byte behind them; 96 bits wide. */
TF_INLINE WITH_MULTIPLY __m128i residue_of(__m128i text, bool has_byte_behind) {
  const uint32_t *by     = word_powers[has_byte_behind];
  __m128i         before = _mm_clmulepi64_si128(text, _mm_cvtsi64_si128(by[1]), 0x00);
  return _mm_xor_si128(before, _mm_clmulepi64_si128(text, _mm_cvtsi64_si128(by[0]), 0x01));
}

/* "number:" */
static inline WITH_MULTIPLY __m128i residue_of_number(tf_crc32_number_t number, bool is_apart,
                                                      uint32_t *bytes) {
  __m128i residue = residue_of(text_of(number, bytes), is_apart);
  *bytes += is_apart;
  return residue;
}

TF_INLINE bool takes(tf_crc32_number_t number) {
  return (uint64_t)number.mantissa < DIGITS_END && number.exp <= 0 && number.exp >= -POINT_MAX;
}

WITH_MULTIPLY static void make_pair(tf_crc32_number_t first, tf_crc32_number_t second, char between,
                                    tf_crc32_part_t *first_part, tf_crc32_part_t *part) {
  bool     is_apart = between != 0;
  uint32_t end      = (uint32_t)get_crc_table()[(uint8_t)between], bytes; /* of 0: 0 */
  if (first_part->bytes == 0) {
    __m128i residue     = residue_of_number(first, is_apart, &first_part->bytes);
    first_part->residue = reduce_wide(residue) ^ end;
  }
  __m128i residue = residue_of_number(second, is_apart, &bytes);
  __m128i before  = _mm_slli_si128(product(first_part->residue, powers[bytes + 1]), 4);
  part->residue   = reduce_wide(_mm_xor_si128(residue, before)) ^ end;
  part->bytes     = first_part->bytes + bytes;
}

bool tf_crc32_pair(tf_crc32_number_t first, tf_crc32_number_t second, char between,
                   tf_crc32_part_t *first_part, tf_crc32_part_t *part) {
  if (!takes(first) || !takes(second) || !may_multiply) return false;
  make_pair(first, second, between, first_part, part);
  return true;
}
#else
static uint64_t sum_by_multiply(const tf_crc32_part_t *parts, uint32_t cnt, uint32_t first) {
  return sum_by_shifts(parts, cnt, first);
}

bool tf_crc32_pair(tf_crc32_number_t first, tf_crc32_number_t second, char between,
                   tf_crc32_part_t *first_part, tf_crc32_part_t *part) {
  (void)first, (void)second, (void)between, (void)first_part, (void)part;
  return false;
}
#endif

/* ---- all parts ---- */

/* The last byte between parts goes: it is subtracted, and what is left was divided by x^8 by the first power. */
static uint32_t finish(uint64_t sum, char between) { return ~(reduce(sum) ^ (uint8_t)between); }

uint32_t tf_crc32_join_by_shifts(const tf_crc32_part_t *parts, uint32_t cnt, char between) {
  return cnt == 0 ? 0 : finish(sum_by_shifts(parts, cnt, between == 0), between);
}

uint32_t tf_crc32_join(const tf_crc32_part_t *parts, uint32_t cnt, char between) {
  if (TF_UNLIKELY(!may_multiply)) return tf_crc32_join_by_shifts(parts, cnt, between);
  return cnt == 0 ? 0 : finish(sum_by_multiply(parts, cnt, between == 0), between);
}
