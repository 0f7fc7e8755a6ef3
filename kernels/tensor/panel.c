#include "tensor/panel.h"

#include <string.h>

#include "op/lanes.h"

/* Rows in flight, each a panel's sums; more where these are one register each. */
#define ROWS      4u
#define ROWS_MANY 8u
#define SUMS_MAX  8u /* rows times panels */

size_t tf_panel_floats(uint32_t k, uint32_t n) { return (size_t)k * tf_align_up(n, TF_PANEL); }

void tf_panel_pack(const float *b, size_t k_step, size_t n_step, uint32_t k, uint32_t n,
                   float *target) {
  for (uint32_t first = 0; first < n; first += TF_PANEL) {
    const uint32_t cnt = n - first < TF_PANEL ? n - first : TF_PANEL;
    for (uint32_t row = 0; row < k; row++, target += TF_PANEL) {
      const float *from = b + row * k_step + first * n_step;
      if (n_step == 1 && cnt == TF_PANEL) {
        memcpy(target, from, TF_PANEL * sizeof *target);
        continue;
      }
      for (uint32_t i = 0; i < cnt; i++) target[i] = from[i * n_step];
      for (uint32_t i = cnt; i < TF_PANEL; i++) target[i] = 0.0f;
    }
  }
}

static const TF_ALIGNED(64) float zeros[TF_PANEL];

/* One row's sums of a panel, and its biases: of a last panel only what is within the row. */
#define FINISH(isa)                                                                                \
  __attribute__((always_inline)) TF_LANES_TARGET_##isa static inline void finish_##isa(            \
      const tf_panel_product_t *p, const tf_lanes_##isa##_t *sum, uint32_t row, uint32_t column,   \
      float row_shift) {                                                                           \
    const uint32_t       cnt = p->n - column < TF_PANEL ? p->n - column : TF_PANEL;                \
    float               *c   = p->c + row * p->c_step + column;                                    \
    TF_ALIGNED(64) float part[TF_PANEL], padded[TF_PANEL];                                         \
    const float         *shift = p->bias ? p->bias + column : zeros;                               \
    float               *to    = cnt == TF_PANEL ? c : part;                                       \
    if (p->bias && cnt < TF_PANEL)                                                                 \
      shift = memcpy(memcpy(padded, zeros, sizeof padded), shift, cnt * sizeof *c);                \
    _Pragma("GCC unroll 16") for (uint32_t v = 0; v < TF_PANEL / TF_LANES_WIDTH_##isa; v++) {      \
      const uint32_t     at = v * TF_LANES_WIDTH_##isa;                                            \
      tf_lanes_##isa##_t x  = tf_lanes_add_##isa(sum[v], tf_lanes_loadu_##isa(shift + at));        \
      tf_lanes_storeu_##isa(to + at, tf_lanes_add_##isa(x, tf_lanes_set_##isa(row_shift)));        \
    }                                                                                              \
    if (to == part) memcpy(c, part, cnt * sizeof *c);                                              \
  }
TF_LANES_EACH(FINISH)

/* rows and panels are constants where this is inlined, so that sums stay in registers. A panel, which may come from L2, meets all rows
 * before the next one. */
#define BLOCK(isa)                                                                                 \
  __attribute__((always_inline)) TF_LANES_TARGET_##isa static inline void block_##isa(             \
      const tf_panel_product_t *p, uint32_t row, uint32_t panel, const uint32_t rows,              \
      const uint32_t panels) {                                                                     \
    enum { V = TF_PANEL / TF_LANES_WIDTH_##isa };                                                  \
    tf_lanes_##isa##_t sum[SUMS_MAX * V];                                                          \
    const float       *a = p->a + row * p->a_step;                                                 \
    const float       *b = p->b + (size_t)panel * p->k * TF_PANEL;                                 \
    _Pragma("GCC unroll 256") for (uint32_t i = 0; i < rows * panels * V; i++) sum[i] =            \
        tf_lanes_set_##isa(0.0f);                                                                  \
    for (uint32_t k = 0; k < p->k; k++)                                                            \
      _Pragma("GCC unroll 8") for (uint32_t n = 0; n < panels; n++)                                \
          _Pragma("GCC unroll 16") for (uint32_t v = 0; v < V; v++) {                              \
        tf_lanes_##isa##_t w =                                                                     \
            tf_lanes_load_##isa(b + ((size_t)n * p->k + k) * TF_PANEL + v * TF_LANES_WIDTH_##isa); \
        _Pragma("GCC unroll 8") for (uint32_t r = 0; r < rows; r++) {                              \
          const uint32_t i = (r * panels + n) * V + v;                                             \
          sum[i]           = tf_lanes_add_##isa(                                                   \
                        sum[i], tf_lanes_mul_##isa(w, tf_lanes_set_##isa(a[r * p->a_step + k])));  \
        }                                                                                          \
      }                                                                                            \
    _Pragma("GCC unroll 8") for (uint32_t r = 0; r < rows; r++)                                    \
        _Pragma("GCC unroll 8") for (uint32_t n = 0; n < panels; n++) {                            \
      const uint32_t column    = (panel + n) * TF_PANEL;                                           \
      const float    row_shift = p->row_bias ? p->row_bias[row + r] : 0.0f;                        \
      finish_##isa(p, sum + (r * panels + n) * V, row + r, column, row_shift);                     \
    }                                                                                              \
  }                                                                                                \
  TF_LANES_TARGET_##isa static void multiply_##isa(const tf_panel_product_t *p) {                  \
    const bool     many   = TF_LANES_WIDTH_##isa == TF_PANEL;                                      \
    const uint32_t panels = (p->n + TF_PANEL - 1) / TF_PANEL;                                      \
    const uint32_t whole  = p->m - p->m % ROWS;                                                    \
    uint32_t       n      = 0, row;                                                                \
    for (; n < panels; n++) {                                                                      \
      for (row = 0; row + ROWS_MANY <= p->m && many; row += ROWS_MANY)                             \
        block_##isa(p, row, n, ROWS_MANY, 1);                                                      \
      for (; row < whole; row += ROWS) block_##isa(p, row, n, ROWS, 1);                            \
    }                                                                                              \
    for (row = whole; row < p->m; row++) {                                                         \
      n = 0;                                                                                       \
      for (; n + 8 <= panels && TF_PANEL / TF_LANES_WIDTH_##isa <= 2; n += 8)                      \
        block_##isa(p, row, n, 1, 8);                                                              \
      for (; n + 2 <= panels; n += 2) block_##isa(p, row, n, 1, 2);                                \
      for (; n < panels; n++) block_##isa(p, row, n, 1, 1);                                        \
    }                                                                                              \
  }
TF_LANES_EACH(BLOCK)

void tf_panel_multiply(tf_isa_t isa, const tf_panel_product_t *product) {
  static void (*const run[TF_ISA_CNT])(const tf_panel_product_t *) = TF_LANES_TABLE_OF(multiply);
  run[isa](product);
}
