#include "gpu/card_net_draft.h"

#include <math.h>
#include <string.h>

#include "core/error.h"
#include "op/small_float.h"

/* Segments begin at a multiple of this many words: a vector of weights, and from here on a line of L2. */
#define ALIGN_WORDS      4u
#define LINE_WORDS       32u
#define IMAGE_ROOM_WORDS 4096u

tf_err_t tf_card_net_draft_grow(void **list, uint32_t cnt, uint32_t more, uint32_t *room,
                                uint32_t max, size_t bytes, const char *what) {
  if (more > max - cnt) return TF_ERR(E_MODEL_UNSUPPORTED, "more than %u %s", max, what);
  if (cnt + more <= *room) return TF_OK;
  uint32_t wanted = *room ? *room : 64;
  while (wanted < cnt + more) wanted *= 2;
  void *grown = realloc(*list, wanted * bytes);
  if (!grown) return TF_ERR(E_CORE_NO_MEMORY, "%u %s", wanted, what);
  *list = grown;
  *room = wanted;
  return TF_OK;
}

/* ---- the image ---- */

static tf_err_t claim(tf_card_net_draft_t *d, uint32_t cnt, uint32_t *at) {
  const uint32_t align = cnt < LINE_WORDS ? ALIGN_WORDS : LINE_WORDS;
  const uint32_t first = (uint32_t)tf_align_up(d->words, align);
  void          *list  = d->image;
  tf_err_t       err =
      tf_card_net_draft_grow(&list, d->words, first - d->words + cnt, &d->room,
                             TF_CARD_NET_WORDS_MAX, sizeof *d->image, "words of a program");
  d->image = list;
  if (err) return err;
  memset(d->image + d->words, 0, (first - d->words + cnt) * sizeof *d->image);
  *at      = first;
  d->words = first + cnt;
  return TF_OK;
}

static void name_segment(const tf_card_net_draft_t *d, tf_card_net_segment_t *s, const char *what) {
  if (d->node)
    snprintf(s->name, sizeof s->name, "%s of node %u, %s \"%.24s\"", what, d->node_idx,
             d->node->use.op->name, d->node->name);
  else
    snprintf(s->name, sizeof s->name, "%s", what);
}

static tf_err_t add_segment(tf_card_net_draft_t *d, const char *what, uint32_t at, uint32_t words) {
  void    *list = d->segments;
  tf_err_t err  = tf_card_net_draft_grow(&list, d->segment_cnt, 1, &d->segment_room,
                                         TF_CARD_NET_WORDS_MAX, sizeof *d->segments, "tensors");
  d->segments   = list;
  if (err) return err;
  tf_card_net_segment_t *s = &d->segments[d->segment_cnt++];
  *s = (tf_card_net_segment_t){.at = at, .words = words, .is_timed = d->part == TF_CARD_TIMED};
  name_segment(d, s, what);
  return TF_OK;
}

tf_err_t tf_card_net_draft_init(tf_card_net_draft_t *d, uint32_t header_words) {
  uint32_t at;
  return claim(d, header_words, &at);
}

void tf_card_net_draft_fini(tf_card_net_draft_t *d) {
  free(d->image);
  free(d->segments);
  free(d->ops);
  free(d->steps);
  free(d->accesses);
  free(d->entries);
  memset(d, 0, sizeof *d);
}

tf_err_t tf_card_net_draft_add(tf_card_net_draft_t *d, const char *what, const void *words,
                               uint32_t cnt, tf_card_net_place_t *place) {
  uint32_t at;
  for (uint32_t i = 0; i < d->segment_cnt; i++) {
    tf_card_net_segment_t *s = &d->segments[i];
    if (s->words != cnt || memcmp(d->image + s->at, words, cnt * sizeof *d->image) != 0) continue;
    s->is_timed |= d->part == TF_CARD_TIMED;
    *place = tf_card_net_place(TF_CARD_IMAGE, s->at);
    return TF_OK;
  }
  tf_err_t err = claim(d, cnt, &at);
  if (!err) err = add_segment(d, what, at, cnt);
  if (err) return err;
  memcpy(d->image + at, words, cnt * sizeof *d->image);
  *place = tf_card_net_place(TF_CARD_IMAGE, at);
  return TF_OK;
}

tf_err_t tf_card_net_draft_entries(tf_card_net_draft_t *d, uint32_t cnt) {
  void    *list = d->entries;
  tf_err_t err  = tf_card_net_draft_grow(&list, 0, cnt, &d->entry_room, TF_CARD_NET_WORDS_MAX,
                                         sizeof *d->entries, "words of a table");
  d->entries    = list;
  return err;
}

tf_err_t tf_card_net_draft_view(tf_card_net_draft_t *d, uint32_t cnt, tf_card_net_view_t *view) {
  const uint32_t first = d->entries[0];
  bool           still = first != TF_CARD_NOTHING, along = still;
  for (uint32_t i = 1; i < cnt; i++) {
    still &= d->entries[i] == first;
    along &= d->entries[i] == first + i;
  }
  view->place =
      tf_card_net_place((tf_card_net_base_t)(first >> 30), first & (TF_CARD_NET_TABLE_AT_MAX - 1));
  view->walk = along ? TF_CARD_ALONG : still ? TF_CARD_STILL : TF_CARD_TABLE;
  return view->walk == TF_CARD_TABLE
             ? tf_card_net_draft_add(d, "a table", d->entries, cnt, &view->place)
             : TF_OK;
}

/* ---- weights ---- */

static void put(tf_precision_t precision, void *vector, uint32_t j, float w, float scale) {
  switch (precision) {
  case TF_PRECISION_BF16: ((uint16_t *)vector)[j] = tf_bf16_of(w); break;
  case TF_PRECISION_FP16: ((uint16_t *)vector)[j] = tf_fp16_of(w); break;
  case TF_PRECISION_INT8:
    ((int8_t *)vector)[j] = scale > 0.0f ? (int8_t)lrintf(w / scale) : 0;
    break;
  default: ((float *)vector)[j] = w;
  }
}

static tf_err_t pack_row(const tf_mat_source_t *s, uint32_t o, uint32_t lanes, float scale,
                         uint8_t *row) {
  const uint32_t each = tf_card_net_vector_cnt(s->precision);
  for (uint32_t k = 0; k < s->in_cnt; k++) {
    const uint32_t group = k / (lanes * each), j = k % (lanes * each) / lanes, lane = k % lanes;
    const float    w = s->weight[o * s->row_floats + tf_mat_source_at(s, k)];
    if (s->precision == TF_PRECISION_FP16 && fabsf(w) > TF_FP16_MAX)
      return TF_ERR(E_MODEL_WEIGHTS, "weight %u of output %u is %g, fp16 holds up to %g", k, o,
                    (double)w, (double)TF_FP16_MAX);
    put(s->precision, row + (size_t)(group * lanes + lane) * TF_CARD_NET_VECTOR_BYTES, j, w, scale);
  }
  return TF_OK;
}

tf_err_t tf_card_net_draft_pack(tf_card_net_draft_t *d, const tf_mat_source_t *source,
                                uint32_t batch_cnt, size_t batch_floats, uint32_t lanes,
                                tf_card_net_product_t *product) {
  const uint32_t each = lanes * tf_card_net_vector_cnt(source->precision);
  const uint64_t row  = (uint64_t)(source->in_cnt + each - 1) / each * lanes *
                       TF_CARD_NET_VECTOR_BYTES / sizeof(uint32_t);
  const uint64_t outputs = (uint64_t)batch_cnt * source->out_cnt, words = row * outputs;
  if (words > TF_CARD_NET_WORDS_MAX)
    return TF_ERR(E_MODEL_UNSUPPORTED, "%llu words of weights, at most %u are allowed",
                  (unsigned long long)words, TF_CARD_NET_WORDS_MAX);
  uint8_t *packed = calloc(words, sizeof(uint32_t));
  float   *scales = calloc(outputs, sizeof *scales);
  tf_err_t err    = packed && scales ? TF_OK : TF_ERR(E_CORE_NO_MEMORY, "a product's weights");
  for (uint32_t b = 0; b < batch_cnt && !err; b++) {
    tf_mat_source_t s = *source;
    s.weight += b * batch_floats;
    for (uint32_t o = 0; o < s.out_cnt && !err; o++) {
      const uint64_t at = (uint64_t)b * s.out_cnt + o;
      if (s.precision == TF_PRECISION_INT8) scales[at] = tf_mat_int8_weight_scale(&s, o);
      err = pack_row(&s, o, lanes, scales[at], packed + at * row * sizeof(uint32_t));
    }
  }
  product->scale = tf_card_net_place(TF_CARD_NOWHERE, 0);
  if (!err) err = tf_card_net_draft_add(d, "weights", packed, (uint32_t)words, &product->weight);
  if (!err && source->precision == TF_PRECISION_INT8)
    err = tf_card_net_draft_add(d, "scales", scales, (uint32_t)outputs, &product->scale);
  product->precision    = source->precision;
  product->weight_n     = (uint32_t)row;
  product->weight_batch = batch_cnt > 1 ? (uint32_t)(row * source->out_cnt) : 0;
  product->scale_batch  = batch_cnt > 1 ? source->out_cnt : 0;
  product->weight_k     = 0;
  d->weight_bytes += words * sizeof(uint32_t);
  free(packed);
  free(scales);
  return err;
}

/* ---- phases ---- */

static bool disagree(const tf_card_net_access_t *a, const tf_card_net_access_t *b) {
  if (a->place.base != b->place.base || (!a->writes && !b->writes)) return false;
  if (a->writes && b->writes && a->call == b->call) return false;
  return a->place.at < b->place.at + b->words && b->place.at < a->place.at + a->words;
}

static bool fits_phase(const tf_card_net_draft_t *d, const tf_card_net_access_t *access) {
  for (uint32_t i = 0; i < d->access_cnt; i++)
    if (disagree(&d->accesses[i], access)) return false;
  return true;
}

static tf_err_t note(tf_card_net_draft_t *d, const tf_card_net_access_t *accesses, uint32_t cnt) {
  void    *list = d->accesses;
  tf_err_t err  = tf_card_net_draft_grow(&list, d->access_cnt, cnt, &d->access_room, UINT32_MAX / 2,
                                         sizeof *d->accesses, "accesses");
  d->accesses   = list;
  if (err) return err;
  memcpy(d->accesses + d->access_cnt, accesses, cnt * sizeof *accesses);
  d->access_cnt += cnt;
  return TF_OK;
}

void tf_card_net_draft_end_phase(tf_card_net_draft_t *d) {
  d->access_cnt = d->thread_first = 0;
  if (d->op_cnt == d->part_first || d->ops[d->op_cnt - 1].barrier) return;
  d->ops[d->op_cnt - 1].barrier = TF_CARD_BARRIER_BLOCK;
  d->phase_cnt++;
}

bool tf_card_net_draft_join(tf_card_net_draft_t *d, const tf_card_net_access_t *access) {
  return fits_phase(d, access) && note(d, access, 1) == TF_OK;
}

tf_err_t tf_card_net_draft_op(tf_card_net_draft_t *d, tf_card_net_op_t *op,
                              const tf_card_net_access_t *accesses, uint32_t cnt) {
  void    *list = d->ops;
  tf_err_t err  = tf_card_net_draft_grow(&list, d->op_cnt, 1, &d->op_room, TF_CARD_NET_OPS_MAX,
                                         sizeof *d->ops, "operations");
  d->ops        = list;
  bool fits     = true;
  for (uint32_t i = 0; i < cnt; i++) fits &= fits_phase(d, &accesses[i]);
  if (!fits) tf_card_net_draft_end_phase(d);
  if (!err) err = note(d, accesses, cnt);
  if (err) return err;
  const uint64_t threads = tf_align_up((uint64_t)op->item_cnt * op->lanes, TF_CARD_NET_WARP);
  op->first              = d->thread_first;
  op->step_at            = d->step_cnt;
  d->thread_first        = (uint32_t)((d->thread_first + threads) % d->thread_cnt);
  d->ops[d->op_cnt++]    = *op;
  return TF_OK;
}
