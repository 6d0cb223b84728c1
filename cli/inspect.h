/**
 * Summaries of files for `marquee inspect`: each kind gives one JSON object, which is printed as it
 * is or laid out for people. Threads: one inspection, one thread.
 */
#ifndef MQ_CLI_INSPECT_H
#define MQ_CLI_INSPECT_H

#include <jansson.h>

#include "config/options.h"
#include "format/pickle_value.h"
#include "store/object_store.h"

/** What to look at. */
struct mq_inspection {
    struct mq_object_store *store;
    const char *key; /**< object in the store */
    int64_t size_bytes;
    int samples;       /**< entries or rows to show */
    const char *entry; /**< pickle: show this key alone; else NULL */
    const struct mq_config *config;
};

/** Adds members to `object` (borrowed). @return MQ_OK | what reading says */
typedef enum mq_status (*mq_inspect_fn)(const struct mq_inspection *inspection, json_t *object,
                                        struct mq_error *err);

enum mq_status mq_inspect_pickle(const struct mq_inspection *inspection, json_t *object,
                                 struct mq_error *err);
enum mq_status mq_inspect_npy(const struct mq_inspection *inspection, json_t *object,
                              struct mq_error *err);
enum mq_status mq_inspect_index(const struct mq_inspection *inspection, json_t *object,
                                struct mq_error *err);
enum mq_status mq_inspect_hdf5(const struct mq_inspection *inspection, json_t *object,
                               struct mq_error *err);
enum mq_status mq_inspect_safetensors(const struct mq_inspection *inspection, json_t *object,
                                      struct mq_error *err);
enum mq_status mq_inspect_onnx(const struct mq_inspection *inspection, json_t *object,
                               struct mq_error *err);
enum mq_status mq_inspect_archive(const struct mq_inspection *inspection, json_t *object,
                                  struct mq_error *err);
enum mq_status mq_inspect_parquet(const struct mq_inspection *inspection, json_t *object,
                                  struct mq_error *err);
enum mq_status mq_inspect_xlsx(const struct mq_inspection *inspection, json_t *object,
                               struct mq_error *err);
enum mq_status mq_inspect_csv(const struct mq_inspection *inspection, json_t *object,
                              struct mq_error *err);
enum mq_status mq_inspect_json(const struct mq_inspection *inspection, json_t *object,
                               struct mq_error *err);

/** A pickle value as JSON; containers longer than `most` are cut and say so. Owned; NULL: memory.
 */
json_t *mq_inspect_value(const struct mq_pickle_value *value, size_t most);

/** A JSON string of bytes that may not be UTF-8. Owned; NULL: memory. */
json_t *mq_inspect_text(const char *text, size_t size);

/** Extents as "32 x 50". Owned. */
json_t *mq_inspect_shape(const int64_t *shape, int dims);

#endif
