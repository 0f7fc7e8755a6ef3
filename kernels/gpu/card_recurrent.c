#include "gpu/card_recurrent.h"

#include <math.h>
#include <string.h>

#include "core/error.h"
#include "gpu/card_part.h"
#include "gpu/loop.h"
#include "model/graph.h"
#include "model/window.h"
#include "op/small_float.h"

#define WARP 32u

typedef struct draft {
  const tf_graph_t       *g;
  tf_precision_t          precision;
  const tf_card_limits_t *limits;
  uint32_t                quad_k; /* columns of a quad */
  uint32_t                first;  /* recurrent node */
  tf_card_program_t       program;
  tf_card_recurrent_t     r;
  tf_card_warp_t         *warps; /* (block_cnt, warp_cnt) */
  uint64_t                quad_cnt;
  bool                    holds_all; /* weights: none is read through L2 */
  uint64_t                image_bytes;
  uint8_t                *image;
} draft_t;

static const char *const row_fns[TF_CARD_ROW_FN_CNT] = {
    "add", "mul", "gemm", "relu", "leaky_relu", "clip", "elu", "exp", "sigmoid", "silu", "tanh"};

/* ---- the chain ---- */

static tf_err_t append_op(const draft_t *d, uint32_t node, tf_card_row_op_t *ops, uint32_t *cnt) {
  const tf_graph_node_t *n  = &d->g->nodes[node];
  uint32_t               fn = 0;
  while (fn < TF_CARD_ROW_FN_CNT && strcmp(row_fns[fn], n->op->name) != 0) fn++;
  if (fn == TF_CARD_ROW_FN_CNT)
    return TF_ERR(E_MODEL_UNSUPPORTED,
                  "model %s: node %u, %s \"%s\", has no form beside recurrent layers on a card",
                  d->g->name, node, n->op->name, n->name);
  if (*cnt == TF_CARD_RECURRENT_OPS_MAX)
    return TF_ERR(E_MODEL_UNSUPPORTED,
                  "model %s: node %u, %s \"%s\": at most %u ops stand before or behind recurrent "
                  "layers on a card",
                  d->g->name, node, n->op->name, n->name, TF_CARD_RECURRENT_OPS_MAX);
  if (n->params.in_cnt > TF_CARD_RECURRENT_WIDTH_MAX ||
      n->params.out_cnt > TF_CARD_RECURRENT_WIDTH_MAX)
    return TF_ERR(E_MODEL_UNSUPPORTED,
                  "model %s: node %u, %s \"%s\": a row of %u values; a card takes %u beside "
                  "recurrent layers",
                  d->g->name, node, n->op->name, n->name,
                  n->params.in_cnt > n->params.out_cnt ? n->params.in_cnt : n->params.out_cnt,
                  TF_CARD_RECURRENT_WIDTH_MAX);
  ops[(*cnt)++] = (tf_card_row_op_t){.fn       = fn,
                                     .in_cnt   = n->params.in_cnt,
                                     .out_cnt  = n->params.out_cnt,
                                     .has_bias = n->bias != NULL,
                                     .alpha    = n->params.alpha,
                                     .beta     = n->params.beta};
  return TF_OK;
}

static tf_err_t append_layer(draft_t *d, uint32_t node) {
  const tf_graph_node_t *n = &d->g->nodes[node];
  if (d->r.layer_cnt == 0) d->first = node;
  if (d->first + d->r.layer_cnt != node)
    return TF_ERR(E_MODEL_UNSUPPORTED, "model %s: node %u, %s \"%s\", between recurrent layers",
                  d->g->name, node - 1, d->g->nodes[node - 1].op->name, d->g->nodes[node - 1].name);
  if (d->r.layer_cnt == TF_CARD_RECURRENT_LAYERS_MAX)
    return TF_ERR(E_MODEL_UNSUPPORTED, "model %s: more than %u recurrent layers", d->g->name,
                  TF_CARD_RECURRENT_LAYERS_MAX);
  uint32_t units = n->params.out_cnt;
  d->r.layers[d->r.layer_cnt++] =
      (tf_card_layer_t){.is_gru  = strcmp(n->op->name, "gru") == 0,
                        .units   = units,
                        .tiles   = (units + TF_CARD_TILE_UNITS - 1) / TF_CARD_TILE_UNITS,
                        .x_quads = (n->params.in_cnt + d->quad_k - 1) / d->quad_k,
                        .h_quads = (units + d->quad_k - 1) / d->quad_k};
  return TF_OK;
}

static tf_err_t check_weights(const draft_t *d, uint32_t node) {
  const tf_graph_node_t *n = &d->g->nodes[node];
  for (uint64_t i = 0; d->precision == TF_PRECISION_FP16 && i < n->params.weight_cnt; i++)
    if (fabsf(n->weight[i]) > TF_FP16_MAX)
      return TF_ERR(
          E_MODEL_UNSUPPORTED,
          "model %s: node %u, %s \"%s\", weight %llu is %g: fp16 ends at %g, bf16 does not",
          d->g->name, node, n->op->name, n->name, (unsigned long long)i, (double)n->weight[i],
          (double)TF_FP16_MAX);
  return TF_OK;
}

static tf_err_t read_chain(draft_t *d) {
  const tf_graph_t *g = d->g;
  if (g->net)
    return TF_ERR(E_MODEL_UNSUPPORTED, "model %s is a net, not a chain of recurrent layers",
                  g->name);
  if (g->window < 2)
    return TF_ERR(E_MODEL_UNSUPPORTED, "model %s: a window of one row; recurrent layers want more",
                  g->name);
  tf_err_t err = tf_graph_check_end(g);
  for (uint32_t i = 0; i < g->node_cnt && !err; i++) {
    switch (g->nodes[i].op->kind) {
    case TF_OP_KIND_ROW:
      err = d->r.layer_cnt ? append_op(d, i, d->r.after, &d->r.after_cnt)
                           : append_op(d, i, d->r.before, &d->r.before_cnt);
      break;
    case TF_OP_KIND_RECURRENT:
      err = append_layer(d, i);
      if (!err) err = check_weights(d, i);
      break;
    case TF_OP_KIND_LAST: break; /* rows behind the layers are the last ones anyway */
    case TF_OP_KIND_FLATTEN:
      return TF_ERR(E_MODEL_UNSUPPORTED,
                    "model %s: node %u, flatten \"%s\": the recurrent kernel answers with the last "
                    "row alone",
                    g->name, i, g->nodes[i].name);
    }
  }
  if (!err && d->r.layer_cnt == 0)
    return TF_ERR(E_MODEL_UNSUPPORTED, "model %s has no recurrent layer", g->name);
  return err;
}

/* ---- sizes ---- */

static uint32_t ceil_div(uint32_t a, uint32_t b) { return (a + b - 1) / b; }

/* A running offset. */
static uint32_t place(uint32_t *used, uint64_t cnt, uint32_t align) {
  uint32_t at = (uint32_t)tf_align_up(*used, align);
  *used       = at + (uint32_t)cnt;
  return at;
}

static uint32_t width_of_input(const draft_t *d) { return d->g->nodes[d->first].params.in_cnt; }

/* Warps of a block share its tiles; where there are more warps than tiles, several take a tile's columns in parts. */
static void share_out(draft_t *d) {
  tf_card_recurrent_t *r     = &d->r;
  uint32_t             tiles = 0;
  r->warp_cnt                = d->limits->thread_max / WARP;
  if (r->warp_cnt > TF_CARD_RECURRENT_WARPS_MAX) r->warp_cnt = TF_CARD_RECURRENT_WARPS_MAX;
  for (uint32_t i = 0; i < r->layer_cnt; i++) {
    r->layers[i].tiles_a_block = ceil_div(r->layers[i].tiles, d->program.block_cnt);
    if (tiles < r->layers[i].tiles_a_block) tiles = r->layers[i].tiles_a_block;
  }
  r->split = 1;
  while (r->split * 2 * tiles <= r->warp_cnt) r->split *= 2;
  r->warp_cnt = r->warp_cnt / r->split * r->split;
}

static uint32_t tiles_of(const tf_card_layer_t *l, uint32_t block) {
  uint32_t first = block * l->tiles_a_block, left = l->tiles > first ? l->tiles - first : 0;
  return left < l->tiles_a_block ? left : l->tiles_a_block;
}

/* Tiles of a block that one group of warps takes: group, group + groups, ... */
static uint32_t rounds_of(const tf_card_layer_t *l, uint32_t block, uint32_t group,
                          uint32_t groups) {
  uint32_t tiles = tiles_of(l, block);
  return tiles > group ? ceil_div(tiles - group, groups) : 0;
}

static uint32_t part_begin(uint32_t quads, uint32_t split, uint32_t part) {
  return quads * part / split;
}
static uint32_t part_cnt(uint32_t quads, uint32_t split, uint32_t part) {
  return part_begin(quads, split, part + 1) - part_begin(quads, split, part);
}

static void place_state(draft_t *d) {
  tf_card_recurrent_t *r      = &d->r;
  const uint32_t       window = d->g->window;
  uint32_t             used = 0, floats = sizeof(tf_card_recurrent_head_t) / sizeof(float);
  r->window  = window;
  r->ring_at = place(&floats, (uint64_t)window * r->layers[0].tiles_a_block * TF_CARD_TILE_ROWS, 4);
  for (uint32_t i = 0; i < r->layer_cnt; i++) {
    tf_card_layer_t *l = &r->layers[i];
    l->row_words       = l->h_quads * d->quad_k / 2;
    l->rows_at         = place(&used, (uint64_t)2 * window * l->row_words * 4, TF_LINE_PAIR_BYTES);
    l->ready_at        = place(&floats, (uint64_t)l->tiles_a_block * TF_CARD_TILE_ROWS, 4);
    l->carry_at = place(&floats, (uint64_t)window * l->tiles_a_block * TF_CARD_TILE_UNITS, 4);
  }
  r->parts_at   = (uint32_t)tf_align_up(used, TF_LINE_PAIR_BYTES);
  r->part_bytes = (uint32_t)tf_align_up((uint64_t)floats * sizeof(float), TF_LINE_PAIR_BYTES);
  d->program.state_bytes = r->parts_at + (uint64_t)r->part_bytes * d->program.block_cnt;
}

/* All of a block's shared memory but its quads. */
static uint32_t place_shared(draft_t *d) {
  tf_card_recurrent_t   *r    = &d->r;
  const tf_card_layer_t *last = &r->layers[r->layer_cnt - 1];
  r->width_max                = width_of_input(d);
  for (uint32_t i = 0; i < r->before_cnt; i++)
    if (r->width_max < r->before[i].out_cnt) r->width_max = r->before[i].out_cnt;
  for (uint32_t i = 0; i < r->after_cnt; i++)
    if (r->width_max < r->after[i].out_cnt) r->width_max = r->after[i].out_cnt;
  r->x_halves = r->board_packets = 0;
  for (uint32_t i = 0; i < r->layer_cnt; i++) {
    tf_card_layer_t *l = &r->layers[i];
    l->x_at            = place(&r->x_halves, (uint64_t)(i ? 1 : 2) * l->x_quads * d->quad_k, 16);
    l->board_at        = place(&r->board_packets, (uint64_t)l->tiles * (l == last ? 2 : 1), 1);
  }
  bool     is_one = d->program.block_cnt == 1, is_cluster = tf_loop_has_shared_boards(&d->program);
  uint64_t boards   = 2ull * r->board_packets * sizeof(tf_packet_t);
  uint32_t used     = TF_LINE_PAIR_BYTES; /* words that the block's threads agree through */
  r->shared_rows_at = place(&used, (uint64_t)r->x_halves * 2, 16);
  r->shared_h_at =
      place(&used, ((uint64_t)last->tiles * TF_CARD_TILE_UNITS + 2ull * r->width_max) * 4, 16);
  r->shared_sums_at        = place(&used, r->split > 1 ? 2ull * r->warp_cnt * WARP * 8 * 4 : 0, 16);
  r->shared_boards_at      = place(&used, is_cluster ? boards : 0, 16);
  r->shared_quads_at       = place(&used, 0, TF_LINE_PAIR_BYTES);
  d->program.scratch_bytes = TF_LINE_PAIR_BYTES + (is_one || is_cluster ? 0 : boards);
  return r->shared_quads_at;
}

/* What is left of shared memory, in like parts to those who have quads left; returns what they take. */
static uint32_t share_room(tf_card_warp_t *warps, uint32_t warp_cnt, uint32_t room) {
  uint32_t used = 0;
  for (uint32_t waiting = warp_cnt; waiting && used < room;) {
    uint32_t share = ceil_div(room - used, waiting);
    waiting        = 0;
    for (uint32_t w = 0; w < warp_cnt; w++) {
      uint32_t rest = warps[w].quad_cnt - warps[w].register_cnt - warps[w].shared_cnt;
      uint32_t more = rest < share ? rest : share;
      if (more > room - used) more = room - used;
      warps[w].shared_cnt += more;
      used += more;
      waiting += more < rest;
    }
  }
  return used;
}

/* Quads of each warp, and where they are held. False: a part of W is held nowhere. */
static bool place_quads(draft_t *d, uint32_t room) {
  tf_card_recurrent_t *r        = &d->r;
  const uint32_t       groups   = r->warp_cnt / r->split;
  uint32_t             used_max = 0;
  d->quad_cnt                   = 0;
  d->holds_all                  = true;
  for (uint32_t b = 0; b < d->program.block_cnt; b++) {
    tf_card_warp_t *warps = d->warps + (size_t)b * r->warp_cnt;
    uint32_t        used  = 0;
    for (uint32_t w = 0; w < r->warp_cnt; w++) {
      uint32_t group = w / r->split, part = w % r->split, x = 0, h = 0;
      for (uint32_t i = 0; i < r->layer_cnt; i++) {
        const tf_card_layer_t *l      = &r->layers[i];
        uint32_t               rounds = rounds_of(l, b, group, groups);
        x += rounds * part_cnt(l->x_quads, r->split, part);
        h += rounds * part_cnt(l->h_quads, r->split, part);
      }
      uint32_t held = x < TF_CARD_RECURRENT_REGISTERS ? x : TF_CARD_RECURRENT_REGISTERS;
      warps[w]      = (tf_card_warp_t){.quads_at     = (uint32_t)d->quad_cnt,
                                       .quad_cnt     = x + h,
                                       .register_cnt = held,
                                       .shared_cnt   = x - held};
      used += x - held;
      d->quad_cnt += x + h;
    }
    if (used > room) return false;
    used += share_room(warps, r->warp_cnt, room - used);
    for (uint32_t w = 0; w < r->warp_cnt; w++)
      d->holds_all =
          d->holds_all && warps[w].register_cnt + warps[w].shared_cnt == warps[w].quad_cnt;
    for (uint32_t w = 0, at = 0; w < r->warp_cnt; at += warps[w++].shared_cnt)
      warps[w].shared_at = at;
    if (used_max < used) used_max = used;
  }
  d->program.shared_bytes = r->shared_quads_at + used_max * TF_CARD_QUAD_BYTES;
  return true;
}

/* Sizes for block_cnt blocks. E_MODEL_UNSUPPORTED where they do not hold what they must. */
static tf_err_t fit(draft_t *d, uint32_t block_cnt, uint32_t cluster_size) {
  tf_card_program_t *p = &d->program;
  *p                   = (tf_card_program_t){.kind         = TF_CARD_RECURRENT,
                                             .precision    = d->precision,
                                             .input_cnt    = d->g->input_cnt,
                                             .output_cnt   = d->g->output_cnt,
                                             .window       = d->g->window,
                                             .block_cnt    = block_cnt,
                                             .cluster_size = cluster_size};
  share_out(d);
  p->thread_cnt = d->r.warp_cnt * WARP;
  place_state(d);
  if (p->state_bytes > TF_WINDOW_STATE_BYTES_MAX)
    return TF_ERR(E_MODEL_UNSUPPORTED, "model %s: %llu bytes of state an instrument, at most %llu",
                  d->g->name, (unsigned long long)p->state_bytes,
                  (unsigned long long)TF_WINDOW_STATE_BYTES_MAX);
  uint64_t own = tf_loop_own_shared_bytes(p) + (uint64_t)place_shared(d);
  free(d->warps);
  d->warps = calloc((size_t)block_cnt * d->r.warp_cnt, sizeof *d->warps);
  if (!d->warps)
    return TF_ERR(E_CORE_NO_MEMORY, "model %s: a plan for %u blocks", d->g->name, block_cnt);
  uint64_t most = d->limits->shared_bytes_max;
  if (own > most || !place_quads(d, (uint32_t)((most - own) / TF_CARD_QUAD_BYTES)))
    return TF_ERR(E_MODEL_UNSUPPORTED,
                  "model %s: what a row waits for does not fit into the registers and %u bytes of "
                  "shared memory of %u blocks",
                  d->g->name, d->limits->shared_bytes_max, block_cnt);
  return TF_OK;
}

/* ---- the image ---- */

static float weight_of(const tf_graph_node_t *n, bool of_h, uint32_t unit, uint32_t slot,
                       uint32_t k) {
  const uint32_t in = n->params.in_cnt, units = n->params.out_cnt;
  if (unit >= units || k >= (of_h ? units : in)) return 0.0f;
  uint32_t gate = slot;
  if (n->op->gate_cnt == 3) { /* z r n: n's slot is 2 for W, 3 for U */
    if (slot == (of_h ? 2 : 3)) return 0.0f;
    if (slot == 3) gate = 2;
  }
  return n->weight[((size_t)gate * units + unit) * (in + units) + (of_h ? in : 0) + k];
}

static float row_weight(const tf_graph_node_t *n, bool of_h, uint32_t tile, uint32_t row,
                        uint32_t k) {
  return weight_of(n, of_h, tile * TF_CARD_TILE_UNITS + row % 4, row / 4, k);
}

static float row_scale(const tf_graph_node_t *n, bool of_h, uint32_t tile, uint32_t row) {
  float    most = 0.0f;
  uint32_t cnt  = of_h ? n->params.out_cnt : n->params.in_cnt;
  for (uint32_t k = 0; k < cnt; k++) most = fmaxf(most, fabsf(row_weight(n, of_h, tile, row, k)));
  return most > 0.0f ? most / 127.0f : 1.0f;
}

static uint16_t half_of(const draft_t *d, float x) {
  return d->precision == TF_PRECISION_FP16 ? tf_fp16_of(x) : tf_bf16_of(x);
}

/* Lane by lane, as mma.m16n8k16 takes a: rows group and group + 8, columns 4 quarter .. + 3 (both operands have their columns in
 * this order, which the product does not see). */
static void pack_quad(const draft_t *d, const tf_graph_node_t *n, bool of_h, uint32_t tile,
                      uint32_t quad, const float *scales, uint32_t *to) {
  for (uint32_t lane = 0; lane < WARP; lane++)
    for (uint32_t i = 0; i < 4; i++) {
      uint32_t group = lane / 4, quarter = lane % 4, row = group + i % 2 * 8, word = 0;
      if (d->precision == TF_PRECISION_INT8) {
        for (uint32_t j = 0; j < 4; j++) {
          float x = row_weight(n, of_h, tile, row, quad * 32 + i / 2 * 16 + quarter * 4 + j);
          word |= (uint32_t)(uint8_t)(int8_t)lrintf(x / scales[row]) << 8 * j;
        }
      } else {
        for (uint32_t j = 0; j < 2; j++)
          word |= (uint32_t)half_of(
                      d, row_weight(n, of_h, tile, row, quad * 16 + quarter * 4 + i / 2 * 2 + j))
                  << 16 * j;
      }
      *to++ = word;
    }
}

static float *floats_at(const draft_t *d, uint32_t at) { return (float *)(void *)(d->image + at); }

static void pack_warp(const draft_t *d, uint32_t block, uint32_t warp) {
  const tf_card_recurrent_t *r = &d->r;
  const uint32_t groups = r->warp_cnt / r->split, group = warp / r->split, part = warp % r->split;
  uint8_t       *to = d->image + r->quads_at +
                (size_t)d->warps[(size_t)block * r->warp_cnt + warp].quads_at * TF_CARD_QUAD_BYTES;
  for (int of_h = 0; of_h < 2; of_h++)
    for (uint32_t i = 0; i < r->layer_cnt; i++) {
      const tf_card_layer_t *l      = &r->layers[i];
      uint32_t               quads  = of_h ? l->h_quads : l->x_quads;
      const float           *scales = floats_at(d, of_h ? l->h_scale_at : l->x_scale_at);
      for (uint32_t k = 0; k < rounds_of(l, block, group, groups); k++) {
        uint32_t tile = block * l->tiles_a_block + group + k * groups;
        for (uint32_t q = part_begin(quads, r->split, part);
             q < part_begin(quads, r->split, part + 1); q++) {
          pack_quad(d, &d->g->nodes[d->first + i], of_h, tile, q,
                    scales + (size_t)tile * TF_CARD_TILE_ROWS, (uint32_t *)(void *)to);
          to += TF_CARD_QUAD_BYTES;
        }
      }
    }
}

static void pack_layer(const draft_t *d, uint32_t i) {
  const tf_card_layer_t *l = &d->r.layers[i];
  const tf_graph_node_t *n = &d->g->nodes[d->first + i];
  for (uint32_t tile = 0; tile < l->tiles; tile++)
    for (uint32_t row = 0; row < TF_CARD_TILE_ROWS; row++) {
      uint32_t unit = tile * TF_CARD_TILE_UNITS + row % 4, at = tile * TF_CARD_TILE_ROWS + row;
      floats_at(d, l->bias_at)[at] = unit < l->units ? n->bias[row / 4 * l->units + unit] : 0.0f;
      if (d->precision != TF_PRECISION_INT8) continue;
      floats_at(d, l->x_scale_at)[at] = row_scale(n, false, tile, row);
      floats_at(d, l->h_scale_at)[at] = row_scale(n, true, tile, row);
    }
}

static void pack_ops(const draft_t *d, const tf_card_row_op_t *ops, uint32_t cnt, uint32_t node) {
  for (uint32_t i = 0; i < cnt; node++) {
    const tf_graph_node_t *n = &d->g->nodes[node];
    if (n->op->kind != TF_OP_KIND_ROW) continue;
    if (n->weight)
      memcpy(floats_at(d, ops[i].weight_at), n->weight, n->params.weight_cnt * sizeof(float));
    if (n->bias) memcpy(floats_at(d, ops[i].bias_at), n->bias, n->params.bias_cnt * sizeof(float));
    i++;
  }
}

static void place_ops(uint32_t *used, tf_card_row_op_t *ops, uint32_t cnt) {
  for (uint32_t i = 0; i < cnt; i++) {
    bool     is_gemm = ops[i].fn == TF_CARD_ROW_GEMM, has = is_gemm || ops[i].fn <= TF_CARD_ROW_MUL;
    uint64_t weights = has ? (uint64_t)ops[i].in_cnt * (is_gemm ? ops[i].out_cnt : 1) : 0;
    ops[i].weight_at = place(used, weights * 4, 16);
    ops[i].bias_at   = place(used, ops[i].has_bias ? ops[i].out_cnt * 4ull : 0, 16);
  }
}

static void place_image(draft_t *d) {
  tf_card_recurrent_t *r         = &d->r;
  uint32_t             used      = sizeof *r;
  bool                 is_scaled = d->precision == TF_PRECISION_INT8;
  place_ops(&used, r->before, r->before_cnt);
  place_ops(&used, r->after, r->after_cnt);
  for (uint32_t i = 0; i < r->layer_cnt; i++) {
    tf_card_layer_t *l     = &r->layers[i];
    uint64_t         bytes = (uint64_t)l->tiles * TF_CARD_TILE_ROWS * 4;
    l->bias_at             = place(&used, bytes, 16);
    l->x_scale_at          = place(&used, is_scaled ? bytes : 0, 16);
    l->h_scale_at          = place(&used, is_scaled ? bytes : 0, 16);
  }
  r->warps_at =
      place(&used, (uint64_t)d->program.block_cnt * r->warp_cnt * sizeof(tf_card_warp_t), 16);
  r->quads_at    = place(&used, 0, TF_LINE_PAIR_BYTES);
  d->image_bytes = r->quads_at + d->quad_cnt * TF_CARD_QUAD_BYTES;
}

/* ---- whose bytes are whose ---- */

static tf_err_t name_part(const draft_t *d, tf_card_parts_t *parts, uint64_t at, uint64_t bytes,
                          const char *what, uint32_t node) {
  char name[TF_CARD_PART_NAME_BYTES];
  snprintf(name, sizeof name, "%s of node %u, %s \"%.24s\"", what, node, d->g->nodes[node].op->name,
           d->g->nodes[node].name);
  return tf_card_parts_add(parts, at, bytes, name);
}

static tf_err_t name_ops(const draft_t *d, tf_card_parts_t *parts, const tf_card_row_op_t *ops,
                         uint32_t cnt, uint32_t node) {
  tf_err_t err = TF_OK;
  for (uint32_t i = 0; i < cnt && !err; node++) {
    const tf_graph_node_t *n = &d->g->nodes[node];
    if (n->op->kind != TF_OP_KIND_ROW) continue;
    if (n->weight)
      err = name_part(d, parts, ops[i].weight_at, n->params.weight_cnt * sizeof(float), "weights",
                      node);
    if (!err && n->bias)
      err = name_part(d, parts, ops[i].bias_at, n->params.bias_cnt * sizeof(float), "bias", node);
    i++;
  }
  return err;
}

/* A warp's fragments: of W, then of U, layer by layer. */
static tf_err_t name_warp(const draft_t *d, tf_card_parts_t *parts, uint32_t block, uint32_t warp) {
  const tf_card_recurrent_t *r = &d->r;
  const uint32_t groups = r->warp_cnt / r->split, group = warp / r->split, part = warp % r->split;
  uint64_t at = r->quads_at + (uint64_t)d->warps[(size_t)block * r->warp_cnt + warp].quads_at *
                                  TF_CARD_QUAD_BYTES;
  tf_err_t err = TF_OK;
  for (uint32_t of_h = 0; of_h < 2; of_h++)
    for (uint32_t i = 0; i < r->layer_cnt && !err; i++) {
      const tf_card_layer_t *l     = &r->layers[i];
      const uint64_t         quads = (uint64_t)rounds_of(l, block, group, groups) *
                             part_cnt(of_h ? l->h_quads : l->x_quads, r->split, part);
      err = name_part(d, parts, at, quads * TF_CARD_QUAD_BYTES,
                      of_h ? "weights of h" : "weights of x", d->first + i);
      at += quads * TF_CARD_QUAD_BYTES;
    }
  return err;
}

static tf_err_t name_parts(const draft_t *d, tf_card_parts_t *parts) {
  const tf_card_recurrent_t *r   = &d->r;
  tf_err_t                   err = name_ops(d, parts, r->before, r->before_cnt, 0);
  if (!err) err = name_ops(d, parts, r->after, r->after_cnt, d->first + r->layer_cnt);
  for (uint32_t i = 0; i < r->layer_cnt && !err; i++) {
    const tf_card_layer_t *l      = &r->layers[i];
    const uint64_t         bytes  = (uint64_t)l->tiles * TF_CARD_TILE_ROWS * sizeof(float);
    const uint64_t         scales = d->precision == TF_PRECISION_INT8 ? bytes : 0;
    err                           = name_part(d, parts, l->bias_at, bytes, "bias", d->first + i);
    if (!err) err = name_part(d, parts, l->x_scale_at, scales, "scales of x", d->first + i);
    if (!err) err = name_part(d, parts, l->h_scale_at, scales, "scales of h", d->first + i);
  }
  for (uint32_t b = 0; b < d->program.block_cnt; b++)
    for (uint32_t w = 0; w < r->warp_cnt && !err; w++) err = name_warp(d, parts, b, w);
  return err;
}

static tf_err_t write_program(draft_t *d, tf_card_program_t **program) {
  place_image(d);
  d->program.image_bytes = d->image_bytes;
  tf_card_program_t *p   = calloc(1, sizeof *p + d->image_bytes);
  if (!p)
    return TF_ERR(E_CORE_NO_MEMORY, "model %s: %llu bytes of a program", d->g->name,
                  (unsigned long long)d->image_bytes);
  *p       = d->program;
  d->image = (uint8_t *)(p + 1);
  memcpy(d->image, &d->r, sizeof d->r);
  memcpy(d->image + d->r.warps_at, d->warps,
         (size_t)p->block_cnt * d->r.warp_cnt * sizeof *d->warps);
  pack_ops(d, d->r.before, d->r.before_cnt, 0);
  pack_ops(d, d->r.after, d->r.after_cnt, d->first + d->r.layer_cnt);
  for (uint32_t i = 0; i < d->r.layer_cnt; i++) pack_layer(d, i);
  for (uint32_t b = 0; b < p->block_cnt; b++)
    for (uint32_t w = 0; w < d->r.warp_cnt; w++) pack_warp(d, b, w);
  tf_card_parts_t parts = {0};
  tf_err_t        err   = name_parts(d, &parts);
  if (!err) err = tf_card_parts_end(&parts, &p);
  tf_card_parts_fini(&parts);
  if (err) free(p), p = NULL;
  *program = p;
  return err;
}

/* ---- which size ---- */

static tf_err_t begin(draft_t *d, const tf_graph_t *g, tf_precision_t precision,
                      const tf_card_limits_t *limits) {
  *d = (draft_t){.g = g, .precision = precision, .limits = limits};
  if (precision != TF_PRECISION_FP16 && precision != TF_PRECISION_BF16 &&
      precision != TF_PRECISION_INT8)
    return TF_ERR(E_MODEL_UNSUPPORTED,
                  "model %s: recurrent layers on a card are multiplied in fp16, bf16 or int8",
                  g->name);
  d->quad_k = precision == TF_PRECISION_INT8 ? 32 : 16;
  return read_chain(d);
}

tf_err_t tf_card_recurrent_make_over(const tf_graph_t *g, tf_precision_t precision,
                                     const tf_card_limits_t *limits, uint32_t block_cnt,
                                     uint32_t cluster_size, tf_card_program_t **program) {
  TF_ASSERT(cluster_size >= 1 && block_cnt >= 1 && block_cnt % cluster_size == 0);
  draft_t  d;
  tf_err_t err = begin(&d, g, precision, limits);
  if (!err) err = fit(&d, block_cnt, cluster_size);
  if (!err) err = write_program(&d, program);
  free(d.warps);
  return err;
}

/* Blocks that would have no unit of any layer are not asked for. */
static uint32_t blocks_of_use(const draft_t *d, uint32_t block_cnt) {
  uint32_t most = 1;
  for (uint32_t i = 0; i < d->r.layer_cnt; i++) {
    uint32_t tiles = d->r.layers[i].tiles, used = ceil_div(tiles, ceil_div(tiles, block_cnt));
    if (most < used) most = used;
  }
  return most;
}

tf_err_t tf_card_recurrent_make(const tf_graph_t *g, tf_precision_t precision,
                                const tf_card_limits_t *limits, tf_card_program_t **program) {
  const uint32_t clusters[] = {1, 8, 16};
  draft_t        d;
  bool           is_placed = false;
  tf_err_t       err       = begin(&d, g, precision, limits);
  if (err) return err;
  for (size_t i = 0; i < TF_ARRAY_CNT(clusters) && !is_placed; i++)
    if (clusters[i] <= limits->cluster_max && clusters[i] <= limits->sm_cnt)
      is_placed = fit(&d, clusters[i], clusters[i]) == TF_OK && d.holds_all;
  if (!is_placed) err = fit(&d, blocks_of_use(&d, limits->sm_cnt), 1);
  if (!err) err = write_program(&d, program);
  free(d.warps);
  return err;
}
