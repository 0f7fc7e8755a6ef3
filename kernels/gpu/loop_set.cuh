/* Sets: rows of one request that blocks take side by side, a row a block (card.h). loop.cuh includes this, and calls it where its kind takes
 * sets; whose rows come alone meets none of it but a look at the request's row count.
 *
 *   block 0   look    waits until a request's rows are there, reads of each its head and the packet with the kind's words, a row a lane;
 *                     rows from the first on that may join, up to one a block: a set. Says which are behind; one packet tells the others
 *   block b           reads row b itself, steps, answers, does all of its deferred work, counts done
 *   block 0           does so with row 0, then waits for the others: whose state they wrote is anybody's with the next row
 *
 * Cost of a set over a row alone, on a card, beforehand: look 2 reads of the host a lane, at once; set 32 bytes a row to L2 and from there; 1 packet
 * through L2 to the others; 1 read of the host by each, at once; 1 add a block to one word of L2. So about two trips through L2 and two to the
 * host, however many rows, where rows one by one cost a step each. */
#ifndef TF_GPU_LOOP_SET_CUH
#define TF_GPU_LOOP_SET_CUH

#ifndef TF_GPU_LOOP_CUH
#error "loop.cuh includes this"
#endif

/* Of a kind; specialised where it has the members that card.h says. */
template <typename Kind> struct tf_kind_takes_sets { static constexpr bool value = false; };

TF_DEVICE tf_card_set_t *tf_set_own_(const tf_loop_t *l) {
  return reinterpret_cast<tf_card_set_t *>(reinterpret_cast<uint8_t *>(tf_loop_out_(l)) +
                                           tf_loop_floats_bytes(l->args->view.output_cnt));
}
TF_DEVICE tf_loop_sets_t *tf_set_common_(const tf_loop_t *l) {
  return tf_loop_sets_of(l->args->slots[0], l->args->scratch);
}
TF_DEVICE void tf_set_copy_(tf_card_set_t *to, const tf_card_set_t *from, uint32_t rank,
                            uint32_t size) {
  const uint32_t *words = reinterpret_cast<const uint32_t *>(from);
  for (uint32_t i = rank; i < sizeof *to / sizeof *words; i += size)
    reinterpret_cast<uint32_t *>(to)[i] = words[i];
}

/* ---- block 0, warp 0: which rows ---- */

/* Row i of those that may be a set, and whether it is there. */
template <typename Kind>
TF_DEVICE bool tf_set_read_(const tf_loop_t *l, uint32_t i, tf_card_set_row_t *row) {
  const tf_packet_t *at   = tf_mailbox_row_(&l->args->view, l->next_seq, l->idx + i);
  const uint32_t     tag  = static_cast<uint32_t>(l->next_seq);
  const uint32_t     word = Kind::SET_WORD % 3;
  tf_packet_t        head, p;
  tf_packet_load(at, &head);
  tf_packet_load(at + 1 + Kind::SET_WORD / 3, &p);
  row->instrument = head.words[0];
  row->flags      = head.words[1] & ~0xffu;
  row->number     = head.words[2];
  row->idx        = l->idx + i;
  row->words[0]   = p.words[word];
  row->words[1]   = p.words[word + 1];
  row->is_behind  = 0;
  return head.tag == tag && p.tag == tag;
}

/* One whose memory is not its own among them, or that begins anew, is taken alone. */
template <typename Kind>
TF_DEVICE bool tf_set_joins_(const tf_loop_t *l, const tf_card_set_t *set, uint32_t i) {
  const tf_card_set_row_t *row = &set->rows[i];
  if (!tf_loop_is_sound_(l, row->instrument, row->flags, row->number) ||
      (row->flags & TF_MAILBOX_RESET) || !Kind::joins(row->words))
    return false;
  for (uint32_t k = 0; k < i; k++)
    if (set->rows[k].instrument == row->instrument) return false;
  return true;
}

typedef enum tf_set_look {
  TF_SET_NONE,   /* the row at hand is one alone */
  TF_SET_COMING, /* the request is not whole yet */
  TF_SET_OPEN,   /* it is the command at hand */
} tf_set_look_t;

/* f: the row at hand, which is there. */
template <typename Kind>
TF_DEVICE tf_set_look_t tf_set_look_(tf_loop_t *l, Kind &kind, const tf_loop_flight_t *f) {
  tf_card_set_t *set  = tf_set_own_(l);
  const uint32_t lane = tf_warp_lane();
  const uint32_t rows = tf_loop_row_cnt_(l, f), left = rows > l->idx ? rows - l->idx : 0;
  const uint32_t most  = left < tf_grid_size() ? left : tf_grid_size();
  bool           there = true;
  if (most < 2) return TF_SET_NONE;
  for (uint32_t i = lane; i < most; i += TF_WARP_SIZE)
    there = tf_set_read_<Kind>(l, i, &set->rows[i]) && there;
  if (!tf_warp_all(there)) return TF_SET_COMING;
  uint32_t cnt = most;
  for (uint32_t i = lane; i < most; i += TF_WARP_SIZE)
    if (i < cnt && !tf_set_joins_<Kind>(l, set, i)) cnt = i;
  cnt = tf_warp_min(cnt);
  if (cnt < 2) return TF_SET_NONE;
  for (uint32_t i = lane; i < cnt; i += TF_WARP_SIZE) {
    tf_card_set_row_t *row = &set->rows[i];
    row->is_behind = !tf_loop_goes_on_(&l->args->numbers[row->instrument], row->flags, row->number);
  }
  if (lane == 0) {
    set->cnt    = cnt;
    set->number = l->command;
    set->seq    = l->next_seq;
    tf_loop_note_(l->next_seq, l->idx, set->rows[0].flags);
  }
  tf_warp_barrier();
  kind.open_set(set);
  tf_warp_barrier();
  tf_set_copy_(&tf_set_common_(l)->set, set, lane, TF_WARP_SIZE);
  tf_warp_barrier();
  tf_fence_card(); /* pairs with: the others' behind their command's packet */
  l->row_cnt = rows;
  l->idx += cnt - 1;
  tf_loop_next_row_(l);
  tf_loop_command_(TF_LOOP_SET, cnt, 0);
  return TF_SET_OPEN;
}

/* ---- all blocks ---- */

/* Warp 0 of another block: row which. False: the lane has come round, and it is lost. */
TF_DEVICE bool tf_set_fetch_(const tf_loop_t *l, const tf_card_set_t *set, uint32_t which) {
  const tf_mailbox_view_t *v       = &l->args->view;
  const tf_packet_t       *packets = tf_mailbox_row_(v, set->seq, set->rows[which].idx);
  const uint32_t           tag     = static_cast<uint32_t>(set->seq);
  tf_wait_t                wait    = tf_wait_of(&tf_loop_scratch_(l)->leave, tf_loop_polls_max_(l));
  for (;;) {
    bool there = true, is_newer = false;
    for (uint32_t i = tf_warp_lane(); i < v->row_packets; i += TF_WARP_SIZE) {
      tf_packet_t p;
      tf_packet_load(packets + i, &p);
      there    = there && p.tag == tag;
      is_newer = is_newer || static_cast<int32_t>(p.tag - tag) > 0;
      tf_loop_values_(tf_loop_row_(), i, &p, v->input_cnt);
    }
    if (tf_warp_all(there)) return true;
    if (tf_warp_any(is_newer) || !tf_warp_all(tf_wait_on(&wait))) return false;
  }
}

/* Row which, this block's: what came of it. */
template <typename Kind>
TF_DEVICE tf_card_step_t tf_set_step_(tf_loop_t *l, Kind &kind, uint32_t which) {
  tf_loop_shared_t *s   = tf_loop_shared_();
  tf_card_set_t    *set = tf_set_own_(l);
  if (which > 0) {
    tf_fence_card(); /* pairs with: block 0's before its packet */
    tf_set_copy_(set, &tf_set_common_(l)->set, tf_team_rank(), tf_team_size());
  }
  tf_team_barrier(); /* and all have read the command at hand */
  const tf_card_set_row_t *row = &set->rows[which];
  if (tf_warp_rank() == 0) {
    const bool is_here = which == 0 || row->is_behind || tf_set_fetch_(l, set, which);
    tf_warp_barrier();
    if (tf_warp_lane() == 0) {
      if (which > 0) tf_loop_note_(set->seq, row->idx, row->flags);
      s->word_1 = row->instrument;
      s->word_2 = is_here;
      for (uint32_t i = 0; i < 2; i++)
        tf_loop_row_()[Kind::SET_WORD + i] = tf_mailbox_value(row->words[i]);
    }
  }
  tf_team_barrier();
  tf_card_step_t made = TF_CARD_STEP_STUCK;
  if (!s->word_2) {
    if (tf_team_rank() == 0) l->args->numbers[row->instrument] = 0;
    kind.pass_set(set, which);
  } else if (row->is_behind) {
    made = TF_CARD_STEP_BEHIND;
  } else {
    made = kind.step_of_set(set, which, tf_loop_row_(), tf_loop_out_(l));
  }
  if (tf_warp_rank() == 0) tf_loop_answer_(l, made);
  return made;
}

/* Another block's part of a set: its row, and what that leaves to be done. */
template <typename Kind> TF_DEVICE void tf_set_take_(tf_loop_t *l, Kind &kind, uint32_t cnt) {
  const uint32_t which = tf_grid_rank();
  if (which >= cnt) return;
  const tf_card_step_t made = tf_set_step_(l, kind, which);
  if (tf_team_rank() == 0) tf_set_common_(l)->made[which] = made;
  while (made != TF_CARD_STEP_STUCK && kind.advance(tf_set_own_(l)->rows[which].instrument)) {
  }
}

/* Block 0's warp 0: all others have done the command at hand; what came of their rows is counted. */
TF_DEVICE void tf_set_await_(tf_loop_t *l, const tf_card_set_t *set) {
  const uint32_t due      = l->command * (tf_grid_size() - 1);
  const auto    *made     = tf_set_common_(l)->made;
  tf_wait_t      wait     = tf_wait_of(&tf_loop_scratch_(l)->leave, tf_loop_polls_max_(l));
  uint32_t       answered = 0, behind = 0;
  for (;;) {
    /* pairs with: tf_card_loop's tf_add_release */
    const uint32_t done = tf_load_acquire_card(&tf_loop_scratch_(l)->done);
    if (tf_warp_all(static_cast<int32_t>(done - due) >= 0)) break;
    if (tf_warp_all(tf_wait_on(&wait))) continue;
    l->is_stuck = true;
    return;
  }
  for (uint32_t i = tf_warp_lane(); i < set->cnt; i += TF_WARP_SIZE) {
    if (i == 0) continue; /* its own */
    answered += made[i] == TF_CARD_STEP_DONE && !(set->rows[i].flags & TF_MAILBOX_QUIET);
    behind += made[i] == TF_CARD_STEP_BEHIND;
  }
  answered = tf_warp_sum(answered);
  behind   = tf_warp_sum(behind);
  if (tf_warp_lane() == 0) {
    tf_loop_shared_()->answered += answered;
    tf_loop_shared_()->behind += behind;
  }
}

/* Block 0's part: the first row, and the end of it. */
template <typename Kind> TF_DEVICE tf_card_step_t tf_set_lead_(tf_loop_t *l, Kind &kind) {
  const tf_card_step_t made = tf_set_step_(l, kind, 0);
  if (tf_warp_rank() == 0) tf_set_await_(l, tf_set_own_(l));
  tf_team_barrier();
  kind.close_set(tf_set_own_(l));
  return made;
}

#endif
