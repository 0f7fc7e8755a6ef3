#include "boot/own_event.h"

#include "core/clock.h"
#include "tf/atomic.h"

void tf_own_event_publish(tf_source_t *source, tf_event_t *e) {
  uint64_t   now_tsc = tf_clock_ticks();
  tf_batch_t batch   = {e, 1, now_tsc, now_tsc};
  tf_count_add(&source->counts.events[e->kind], 1);
  source->newest_recv_ns = e->ts_recv_ns;
  source->publisher.publish(source->publisher.self, &batch);
}

void tf_own_event_tell(tf_source_t *source, const tf_tap_t *tap, tf_event_t *e) {
  e->ts_recv_ns          = tf_clock_wall_ns();
  tf_tap_record_t record = {.recv_ns    = e->ts_recv_ns,
                            .source_idx = UINT32_MAX,
                            .kind       = TF_TAP_CONTROL,
                            .bytes_cnt  = sizeof *e,
                            .bytes      = (const char *)e};
  if (tap->on_record) tap->on_record(tap->self, &record);
  tf_count_add(&source->counts.messages, 1);
  tf_count_add(&source->counts.msgs_control, 1);
  tf_own_event_publish(source, e);
}
