#include "recurrent_kernels.h"

#include "gpu/loop.cuh"
#include "gpu/recurrent.cuh"

namespace {
template <uint32_t PRECISION> void run_script(void *p) {
  recurrent_script_t      *s       = static_cast<recurrent_script_t *>(p);
  const tf_card_program_t *program = s->program;
  const tf_card_place_t    place   = {tf_team_shared(), s->states, s->scratch, &s->leave,
                                      1u << 20,         NULL,      0};
  float *row = reinterpret_cast<float *>(tf_team_shared() + program->shared_bytes);
  float *out = row + program->input_cnt;

  tf_recurrent_kind<PRECISION> kind{};
  kind.begin(place, program);
  for (uint32_t t = 0; t < s->tick_cnt; t++) {
    const recurrent_tick_t &tick = s->ticks[t];
    if (tick.is_reset) kind.reset(tick.instrument);
    for (uint32_t i = tf_team_rank(); i < program->input_cnt; i += tf_team_size())
      row[i] = s->rows[t * program->input_cnt + i];
    tf_team_barrier();
    tf_card_step_t made = kind.step(tick.instrument, row, out);
    tf_team_barrier();
    if (tf_grid_rank() == 0) {
      if (tf_team_rank() == 0) s->steps[t] = static_cast<uint8_t>(made);
      if (made == TF_CARD_STEP_DONE)
        for (uint32_t i = tf_team_rank(); i < program->output_cnt; i += tf_team_size())
          s->out[t * program->output_cnt + i] = out[i];
    }
    for (uint32_t i = 0; i < tick.pieces && kind.advance(tick.instrument); i++) {
    }
    tf_team_barrier();
  }
}

template <uint32_t PRECISION> void run_loop(void *args) {
  tf_recurrent_kind<PRECISION> kind;
  tf_card_loop(static_cast<const tf_card_args_t *>(args), kind);
}
} // namespace

recurrent_kernel_t recurrent_script_kernel(tf_precision_t precision) {
  return precision == TF_PRECISION_FP16   ? run_script<TF_PRECISION_FP16>
         : precision == TF_PRECISION_BF16 ? run_script<TF_PRECISION_BF16>
                                          : run_script<TF_PRECISION_INT8>;
}

recurrent_kernel_t recurrent_loop_kernel(tf_precision_t precision) {
  return precision == TF_PRECISION_FP16   ? run_loop<TF_PRECISION_FP16>
         : precision == TF_PRECISION_BF16 ? run_loop<TF_PRECISION_BF16>
                                          : run_loop<TF_PRECISION_INT8>;
}
