#include "net_kernels.h"

#include "gpu/loop.cuh"
#include "gpu/net.cuh"

void kernel_net(void *p) {
  const net_args_t     *args   = static_cast<const net_args_t *>(p);
  const uint32_t        inputs = args->program->input_cnt, outputs = args->program->output_cnt;
  float                *row   = reinterpret_cast<float *>(tf_team_shared());
  float                *out   = row + inputs;
  const uint32_t        lines = (inputs + outputs) / 32 + 1;
  const tf_card_place_t place = {
      tf_team_shared() + lines * 128, args->states, args->scratch, NULL, 0, NULL, 0};
  tf_net_kind kind;
  kind.begin(place, args->program);
  for (uint32_t t = 0; t < args->row_cnt; t++) {
    const uint32_t instrument = args->instruments ? args->instruments[t] : 0;
    if (args->resets && args->resets[t]) kind.reset(instrument);
    for (uint32_t i = tf_team_rank(); i < inputs; i += tf_team_size())
      row[i] = args->rows[t * inputs + i];
    tf_team_barrier();
    const tf_card_step_t step = kind.step(instrument, row, out);
    if (tf_grid_rank() == 0 && tf_team_rank() == 0) args->steps[t] = static_cast<uint8_t>(step);
    if (tf_grid_rank() == 0 && step == TF_CARD_STEP_DONE)
      for (uint32_t i = tf_team_rank(); i < outputs; i += tf_team_size())
        args->out[t * outputs + i] = out[i];
    for (uint32_t i = 0; args->advances && i < args->advances[t]; i++) kind.advance(instrument);
  }
}

void kernel_net_loop(void *p) {
  tf_net_kind kind;
  tf_card_loop(static_cast<const tf_card_args_t *>(p), kind);
}
