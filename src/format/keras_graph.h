/**
 * The part of a Keras model file that is JSON, and the order in which Keras keeps its layers.
 * Internal to keras_hdf5.
 */
#ifndef MQ_FORMAT_KERAS_GRAPH_H
#define MQ_FORMAT_KERAS_GRAPH_H

#include "format/keras_hdf5.h"

/**
 * Check a model's names, limits and connections.
 * @param ret_order int32 [layer_count]: the layers as `model.layers` lists them after loading, by
 *        falling distance from the outputs. Weights are matched by this order, not by name.
 */
enum mq_status mq_keras_graph_order(const struct mq_keras_model *model, int32_t *ret_order,
                                    struct mq_error *err);

/** model_config of a checked model. @param ret_json owned (free) */
enum mq_status mq_keras_graph_config(const struct mq_keras_model *model, char **ret_json,
                                     struct mq_error *err);

#endif
