/* A record as the bytes that leave: as it stands in memory, as a line of JSON, or as CBOR (RFC 8949),
 * a map with the JSON's keys. Every sink whose config has `format` uses this. */
#ifndef TF_SINK_ENCODE_H
#define TF_SINK_ENCODE_H

#include "tf/sink.h"

/* Room that the longest record of a shape needs in a format. */
size_t tf_encode_bytes_max(const tf_record_shape_t *shape, tf_sink_format_t format);

/* Writes one record into out (tf_encode_bytes_max bytes) and returns how many. late: marked so, in
 * JSON and CBOR as "late":true, in binary by TF_PATH_LATE in a decision's path. JSON ends in a line feed. Names come from
 * config->instruments and strategies. Any thread; no allocation. */
size_t tf_encode(const tf_sink_config_t *config, const void *record, bool late, uint8_t *out);

const char *tf_encode_content_type(tf_sink_format_t format); /* of HTTP and brokers' headers */

#endif
