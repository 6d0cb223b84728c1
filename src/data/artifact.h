/**
 * The artifact table: every file that steps exchange, declared once: name, path, codec.
 *
 * Paths are relative to <store uri>/<region>/ and are those of seed 000's S3 tree, so readers of
 * the old data lake go on working. "{type}" stands for "movie" or "tv". Threads: static data.
 */
#ifndef MQ_DATA_ARTIFACT_H
#define MQ_DATA_ARTIFACT_H

#include "base/stream.h"
#include "marquee/status.h"
#include "store/object_store.h"

/** The two kinds of programme; artifacts with "{type}" exist once for each. */
enum mq_program_type { MQ_PROGRAM_MOVIE = 0, MQ_PROGRAM_TV, MQ_PROGRAM_TYPE_COUNT };

enum mq_codec {
    MQ_CODEC_FOLDER, /**< all objects under a prefix: raw input */
    MQ_CODEC_CSV,
    MQ_CODEC_PARQUET,
    MQ_CODEC_PICKLE,
    MQ_CODEC_NPY,
    MQ_CODEC_FAISS,
    MQ_CODEC_HDF5,
    MQ_CODEC_TAR_GZ,
    MQ_CODEC_JSON,
};

enum mq_artifact {
#define ARTIFACT(id, path, codec, schema, alias, help) MQ_ARTIFACT_##id,
#include "data/artifact.def"
#undef ARTIFACT
    MQ_ARTIFACT_COUNT
};

struct mq_artifact_info {
    const char *name; /**< the id in lower case: "recall-result" */
    const char *path; /**< relative, may hold "{type}"; a folder ends in '/' */
    enum mq_codec codec;
    int schema_version; /**< written to the manifest; an unknown one is refused */
    const char *alias;  /**< older spelling, read but never written; NULL where none */
    const char *help;
};

/** Row of the table; never NULL for a valid id. */
const struct mq_artifact_info *mq_artifact_info(enum mq_artifact artifact);

/** Whether the path holds "{type}". */
bool mq_artifact_is_typed(enum mq_artifact artifact);

/** "movie" or "tv". */
const char *mq_program_type_name(enum mq_program_type type);

/**
 * Object key "<region>/<path>" of an artifact.
 * @param type ignored unless typed
 * @return MQ_OK | MQ_E_RANGE (region is empty or holds '/', or the key is too long)
 */
enum mq_status mq_artifact_key(const char *region, enum mq_artifact artifact,
                               enum mq_program_type type, char ret_key[MQ_OBJECT_KEY_MAX],
                               struct mq_error *err);

/**
 * The key under which an artifact is there: its own, or its alias's. Not for folders.
 * @param ret_info may be NULL
 * @return MQ_OK | MQ_E_NOT_FOUND (as mq_artifact_missing) | MQ_E_USAGE (a folder)
 */
enum mq_status mq_artifact_find(struct mq_object_store *store, const char *region,
                                enum mq_artifact artifact, enum mq_program_type type,
                                char ret_key[MQ_OBJECT_KEY_MAX], struct mq_object_info *ret_info,
                                struct mq_error *err);

/** Record MQ_E_NOT_FOUND for an artifact: its name, URI, and the command that makes it. */
enum mq_status mq_artifact_missing(struct mq_object_store *store, const char *region,
                                   enum mq_artifact artifact, enum mq_program_type type,
                                   struct mq_error *err);

/**
 * For what a person asked of a store: a missing artifact is refused input (MQ_E_INPUT). On a store
 * without a catalogue the message is about that, since no step helps before an import.
 * @param st outcome of a load; anything but MQ_E_NOT_FOUND is returned as it is
 */
enum mq_status mq_artifact_refused(struct mq_object_store *store, const char *region,
                                   enum mq_status st, struct mq_error *err);

/**
 * Open an artifact for reading; falls back to its alias.
 * @return MQ_OK | MQ_E_NOT_FOUND (message names the artifact, the URI, and which step makes it)
 */
enum mq_status mq_artifact_reader(struct mq_object_store *store, const char *region,
                                  enum mq_artifact artifact, enum mq_program_type type,
                                  struct mq_reader **ret_reader, struct mq_error *err);

/** The step that makes it ("recall-batch"); NULL for input. Static. */
const char *mq_artifact_step(enum mq_artifact artifact);

/** Set the hint for an artifact that is missing: the step that makes it, or how input gets there.
 * @param step its maker; NULL: it is input */
void mq_artifact_hint_maker(enum mq_artifact artifact, const char *step, struct mq_error *err);

/** Set the hint for an artifact whose bytes are of no use: how to have it made anew. */
void mq_artifact_hint_damaged(enum mq_artifact artifact, struct mq_error *err);

/**
 * Every reader of an artifact passes its outcome through here: where the bytes are at fault
 * (MQ_E_FORMAT, MQ_E_UNSUPPORTED) and the hint names no command yet, it says first which step
 * makes the artifact anew, and how. The message names the file: parsers use the reader's name.
 * @return st
 */
enum mq_status mq_artifact_damaged(enum mq_artifact artifact, enum mq_status st,
                                   struct mq_error *err);

struct json_t;

/** Publish a small artifact that is one JSON document, indented.
 * @param document borrowed; NULL: there was no memory to make it */
enum mq_status mq_artifact_put_json(struct mq_object_store *store, const char *region,
                                    enum mq_artifact artifact, const struct json_t *document,
                                    struct mq_error *err);

/** Open an artifact for writing; published by mq_writer_commit. */
enum mq_status mq_artifact_writer(struct mq_object_store *store, const char *region,
                                  enum mq_artifact artifact, enum mq_program_type type,
                                  struct mq_writer **ret_writer, struct mq_error *err);

/** Whether it (or its alias; for a folder: any object below it) exists. */
enum mq_status mq_artifact_exists(struct mq_object_store *store, const char *region,
                                  enum mq_artifact artifact, enum mq_program_type type,
                                  bool *ret_exists, struct mq_error *err);

#endif
