/**
 * Keras models as HDF5 files (the whole-model ".h5"): functional models of standard layers.
 *
 * The written file opens with `keras.models.load_model` of Keras 3 (any back end) and of
 * tf.keras 2; its configuration uses the part of both that agrees. Weights are plain contiguous
 * float32 datasets that h5py reads too. Same model, same bytes.
 *
 * A layer is its class name, its name, a JSON object with the arguments of its constructor (name
 * and dtype are added where missing), and the names of the layers it is called on, in order:
 *
 *     Input      {"batch_input_shape":[null,50],"dtype":"int32"}    class "InputLayer", no inputs
 *     Embedding  {"input_dim":1000,"output_dim":16}                 weight embeddings [1000,16]
 *     Dense      {"units":128,"activation":"relu"}                  kernel [in,128], bias [128]
 *     Reshape    {"target_shape":[32]}      Permute {"dims":[2,1]}      Flatten {}
 *     Dot        {"axes":[1,1]}             Multiply {}                 Concatenate {"axis":-1}
 *
 * How to say "mean of the first L of 50 items" with these, where code 0 is a real item and padding
 * is told by length alone: let an Embedding indexed by the length hold, in row L, the weights of
 * the 50 positions, zero from position L on; then multiply and sum in one Dot:
 *
 *     hist_len [B,1]        -> Embedding 51x50 "position_weight" -> Reshape [50]     = W [B,50]
 *     hist_movie_id [B,50]  -> Embedding Ix32  "item"                                = V [B,50,32]
 *     Dot axes [1,1] of W and V: sum over positions of W[b,p] V[b,p,:]               -> [B,32]
 *
 * Row L = 1/L in columns 0…L-1 is the masked mean; row L = w_p / sum(w_0…w_{L-1}) a mean weighted
 * by position; row 0 all zero gives the zero vector to a user without history. Padding ids must
 * lie inside the item table (0 does); lengths above 50 must be clamped by the caller of predict.
 *
 * Limits: MQ_KERAS_LAYERS_MAX layers, MQ_KERAS_WEIGHTS_MAX weights, names up to
 * MQ_KERAS_NAME_MAX bytes, configuration up to MQ_KERAS_CONFIG_MAX bytes, a weight of at most
 * MQ_KERAS_ELEMENTS_MAX elements and MQ_KERAS_RANK_MAX dimensions, all names of layers together
 * 60,000 bytes (an HDF5 object header).
 *
 * Writing goes through the HDF5 library. Its traps, handled here: it is entered under one
 * process-wide lock (it is not safe for threads in every build); it prints errors by default
 * (silenced; the innermost text goes into mq_error); it crashes at the end of a process whose file
 * could not be written (hdf5_output.h); it stores times of creation by default (switched off).
 * Reading does not use it, because it is not safe on files from outside (hdf5_reader.h): links,
 * external storage and layouts that neither h5py nor Keras writes by default are refused.
 *
 * Threads: reentrant; one open file, one thread at a time.
 * Golden: tests/golden/keras_hdf5_golden.py
 */
#ifndef MQ_FORMAT_KERAS_HDF5_H
#define MQ_FORMAT_KERAS_HDF5_H

#include <stddef.h>
#include <stdint.h>

#include "base/stream.h"
#include "marquee/status.h"

#define MQ_KERAS_LAYERS_MAX 1024
#define MQ_KERAS_WEIGHTS_MAX 4096
#define MQ_KERAS_NAME_MAX 255
#define MQ_KERAS_CONFIG_MAX ((size_t)16 << 20)
#define MQ_KERAS_ELEMENTS_MAX ((int64_t)1 << 32) /* as MQ_HDF5_ELEMENTS_MAX */
#define MQ_KERAS_RANK_MAX 4                      /* as MQ_HDF5_RANK_MAX */

/** One layer; all strings borrowed. Names: letters, digits, "_", "-" and "."; unique. */
struct mq_keras_layer {
    const char *class_name;    /**< "InputLayer", "Dense", … */
    const char *name;          /**< "user_id" */
    const char *config;        /**< JSON object, or NULL for {} */
    const char *const *inputs; /**< [input_count] names of earlier layers; NULL for an InputLayer */
    size_t input_count;
};

/**
 * Give rows [first, first+count) of a weight, row-major, into `ret_rows`.
 * Called with rising, adjoining ranges.
 */
typedef enum mq_status (*mq_keras_rows_fn)(void *context, int64_t first, int64_t count,
                                           float *ret_rows, struct mq_error *err);

/** One weight, in the order Keras keeps them within a layer (kernel, then bias). Borrowed. */
struct mq_keras_weight {
    const char *layer; /**< name of a layer of the model */
    const char *name;  /**< "embeddings", "kernel", "bias" */
    int rank;          /**< 1…MQ_KERAS_RANK_MAX */
    int64_t shape[MQ_KERAS_RANK_MAX];
    const float *data;     /**< [shape…] row-major; NULL: use `rows` */
    mq_keras_rows_fn rows; /**< used in pieces of at most 4 MiB when data is NULL */
    void *rows_context;
};

/** A model to write; everything borrowed. */
struct mq_keras_model {
    const char *name;
    const struct mq_keras_layer *layers; /**< [layer_count], each after its inputs */
    size_t layer_count;
    const struct mq_keras_weight *weights; /**< [weight_count] */
    size_t weight_count;
    const char *const *inputs; /**< [input_count] order in which predict takes them */
    size_t input_count;
    const char *const *outputs; /**< [output_count] */
    size_t output_count;
};

/**
 * Write a model to a local file, published whole (never half-written under its name).
 * @return MQ_OK | MQ_E_RANGE (a limit, an unknown or repeated name, config that is no JSON object)
 *         | MQ_E_IO | MQ_E_NOMEM | a failure of a rows function
 * Cost: memory O(layers) plus 4 MiB, whatever the size of the weights.
 */
enum mq_status mq_keras_model_write_file(const struct mq_keras_model *model, const char *path,
                                         struct mq_error *err);

/** As mq_keras_model_write_file through a scratch file into a stream; does not commit it. */
enum mq_status mq_keras_model_write(const struct mq_keras_model *model, struct mq_writer *writer,
                                    struct mq_error *err);

/* ---- reading ---------------------------------------------------------------------------- */

struct mq_keras_file;

/** What is known of a stored weight; strings live while the file is open. */
struct mq_keras_weight_info {
    const char *layer;
    const char *name; /**< last part, without ":0": "kernel" */
    int rank;         /**< 0…MQ_KERAS_RANK_MAX */
    int64_t shape[MQ_KERAS_RANK_MAX];
    int64_t elements;
};

/**
 * Open a whole-model or weights-only file for reading and list its layers and weights.
 * @return MQ_OK | MQ_E_NOT_FOUND | MQ_E_IO | MQ_E_FORMAT (not HDF5, damaged, or pointing outside
 *         itself) | MQ_E_UNSUPPORTED (no Keras weights, not floats, or not h5py's default layout)
 *         | MQ_E_RANGE (limit)
 */
enum mq_status mq_keras_file_open(const char *path, struct mq_keras_file **ret_file,
                                  struct mq_error *err);
/** As mq_keras_file_open over borrowed bytes, which must outlive the file. @param name for messages
 */
enum mq_status mq_keras_file_open_memory(const void *bytes, size_t size, const char *name,
                                         struct mq_keras_file **ret_file, struct mq_error *err);
/** As mq_keras_file_open through a scratch file (removed on close); takes nothing of the reader. */
enum mq_status mq_keras_file_open_reader(struct mq_reader *reader, struct mq_keras_file **ret_file,
                                         struct mq_error *err);
/** NULL allowed. */
void mq_keras_file_close(struct mq_keras_file *file);

/** The model_config JSON, "" in a weights-only file. */
const char *mq_keras_file_config(const struct mq_keras_file *file);
size_t mq_keras_file_layer_count(const struct mq_keras_file *file);
/** Layer names in file order. */
const char *mq_keras_file_layer(const struct mq_keras_file *file, size_t i);
size_t mq_keras_file_weight_count(const struct mq_keras_file *file);
const struct mq_keras_weight_info *mq_keras_file_weight(const struct mq_keras_file *file, size_t i);
/** A weight by layer and last name; NULL when there is none. */
const struct mq_keras_weight_info *mq_keras_file_find(const struct mq_keras_file *file,
                                                      const char *layer, const char *weight);

/**
 * Read a weight whole, converted to float32.
 * @param weight of this file
 * @param ret_values float32 [elements], caller-owned; undefined after a failure
 * @return MQ_OK | MQ_E_FORMAT (damaged) | MQ_E_IO
 */
enum mq_status mq_keras_file_read(struct mq_keras_file *file,
                                  const struct mq_keras_weight_info *weight, float *ret_values,
                                  struct mq_error *err);

/** Rows [first, first+count) of a weight of rank ≥ 1, as mq_keras_file_read. */
enum mq_status mq_keras_file_read_rows(struct mq_keras_file *file,
                                       const struct mq_keras_weight_info *weight, int64_t first,
                                       int64_t count, float *ret_values, struct mq_error *err);

#endif
