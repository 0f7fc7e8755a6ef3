#include "loop_kernel.h"

#include "gpu/loop.cuh"

namespace {
struct kind_t {
  tf_card_place_t          place;
  const tf_card_program_t *program;
  const loop_model_t      *model;
  uint32_t                 said; /* parts that this block has said */

  void begin(const tf_card_place_t &where, const tf_card_program_t *what) {
    if (!(place.scratch == where.scratch && program)) said = 0;
    place   = where;
    program = what;
    model   = reinterpret_cast<const loop_model_t *>(tf_card_image(what));
  }
  loop_state_t *state_of(uint32_t instrument) const {
    return reinterpret_cast<loop_state_t *>(place.states + instrument * program->state_bytes) +
           tf_grid_rank();
  }
  void reset(uint32_t instrument) {
    if (tf_team_rank() == 0) state_of(instrument)->seen = 0;
    tf_team_barrier();
  }
  tf_card_step_t step(uint32_t instrument, const float *row, float *out) {
    loop_state_t *s    = state_of(instrument);
    float        *sums = reinterpret_cast<float *>(place.shared);
    float         part = 0;
    for (uint32_t i = tf_grid_rank() + tf_team_rank() * tf_grid_size(); i < program->input_cnt;
         i += tf_team_size() * tf_grid_size())
      part += row[i];
    part = tf_warp_sum(part);
    if (tf_warp_lane() == 0) sums[tf_warp_rank()] = part;
    tf_team_barrier();
    said++;
    uint32_t *is_stuck = reinterpret_cast<uint32_t *>(sums + TF_WARP_SIZE);
    if (tf_team_rank() == 0) {
      *is_stuck                           = 0;
      s->parts[s->seen % program->window] = 0;
      for (uint32_t i = 0; i < tf_warp_cnt(); i++) s->parts[s->seen % program->window] += sums[i];
      s->seen++;
      tf_store_system(&s->pieces_left, model->pieces);
      float sum = 0;
      for (uint32_t i = 0; i < program->window; i++) sum += i < s->seen ? s->parts[i] : 0;
      *is_stuck = !gather(sum, out);
    }
    tf_team_barrier();
    if (*is_stuck) return TF_CARD_STEP_STUCK;
    return s->seen < program->window ? TF_CARD_STEP_WARMING : TF_CARD_STEP_DONE;
  }
  /* Thread 0 of each block: block 0 takes all parts. */
  bool gather(float sum, float *out) {
    tf_packet_t *parts = reinterpret_cast<tf_packet_t *>(place.scratch);
    tf_packet_t  p     = {
             {tf_mailbox_bits(sum), 0, 0},
             said
    };
    if (tf_grid_rank() > 0) {
      if (tf_grid_rank() != model->absent_block)
        tf_packet_store(parts + said % 4 * tf_grid_size() + tf_grid_rank(), &p);
      return true;
    }
    for (uint32_t b = 1; b < tf_grid_size(); b++) {
      tf_wait_t wait = tf_wait_of(place.leave, place.polls_max);
      for (;;) {
        tf_packet_load(parts + said % 4 * tf_grid_size() + b, &p);
        if (p.tag == said) break;
        if (!tf_wait_on(&wait)) return false;
      }
      sum += tf_mailbox_value(p.words[0]);
    }
    for (uint32_t j = 0; j < program->output_cnt; j++)
      out[j] = model->base + static_cast<float>(j) + sum;
    return true;
  }
  bool advance(uint32_t instrument) {
    loop_state_t *s = state_of(instrument);
    if (tf_team_rank() == 0 && s->pieces_left) { /* the test looks on */
      tf_store_system(&s->pieces_done, s->pieces_done + 1);
      tf_store_system(&s->pieces_left, s->pieces_left - 1);
    }
    tf_team_barrier();
    return s->pieces_left > 0;
  }
};
} // namespace

void loop_kernel(void *args) {
  kind_t kind{};
  tf_card_loop(static_cast<const tf_card_args_t *>(args), kind);
}
