/* The persistent loop, the same for each kind of program: rows out of the mailbox, answers into it, until the host says leave.
 *
 *   block 0, warp 0   reads the row that is due, a packet a lane, two reads in flight; decides what is done next
 *   all blocks        do it, together; between blocks of a cluster a command goes into each one's shared memory, else through the
 *                     card's memory, as tagged packets, so that flag and data come together
 *   block 0           one store of 16 bytes as the answer (more where there are more than two outputs)
 *
 * Kinds that take sets (loop_set.cuh) have a row in each block where a request has several.
 *
 * What is next: a row that has come, before a piece of deferred work, before waiting. So a row waits for one piece at the most.
 * A swap of slots and the end are looked for with each read. What is answered, and how, is as tools/gpu_stub has it.
 *
 * No fence reaches the host: packets carry their tags, counters stand for themselves. Every wait is bounded or ends with abort. */
#ifndef TF_GPU_LOOP_CUH
#define TF_GPU_LOOP_CUH

#include "gpu/device.cuh"
#include "gpu/loop.h"

#define TF_LOOP_BEAT_NS      UINT64_C(100000)
#define TF_LOOP_POLLS_A_LOOK 1024u /* of another block, at the host's abort word */
#define TF_LOOP_FLAGS        (TF_MAILBOX_RESET | TF_MAILBOX_QUIET)

/* A read of a row's packet that is on its way, and of abort and slot, which lie in one word. */
typedef struct tf_loop_flight {
  tf_packet_t packet;
  uint64_t    wishes;
} tf_loop_flight_t;

TF_STATIC_ASSERT(TF_WAIT_GIVEN_UP == TF_CARD_STUCK, "the word of device.cuh is tf_card_left_t's");
TF_STATIC_ASSERT(offsetof(tf_card_control_t, abort) == 0 && offsetof(tf_card_control_t, slot) == 4,
                 "one read for both");

/* A thread's. What it can find again from args, which are constants of the launch, it does not hold. */
typedef struct tf_loop {
  const tf_card_args_t *args;
  uint32_t              command; /* number of the next one, from 1 */
  uint32_t              slot;
  /* block 0's warp 0 alone, the same in all its lanes */
  bool             is_stuck;
  uint32_t         idx, row_cnt; /* of the row that is due in its request */
  uint64_t         next_seq;     /* its request */
  tf_loop_flight_t first, second;
} tf_loop_t;

TF_DEVICE tf_loop_shared_t *tf_loop_shared_() {
  return reinterpret_cast<tf_loop_shared_t *>(tf_team_shared());
}
TF_DEVICE float *tf_loop_row_() {
  return reinterpret_cast<float *>(tf_team_shared() + sizeof(tf_loop_shared_t));
}
TF_DEVICE float *tf_loop_out_(const tf_loop_t *l) {
  return tf_loop_row_() + tf_loop_floats_bytes(l->args->view.input_cnt) / sizeof(float);
}
TF_DEVICE tf_loop_scratch_t *tf_loop_scratch_(const tf_loop_t *l) {
  return reinterpret_cast<tf_loop_scratch_t *>(l->args->scratch);
}
TF_DEVICE const uint64_t *tf_loop_wishes_(const tf_loop_t *l) {
  return reinterpret_cast<const uint64_t *>(l->args->control);
}
TF_DEVICE uint32_t tf_loop_polls_max_(const tf_loop_t *l) {
  return l->args->polls_max ? l->args->polls_max : TF_CARD_POLLS_MAX;
}

/* ---- the host's side: block 0, warp 0 ---- */

TF_DEVICE tf_loop_flight_t tf_loop_send_(const tf_loop_t *l) {
  tf_loop_flight_t f;
  uint32_t         lane = tf_warp_lane();
  f.wishes              = tf_load_system(tf_loop_wishes_(l));
  f.packet.words[0] = f.packet.words[1] = f.packet.words[2] = f.packet.tag = 0;
  if (lane < l->args->view.row_packets)
    tf_packet_load(tf_mailbox_row_(&l->args->view, l->next_seq, l->idx) + lane, &f.packet);
  return f;
}

/* Another row is due: what is on its way is of no use. */
TF_DEVICE void tf_loop_look_anew_(tf_loop_t *l) {
  l->first  = tf_loop_send_(l);
  l->second = tf_loop_send_(l);
}

TF_DEVICE void tf_loop_values_(float *row, uint32_t packet, const tf_packet_t *p, uint32_t cnt) {
  for (uint32_t j = 0; j < 3; j++)
    if (packet > 0 && 3 * (packet - 1) + j < cnt)
      row[3 * (packet - 1) + j] = tf_mailbox_value(p->words[j]);
}

/* The row that is due, into shared memory: is all of it there? */
TF_DEVICE bool tf_loop_row_is_there_(tf_loop_t *l, const tf_loop_flight_t *f) {
  uint32_t lane = tf_warp_lane(), tag = static_cast<uint32_t>(l->next_seq);
  bool     there = lane >= l->args->view.row_packets || f->packet.tag == tag;
  if (!tf_warp_all(there)) return false;
  tf_loop_values_(tf_loop_row_(), lane, &f->packet, l->args->view.input_cnt);
  const tf_packet_t *packets = tf_mailbox_row_(&l->args->view, l->next_seq, l->idx);
  for (uint32_t i = lane + TF_WARP_SIZE; i < l->args->view.row_packets; i += TF_WARP_SIZE) {
    tf_packet_t p;
    tf_packet_load(packets + i, &p);
    there = there && p.tag == tag;
    tf_loop_values_(tf_loop_row_(), i, &p, l->args->view.input_cnt);
  }
  return tf_warp_all(there);
}

/* One lane's: the others' part of an answer is in tf_loop_answer_. */
TF_DEVICE void tf_loop_answer_head_(tf_loop_t *l, uint64_t seq, uint32_t idx,
                                    tf_mailbox_status_t status, uint32_t device_ns,
                                    const float *out) {
  tf_packet_t head = {
      {0, 0, static_cast<uint32_t>(status) << 24 | (device_ns < 0xffffffu ? device_ns : 0xffffffu)},
      static_cast<uint32_t>(seq)
  };
  if (status == TF_MAILBOX_OK) {
    head.words[0] = tf_mailbox_bits(out[0]);
    if (l->args->view.output_cnt > 1) head.words[1] = tf_mailbox_bits(out[1]);
  }
  tf_packet_store(tf_mailbox_answer_(&l->args->view, seq, idx), &head);
}

/* One lane's. */
TF_DEVICE void tf_loop_count_(const tf_loop_t *l) {
  const tf_loop_shared_t *s = tf_loop_shared_();
  tf_card_control_t      *c = l->args->control;
  tf_store_system(&c->answered, s->answered);
  tf_store_system(&c->overtaken, s->overtaken);
  tf_store_system(&c->behind, s->behind);
  tf_store_system(&c->refused, s->refused);
  tf_store_system(&c->beat, s->beat);
}

TF_DEVICE void tf_loop_beat_(tf_loop_t *l) {
  bool is_time = false;
  if (tf_warp_lane() == 0) {
    tf_loop_shared_t *s      = tf_loop_shared_();
    uint64_t          now_ns = tf_device_clock_ns();
    s->beat++;
    is_time = now_ns - s->beat_ns >= TF_LOOP_BEAT_NS;
    if (is_time) {
      s->beat_ns = now_ns;
      tf_loop_count_(l);
      is_time = tf_load_card(&tf_loop_scratch_(l)->leave) != 0; /* another block gave up */
    }
  }
  l->is_stuck = tf_warp_any(is_time) || l->is_stuck;
}

TF_DEVICE void tf_loop_command_(tf_loop_op_t op, uint32_t word_1, uint32_t word_2) {
  if (tf_warp_lane() == 0) {
    tf_loop_shared_()->op     = op;
    tf_loop_shared_()->word_1 = word_1;
    tf_loop_shared_()->word_2 = word_2;
  }
  tf_warp_barrier();
}

TF_DEVICE void tf_loop_next_row_(tf_loop_t *l) {
  if (++l->idx >= l->row_cnt) {
    l->next_seq++;
    l->idx = 0;
  }
  tf_loop_look_anew_(l);
}

TF_DEVICE bool tf_loop_is_sound_(const tf_loop_t *l, uint32_t instrument, uint32_t flags,
                                 uint32_t number) {
  return instrument < l->args->view.instrument_cnt && !(flags & ~TF_LOOP_FLAGS) && number != 0;
}

/* One lane's: a row of a window goes on from the one before it. */
TF_DEVICE bool tf_loop_goes_on_(uint32_t *seen, uint32_t flags, uint32_t number) {
  bool     is_first = flags & TF_MAILBOX_RESET;
  uint32_t had      = is_first ? number - 1 : *seen;
  bool     goes_on  = had == 0 ? is_first : number == had + 1;
  *seen             = goes_on ? number : 0;
  return goes_on;
}

/* The row at hand is one that a kind may see: else it is answered here. */
TF_DEVICE bool tf_loop_admit_(tf_loop_t *l, uint32_t instrument, uint32_t flags, uint32_t number) {
  uint64_t seq = l->next_seq;
  uint32_t idx = l->idx;
  if (!tf_loop_is_sound_(l, instrument, flags, number)) {
    if (tf_warp_lane() == 0) {
      tf_loop_shared_()->refused++;
      tf_loop_answer_head_(l, seq, idx, TF_MAILBOX_REFUSED, 0, nullptr);
    }
    return false;
  }
  if (l->args->view.window <= 1) return true;
  if (!tf_warp_any(tf_warp_lane() == 0 &&
                   !tf_loop_goes_on_(&l->args->numbers[instrument], flags, number)))
    return true;
  if (tf_warp_lane() == 0) tf_loop_shared_()->behind++;
  if (!(flags & TF_MAILBOX_QUIET) && tf_warp_lane() == 0)
    tf_loop_answer_head_(l, seq, idx, TF_MAILBOX_BEHIND, 0, nullptr);
  return false;
}

/* One lane's: what the answer of the row at hand wants to know. */
TF_DEVICE void tf_loop_note_(uint64_t seq, uint32_t idx, uint32_t flags) {
  tf_loop_shared_t *s = tf_loop_shared_();
  s->flags            = flags;
  s->taken_ns         = tf_device_clock_ns();
  s->seq_taken        = seq;
  s->idx_taken        = idx;
}

/* Of the request, as row f says. */
TF_DEVICE uint32_t tf_loop_row_cnt_(const tf_loop_t *l, const tf_loop_flight_t *f) {
  uint32_t cnt = tf_warp_shuffle(f->packet.words[1], 0) & 0xffu;
  return cnt >= 1 && cnt <= l->args->view.batch_max ? cnt : 1;
}

/* A row is whole in shared memory: its command, or false where it asks for none. */
TF_DEVICE bool tf_loop_take_(tf_loop_t *l, const tf_loop_flight_t *f) {
  uint32_t instrument = tf_warp_shuffle(f->packet.words[0], 0);
  uint32_t flags      = tf_warp_shuffle(f->packet.words[1], 0) & ~0xffu;
  uint32_t number     = tf_warp_shuffle(f->packet.words[2], 0);
  l->row_cnt          = tf_loop_row_cnt_(l, f);
  if (tf_warp_lane() == 0) tf_loop_note_(l->next_seq, l->idx, flags);
  bool is_good = tf_loop_admit_(l, instrument, flags, number);
  tf_loop_next_row_(l);
  if (is_good) tf_loop_command_(TF_LOOP_STEP, instrument, flags & TF_MAILBOX_RESET);
  return is_good;
}

/* The lane has come round: the slot holds a newer request. */
TF_DEVICE bool tf_loop_is_lapped_(tf_loop_t *l, const tf_loop_flight_t *f) {
  uint32_t ahead = tf_warp_shuffle(f->packet.tag, 0) - static_cast<uint32_t>(l->next_seq);
  if (ahead - 1 >= UINT32_MAX / 2 || (ahead & l->args->view.slot_mask)) return false;
  if (tf_warp_lane() == 0) tf_loop_shared_()->overtaken += ahead;
  /* of the market, anybody's row may be lost, and others read what it did: each is BEHIND */
  if (l->args->view.state)
    for (uint32_t i = tf_warp_lane(); i < l->args->view.instrument_cnt; i += TF_WARP_SIZE)
      l->args->numbers[i] = 0;
  tf_warp_barrier();
  l->next_seq += ahead;
  l->idx = 0;
  tf_loop_look_anew_(l);
  return true;
}

/* Deferred work, first come, first done. One thread's. */
TF_DEVICE void tf_loop_forget_(tf_loop_shared_t *s) {
  s->pending_first = (s->pending_first + 1) % TF_LOOP_PENDING_MAX;
  s->pending_cnt--;
}
TF_DEVICE void tf_loop_remember_(tf_loop_shared_t *s, uint32_t instrument) {
  uint32_t last = (s->pending_first + s->pending_cnt - 1) % TF_LOOP_PENDING_MAX;
  if (s->pending_cnt && s->pending[last] == instrument) return;
  if (s->pending_cnt == TF_LOOP_PENDING_MAX) tf_loop_forget_(s);
  s->pending[(s->pending_first + s->pending_cnt++) % TF_LOOP_PENDING_MAX] = instrument;
}

/* After a step, of warp 0 of the block that answers. */
TF_DEVICE void tf_loop_answer_(tf_loop_t *l, tf_card_step_t made) {
  tf_loop_shared_t *s = tf_loop_shared_();
  if (made == TF_CARD_STEP_BEHIND && tf_warp_lane() == 0) {
    l->args->numbers[s->word_1] = 0;
    s->behind++;
  }
  if (s->flags & TF_MAILBOX_QUIET || made == TF_CARD_STEP_STUCK) return;
  const uint32_t lane = tf_warp_lane(), output_cnt = l->args->view.output_cnt;
  const uint64_t seq     = s->seq_taken;
  const float   *out     = tf_loop_out_(l);
  const bool     is_full = made == TF_CARD_STEP_DONE;
  tf_packet_t   *more    = tf_mailbox_answer_(&l->args->view, seq, s->idx_taken) + 1;
  if (is_full)
    for (uint32_t i = lane; i + 1 < l->args->view.answer_packets; i += TF_WARP_SIZE) {
      uint32_t at = 2 + 3 * i, left = output_cnt - at;
      tf_packets_store(more + i, out + at, left < 3 ? left : 3, static_cast<uint32_t>(seq));
    }
  if (lane != 0) return;
  s->answered += is_full;
  tf_loop_answer_head_(l, seq, s->idx_taken,
                       is_full                       ? TF_MAILBOX_OK
                       : made == TF_CARD_STEP_BEHIND ? TF_MAILBOX_BEHIND
                                                     : TF_MAILBOX_WARMING,
                       static_cast<uint32_t>(tf_device_clock_ns() - s->taken_ns), out);
}

/* ---- what is next ---- */

#include "gpu/loop_set.cuh"

/* The row at hand is there: its command, or that of its set; false where it asks for none, or what it is one of is not whole. */
template <typename Kind>
TF_DEVICE bool tf_loop_take_any_(tf_loop_t *l, Kind &kind, const tf_loop_flight_t *f,
                                 bool *is_coming) {
  *is_coming = false;
  if constexpr (tf_kind_takes_sets<Kind>::value) {
    const tf_set_look_t look = tf_grid_size() > 1 ? tf_set_look_(l, kind, f) : TF_SET_NONE;
    *is_coming               = look == TF_SET_COMING;
    if (look != TF_SET_NONE) return look == TF_SET_OPEN;
  }
  return tf_loop_take_(l, f);
}

/* What block 0 does next, in shared memory. */
template <typename Kind> TF_DEVICE void tf_loop_decide_(tf_loop_t *l, Kind &kind) {
  for (;;) {
    tf_loop_flight_t f     = l->first;
    uint32_t         abort = tf_warp_shuffle(static_cast<uint32_t>(f.wishes), 0);
    uint32_t         slot  = tf_warp_shuffle(static_cast<uint32_t>(f.wishes >> 32), 0) & 1;
    tf_loop_beat_(l);
    if (abort || l->is_stuck)
      return tf_loop_command_(TF_LOOP_LEAVE, l->is_stuck ? TF_CARD_STUCK : TF_CARD_ENDED, 0);
    if (slot != l->slot && l->idx == 0) return tf_loop_command_(TF_LOOP_SWAP, slot, 0);
    if (tf_loop_row_is_there_(l, &f)) {
      bool is_coming;
      if (tf_loop_take_any_(l, kind, &f, &is_coming)) return;
      if (!is_coming) continue;
    } else if (tf_loop_is_lapped_(l, &f)) {
      continue;
    }
    l->first                  = l->second;
    l->second                 = tf_loop_send_(l);
    const tf_loop_shared_t *s = tf_loop_shared_();
    if (s->pending_cnt) return tf_loop_command_(TF_LOOP_ADVANCE, s->pending[s->pending_first], 0);
    tf_pause();
  }
}

/* ---- between blocks ---- */

TF_DEVICE tf_packet_t *tf_loop_board_(const tf_loop_t *l, uint32_t command) {
  const tf_card_program_t *p      = l->args->slots[0];
  uint8_t                 *boards = l->args->scratch + sizeof(tf_loop_scratch_t);
  if (tf_loop_has_shared_boards(p))
    boards = reinterpret_cast<uint8_t *>(tf_loop_out_(l)) + tf_loop_floats_bytes(p->output_cnt);
  return reinterpret_cast<tf_packet_t *>(boards + command % TF_LOOP_BOARDS *
                                                      tf_loop_board_bytes(p->input_cnt));
}

TF_DEVICE void tf_loop_post_(const tf_loop_t *l, uint32_t packet, const tf_packet_t *p) {
  tf_packet_t *at = tf_loop_board_(l, l->command) + packet;
  if (tf_cluster_size() < tf_grid_size())
    tf_packet_store(at, p);
  else
    for (uint32_t rank = 1; rank < tf_cluster_size(); rank++)
      tf_packet_store(tf_cluster_peer(at, rank), p);
}

/* Block 0's warp 0: the command at hand to all others. A board is written again when all have done what stood there. */
TF_DEVICE void tf_loop_tell_(tf_loop_t *l) {
  uint32_t others = tf_grid_size() - 1, lane = tf_warp_lane();
  if (l->command > TF_LOOP_BOARDS) {
    uint32_t  due  = (l->command - TF_LOOP_BOARDS) * others;
    tf_wait_t wait = tf_wait_of(&tf_loop_scratch_(l)->leave, tf_loop_polls_max_(l));
    while (tf_warp_any(static_cast<int32_t>(tf_load_card(&tf_loop_scratch_(l)->done) - due) < 0))
      if (!tf_warp_all(tf_wait_on(&wait))) {
        l->is_stuck = true;
        tf_loop_command_(TF_LOOP_LEAVE, TF_CARD_STUCK, 0);
        return; /* who comes still finds leave in the card's memory */
      }
  }
  uint32_t packets = tf_loop_shared_()->op == TF_LOOP_STEP ? l->args->view.row_packets : 1;
  for (uint32_t i = lane; i < packets; i += TF_WARP_SIZE) {
    tf_packet_t p = {
        {tf_loop_shared_()->op, tf_loop_shared_()->word_1, tf_loop_shared_()->word_2},
        l->command
    };
    if (i > 0)
      for (uint32_t j = 0, at = 3 * (i - 1); j < 3; j++)
        p.words[j] = at + j < l->args->view.input_cnt ? tf_mailbox_bits(tf_loop_row_()[at + j]) : 0;
    tf_loop_post_(l, i, &p);
  }
}

/* Warp 0 of another block: the next command, and its row, into shared memory. */
TF_DEVICE void tf_loop_listen_(tf_loop_t *l) {
  uint32_t           lane  = tf_warp_lane();
  const tf_packet_t *board = tf_loop_board_(l, l->command);
  for (uint32_t polls = 1;; polls++) {
    tf_packet_t head, p;
    tf_packet_load(board, &head); /* each lane: one read for all */
    bool there = tf_warp_all(head.tag == l->command);
    if (there && head.words[0] == TF_LOOP_STEP)
      for (uint32_t i = lane; i < l->args->view.row_packets; i += TF_WARP_SIZE) {
        tf_packet_load(board + i, &p);
        there = there && p.tag == l->command;
        tf_loop_values_(tf_loop_row_(), i, &p, l->args->view.input_cnt);
      }
    if (tf_warp_all(there))
      return tf_loop_command_(static_cast<tf_loop_op_t>(head.words[0]), head.words[1],
                              head.words[2]);
    bool is_over = polls % TF_WAIT_POLLS_A_LOOK == 0 && tf_load_card(&tf_loop_scratch_(l)->leave);
    if (polls % TF_LOOP_POLLS_A_LOOK == 0)
      is_over = is_over || static_cast<uint32_t>(tf_load_system(tf_loop_wishes_(l)));
    if (tf_warp_any(is_over)) return tf_loop_command_(TF_LOOP_LEAVE, TF_CARD_ENDED, 0);
    tf_pause();
  }
}

/* ---- the loop ---- */

TF_DEVICE void tf_loop_begin_(tf_loop_t *l, const tf_card_args_t *args, tf_card_place_t *place) {
  const tf_card_program_t *p      = args->slots[0];
  uint32_t                *shared = reinterpret_cast<uint32_t *>(tf_team_shared());
  l->args                         = args;
  l->command                      = 1;
  l->slot              = static_cast<uint32_t>(tf_load_system(tf_loop_wishes_(l)) >> 32) & 1;
  l->next_seq          = args->view.next_seq;
  l->row_cnt           = 1;
  place->shared        = tf_team_shared() + tf_loop_own_shared_bytes(p);
  place->states        = args->states;
  place->scratch       = args->scratch + tf_loop_own_scratch_bytes(p);
  place->leave         = &tf_loop_scratch_(l)->leave;
  place->polls_max     = tf_loop_polls_max_(l);
  place->state         = args->view.state;
  place->state_packets = args->view.state_packets;
  /* what lies there may look like a packet, and nobody is told anything before */
  for (uint32_t i = tf_team_rank(); i < tf_loop_own_shared_bytes(p) / sizeof *shared;
       i += tf_team_size())
    shared[i] = 0;
  if (tf_cluster_size() > 1) tf_cluster_barrier();
  tf_team_barrier();
}

/* Block 0 says why it left; where it is the wait of a kind that ended, whoever waits for this block learns it. */
TF_DEVICE void tf_loop_end_(tf_loop_t *l, uint32_t why) {
  if (tf_team_rank() == 0) tf_store_card(&tf_loop_scratch_(l)->leave, why);
  if (tf_grid_rank() == 0 && tf_team_rank() == 0) {
    tf_loop_count_(l);
    tf_store_system(&l->args->control->left, why);
  }
  if (tf_cluster_size() > 1)
    tf_cluster_barrier(); /* nobody writes into the shared memory of a block that is gone */
}

/* The command at hand is block 0's alone: the others are not told. */
template <typename Kind> TF_DEVICE bool tf_loop_is_alone_() {
  const uint32_t op = tf_loop_shared_()->op;
  return tf_kind_takes_sets<Kind>::value && (op == TF_LOOP_STEP || op == TF_LOOP_ADVANCE);
}

template <typename Kind>
TF_DEVICE void tf_loop_take_part_(tf_loop_t *l, Kind &kind, uint32_t row_cnt) {
  if constexpr (tf_kind_takes_sets<Kind>::value) {
    if (tf_grid_rank() > 0) return tf_set_take_(l, kind, row_cnt);
    (void)tf_set_lead_(l, kind);
    if (tf_team_rank() == 0 && l->args->view.window > 1)
      tf_loop_remember_(tf_loop_shared_(), tf_set_own_(l)->rows[0].instrument);
  } else {
    (void)kind;
    (void)row_cnt;
  }
}

/* All threads of all blocks. kind: the thread's own; its members are zeros when begin is called first. */
template <typename Kind> TF_DEVICE void tf_card_loop(const tf_card_args_t *args, Kind &kind) {
  tf_loop_t       l = {};
  tf_card_place_t place;
  tf_loop_begin_(&l, args, &place);
  const bool is_first = tf_grid_rank() == 0, is_warp_0 = tf_warp_rank() == 0;
  kind = Kind();
  kind.begin(place, args->slots[l.slot]);
  if (is_first && is_warp_0) {
    if (tf_warp_lane() == 0) tf_store_system(&args->control->slot_used, l.slot);
    tf_loop_look_anew_(&l);
  }
  for (;;) {
    if (is_warp_0 && is_first) {
      tf_loop_decide_(&l, kind);
      if (tf_grid_size() > 1 && !tf_loop_is_alone_<Kind>()) tf_loop_tell_(&l);
    } else if (is_warp_0) {
      tf_loop_listen_(&l);
    }
    tf_team_barrier();
    tf_loop_shared_t *shared = tf_loop_shared_();
    const uint32_t    op = shared->op, word_1 = shared->word_1, word_2 = shared->word_2;
    const bool        is_alone = tf_loop_is_alone_<Kind>();
    if (op == TF_LOOP_LEAVE) return tf_loop_end_(&l, word_1);
    if (op == TF_LOOP_STEP) {
      if (word_2) kind.reset(word_1);
      tf_card_step_t made = kind.step(word_1, tf_loop_row_(), tf_loop_out_(&l));
      if (made == TF_CARD_STEP_STUCK) l.is_stuck = true;
      if (is_first && is_warp_0) {
        tf_loop_answer_(&l, made);
        if (args->view.window > 1 && tf_warp_lane() == 0) tf_loop_remember_(shared, word_1);
      }
    } else if (op == TF_LOOP_SET) {
      tf_loop_take_part_(&l, kind, word_1);
    } else if (op == TF_LOOP_ADVANCE) {
      if (!kind.advance(word_1) && tf_team_rank() == 0) tf_loop_forget_(shared);
    } else {
      l.slot = word_1;
      if (is_first)
        for (uint32_t i = tf_team_rank(); i < args->view.instrument_cnt; i += tf_team_size())
          args->numbers[i] = 0;
      kind.begin(place, args->slots[l.slot]);
      if (tf_team_rank() == 0) shared->pending_cnt = 0;
      if (is_first && tf_team_rank() == 0) tf_store_system(&args->control->slot_used, l.slot);
    }
    tf_team_barrier(); /* command, row and out are free again */
    if (!is_first && tf_team_rank() == 0) tf_add_release(&tf_loop_scratch_(&l)->done, 1);
    if (!is_alone) l.command++;
  }
}

#endif
