/* How a partition of a topic of Kafka stands (tf_broker_look_t). How long it keeps messages is not asked for: an account needs a
 * right of its own for that. */
#ifndef TF_BROKER_KAFKA_LOOK_H
#define TF_BROKER_KAFKA_LOOK_H

#include "tf/broker.h"

tf_err_t tf_kafka_look(const tf_broker_config_t *reach, int32_t partition, uint64_t wait_ns_max,
                       tf_broker_standing_t *standing);

#endif
