/* How a stream of JetStream stands (tf_broker_look_t). */
#ifndef TF_BROKER_NATS_LOOK_H
#define TF_BROKER_NATS_LOOK_H

#include "tf/broker.h"

tf_err_t tf_nats_look(const tf_broker_config_t *reach, int32_t partition, uint64_t wait_ns_max,
                      tf_broker_standing_t *standing);

#endif
