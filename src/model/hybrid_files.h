/**
 * A hybrid model as files of a store, under <region>/model/hybrid/<version>/:
 *
 *   users.json, items.json    ids by code
 *   ratings.safetensors       what users rated, popularity and averages of films
 *   neighbours.safetensors    lists of films and users
 *   factors.safetensors       baseline, iALS and rating factors
 *   ease.safetensors, slit.safetensors, tower.h5    where the model has them
 *   model.json                what it is: form, version, sizes, blends, and of each file its size
 *                             and SHA-256; written last, so that a model that has it is whole
 *
 * Any program reads them (docs/formats/hybrid-model.md, docs/howto/open-model-in-python.md). Files
 * are never changed; a model that is not whole is none.
 *
 * Threads: reentrant.
 */
#ifndef MQ_MODEL_HYBRID_FILES_H
#define MQ_MODEL_HYBRID_FILES_H

#include "format/json.h"
#include "model/hybrid.h"
#include "store/object_store.h"

/** Form of the files; a reader refuses newer ones. */
#define MQ_HYBRID_FORM 1
#define MQ_HYBRID_PREFIX "model/hybrid/"
/** Beside the model, not part of it: how it did before it was deployed or refused (step deploy). */
#define MQ_HYBRID_EVALUATION "evaluation.json"

/** Key "<region>/model/hybrid/<version>/<file>". */
enum mq_status mq_hybrid_key(const char *region, const char *version, const char *file,
                             char ret_key[MQ_OBJECT_KEY_MAX], struct mq_error *err);

/** Whether a text may be a version: 1…31 of letters, digits, '.', '-' and '_', no '.' first. */
bool mq_hybrid_version_is_valid(const char *version);

/**
 * Write all files; sets the model's version: the instant made_s and eight digits of the content.
 * Writing the same model again writes the same bytes.
 * @param facts members to add to model.json (how it was made); borrowed, NULL: none
 */
enum mq_status mq_hybrid_save(struct mq_object_store *store, const char *region,
                              struct mq_hybrid *hybrid, json_t *facts, struct mq_error *err);

/** model.json. @param ret_model owned (json_decref)
 * @return MQ_OK | MQ_E_NOT_FOUND (no such model) | MQ_E_FORMAT | MQ_E_UNSUPPORTED (newer form) */
enum mq_status mq_hybrid_describe(struct mq_object_store *store, const char *region,
                                  const char *version, json_t **ret_model, struct mq_error *err);

/**
 * model.json of any form, newer ones too; of those only `form` is sure, all else may be missing.
 * Otherwise as mq_hybrid_describe.
 */
enum mq_status mq_hybrid_peek(struct mq_object_store *store, const char *region,
                              const char *version, json_t **ret_model, int64_t *ret_form,
                              struct mq_error *err);

/** The error of a model that is of a newer form. @return MQ_E_UNSUPPORTED */
enum mq_status mq_hybrid_newer(const char *version, int64_t form, struct mq_error *err);

/**
 * Read a model, checking every file's size and digest, and every code and number in it.
 * @param pool for what is made at the end; may be NULL
 * @return MQ_OK | MQ_E_NOT_FOUND | MQ_E_FORMAT (which file, and what) | MQ_E_UNSUPPORTED |
 *         MQ_E_NOMEM
 */
enum mq_status mq_hybrid_load(struct mq_object_store *store, const char *region,
                              const char *version, struct mq_pool *pool,
                              struct mq_hybrid **ret_hybrid, struct mq_error *err);

/**
 * Hold a model's files against the sizes and digests of its model.json, without keeping any.
 * @return MQ_OK | MQ_E_NOT_FOUND (no such model) | MQ_E_FORMAT (damaged: which file) |
 *         MQ_E_UNSUPPORTED (newer form) | errors of the store
 * Cost: reads all of them.
 */
enum mq_status mq_hybrid_verify(struct mq_object_store *store, const char *region,
                                const char *version, struct mq_error *err);

/** Told of one file: version and name, as in mq_hybrid_key; non-OK stops. */
typedef enum mq_status (*mq_hybrid_file_fn)(void *context, const char *version, const char *file,
                                            const struct mq_object_info *info,
                                            struct mq_error *err);

/** All files of all models, whole or not: by version, then by name, in byte order. */
enum mq_status mq_hybrid_each_file(struct mq_object_store *store, const char *region,
                                   mq_hybrid_file_fn fn, void *context, struct mq_error *err);

/**
 * Whether a failure of mq_hybrid_load lies in the model itself (gone, damaged, of a newer form), so
 * that asking again will not help; any other may pass.
 */
bool mq_hybrid_is_unreadable(enum mq_status st);

/** model.json: what makes a folder of files a model. */
#define MQ_HYBRID_MODEL_JSON "model.json"
/** Longest model.json. */
#define MQ_HYBRID_MODEL_MAX_BYTES ((size_t)1 << 20)

/** Delete all that lies in a model's folder, model.json first. What is not there is fine. */
enum mq_status mq_hybrid_delete(struct mq_object_store *store, const char *region,
                                const char *version, struct mq_error *err);

#endif
