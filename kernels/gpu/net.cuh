/* The persistent kernel's part of a net's program (card_net.h): an interpreter that all threads of one block run together. */
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

/* The kind as card.h asks for it. A program has one block, or the blocks of one cluster. */
struct tf_net_kind {
  const tf_card_program_t   *program;
  const tf_card_net_t       *net;
  const tf_card_net_op_t    *ops;
  const tf_card_net_step_t  *steps;
  const tf_net_card_shift_t *shifts;
  uint8_t                   *states;
  tf_net_memory_t            memory;

  TF_DEVICE_MEMBER void begin(const tf_card_place_t &place, const tf_card_program_t *of) {
    const uint32_t *image = reinterpret_cast<const uint32_t *>(of + 1);
    program               = of;
    net                   = reinterpret_cast<const tf_card_net_t *>(image);
    states                = place.states;
    shifts                = reinterpret_cast<const tf_net_card_shift_t *>(image + net->shift_at);
    memory.image          = reinterpret_cast<const float *>(image);
    memory.values =
        reinterpret_cast<float *>(net->values_are_shared ? place.shared : place.scratch);
    memory.state       = NULL;
    memory.value_words = net->values_are_shared ? 0 : net->value_words;
    memory.values += (size_t)memory.value_words * tf_cluster_rank();
    float *kept = reinterpret_cast<float *>(place.shared);
    if (net->values_are_shared) kept += net->value_words;
    memory.kept = kept;
    const tf_card_net_copy_t *copies =
        reinterpret_cast<const tf_card_net_copy_t *>(image + net->copy_at);
    for (uint32_t c = 0; c < net->copy_cnt; c++) {
      const uint32_t first = copies[c].by * tf_cluster_rank();
      uint32_t       cnt   = first < copies[c].cnt ? copies[c].cnt - first : 0;
      if (copies[c].by && cnt > copies[c].by) cnt = copies[c].by;
      for (uint32_t i = tf_team_rank(); i < cnt; i += tf_team_size())
        kept[copies[c].to + i] = memory.image[copies[c].at + first + i];
    }
    ops   = reinterpret_cast<const tf_card_net_op_t *>(tf_net_at(memory, net->ops));
    steps = reinterpret_cast<const tf_card_net_step_t *>(tf_net_at(memory, net->steps));
    meet();
  }

  TF_DEVICE_MEMBER void reset(uint32_t instrument) {
    tf_net_head_t *head = enter(instrument);
    if (is_writer()) head->seen = head->due = 0;
    meet();
  }

  TF_DEVICE_MEMBER tf_card_step_t step(uint32_t instrument, const float *row, float *out) {
    tf_net_head_t *head = enter(instrument);
    const bool     full = net->slides ? take_row(head, row) : take_window(head, row);
    if (net->slides || full) run(TF_CARD_TIMED);
    if (full && tf_cluster_rank() == 0) {
      const float *answer = tf_net_at(memory, net->answer);
      for (uint32_t i = tf_team_rank(); i < program->output_cnt; i += tf_team_size())
        out[i] = answer[i];
    }
    meet();
    return full ? TF_CARD_STEP_DONE : TF_CARD_STEP_WARMING;
  }

  TF_DEVICE_MEMBER bool advance(uint32_t instrument) {
    return net->slides && catch_up(enter(instrument));
  }

  /* ---- its own ---- */

  /* All threads of all blocks. */
  TF_DEVICE_MEMBER void meet() {
    if (tf_cluster_size() > 1)
      tf_cluster_barrier();
    else
      tf_team_barrier();
  }

  /* Who writes a state's head, between two meetings. */
  TF_DEVICE_MEMBER bool is_writer() { return tf_cluster_rank() == 0 && tf_team_rank() == 0; }

  TF_DEVICE_MEMBER tf_net_head_t *enter(uint32_t instrument) {
    uint8_t *state = states + instrument * program->state_bytes;
    memory.state   = reinterpret_cast<float *>(state) + TF_CARD_NET_HEAD_WORDS;
    return reinterpret_cast<tf_net_head_t *>(state);
  }

  TF_DEVICE_MEMBER void run(uint32_t part) {
    tf_net_run(memory, steps, ops + net->op_at[part], net->op_cnt[part]);
  }

  /* A history goes on by a row. All read before any of them writes what others read; what they write nobody reads later. */
  TF_DEVICE_MEMBER void shift(const tf_net_card_shift_t &s) {
    float         *at   = memory.state + s.at;
    const uint32_t size = tf_team_size() * tf_cluster_size();
    const uint32_t rank = tf_team_size() * tf_cluster_rank() + tf_team_rank();
    for (uint32_t first = 0; first < s.cnt; first += TF_NET_SHIFT_CNT * size) {
      float held[TF_NET_SHIFT_CNT];
      TF_UNROLL
      for (uint32_t j = 0; j < TF_NET_SHIFT_CNT; j++)
        if (first + j * size + rank < s.cnt) held[j] = at[first + j * size + rank + s.by];
      meet();
      TF_UNROLL
      for (uint32_t j = 0; j < TF_NET_SHIFT_CNT; j++)
        if (first + j * size + rank < s.cnt) at[first + j * size + rank] = held[j];
    }
  }

  /* One piece of what is due; true: another one is. All threads read what is due before one of them changes it. */
  TF_DEVICE_MEMBER bool catch_up(tf_net_head_t *head) {
    const uint32_t due = head->due;
    if (due == TF_NET_DUE_NOTHING) return false;
    if (due == TF_NET_DUE_SHIFTS)
      for (uint32_t i = 0; i < net->shift_cnt; i++) shift(shifts[i]);
    else
      run(TF_CARD_DEFERRED);
    meet();
    const uint32_t left = due == TF_NET_DUE_SHIFTS && net->op_cnt[TF_CARD_DEFERRED]
                              ? TF_NET_DUE_DEFERRED
                              : TF_NET_DUE_NOTHING;
    if (is_writer()) head->due = left;
    meet();
    return left != TF_NET_DUE_NOTHING;
  }

  /* The newest row for the timed half. True where the window is full. */
  TF_DEVICE_MEMBER bool take_row(tf_net_head_t *head, const float *row) {
    while (catch_up(head)) {
    }
    const uint32_t seen = head->seen < program->window ? head->seen + 1 : program->window;
    for (uint32_t i = tf_team_rank(); i < program->input_cnt; i += tf_team_size())
      memory.values[net->input_at + i] = row[i];
    meet();
    if (is_writer()) head->seen = seen, head->due = TF_NET_DUE_SHIFTS;
    return seen == program->window;
  }

  /* The newest row to its place among the window's, and all of them in order. */
  TF_DEVICE_MEMBER bool take_window(tf_net_head_t *head, const float *row) {
    const uint32_t width = program->input_cnt, window = program->window, place = head->due;
    const uint32_t seen = head->seen < window ? head->seen + 1 : window;
    float         *to   = memory.values + net->input_at;
    for (uint32_t i = tf_team_rank(); i < width; i += tf_team_size()) {
      if (tf_cluster_rank() == 0) memory.state[place * width + i] = row[i];
      to[(window - 1) * width + i] = row[i];
    }
    for (uint32_t i = tf_team_rank(); i < (window - 1) * width; i += tf_team_size()) {
      const uint32_t from = (place + 1) * width + i;
      to[i]               = memory.state[from < window * width ? from : from - window * width];
    }
    meet();
    if (is_writer()) head->seen = seen, head->due = place + 1 < window ? place + 1 : 0;
    return seen == window;
  }
};

#endif
