/* The kind TF_CARD_FUSED of the persistent loop: fused.h says what it is of. */
#ifndef TF_GPU_FUSED_CUH
#define TF_GPU_FUSED_CUH

#include "gpu/features.cuh"
#include "gpu/fused.h"
#include "gpu/net.cuh"

struct tf_fused_kind {
  tf_features *features;
  tf_net_kind  net;

  TF_DEVICE_MEMBER void begin(const tf_card_place_t &where, const tf_card_program_t *what) {
    const tf_card_program_t *first  = tf_card_fused_features(what);
    tf_card_place_t          behind = where;
    behind.shared += first->shared_bytes;
    behind.states += first->state_bytes * tf_card_fused_of(what)->instrument_cnt;
    const tf_card_program_t *second = tf_card_fused_net(what);
    behind.scratch += first->scratch_bytes + tf_grid_rank() * second->scratch_bytes;
    features = tf_features_begin(where, first);
    net.begin(behind, second);
  }

  TF_DEVICE_MEMBER void reset(uint32_t instrument) {
    features->reset(instrument);
    net.reset(instrument);
  }

  /* The rows of the model's window that came with a state, oldest first. */
  TF_DEVICE_MEMBER void refill(uint32_t instrument, const tf_market_row_t *row, float *out) {
    const uint32_t cnt   = features->plan->feature_cnt;
    const uint32_t first = static_cast<uint32_t>(tf_card_fused_rows_at(features->plan->mem_bytes));
    const uint32_t each  = static_cast<uint32_t>(tf_card_fused_row_packets(cnt));
    const uint32_t rows = row->u.state.row_cnt, tag = row->u.state.tag;
    net.reset(instrument);
    for (uint32_t i = 0; i < rows && uint64_t{i} * each < features->place.state_packets; i++) {
      if (!features->fetch(first + i * each, reinterpret_cast<uint32_t *>(features->values), cnt,
                           tag))
        return net.reset(instrument);
      (void)net.step(instrument, features->values, out);
    }
  }

  TF_DEVICE_MEMBER tf_card_step_t step(uint32_t instrument, const float *words, float *out) {
    const tf_market_row_t *row = reinterpret_cast<const tf_market_row_t *>(words);
    if (instrument >= features->plan->instrument_cnt) return TF_CARD_STEP_WARMING;
    return go_on(features->take(instrument, row), instrument, row, out);
  }

  TF_DEVICE_MEMBER tf_card_step_t go_on(tf_features_took took, uint32_t instrument,
                                        const tf_market_row_t *row, float *out) {
    switch (took) {
    case TF_FEATURES_STUCK: return TF_CARD_STEP_STUCK;
    case TF_FEATURES_RESTORED: refill(instrument, row, out); return TF_CARD_STEP_WARMING;
    case TF_FEATURES_ABSENT: return TF_CARD_STEP_BEHIND;
    case TF_FEATURES_LACKING: net.reset(instrument); return TF_CARD_STEP_WARMING;
    case TF_FEATURES_WHOLE: return net.step(instrument, features->values, out);
    default: return TF_CARD_STEP_WARMING;
    }
  }

  /* ---- sets: card.h ---- */

  static constexpr uint32_t SET_WORD = TF_CARD_FEATURE_SET_WORD;

  TF_DEVICE_MEMBER static bool joins(const uint32_t words[2]) { return tf_features::joins(words); }
  TF_DEVICE_MEMBER void        open_set(tf_card_set_t *set) const { features->open_set(set); }
  TF_DEVICE_MEMBER tf_card_step_t step_of_set(const tf_card_set_t *set, uint32_t which,
                                              const float *words, float *out) {
    const tf_market_row_t *row = reinterpret_cast<const tf_market_row_t *>(words);
    return go_on(features->take_of_set(set, which, row), set->rows[which].instrument, row, out);
  }
  TF_DEVICE_MEMBER void pass_set(const tf_card_set_t *set, uint32_t which) {
    features->pass_set(set, which);
  }
  TF_DEVICE_MEMBER void close_set(const tf_card_set_t *set) const { features->close_set(set); }

  TF_DEVICE_MEMBER bool advance(uint32_t instrument) {
    return instrument < features->plan->instrument_cnt && net.advance(instrument);
  }
};

template <> struct tf_kind_takes_sets<tf_fused_kind> { static constexpr bool value = true; };

#endif
