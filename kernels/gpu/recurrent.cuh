/* The persistent kernel's part of a recurrent program: card_recurrent.h says what is computed and what lies where.
 *
 * A tile's product is in a warp's lanes as mma leaves it: lane 4 g + t has rows g and g + 8, columns 2 t and 2 t + 1. Rows are
 * gates by four units, so lanes g < 4 have the first and third gate of unit g, lanes g >= 4 the second and fourth of unit g - 4;
 * one exchange later the former have all gates of column 2 t, the latter of column 2 t + 1. */
#ifndef TF_GPU_RECURRENT_CUH
#define TF_GPU_RECURRENT_CUH

#include "gpu/card_recurrent.h"
#include "gpu/curve.h"
#include "gpu/device.cuh"

typedef struct TF_ALIGNED(16) tf_quad {
  uint32_t words[4];
} tf_quad_t;

/* What the threads of a block agree through, at the beginning of its shared memory. */
typedef struct tf_recurrent_words {
  uint32_t is_stuck[2],
      is_alone; /* a wait ended without: of receive, layer by layer in turn; of meet */
} tf_recurrent_words_t;

/* Two words, where 16-bit values lie. */
typedef struct TF_ALIGNED(8) __attribute__((may_alias)) tf_two {
  uint32_t words[2];
} tf_two_t;

/* c[0], c[1]: sums of every other quad; they are added at the end. */
typedef struct tf_recurrent_sum {
  float c[2][4];
} tf_recurrent_sum_t;

template <uint32_t PRECISION> struct tf_recurrent_kind {
  static constexpr uint32_t QUAD_K  = PRECISION == TF_PRECISION_INT8 ? 32 : 16;
  static constexpr bool     IS_BF16 = PRECISION == TF_PRECISION_BF16;
  static constexpr float REST = IS_BF16 ? 0x1p8f : 0x1p11f; /* of a row, behind its leading bits */
  static constexpr uint32_t HELD = TF_CARD_RECURRENT_REGISTERS;

  tf_quad_t                  held[HELD]; /* this lane's part of the warp's first quads */
  const tf_card_recurrent_t *r;
  tf_card_place_t            place;
  const uint8_t             *image;
  tf_card_warp_t             warp;
  const tf_quad_t *shared_quads, *far_quads; /* both by the quad's number in the warp's list */
  uint64_t         state_bytes;
  uint32_t         input_cnt, output_cnt;
  uint32_t         turn;     /* of the two buffers of sums */
  uint32_t         tag;      /* of the boards' packets; a step each */
  uint32_t         meetings; /* of all blocks, so far */
  float            x_scale;  /* of the row at hand: what its products are multiplied by */

  /* ---- where things are ---- */

  TF_DEVICE_MEMBER uint32_t group() const { return tf_warp_rank() / r->split; }
  TF_DEVICE_MEMBER uint32_t groups() const { return r->warp_cnt / r->split; }
  TF_DEVICE_MEMBER uint32_t part() const { return tf_warp_rank() % r->split; }
  TF_DEVICE_MEMBER uint32_t row() const { return tf_warp_lane() / 4; }        /* and 8 more */
  TF_DEVICE_MEMBER uint32_t column() const { return tf_warp_lane() % 4 * 2; } /* and 1 more */
  TF_DEVICE_MEMBER uint32_t unit() const { return row() % 4; }
  TF_DEVICE_MEMBER uint32_t cell_column() const { return column() + row() / 4; }
  TF_DEVICE_MEMBER bool     has_first_column() const { return tf_warp_lane() % 4 == 0; }
  TF_DEVICE_MEMBER bool     is_cluster() const {
        return tf_grid_size() > 1 && tf_cluster_size() == tf_grid_size();
  }

  TF_DEVICE_MEMBER tf_recurrent_words_t *words() const {
    return reinterpret_cast<tf_recurrent_words_t *>(place.shared);
  }
  TF_DEVICE_MEMBER uint16_t *x_of(const tf_card_layer_t &l) const {
    return reinterpret_cast<uint16_t *>(place.shared + r->shared_rows_at) + l.x_at;
  }
  TF_DEVICE_MEMBER float *last_h() const {
    return reinterpret_cast<float *>(place.shared + r->shared_h_at);
  }
  TF_DEVICE_MEMBER float *work_row(uint32_t which) const {
    const tf_card_layer_t &last = r->layers[r->layer_cnt - 1];
    return last_h() + last.tiles * TF_CARD_TILE_UNITS + which * r->width_max;
  }
  TF_DEVICE_MEMBER const float *floats_of_image(uint32_t at) const {
    return reinterpret_cast<const float *>(image + at);
  }
  TF_DEVICE_MEMBER uint8_t *state_of(uint32_t instrument) const {
    return place.states + instrument * state_bytes;
  }
  TF_DEVICE_MEMBER uint8_t *part_of(uint32_t instrument) const {
    return state_of(instrument) + r->parts_at +
           static_cast<uint64_t>(tf_grid_rank()) * r->part_bytes;
  }
  TF_DEVICE_MEMBER float *floats_of(uint8_t *block_part, uint32_t at) const {
    return reinterpret_cast<float *>(block_part) + at;
  }
  TF_DEVICE_MEMBER tf_card_recurrent_head_t *head_of(uint8_t *block_part) const {
    return reinterpret_cast<tf_card_recurrent_head_t *>(block_part);
  }
  TF_DEVICE_MEMBER uint32_t slot_of(uint64_t tick) const {
    return static_cast<uint32_t>(tick % r->window);
  }
  TF_DEVICE_MEMBER uint16_t *rows_of(uint8_t *state, const tf_card_layer_t &l, uint64_t tick,
                                     uint32_t slot) const {
    uint64_t row_idx = (tick & 1) * r->window + slot;
    return reinterpret_cast<uint16_t *>(state + l.rows_at + row_idx * l.row_words * 4);
  }
  TF_DEVICE_MEMBER float *ready_of(uint8_t *block_part, const tf_card_layer_t &l,
                                   uint32_t tile) const {
    return floats_of(block_part, l.ready_at) + tile * TF_CARD_TILE_ROWS;
  }
  TF_DEVICE_MEMBER float *carry_of(uint8_t *block_part, const tf_card_layer_t &l, uint32_t slot,
                                   uint32_t tile) const {
    return floats_of(block_part, l.carry_at) +
           (slot * l.tiles_a_block + tile) * TF_CARD_TILE_UNITS + unit();
  }
  TF_DEVICE_MEMBER float *ring_of(uint8_t *block_part, uint64_t tick, uint32_t tile) const {
    return floats_of(block_part, r->ring_at) +
           (slot_of(tick) * r->layers[0].tiles_a_block + tile) * TF_CARD_TILE_ROWS;
  }
  TF_DEVICE_MEMBER uint32_t first_tile(const tf_card_layer_t &l) const {
    return tf_grid_rank() * l.tiles_a_block;
  }
  TF_DEVICE_MEMBER uint32_t tile_cnt(const tf_card_layer_t &l) const {
    uint32_t first = first_tile(l), left = l.tiles > first ? l.tiles - first : 0;
    return left < l.tiles_a_block ? left : l.tiles_a_block;
  }
  /* Times that the block's warps go over its tiles, all alike: they may meet at barriers between. */
  TF_DEVICE_MEMBER uint32_t round_cnt(const tf_card_layer_t &l) const {
    return (tile_cnt(l) + groups() - 1) / groups();
  }
  TF_DEVICE_MEMBER uint32_t part_begin(uint32_t quads, uint32_t of) const {
    return quads * of / r->split;
  }

  /* ---- numbers ---- */

  TF_DEVICE_MEMBER static uint16_t to_half(float x) {
    return IS_BF16 ? tf_to_bf16(x) : tf_to_fp16(x);
  }
  TF_DEVICE_MEMBER static float from_half(uint16_t x) {
    return IS_BF16 ? tf_from_bf16(x) : tf_from_fp16(x);
  }

  TF_DEVICE_MEMBER static void multiply(float c[4], const uint32_t a[4], const uint16_t *b) {
    uint32_t in[2] = {0, 0};
    if (b) { /* a column that is none: zeros */
      const tf_two_t two = *reinterpret_cast<const tf_two_t *>(b);
      in[0]              = two.words[0];
      in[1]              = two.words[1];
    }
    if (IS_BF16)
      tf_mma_bf16(c, a, in);
    else
      tf_mma_fp16(c, a, in);
  }
  /* One quad; b: the lane's column, from the quad's first row and 4 t on. */
  TF_DEVICE_MEMBER static void take(float c[4], const tf_quad_t &q, const uint16_t *b) {
    if constexpr (PRECISION == TF_PRECISION_INT8) {
      TF_UNROLL for (uint32_t i = 0; i < 4; i += 2) {
        uint32_t a[4];
        tf_fp16_of_int8(q.words[i], &a[0], &a[2]);
        tf_fp16_of_int8(q.words[i + 1], &a[1], &a[3]);
        multiply(c, a, b ? b + 8 * i : nullptr);
      }
    } else {
      multiply(c, q.words, b);
    }
  }
  TF_DEVICE_MEMBER static const uint16_t *at_quad(const uint16_t *b, uint32_t quad) {
    return b ? b + quad * QUAD_K : nullptr;
  }

  /* Quads of the list from first on that are not in registers. */
  TF_DEVICE_MEMBER void take_from_memory(tf_recurrent_sum_t *sum, uint32_t first, uint32_t cnt,
                                         const uint16_t *b) const {
    const uint32_t held_shared = warp.register_cnt + warp.shared_cnt;
    for (uint32_t i = 0; i < cnt; i += 2) {
      TF_UNROLL for (uint32_t j = 0; j < 2; j++) if (i + j < cnt) {
        uint32_t  q = first + i + j;
        tf_quad_t quad =
            q < held_shared ? shared_quads[q * TF_WARP_SIZE] : far_quads[q * TF_WARP_SIZE];
        take(sum->c[j], quad, at_quad(b, i + j));
      }
    }
  }
  /* The same of a run of W: some of it is in registers, whose numbers the compiler must know. */
  TF_DEVICE_MEMBER void take_w(tf_recurrent_sum_t *sum, uint32_t first, uint32_t cnt,
                               const uint16_t *b) const {
    const uint32_t end = first + cnt < warp.register_cnt ? first + cnt : warp.register_cnt;
#define TF_HELD_1(i)                                                                               \
  case i:                                                                                          \
    if (i >= end) break;                                                                           \
    take(sum->c[(i)&1], held[i], at_quad(b, (i)-first));                                           \
    [[fallthrough]];
#define TF_HELD_4(i)  TF_HELD_1(i) TF_HELD_1((i) + 1) TF_HELD_1((i) + 2) TF_HELD_1((i) + 3)
#define TF_HELD_16(i) TF_HELD_4(i) TF_HELD_4((i) + 4) TF_HELD_4((i) + 8) TF_HELD_4((i) + 12)
    static_assert(HELD == 32, "a case each");
    switch (first) {
      TF_HELD_16(0)
      TF_HELD_16(16)
    default: break;
    }
#undef TF_HELD_16
#undef TF_HELD_4
#undef TF_HELD_1
    uint32_t done = first < end ? end - first : 0;
    take_from_memory(sum, first + done, cnt - done, at_quad(b, done));
  }
  TF_DEVICE_MEMBER static tf_recurrent_sum_t zeros() {
    tf_recurrent_sum_t sum = {
        {{0, 0, 0, 0}, {0, 0, 0, 0}}
    };
    return sum;
  }

  /* Both products of a tile, whole in the first warp of the group: the others' parts are added in their order. */
  TF_DEVICE_MEMBER void join(tf_recurrent_sum_t *w, tf_recurrent_sum_t *u) {
    TF_UNROLL for (uint32_t i = 0; i < 4; i++) {
      w->c[0][i] += w->c[1][i];
      u->c[0][i] += u->c[1][i];
    }
    if (r->split == 1) return;
    float *sums = reinterpret_cast<float *>(place.shared + r->shared_sums_at) +
                  turn * r->warp_cnt * TF_WARP_SIZE * 8;
    float *mine = sums + tf_team_rank() * 8;
    turn ^= 1;
    if (part() > 0) TF_UNROLL for (uint32_t i = 0; i < 4; i++) {
        mine[i]     = w->c[0][i];
        mine[4 + i] = u->c[0][i];
      }
    tf_team_barrier();
    if (part() > 0) return;
    for (uint32_t p = 1; p < r->split; p++) {
      mine += TF_WARP_SIZE * 8;
      TF_UNROLL for (uint32_t i = 0; i < 4; i++) {
        w->c[0][i] += mine[i];
        u->c[0][i] += mine[4 + i];
      }
    }
  }

  /* The row factor of entry i of a tile's product. */
  TF_DEVICE_MEMBER float scale(uint32_t at, uint32_t tile, uint32_t i) const {
    if (PRECISION != TF_PRECISION_INT8) return 1.0f;
    return floats_of_image(at)[tile * TF_CARD_TILE_ROWS + row() + i / 2 * 8];
  }

  /* gates: this lane's four entries; the unit's new h and carry, of this lane's cell. */
  TF_DEVICE_MEMBER static float cell(bool is_gru, const float gates[4], float *carry) {
    const bool  is_low = tf_warp_lane() < 16;
    const float a      = tf_warp_shuffle_xor(is_low ? gates[1] : gates[0], 16),
                b      = tf_warp_shuffle_xor(is_low ? gates[3] : gates[2], 16);
    const float s0 = is_low ? gates[0] : a, s1 = is_low ? a : gates[1], s2 = is_low ? gates[2] : b,
                s3 = is_low ? b : gates[3];
    if (is_gru) { /* z r, n of the row, n of h */
      float z = tf_curve_sigmoid(s0), n = tf_curve_tanh(s2 + tf_curve_sigmoid(s1) * s3);
      *carry = (1.0f - z) * n + z * *carry;
      return *carry;
    }
    *carry = tf_curve_sigmoid(s2) * *carry + tf_curve_sigmoid(s0) * tf_curve_tanh(s3); /* i o f c */
    return tf_curve_sigmoid(s1) * tf_curve_tanh(*carry);
  }

  /* ---- rows before and behind ---- */

  TF_DEVICE_MEMBER static float activation(const tf_card_row_op_t &op, float x) {
    switch (op.fn) {
    case TF_CARD_ROW_RELU: return x < 0.0f ? 0.0f : x;
    case TF_CARD_ROW_LEAKY_RELU: return x < 0.0f ? x * op.alpha : x;
    case TF_CARD_ROW_CLIP: return x < op.alpha ? op.alpha : x > op.beta ? op.beta : x;
    case TF_CARD_ROW_ELU: return x < 0.0f ? op.alpha * (tf_curve_exp(x) - 1.0f) : x;
    case TF_CARD_ROW_EXP: return tf_curve_exp(x);
    case TF_CARD_ROW_SIGMOID: return tf_curve_sigmoid(x);
    case TF_CARD_ROW_SILU: return x * tf_curve_sigmoid(x);
    case TF_CARD_ROW_TANH: return tf_curve_tanh(x);
    }
    return x;
  }
  TF_DEVICE_MEMBER void row_op(const tf_card_row_op_t &op, const float *in, float *out) const {
    const float *weight = floats_of_image(op.weight_at), *bias = floats_of_image(op.bias_at);
    if (op.fn == TF_CARD_ROW_GEMM) { /* an output a warp */
      for (uint32_t o = tf_warp_rank(); o < op.out_cnt; o += tf_warp_cnt()) {
        float sum = 0.0f;
        for (uint32_t k = tf_warp_lane(); k < op.in_cnt; k += TF_WARP_SIZE)
          sum = tf_fma(weight[o * op.in_cnt + k], in[k], sum);
        sum = tf_warp_sum(sum);
        if (tf_warp_lane() == 0) out[o] = op.has_bias ? sum + bias[o] : sum;
      }
      return;
    }
    for (uint32_t i = tf_team_rank(); i < op.out_cnt; i += tf_team_size())
      out[i] = op.fn == TF_CARD_ROW_ADD   ? in[i] + weight[i]
               : op.fn == TF_CARD_ROW_MUL ? in[i] * weight[i]
                                          : activation(op, in[i]);
  }
  /* The block's threads together. Where the last one's output is, past a barrier; to: wanted there. */
  TF_DEVICE_MEMBER const float *row_ops(const tf_card_row_op_t *ops, uint32_t cnt, const float *in,
                                        float *to) const {
    for (uint32_t i = 0; i < cnt; i++) {
      float *out = i + 1 == cnt && to ? to : work_row(i % 2);
      row_op(ops[i], in, out);
      tf_team_barrier();
      in = out;
    }
    return in;
  }

  /* The first layer's row in two parts: its leading bits, and what they leave, times REST. */
  TF_DEVICE_MEMBER void take_row(const float *x) {
    const tf_card_layer_t &first = r->layers[0];
    const uint32_t         cnt   = input_width();
    float                  scale = 1.0f;
    if (!IS_BF16) {
      float most = 0.0f;
      for (uint32_t i = tf_warp_lane(); i < cnt; i += TF_WARP_SIZE) {
        float mag = x[i] < 0.0f ? -x[i] : x[i];
        most      = mag > most ? mag : most;
      }
      const uint32_t exponent =
          tf_float_bits(tf_warp_max(most)) >> 23; /* the greatest becomes 1 .. 2 */
      scale = tf_float_of_bits((exponent >= 253 ? 1 : 254 - exponent) << 23);
      if (exponent == 255) scale = 1.0f;
      if (exponent == 0) scale = 0x1p126f;
    }
    x_scale       = 1.0f / scale; /* exact: powers of two */
    uint16_t *to  = x_of(first);
    uint32_t  all = first.x_quads * QUAD_K;
    for (uint32_t i = tf_team_rank(); i < cnt; i += tf_team_size()) {
      float    scaled = x[i] * scale;
      uint16_t lead   = to_half(scaled);
      to[i]           = lead;
      to[all + i]     = to_half((scaled - from_half(lead)) * REST);
    }
    tf_team_barrier();
  }
  TF_DEVICE_MEMBER uint32_t input_width() const {
    return r->before_cnt ? r->before[r->before_cnt - 1].out_cnt : input_cnt;
  }

  /* ---- between blocks ---- */

  TF_DEVICE_MEMBER tf_packet_t *board_of(const tf_card_layer_t &l) const {
    uint8_t *boards =
        is_cluster() ? place.shared + r->shared_boards_at : place.scratch + TF_LINE_PAIR_BYTES;
    return reinterpret_cast<tf_packet_t *>(boards) + (tag & 1) * r->board_packets + l.board_at;
  }
  /* One warp, all lanes alike. */
  TF_DEVICE_MEMBER void post(tf_packet_t *at, uint32_t a, uint32_t b) const {
    tf_packet_t p = {
        {a, b, 0},
        tag
    };
    if (!is_cluster()) {
      if (tf_warp_lane() == 0) tf_packet_store(at, &p);
    } else if (tf_warp_lane() < tf_cluster_size()) {
      tf_packet_store(tf_cluster_peer(at, tf_warp_lane()), &p);
    }
  }
  /* A tile's h of the window that a tick completes: lanes 0, 4, 8 and 12 have it. */
  TF_DEVICE_MEMBER void deliver(uint32_t layer, uint32_t tile, float h) const {
    const tf_card_layer_t &l       = r->layers[layer];
    const bool             is_last = layer + 1 == r->layer_cnt;
    if (tf_grid_size() == 1) {
      if (has_first_column() && row() < 4) {
        uint32_t at = tile * TF_CARD_TILE_UNITS + row();
        if (is_last)
          last_h()[at] = h;
        else
          x_of(r->layers[layer + 1])[at] = to_half(h);
      }
      return;
    }
    float all[4];
    TF_UNROLL for (uint32_t i = 0; i < 4; i++) all[i] = tf_warp_shuffle(h, 4 * i);
    if (is_last) {
      post(board_of(l) + 2 * tile, tf_mailbox_bits(all[0]), tf_mailbox_bits(all[1]));
      post(board_of(l) + 2 * tile + 1, tf_mailbox_bits(all[2]), tf_mailbox_bits(all[3]));
    } else {
      post(board_of(l) + tile, to_half(all[0]) | static_cast<uint32_t>(to_half(all[1])) << 16,
           to_half(all[2]) | static_cast<uint32_t>(to_half(all[3])) << 16);
    }
  }
  /* All of a layer's h, past a barrier: as the next one's row, or in last_h of block 0. False: a wait ended without. */
  TF_DEVICE_MEMBER bool receive(uint32_t layer) const {
    const tf_card_layer_t &l       = r->layers[layer];
    const bool             is_last = layer + 1 == r->layer_cnt;
    if (tf_grid_size() > 1 && (!is_last || tf_grid_rank() == 0)) {
      tf_two_t          *to    = is_last ? reinterpret_cast<tf_two_t *>(last_h())
                                         : reinterpret_cast<tf_two_t *>(x_of(r->layers[layer + 1]));
      const uint32_t     cnt   = is_last ? 2 * l.tiles : l.tiles;
      const tf_packet_t *board = board_of(l);
      for (uint32_t i = tf_team_rank(); i < cnt; i += tf_team_size()) {
        tf_packet_t p;
        tf_wait_t   wait = tf_wait_of(place.leave, place.polls_max);
        for (tf_packet_load(board + i, &p); p.tag != tag; tf_packet_load(board + i, &p))
          if (!tf_wait_on(&wait)) {
            words()->is_stuck[layer & 1] = 1;
            break;
          }
        to[i].words[0] = p.words[0];
        to[i].words[1] = p.words[1];
      }
    }
    tf_team_barrier();
    return words()->is_stuck[layer & 1] == 0; /* a thread that is ahead may say of the next layer */
  }
  /* All threads of all blocks: what they wrote before is there for all behind. */
  TF_DEVICE_MEMBER bool meet() {
    tf_team_barrier();
    if (tf_grid_size() == 1) return true;
    uint32_t *counter = reinterpret_cast<uint32_t *>(place.scratch);
    meetings++;
    if (tf_team_rank() == 0) {
      tf_add_release(counter, 1);
      tf_wait_t wait = tf_wait_of(place.leave, place.polls_max);
      /* pairs with: tf_add_release above, of the other blocks */
      while (static_cast<int32_t>(tf_load_acquire_card(counter) - meetings * tf_grid_size()) < 0)
        if (!tf_wait_on(&wait)) {
          words()->is_alone = 1;
          break;
        }
    }
    tf_team_barrier();
    return words()->is_alone == 0;
  }

  /* ---- the schedule ---- */

  /* The numbers of the list where a layer's quads begin. */
  struct cursor_t {
    uint32_t x, h;
  };
  TF_DEVICE_MEMBER uint32_t my_rounds(const tf_card_layer_t &l) const {
    uint32_t tiles = tile_cnt(l), mine = group();
    return tiles > mine ? (tiles - mine + groups() - 1) / groups() : 0;
  }
  TF_DEVICE_MEMBER cursor_t first_quads() const {
    cursor_t at = {0, 0};
    for (uint32_t i = 0; i < r->layer_cnt; i++)
      at.h += x_run(r->layers[i]) * my_rounds(r->layers[i]);
    return at;
  }
  TF_DEVICE_MEMBER uint32_t x_run(const tf_card_layer_t &l) const {
    return part_begin(l.x_quads, part() + 1) - part_begin(l.x_quads, part());
  }
  TF_DEVICE_MEMBER uint32_t h_run(const tf_card_layer_t &l) const {
    return part_begin(l.h_quads, part() + 1) - part_begin(l.h_quads, part());
  }
  /* This lane's column of a row, where its part of the product begins. */
  TF_DEVICE_MEMBER const uint16_t *column_of(const uint16_t *values, uint32_t quads) const {
    return values ? values + part_begin(quads, part()) * QUAD_K + tf_warp_lane() % 4 * 4 : nullptr;
  }

  /* Windows slot0 .. slot0 + cnt - 1 take tick. False: stuck. */
  TF_DEVICE_MEMBER bool advance_windows(uint32_t instrument, uint64_t tick, uint32_t slot0,
                                        uint32_t cnt) {
    uint8_t       *state = state_of(instrument), *mine = part_of(instrument);
    const uint32_t in_column = tf_warp_lane() / 4, begun = slot_of(tick),
                   slot = slot0 + cell_column();
    const bool is_in = in_column < cnt, is_cell = cell_column() < cnt;
    cursor_t   at = first_quads();
    for (uint32_t i = 0; i < r->layer_cnt; i++) {
      const tf_card_layer_t &l = r->layers[i];
      const uint16_t        *h = is_in && slot0 + in_column != begun
                                     ? rows_of(state, l, tick + 1, slot0 + in_column)
                                     : nullptr;
      const uint16_t        *x =
          is_in && i > 0 ? rows_of(state, r->layers[i - 1], tick, slot0 + in_column) : nullptr;
      for (uint32_t k = 0; k < round_cnt(l); k++) {
        const uint32_t     tile = group() + k * groups(), tile_of_all = first_tile(l) + tile;
        const bool         is_mine = tile < tile_cnt(l);
        tf_recurrent_sum_t w = zeros(), u = zeros();
        if (is_mine) {
          take_from_memory(&u, at.h, h_run(l), column_of(h, l.h_quads));
          at.h += h_run(l);
          if (i > 0) take_w(&w, at.x, x_run(l), column_of(x, l.x_quads));
          at.x += x_run(l);
        }
        join(&w, &u);
        if (!is_mine || part() > 0) continue;
        const float *bias = floats_of_image(l.bias_at) + tile_of_all * TF_CARD_TILE_ROWS;
        const float *ring = ring_of(mine, tick, tile);
        float        gates[4];
        TF_UNROLL for (uint32_t j = 0; j < 4; j++) {
          const uint32_t of  = row() + j / 2 * 8;
          const float from_x = i == 0 ? ring[of] : w.c[0][j] * scale(l.x_scale_at, tile_of_all, j);
          gates[j] = (u.c[0][j] * scale(l.h_scale_at, tile_of_all, j) + bias[of]) + from_x;
        }
        float *kept  = carry_of(mine, l, is_cell ? slot : slot0, tile);
        float  carry = slot == begun ? 0.0f : *kept;
        float  new_h = cell(l.is_gru, gates, &carry);
        if (is_cell) {
          *kept                                                                    = carry;
          rows_of(state, l, tick, slot)[tile_of_all * TF_CARD_TILE_UNITS + unit()] = to_half(new_h);
        }
      }
      if (!meet()) return false;
    }
    return true;
  }

  /* P of the window in slot, whose last tick is the newest. */
  TF_DEVICE_MEMBER void make_ready(uint32_t instrument, uint64_t newest, uint32_t slot) {
    uint8_t *state = state_of(instrument), *mine = part_of(instrument);
    cursor_t at = first_quads();
    for (uint32_t i = 0; i < r->layer_cnt; i++) {
      const tf_card_layer_t &l = r->layers[i];
      const uint16_t        *h = tf_warp_lane() < 4 ? rows_of(state, l, newest, slot) : nullptr;
      for (uint32_t k = 0; k < round_cnt(l); k++) {
        const uint32_t     tile = group() + k * groups(), tile_of_all = first_tile(l) + tile;
        const bool         is_mine = tile < tile_cnt(l);
        tf_recurrent_sum_t w = zeros(), u = zeros();
        if (is_mine) {
          take_from_memory(&u, at.h, h_run(l), column_of(h, l.h_quads));
          at.h += h_run(l);
        }
        join(&w, &u);
        if (!is_mine || part() > 0 || !has_first_column()) continue;
        const float *bias  = floats_of_image(l.bias_at) + tile_of_all * TF_CARD_TILE_ROWS;
        float       *ready = ready_of(mine, l, tile);
        TF_UNROLL for (uint32_t j = 0; j < 4; j += 2) {
          const uint32_t of = row() + j / 2 * 8;
          ready[of]         = u.c[0][j] * scale(l.h_scale_at, tile_of_all, j) + bias[of];
        }
      }
    }
  }

  /* The newest tick, whose row is in shared memory: W x for the ring; where the oldest window is full, its last step.
   * False: stuck. */
  TF_DEVICE_MEMBER bool take_tick(uint32_t instrument, uint64_t tick, bool is_full) {
    uint8_t       *mine        = part_of(instrument);
    const uint32_t slot        = slot_of(tick + 1),
                   lane_column = tf_warp_lane() / 4; /* the oldest window's */
    cursor_t at                = {0, 0};
    for (uint32_t i = 0; i < (is_full ? r->layer_cnt : 1); i++) {
      const tf_card_layer_t &l = r->layers[i];
      const uint16_t *x = nullptr; /* column 0: the row; column 1 of the first layer: its rest */
      if (lane_column == 0) x = x_of(l);
      if (lane_column == 1 && i == 0) x = x_of(l) + l.x_quads * QUAD_K;
      for (uint32_t k = 0; k < round_cnt(l); k++) {
        const uint32_t     tile = group() + k * groups(), tile_of_all = first_tile(l) + tile;
        const bool         is_mine = tile < tile_cnt(l);
        tf_recurrent_sum_t w = zeros(), u = zeros();
        const bool         is_cell  = is_mine && part() == 0;
        const float       *ready    = ready_of(mine, l, is_mine ? tile : 0);
        float              carry    = is_cell && is_full ? *carry_of(mine, l, slot, tile) : 0.0f;
        float              gates[4] = {0, 0, 0, 0};
        if (is_cell && is_full) {
          gates[0] = ready[row()];
          gates[2] = ready[row() + 8];
        }
        if (is_mine) take_w(&w, at.x, x_run(l), column_of(x, l.x_quads));
        if (is_mine) at.x += x_run(l);
        join(&w, &u);
        if (!is_cell) continue;
        TF_UNROLL for (uint32_t j = 0; j < 4; j += 2) {
          float from_x = w.c[0][j];
          if (i == 0) from_x = (from_x + w.c[0][j + 1] * (1.0f / REST)) * x_scale;
          from_x *= scale(l.x_scale_at, tile_of_all, j);
          if (i == 0 && has_first_column()) ring_of(mine, tick, tile)[row() + j / 2 * 8] = from_x;
          gates[j] += from_x;
        }
        if (!is_full) continue;
        float h = cell(l.is_gru, gates, &carry);
        deliver(i, tile_of_all, h);
      }
      if (is_full && !receive(i)) return false;
    }
    return true;
  }

  /* ---- the kind, as card.h asks for it ---- */

  TF_DEVICE_MEMBER void begin(const tf_card_place_t &where, const tf_card_program_t *program) {
    place       = where;
    image       = reinterpret_cast<const uint8_t *>(program + 1);
    r           = reinterpret_cast<const tf_card_recurrent_t *>(image);
    state_bytes = program->state_bytes;
    input_cnt   = program->input_cnt;
    output_cnt  = program->output_cnt;
    warp        = reinterpret_cast<const tf_card_warp_t *>(
        image + r->warps_at)[tf_grid_rank() * r->warp_cnt + tf_warp_rank()];
    far_quads = reinterpret_cast<const tf_quad_t *>(image + r->quads_at) +
                static_cast<uint64_t>(warp.quads_at) * TF_WARP_SIZE + tf_warp_lane();
    tf_quad_t *resident = reinterpret_cast<tf_quad_t *>(place.shared + r->shared_quads_at) +
                          warp.shared_at * TF_WARP_SIZE + tf_warp_lane();
    TF_UNROLL for (uint32_t i = 0; i < HELD; i++) if (i < warp.register_cnt) held[i] =
        far_quads[i * TF_WARP_SIZE];
    for (uint32_t i = 0; i < warp.shared_cnt; i++)
      resident[i * TF_WARP_SIZE] = far_quads[(warp.register_cnt + i) * TF_WARP_SIZE];
    shared_quads   = resident - static_cast<int64_t>(warp.register_cnt * TF_WARP_SIZE);
    uint16_t *rows = reinterpret_cast<uint16_t *>(place.shared + r->shared_rows_at);
    for (uint32_t i = tf_team_rank(); i < r->x_halves; i += tf_team_size()) rows[i] = 0;
    words()->is_stuck[0] = words()->is_stuck[1] = words()->is_alone = 0;
    if (tag == 0 && is_cluster()) { /* the first time: what lies there may look like a packet */
      uint32_t *boards = reinterpret_cast<uint32_t *>(place.shared + r->shared_boards_at);
      for (uint32_t i = tf_team_rank(); i < 2 * r->board_packets * 4; i += tf_team_size())
        boards[i] = 0;
      tf_cluster_barrier();
    }
    tf_team_barrier();
  }

  TF_DEVICE_MEMBER void reset(uint32_t instrument) {
    tf_card_recurrent_head_t *head = head_of(part_of(instrument));
    if (tf_team_rank() == 0)
      head->seen = head->ready_for = head->backlog = head->done = head->first = 0;
    tf_team_barrier();
  }

  TF_DEVICE_MEMBER uint32_t piece_cnt() const {
    return (r->window + TF_CARD_PIECE_WINDOWS - 1) / TF_CARD_PIECE_WINDOWS;
  }
  TF_DEVICE_MEMBER bool has_taken(const tf_card_recurrent_head_t &head, uint32_t slot) const {
    uint32_t cnt = piece_cnt();
    return (slot / TF_CARD_PIECE_WINDOWS + cnt - head.first) % cnt < head.done;
  }

  TF_DEVICE_MEMBER tf_card_step_t step(uint32_t instrument, const float *row_in, float *out) {
    tf_card_recurrent_head_t *kept = head_of(part_of(instrument)), head = *kept;
    const uint64_t            tick    = head.seen;
    const bool                is_full = tick + 1 >= r->window;
    take_row(row_ops(r->before, r->before_cnt, row_in, nullptr));
    if (is_full && head.ready_for !=
                       tick + 2 - r->window) { /* ticks that did not reach the oldest window yet */
      const uint64_t begun = tick + 1 - r->window;
      const uint32_t slot  = slot_of(begun);
      uint64_t       from  = tick - head.backlog;
      if (head.backlog && has_taken(head, slot)) from++;
      for (; from < tick; from++)
        if (!advance_windows(instrument, from, slot, 1)) return TF_CARD_STEP_STUCK;
      make_ready(instrument, tick - 1, slot);
      tf_warp_barrier(); /* P goes from lane to lane */
    }
    tag++;
    if (!take_tick(instrument, tick, is_full)) return TF_CARD_STEP_STUCK;
    if (tf_team_rank() == 0) {
      head.seen++;
      head.ready_for = 0;
      if (head.backlog + 1 < r->window)
        head.backlog++;
      else
        head.done = 0; /* the oldest of them concerns no open window any more */
      *kept = head;
    }
    if (!is_full) return TF_CARD_STEP_WARMING;
    if (tf_grid_rank() == 0) {
      const float *last = row_ops(r->after, r->after_cnt, last_h(), out);
      if (r->after_cnt == 0) {
        for (uint32_t i = tf_team_rank(); i < output_cnt; i += tf_team_size()) out[i] = last[i];
        tf_team_barrier();
      }
    }
    return TF_CARD_STEP_DONE;
  }

  TF_DEVICE_MEMBER bool advance(uint32_t instrument) {
    tf_card_recurrent_head_t *kept = head_of(part_of(instrument)), head = *kept;
    if (head.backlog == 0) return false;
    const uint64_t tick    = head.seen - head.backlog,
                   next    = head.seen + 1 - r->window; /* begun: completes next */
    const bool     is_near = head.seen + 1 >= r->window;
    const uint32_t cnt     = piece_cnt();
    if (head.done == 0) head.first = slot_of(is_near ? next : tick) / TF_CARD_PIECE_WINDOWS;
    const uint32_t slot0 = (head.first + head.done) % cnt * TF_CARD_PIECE_WINDOWS,
                   left  = r->window - slot0;
    if (!advance_windows(instrument, tick, slot0,
                         left < TF_CARD_PIECE_WINDOWS ? left : TF_CARD_PIECE_WINDOWS))
      return false;
    if (++head.done == cnt) {
      head.done = 0;
      head.backlog--;
    }
    const bool is_taken =
        head.backlog == 0 || (head.backlog == 1 && has_taken(head, slot_of(next)));
    if (is_near && is_taken && head.ready_for != next + 1) {
      make_ready(instrument, head.seen - 1, slot_of(next));
      head.ready_for = next + 1;
    }
    tf_team_barrier(); /* all have read the head */
    if (tf_team_rank() == 0) *kept = head;
    tf_team_barrier();
    return head.backlog > 0;
  }
};

#endif
