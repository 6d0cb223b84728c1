/** DeepFM as an ONNX graph: inputs feat_ids int64 [N,F] and feat_vals float32 [N,F], output prob
 * float32 [N]. The formula of model/deepfm.h, node by node, on the model's own arrays. */
#ifndef MQ_MODEL_DEEPFM_ONNX_H
#define MQ_MODEL_DEEPFM_ONNX_H

#include "format/onnx_writer.h"
#include "model/deepfm.h"

/** Operator set of the graph. */
#define MQ_DEEPFM_OPSET 13

/** What the graph borrows beside the model; release after mq_onnx_free. */
struct mq_deepfm_onnx {
    struct mq_onnx *onnx;
    struct mq_arena arena;
};

/**
 * @param ret_graph zero-initialised by the caller; released by mq_deepfm_onnx_release, also on
 *        failure
 * @return MQ_OK | MQ_E_UNSUPPORTED (bags) | MQ_E_RANGE (a limit of format/onnx_writer.h) |
 *         MQ_E_NOMEM
 */
enum mq_status mq_deepfm_onnx_build(const struct mq_deepfm *model, struct mq_deepfm_onnx *ret_graph,
                                    struct mq_error *err);
void mq_deepfm_onnx_release(struct mq_deepfm_onnx *graph);

#endif
