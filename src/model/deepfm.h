/**
 * DeepFM: the probability that a user plays a programme, from F fields of features.
 *
 *   e_f  = x_f v_f                      field f's vector [dim]; x_f = 1 for a category
 *   y    = bias + Σ_f w_f x_f + ½ (|Σ_f e_f|² − Σ_f |e_f|²) + MLP(e_1 ‖ … ‖ e_F)
 *   prob = 1 / (1 + exp(−y))
 *
 * MLP: dense layers with ReLU (widths of the model, dropout in training only), then one linear
 * unit. Source: Guo et al. 2017, "DeepFM", equations 1–5.
 *
 * Fields come in this order: dense ones (one number each), then categories (one id each), then
 * bags (any number of ids, their vectors and weights averaged; the pair term sees the average).
 * Every field has its own range of feature ids: field f owns [first, first + size). Within a
 * category or bag, id 0 is reserved for what is missing or unknown; an id outside [0, size) is
 * taken as 0, so a category that training never met still has a score.
 * A dense field enters as (x − mean) · scale, both part of the model.
 *
 * What rows share is multiplied through the first layer once (docs/decisions/deepfm-algebra.md);
 * results agree with the formula above to float32 rounding.
 *
 * Threads: a model, and a scorer, are immutable once made: any number of readers.
 */
#ifndef MQ_MODEL_DEEPFM_H
#define MQ_MODEL_DEEPFM_H

#include <stdint.h>

#include "base/pool.h"
#include "base/stream.h"
#include "base/strmap.h"
#include "marquee/status.h"

#define MQ_DEEPFM_FIELDS_MAX 1024
#define MQ_DEEPFM_DIM_MAX 256
#define MQ_DEEPFM_LAYERS_MAX 8
#define MQ_DEEPFM_WIDTH_MAX 4096
#define MQ_DEEPFM_FEATURES_MAX (1 << 30)
#define MQ_DEEPFM_NAME_MAX 64

enum mq_deepfm_kind { MQ_DEEPFM_DENSE = 0, MQ_DEEPFM_CATEGORY, MQ_DEEPFM_BAG };

struct mq_deepfm_field {
    char name[MQ_DEEPFM_NAME_MAX]; /**< unique in the model, not empty */
    enum mq_deepfm_kind kind;
    int32_t size;      /**< dense: 1; else ids 0…size-1, at least 1 */
    int32_t first;     /**< feature id of its first feature; set by the model */
    float mean, scale; /**< dense: see above; else 0 and 1 */
    char **values;     /**< [size] text of each id, "" for the reserved one; NULL: not kept */
};

/** A trained model. Parameters are float32, row-major. Made by training or reading only. */
struct mq_deepfm {
    int32_t field_count, feature_count, dim;
    int32_t dense_count;    /**< fields [0, dense_count) are dense */
    int32_t category_count; /**< then so many categories; the rest are bags */
    struct mq_deepfm_field *fields;
    int32_t layer_count; /**< hidden layers, 0…MQ_DEEPFM_LAYERS_MAX; 0: a factorisation machine */
    int32_t width[MQ_DEEPFM_LAYERS_MAX];
    /** All parameters lie in one block, in this order, each array on a 64-byte boundary; what is
     * between them is 0. */
    float *parameters;
    size_t parameter_count; /**< floats of the block */
    float *w;               /**< [feature_count] */
    float *v;               /**< [feature_count, dim] */
    /** Layer l: [input, output]; the last, kernel[layer_count], is [input, 1]. Input of layer 0 is
     * field_count · dim. Without hidden layers there is no MLP at all and both are NULL. */
    float *kernel[MQ_DEEPFM_LAYERS_MAX + 1];
    float *offset[MQ_DEEPFM_LAYERS_MAX + 1];
    float *bias; /**< [1] */
};

/**
 * A model with all parameters zero, for training, reading and tests to fill.
 * @param fields borrowed, copied; `first` is set here
 * @param width  int32 [layer_count]
 * @return MQ_OK | MQ_E_RANGE (fields out of order, no fields, a limit above passed, a name empty or
 *         twice, a scale or mean that is not finite) | MQ_E_NOMEM
 */
enum mq_status mq_deepfm_new(const struct mq_deepfm_field *fields, int32_t field_count, int32_t dim,
                             int32_t layer_count, const int32_t *width,
                             struct mq_deepfm **ret_model, struct mq_error *err);

/** Also for a half-made model; NULL allowed. */
void mq_deepfm_free(struct mq_deepfm *model);

/** Field of a name, or -1. */
int32_t mq_deepfm_field_find(const struct mq_deepfm *model, const char *name);

/**
 * Rows in columns. Dense values may be shared by rows (a user's vector), bags too (a film's
 * genres): a row names which.
 */
struct mq_deepfm_rows {
    int64_t count;
    const float *dense;       /**< [dense_rows, dense_count]; finite */
    const int32_t *dense_row; /**< [count] row of `dense`; NULL: row i uses i */
    int64_t dense_rows;
    /** By category, then by bag: [count] id of the row; for a bag field the number of a bag. */
    const int32_t *const *ids;
    /** By bag field: bag b holds bag_ids[k][bag_offset[k][b] … bag_offset[k][b+1]-1]. An empty
     * bag stands for the reserved id. */
    const int64_t *const *bag_offset;
    const int32_t *const *bag_ids;
    const int64_t *bag_count; /**< by bag field: number of bags */
    const float *label;       /**< [count] 0 or 1; NULL where only a prediction is asked */
};

/**
 * Whether rows fit a model: columns there, row and bag numbers in range, dense values finite,
 * labels (where given) 0 or 1.
 * @return MQ_OK | MQ_E_RANGE (names field, row and value)
 */
enum mq_status mq_deepfm_rows_check(const struct mq_deepfm *model,
                                    const struct mq_deepfm_rows *rows, struct mq_error *err);

struct mq_deepfm_options {
    int32_t dim;
    int32_t layer_count;
    int32_t width[MQ_DEEPFM_LAYERS_MAX];
    float dropout;       /**< share of hidden units left out in a training step, [0, 1) */
    float learning_rate; /**< Adam, lazy on feature rows; (0, 1] */
    float l2_features;   /**< ½ l2 (|w|² + |v|²) over the rows that a batch touches */
    float l2_layers;     /**< ½ l2 |kernel|² */
    int32_t batch;       /**< rows a step, 1…65536 */
    int32_t epochs;      /**< at most */
    int32_t patience; /**< stop after so many epochs without a better held-out log-loss; 0: never;
                         the best epoch's parameters are kept where rows are held out */
    uint64_t seed;
};

/** Embedding 32, layers 128-64, dropout 0, Adam 1e-3, L2 1e-6, batch 4096, 4 epochs, seed 1. */
void mq_deepfm_options_default(struct mq_deepfm_options *ret_options);

/** How training went. */
struct mq_deepfm_history {
    int32_t epochs;     /**< run */
    int32_t best_epoch; /**< 1-based; whose parameters were kept */
    double train_loss;  /**< mean log-loss of the last epoch's steps */
    double valid_loss;  /**< held-out log-loss of the best epoch; NAN without held-out rows */
    double valid_auc;   /**< NAN where undefined */
    double rows_per_s;  /**< training steps alone */
};

/**
 * Train a model. One step: one batch, mean log-loss plus L2, Adam. The same options, rows and seed
 * give the same bytes on any number of threads.
 *
 * @param fields  borrowed, copied (values too); dense ones' mean and scale are used as given
 * @param valid   held-out rows, or NULL
 * @param pool    may be NULL
 * @param ret_history may be NULL
 * @return MQ_OK | MQ_E_INPUT (no rows, or labels of one class only) | MQ_E_RANGE (an option, a
 *         field, a label other than 0 and 1, a dense value that is not finite, a row or bag number
 *         out of range) | MQ_E_NOMEM
 * Cost per row: 2·(3·width₀·width₁ + 2·dense·width₀ + …) multiply-adds; the first layer's share of
 *         a category is paid once per distinct id and batch.
 * Golden: tests/golden/deepfm_golden.py
 */
enum mq_status mq_deepfm_train(const struct mq_deepfm_field *fields, int32_t field_count,
                               const struct mq_deepfm_rows *rows,
                               const struct mq_deepfm_rows *valid,
                               const struct mq_deepfm_options *options, struct mq_pool *pool,
                               struct mq_deepfm **ret_model, struct mq_deepfm_history *ret_history,
                               struct mq_error *err);

/**
 * Probabilities of generic rows.
 * @param ret_prob float32 [rows->count], each in [0, 1]; all or none are written
 * @return MQ_OK | MQ_E_RANGE (as for training) | MQ_E_NOMEM
 */
enum mq_status mq_deepfm_predict(const struct mq_deepfm *model, const struct mq_deepfm_rows *rows,
                                 struct mq_pool *pool, float *ret_prob, struct mq_error *err);

/**
 * A model bound to a list of items: each item's half (its categories, and bags where the model has
 * them, through the first layer, the sum of their vectors, the linear and pair terms) is computed
 * once. The dense fields are the user's half. Memory: items · (width₀ + dim + 1) floats.
 */
struct mq_deepfm_scorer;

/**
 * @param model borrowed, must outlive the scorer
 * @param items rows whose `dense` is ignored: one row an item
 */
enum mq_status mq_deepfm_scorer_new(const struct mq_deepfm *model,
                                    const struct mq_deepfm_rows *items, struct mq_pool *pool,
                                    struct mq_deepfm_scorer **ret_scorer, struct mq_error *err);
/** NULL allowed. */
void mq_deepfm_scorer_free(struct mq_deepfm_scorer *scorer);

/** Number of items. */
int64_t mq_deepfm_scorer_count(const struct mq_deepfm_scorer *scorer);

/** Bytes of scratch that one concurrent caller of mq_deepfm_score needs. */
size_t mq_deepfm_scratch_bytes(const struct mq_deepfm_scorer *scorer);

/**
 * Score items for one user.
 *
 * @param user      float32 [dense_count]; NULL: all zeros (a user of whom nothing is known)
 * @param item_rows int32 [n] in [0, items), or NULL: items 0…n-1
 * @param ret_prob  float32 [n]
 * @param scratch   mq_deepfm_scratch_bytes, 64-byte aligned (mq_alloc_array), one a thread
 * @return MQ_OK | MQ_E_RANGE (an item row out of range; a user value that is not finite)
 * Cost: per user dense·(width₀ + dim), per pair width₀·width₁ + … multiply-adds.
 */
enum mq_status mq_deepfm_score(const struct mq_deepfm_scorer *scorer, const float *user, int64_t n,
                               const int32_t *item_rows, float *ret_prob, void *scratch,
                               struct mq_error *err);

/**
 * Write model.tar.gz: model.onnx (inputs feat_ids int64 [n,F], feat_vals float32 [n,F], output
 * prob float32 [n]; feat_ids are feature ids, `first` + id; a dense field's id is its `first`),
 * weights.safetensors and model.json. Does not commit the writer.
 * @return MQ_OK | MQ_E_UNSUPPORTED (a model with bags has no ONNX form) | an error of the writer
 */
enum mq_status mq_deepfm_write(const struct mq_deepfm *model, struct mq_writer *writer,
                               struct mq_error *err);

/** Largest model.tar.gz member that is read, in bytes. */
#define MQ_DEEPFM_FILE_MAX ((size_t)4 << 30)

/**
 * Read model.tar.gz from its model.json and weights.safetensors.
 * @return MQ_OK | MQ_E_FORMAT (a member missing or malformed, a shape that does not fit, a weight
 *         that is not finite) | MQ_E_UNSUPPORTED (a later schema version) | MQ_E_NOMEM
 */
enum mq_status mq_deepfm_read(struct mq_reader *reader, struct mq_deepfm **ret_model,
                              struct mq_error *err);

#endif
