/* The kernels of a graph (card_graph.h): one, launched with the node that it is to be. What a launch before it wrote it sees; within a phase
 * threads meet nowhere, but those of a warp, or in a phase of one block. */
#ifndef TF_GPU_GRAPH_CUH
#define TF_GPU_GRAPH_CUH

#include "gpu/card_graph.h"
#include "gpu/graph_ops.cuh"
#include "gpu/net.cuh"

TF_DEVICE uint32_t tf_graph_rank() { return tf_grid_rank() * tf_team_size() + tf_team_rank(); }
TF_DEVICE uint32_t tf_graph_size() { return tf_grid_size() * tf_team_size(); }

TF_DEVICE tf_card_graph_scratch_t *tf_graph_scratch(const tf_card_graph_args_t *args) {
  return reinterpret_cast<tf_card_graph_scratch_t *>(args->scratch);
}
TF_DEVICE const tf_card_net_t *tf_graph_net(const tf_card_graph_args_t *args) {
  return reinterpret_cast<const tf_card_net_t *>(args->program + 1);
}

TF_DEVICE tf_net_memory_t tf_graph_memory(const tf_card_graph_args_t *args, uint32_t instrument) {
  const float    *image  = reinterpret_cast<const float *>(args->program + 1);
  tf_net_memory_t memory = {};
  memory.values      = reinterpret_cast<float *>(args->scratch + sizeof(tf_card_graph_scratch_t));
  memory.value_words = tf_graph_net(args)->value_words;
  memory.image = memory.kept = image;
  memory.state = reinterpret_cast<float *>(args->states + instrument * args->program->state_bytes) +
                 TF_CARD_NET_HEAD_WORDS;
  return memory;
}

/* Two words of the host's memory, of which one access is one. */
typedef struct tf_graph_pair {
  uint32_t low, high;
} tf_graph_pair_t;
TF_DEVICE tf_graph_pair_t tf_graph_ask(const void *host, uint32_t pair) {
  const uint64_t  both = tf_load_system(static_cast<const uint64_t *>(host) + pair);
  tf_graph_pair_t p    = {static_cast<uint32_t>(both), static_cast<uint32_t>(both >> 32)};
  return p;
}

/* ---- nodes ---- */

/* The ticket's row: of a net that slides to where the timed half reads it; else to its place in the state, and behind the others of its
 * window. Each place is written by one thread, and read by none that reads another's. */
TF_DEVICE void tf_graph_take(const tf_card_graph_args_t *args) {
  const tf_graph_pair_t to     = tf_graph_ask(args->ticket, 0);
  const uint32_t        place  = tf_graph_ask(args->ticket, 1).low;
  const uint32_t        width  = args->program->input_cnt;
  const uint32_t        window = tf_graph_net(args)->slides ? 1 : args->program->window;
  const tf_net_memory_t memory = tf_graph_memory(args, to.low);
  float                *target = memory.values + tf_graph_net(args)->input_at;
  const float          *row    = reinterpret_cast<const float *>(args->ticket + 1);
  if (tf_graph_rank() == 0) {
    tf_graph_scratch(args)->instrument = to.low;
    tf_graph_scratch(args)->number     = to.high;
  }
  for (uint32_t i = tf_graph_rank(); i < window * width; i += tf_graph_size()) {
    float x;
    if (i < (window - 1) * width) {
      const uint32_t from = (place + 1) * width + i;
      x                   = memory.state[from < window * width ? from : from - window * width];
    } else {
      const uint32_t        at   = i - (window - 1) * width;
      const tf_graph_pair_t pair = tf_graph_ask(row, at / 2);
      x                          = tf_float_of_bits(at % 2 ? pair.high : pair.low);
      if (window > 1) memory.state[place * width + at] = x;
    }
    target[i] = x;
  }
}

TF_DEVICE void tf_graph_phase(const tf_card_graph_args_t *args) {
  const tf_card_net_t    *net    = tf_graph_net(args);
  const tf_net_memory_t   memory = tf_graph_memory(args, tf_graph_scratch(args)->instrument);
  const tf_card_net_op_t *ops =
      reinterpret_cast<const tf_card_net_op_t *>(tf_net_at(memory, net->ops)) + args->node.first;
  const tf_card_net_step_t *steps =
      reinterpret_cast<const tf_card_net_step_t *>(tf_net_at(memory, net->steps));
  const uint32_t size = tf_graph_size(), rank = tf_graph_rank();
  for (uint32_t i = 0; i < args->node.cnt; i++) {
    const uint32_t      first = ops[i].first % size;
    const tf_net_team_t team  = {rank >= first ? rank - first : rank + size - first, size};
    switch (ops[i].kind) {
    case TF_CARD_OP_TREES: tf_graph_trees(memory, ops[i], team); break;
    case TF_CARD_OP_GATHER: tf_graph_gather(memory, steps, ops[i], team); break;
    case TF_CARD_OP_RESET: tf_graph_reset(memory, steps, &ops[i], team), i += 2; break;
    default: i += tf_net_op(memory, steps, &ops[i], team) - 1;
    }
  }
}

/* One block. */
TF_DEVICE void tf_graph_shift(const tf_card_graph_args_t *args) {
  const uint32_t            *image = reinterpret_cast<const uint32_t *>(args->program + 1);
  const tf_net_card_shift_t *shifts =
      reinterpret_cast<const tf_net_card_shift_t *>(image + tf_graph_net(args)->shift_at);
  float *state = tf_graph_memory(args, tf_graph_scratch(args)->instrument).state;
  for (uint32_t i = 0; i < args->node.cnt; i++)
    tf_net_shift(state + shifts[i].at, shifts[i].cnt, shifts[i].by);
}

TF_DEVICE void tf_graph_give(const tf_card_graph_args_t *args) {
  const tf_card_graph_scratch_t *s      = tf_graph_scratch(args);
  const tf_net_memory_t          memory = tf_graph_memory(args, s->instrument);
  const uint32_t                 cnt    = args->program->output_cnt;
  tf_packet_t                   *to = tf_card_ticket_answer(args->ticket, args->program->input_cnt);
  const float                   *answer = tf_net_at(memory, tf_graph_net(args)->answer);
  for (uint32_t i = tf_graph_rank(); i < args->node.cnt; i += tf_graph_size())
    tf_packets_store(to + i, answer + 3 * i, cnt - 3 * i < 3 ? cnt - 3 * i : 3, s->number);
  if (args->node.cnt == 0 && tf_graph_rank() == 0) {
    const tf_packet_t none = {
        {0, 0, 0},
        s->number
    };
    tf_packet_store(to, &none);
  }
}

TF_DEVICE void tf_graph_beat(const tf_card_graph_args_t *args) {
  if (tf_graph_rank() != 0) return;
  const tf_packet_t none = {
      {0, 0, 0},
      tf_graph_ask(args->ticket, 0).high
  };
  tf_packet_store(tf_card_ticket_answer(args->ticket, args->program->input_cnt), &none);
}

TF_DEVICE void tf_graph_run(const tf_card_graph_args_t *args) {
  switch (args->node.what) {
  case TF_CARD_NODE_TAKE: tf_graph_take(args); break;
  case TF_CARD_NODE_PHASE: tf_graph_phase(args); break;
  case TF_CARD_NODE_SHIFT: tf_graph_shift(args); break;
  case TF_CARD_NODE_GIVE: tf_graph_give(args); break;
  default: tf_graph_beat(args);
  }
}

#endif
