/* Any bytes as an ONNX model, summed up. */
#include <stdlib.h>
#include <string.h>

#include "format/onnx_summary.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct mq_reader *reader;
    struct mq_onnx_summary s;
    struct mq_error err;
    if (mq_reader_from_memory(data, size, "fuzz", &reader, NULL) != MQ_OK)
        abort();
    enum mq_status st = mq_onnx_summary_read(reader, &s, &err);
    mq_reader_close(reader);
    if (st != MQ_OK)
        return 0;
    int64_t ops = 0;
    size_t letters = 0;
    for (size_t i = 0; i < s.op_count; i++) {
        ops += s.ops[i].count;
        letters += strlen(s.ops[i].op);
    }
    for (size_t i = 0; i < s.tensor_count; i++) {
        letters += strlen(s.tensors[i].name);
        if (s.tensors[i].rank < 0 || s.tensors[i].rank > MQ_ONNX_RANK_MAX)
            abort();
    }
    if (ops != (int64_t)s.node_count || letters == SIZE_MAX)
        abort();
    mq_onnx_summary_release(&s);
    return 0;
}
