/* What a listener says beside records, as frames or as lines of JSON (tf/frame.h). Each writes one
 * message of at most TF_FRAME_OUT_BYTES_MAX bytes and returns its length. Pure; any thread. */
#ifndef TF_SINK_FRAME_OUT_H
#define TF_SINK_FRAME_OUT_H

#include "tf/frame.h"
#include "tf/sink.h"

#define TF_FRAME_OUT_BYTES_MAX 512u
#define TF_FRAME_TEXT_BYTES    192 /* of an END, with its NUL; longer ones are cut */

size_t tf_frame_out_welcome(tf_sink_format_t format, const tf_frame_welcome_t *welcome,
                            uint8_t *out);
size_t tf_frame_out_lost(tf_sink_format_t format, const tf_frame_lost_t *lost, uint64_t prev_seq,
                         uint8_t *out);
size_t tf_frame_out_heartbeat(tf_sink_format_t format, uint64_t next_seq, uint64_t prev_seq,
                              uint8_t *out);
/* text: printable ASCII without quotes. */
size_t tf_frame_out_end(tf_sink_format_t format, tf_frame_reason_t reason, uint64_t next_seq,
                        const char *text, uint8_t *out);

/* A header of version TF_FRAME_VERSION. */
void tf_frame_out_header(tf_frame_kind_t kind, uint16_t record_cnt, uint32_t payload_bytes,
                         uint64_t first_seq, uint64_t prev_seq, uint8_t *out);

/* Bytes of the message that bytes begins with, which is whole. */
size_t tf_frame_out_message(tf_sink_format_t format, const uint8_t *bytes, size_t cnt);

/* "dropped"; "?" for a number that is none. */
const char *tf_frame_reason_name(uint32_t reason);

#endif
