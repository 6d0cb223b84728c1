/* Any bytes as a DeepFM model (a tar, plain or compressed); what is read scores a row. */
#include <stdlib.h>

#include "base/memory.h"
#include "model/deepfm.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void
score_row(const struct mq_deepfm *model)
{
    enum { FIELDS = 64 };
    int32_t columns = model->field_count - model->dense_count;
    if (model->field_count > FIELDS || columns > model->category_count)
        return;
    float dense[FIELDS] = {0.5f}, prob = 7;
    int32_t id = 1;
    const int32_t *ids[FIELDS];
    for (int32_t k = 0; k < columns; k++)
        ids[k] = &id;
    struct mq_deepfm_rows rows = {.count = 1, .dense = dense, .ids = ids};
    if (mq_deepfm_predict(model, &rows, NULL, &prob, NULL) != MQ_OK || prob == 7)
        abort();
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct mq_reader *in;
    struct mq_deepfm *model = NULL;
    if (mq_reader_from_memory(data, size, "fuzz", &in, NULL) != MQ_OK)
        abort();
    if (mq_deepfm_read(in, &model, NULL) == MQ_OK)
        score_row(model);
    mq_reader_close(in);
    mq_deepfm_free(model);
    return 0;
}
