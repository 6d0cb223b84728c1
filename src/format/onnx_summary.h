/**
 * What an ONNX file holds: inputs, outputs, operators and constants, without their data.
 *
 * For people who look at a model, not for running one. Files up to MQ_ONNX_SUMMARY_BYTES_MAX;
 * messages nested deeper than MQ_ONNX_DEPTH_MAX are refused before they are decoded (protobuf-c
 * recurses without a limit of its own), and decoding may take at most 64 MiB plus four times the
 * file. Threads: reentrant.
 */
#ifndef MQ_FORMAT_ONNX_SUMMARY_H
#define MQ_FORMAT_ONNX_SUMMARY_H

#include <stddef.h>
#include <stdint.h>

#include "base/arena.h"
#include "base/stream.h"
#include "format/onnx_writer.h"
#include "marquee/status.h"

#define MQ_ONNX_SUMMARY_BYTES_MAX ((size_t)1 << 30)
#define MQ_ONNX_DEPTH_MAX 32

/** A named value; type is TensorProto.DataType's number (1 float, 7 int64), 0 unknown. */
struct mq_onnx_value {
    const char *name;
    int type;
    int rank;
    int64_t dims[MQ_ONNX_RANK_MAX]; /**< MQ_ONNX_BATCH where it varies */
};

struct mq_onnx_op_count {
    const char *op;
    int64_t count;
};

struct mq_onnx_summary {
    int64_t ir_version, opset;
    const char *producer, *graph; /**< "" unknown */
    struct mq_onnx_value *inputs, *outputs, *tensors;
    size_t input_count, output_count, tensor_count;
    struct mq_onnx_op_count *ops; /**< by first use */
    size_t op_count, node_count;
    int64_t parameters; /**< elements of all constants */
    struct mq_arena arena;
};

/** @return MQ_OK | MQ_E_FORMAT | MQ_E_RANGE | MQ_E_NOMEM | an error of the source */
enum mq_status mq_onnx_summary_read(struct mq_reader *reader, struct mq_onnx_summary *ret_summary,
                                    struct mq_error *err);
void mq_onnx_summary_release(struct mq_onnx_summary *summary);

#endif
