/* A net as a graph of kernels, for what no kernel that stays on the card runs: tree ensembles, entries by computed numbers, the GRU
 * whose reset gate works before its product. Its program is a net's (card_net.h), with all values in the card's memory; a phase of ops is a
 * kernel of its own over as many blocks as it has work for, and what parts two phases is the end of a kernel. Each part below is captured once
 * a slot; a thread of the host polls the mailbox and launches (tools/tickfuse_gpu/launcher.h).
 *
 *   ROW       a row that wants no answer: it goes into the instrument's state
 *   ANSWER    a row, and what the model says to its window
 *   DEFERRED  behind either, where the net slides (card_net.h): histories go on, the deferred half
 *   BEAT      nothing: the device is there
 *
 * What a launch is told, and what it says, lies in a ticket: memory of the host that the device has mapped. A launch that answers to a ticket
 * has ended with the ticket's last packet: until then the host leaves it alone. Where the net does not slide, an instrument's state is
 * its rows, in turn: which place is the next one's the host counts. */
#ifndef TF_GPU_CARD_GRAPH_H
#define TF_GPU_CARD_GRAPH_H

#include "gpu/card_net.h"

#ifdef __cplusplus
extern "C" {
#endif

/* Of a block. */
#define TF_CARD_GRAPH_THREADS_MAX 256u

typedef enum tf_card_graph_part {
  TF_CARD_GRAPH_ROW,
  TF_CARD_GRAPH_ANSWER,
  TF_CARD_GRAPH_DEFERRED,
  TF_CARD_GRAPH_BEAT,
  TF_CARD_GRAPH_PART_CNT
} tf_card_graph_part_t;

typedef enum tf_card_graph_what {
  TF_CARD_NODE_TAKE,  /* the ticket's row into state and window */
  TF_CARD_NODE_PHASE, /* ops first .. first + cnt of the program */
  TF_CARD_NODE_SHIFT, /* histories go on by a row */
  TF_CARD_NODE_GIVE,  /* cnt packets into the ticket: outputs, or of cnt 0 one of none */
  TF_CARD_NODE_BEAT,  /* one packet of the ticket's number as it stands there */
} tf_card_graph_what_t;

/* One kernel of a part. */
typedef struct tf_card_graph_node {
  uint32_t what; /* tf_card_graph_what_t */
  uint32_t first, cnt;
  uint32_t block_cnt, thread_cnt;
} tf_card_graph_node_t;

/* In the card's memory, before the values. */
typedef struct TF_ALIGNED(128) tf_card_graph_scratch {
  uint32_t instrument, number; /* of the ticket that was taken last */
  uint8_t  reserved[TF_LINE_PAIR_BYTES - 8];
} tf_card_graph_scratch_t;

/* By the host; its row, of input_cnt floats, behind it, then what the device writes: packets of outputs, three each. */
typedef struct TF_ALIGNED(128) tf_card_ticket {
  uint32_t instrument, number; /* number: the answer's tag, never 0 */
  uint32_t place;              /* the row's, among those of its window */
  uint32_t reserved_0;
  uint8_t  reserved_1[TF_LINE_PAIR_BYTES - 16];
} tf_card_ticket_t;

TF_STATIC_ASSERT(sizeof(tf_card_ticket_t) == TF_LINE_PAIR_BYTES, "the row begins a pair further");

TF_INLINE uint32_t tf_card_ticket_packets(uint32_t output_cnt) { return (output_cnt + 2) / 3; }
TF_INLINE float   *tf_card_ticket_row(tf_card_ticket_t *ticket) {
    return (float *)(void *)(ticket + 1);
}
TF_INLINE uint64_t tf_card_ticket_answer_at(uint32_t input_cnt) {
  return sizeof(tf_card_ticket_t) +
         tf_align_up((uint64_t)input_cnt * sizeof(float), TF_LINE_PAIR_BYTES);
}
TF_INLINE tf_packet_t *tf_card_ticket_answer(tf_card_ticket_t *ticket, uint32_t input_cnt) {
  return (tf_packet_t *)(void *)((uint8_t *)ticket + tf_card_ticket_answer_at(input_cnt));
}
TF_INLINE uint64_t tf_card_ticket_bytes(uint32_t input_cnt, uint32_t output_cnt) {
  return tf_card_ticket_answer_at(input_cnt) +
         (uint64_t)tf_card_ticket_packets(output_cnt) * sizeof(tf_packet_t);
}

/* What a kernel of a graph is launched with, all but node the same for all of a slot's: as the device addresses it. */
typedef struct tf_card_graph_args {
  const tf_card_program_t *program; /* a slot */
  uint8_t                 *states;  /* (instruments) state_bytes, zeroed once */
  uint8_t                 *scratch; /* scratch_bytes */
  tf_card_ticket_t        *ticket;
  tf_card_graph_node_t     node;
} tf_card_graph_args_t;

/* The kernels of a part, in order: how many there are. nodes: room for as many, or NULL. program: the host's copy. */
uint32_t tf_card_graph_nodes(const tf_card_program_t *program, tf_card_graph_part_t part,
                             tf_card_graph_node_t *nodes);

struct tf_graph;

/* As tf_card_net_make (card_net.h): any net or chain whose operations have a form on a card, those of card_net_apart.h too. block_cnt is the
 * most that a kernel of it has. */
tf_err_t tf_card_graph_make(const struct tf_graph *graph, tf_precision_t precision,
                            const tf_card_limits_t *limits, tf_card_program_t **program);

#ifdef __cplusplus
}
#endif

#endif
