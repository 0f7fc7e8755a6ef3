/* The persistent kernel's part of a net's program (card_net.h): an interpreter that all threads of a block run together, or of the blocks of
 * one cluster. What it knows of its program lies in the block's shared memory, so that the loop around it has the registers. */
#ifndef TF_GPU_NET_CUH
#define TF_GPU_NET_CUH

#include "gpu/net_ops.cuh"

/* Values that a thread holds while a history moves on. */
#define TF_NET_SHIFT_CNT 4u

/* The head of an instrument's state. */
typedef struct tf_net_head {
  uint32_t seen; /* rows, up to window */
  uint32_t due;  /* sliding: of the deferred work of the last row; else where the next row goes */
} tf_net_head_t;
enum { TF_NET_DUE_NOTHING, TF_NET_DUE_DEFERRED, TF_NET_DUE_SHIFTS };
TF_STATIC_ASSERT(sizeof(tf_net_head_t) <= TF_CARD_NET_HEAD_WORDS * 4, "the state begins behind it");

/* As tf_net_shift_t has it (model/net_cut.h), which is no header for a card. */
typedef struct tf_net_card_shift {
  uint32_t at, cnt, by;
} tf_net_card_shift_t;

/* Of a block, at the beginning of its shared memory. Written by begin alone. */
typedef struct tf_net_context {
  const tf_card_program_t   *program;
  const tf_card_net_t       *net;
  const tf_card_net_op_t    *ops;
  const tf_card_net_step_t  *steps;
  const tf_net_card_shift_t *shifts;
  uint8_t                   *states;
  tf_net_memory_t            memory; /* state is an instrument's: tf_net_memory_of */
} tf_net_context_t;
TF_STATIC_ASSERT(sizeof(tf_net_context_t) <= TF_CARD_NET_CONTEXT_BYTES, "values begin behind it");

TF_DEVICE tf_net_head_t *tf_net_head_of(const tf_net_context_t *c, uint32_t instrument) {
  return reinterpret_cast<tf_net_head_t *>(c->states + instrument * c->program->state_bytes);
}
TF_DEVICE tf_net_memory_t tf_net_memory_of(const tf_net_context_t *c, tf_net_head_t *head) {
  tf_net_memory_t memory = c->memory;
  memory.state           = reinterpret_cast<float *>(head) + TF_CARD_NET_HEAD_WORDS;
  return memory;
}

/* All threads of all blocks. */
TF_DEVICE void tf_net_meet() {
  if (tf_cluster_size() > 1)
    tf_cluster_barrier();
  else
    tf_team_barrier();
}
/* Who writes a state's head, between two meetings. */
TF_DEVICE bool tf_net_is_writer() { return tf_cluster_rank() == 0 && tf_team_rank() == 0; }

TF_DEVICE void tf_net_run_part(const tf_net_context_t *c, tf_net_head_t *head, uint32_t part) {
  tf_net_run(tf_net_memory_of(c, head), c->steps, c->ops + c->net->op_at[part],
             c->net->op_cnt[part]);
}

/* ---- the window ---- */

/* A history goes on by a row. All read before any of them writes what others read; what they write nobody reads later. */
TF_DEVICE void tf_net_shift(float *at, uint32_t cnt, uint32_t by) {
  const uint32_t size = tf_team_size() * tf_cluster_size();
  const uint32_t rank = tf_team_size() * tf_cluster_rank() + tf_team_rank();
  for (uint32_t first = 0; first < cnt; first += TF_NET_SHIFT_CNT * size) {
    float held[TF_NET_SHIFT_CNT];
    TF_UNROLL
    for (uint32_t j = 0; j < TF_NET_SHIFT_CNT; j++)
      if (first + j * size + rank < cnt) held[j] = at[first + j * size + rank + by];
    tf_net_meet();
    TF_UNROLL
    for (uint32_t j = 0; j < TF_NET_SHIFT_CNT; j++)
      if (first + j * size + rank < cnt) at[first + j * size + rank] = held[j];
  }
}

/* One piece of what is due; true: another one is. All threads read what is due before one of them changes it. */
TF_NET_APART bool tf_net_catch_up(const tf_net_context_t *c, tf_net_head_t *head) {
  const uint32_t due   = head->due;
  float         *state = tf_net_memory_of(c, head).state;
  if (due == TF_NET_DUE_NOTHING) return false;
  if (due == TF_NET_DUE_SHIFTS)
    for (uint32_t i = 0; i < c->net->shift_cnt; i++)
      tf_net_shift(state + c->shifts[i].at, c->shifts[i].cnt, c->shifts[i].by);
  else
    tf_net_run_part(c, head, TF_CARD_DEFERRED);
  tf_net_meet();
  const uint32_t left = due == TF_NET_DUE_SHIFTS && c->net->op_cnt[TF_CARD_DEFERRED]
                            ? TF_NET_DUE_DEFERRED
                            : TF_NET_DUE_NOTHING;
  if (tf_net_is_writer()) head->due = left;
  tf_net_meet();
  return left != TF_NET_DUE_NOTHING;
}

/* The newest row for the timed half. True where the window is full. */
TF_DEVICE bool tf_net_take_row(const tf_net_context_t *c, tf_net_head_t *head, const float *row) {
  while (tf_net_catch_up(c, head)) {
  }
  const uint32_t window = c->program->window;
  const uint32_t seen   = head->seen < window ? head->seen + 1 : window;
  for (uint32_t i = tf_team_rank(); i < c->program->input_cnt; i += tf_team_size())
    c->memory.values[c->net->input_at + i] = row[i];
  tf_net_meet();
  if (tf_net_is_writer()) head->seen = seen, head->due = TF_NET_DUE_SHIFTS;
  return seen == window;
}

/* The newest row to its place among the window's, and all of them in order. */
TF_DEVICE bool tf_net_take_window(const tf_net_context_t *c, tf_net_head_t *head,
                                  const float *row) {
  const uint32_t width = c->program->input_cnt, window = c->program->window, place = head->due;
  const uint32_t seen  = head->seen < window ? head->seen + 1 : window;
  float         *state = tf_net_memory_of(c, head).state;
  float         *to    = c->memory.values + c->net->input_at;
  for (uint32_t i = tf_team_rank(); i < width; i += tf_team_size()) {
    if (tf_cluster_rank() == 0) state[place * width + i] = row[i];
    to[(window - 1) * width + i] = row[i];
  }
  for (uint32_t i = tf_team_rank(); i < (window - 1) * width; i += tf_team_size()) {
    const uint32_t from = (place + 1) * width + i;
    to[i]               = state[from < window * width ? from : from - window * width];
  }
  tf_net_meet();
  if (tf_net_is_writer()) head->seen = seen, head->due = place + 1 < window ? place + 1 : 0;
  return seen == window;
}

/* ---- the kind ---- */

TF_NET_APART void tf_net_begin(tf_net_context_t *c, const tf_card_place_t &place,
                               const tf_card_program_t *program) {
  const uint32_t      *image  = reinterpret_cast<const uint32_t *>(program + 1);
  const tf_card_net_t *net    = reinterpret_cast<const tf_card_net_t *>(image);
  float               *shared = reinterpret_cast<float *>(place.shared + TF_CARD_NET_CONTEXT_BYTES),
        *kept                 = shared;
  if (net->values_are_shared) kept += net->value_words;
  tf_net_memory_t memory = {shared, NULL, reinterpret_cast<const float *>(image), kept, 0};
  if (!net->values_are_shared) {
    memory.value_words = net->value_words;
    memory.values =
        reinterpret_cast<float *>(place.scratch) + (size_t)net->value_words * tf_cluster_rank();
  }
  const tf_card_net_copy_t *copies =
      reinterpret_cast<const tf_card_net_copy_t *>(image + net->copy_at);
  for (uint32_t i = 0; i < net->copy_cnt; i++) {
    const uint32_t first = copies[i].by * tf_cluster_rank();
    uint32_t       cnt   = first < copies[i].cnt ? copies[i].cnt - first : 0;
    if (copies[i].by && cnt > copies[i].by) cnt = copies[i].by;
    for (uint32_t k = tf_team_rank(); k < cnt; k += tf_team_size())
      kept[copies[i].to + k] = memory.image[copies[i].at + first + k];
  }
  if (tf_team_rank() == 0) {
    c->program = program;
    c->net     = net;
    c->ops     = reinterpret_cast<const tf_card_net_op_t *>(tf_net_at(memory, net->ops));
    c->steps   = reinterpret_cast<const tf_card_net_step_t *>(tf_net_at(memory, net->steps));
    c->shifts  = reinterpret_cast<const tf_net_card_shift_t *>(image + net->shift_at);
    c->states  = place.states;
    c->memory  = memory;
  }
  tf_net_meet();
}

TF_NET_APART tf_card_step_t tf_net_step(const tf_net_context_t *c, uint32_t instrument,
                                        const float *row, float *out) {
  tf_net_head_t *head   = tf_net_head_of(c, instrument);
  const bool     slides = c->net->slides;
  const bool     full   = slides ? tf_net_take_row(c, head, row) : tf_net_take_window(c, head, row);
  if (slides || full) tf_net_run_part(c, head, TF_CARD_TIMED);
  if (full && tf_cluster_rank() == 0) {
    const float *answer = tf_net_at(tf_net_memory_of(c, head), c->net->answer);
    for (uint32_t i = tf_team_rank(); i < c->program->output_cnt; i += tf_team_size())
      out[i] = answer[i];
  }
  tf_net_meet();
  return full ? TF_CARD_STEP_DONE : TF_CARD_STEP_WARMING;
}

/* As card.h asks for it. A program has one block, or the blocks of one cluster. */
struct tf_net_kind {
  tf_net_context_t *context;

  TF_DEVICE_MEMBER void begin(const tf_card_place_t &place, const tf_card_program_t *program) {
    context = reinterpret_cast<tf_net_context_t *>(place.shared);
    tf_net_begin(context, place, program);
  }
  TF_DEVICE_MEMBER void reset(uint32_t instrument) {
    tf_net_head_t *head = tf_net_head_of(context, instrument);
    if (tf_net_is_writer()) head->seen = head->due = 0;
    tf_net_meet();
  }
  TF_DEVICE_MEMBER tf_card_step_t step(uint32_t instrument, const float *row, float *out) {
    return tf_net_step(context, instrument, row, out);
  }
  TF_DEVICE_MEMBER bool advance(uint32_t instrument) {
    return context->net->slides && tf_net_catch_up(context, tf_net_head_of(context, instrument));
  }
};

#endif
