/**
 * What an artifact in the store holds right now, by content: the base of skipping and manifests.
 *
 * A file's content is its SHA-256; a folder's is that of its listing (key, size and ETag of every
 * object), which is taken as a stream: memory does not grow with the objects, and what a run has
 * seen of a folder is not listed again for its next step. A digest is taken over from what was
 * known before while the ETag is the same, so asking about an unchanged store reads no artifact.
 * Threads: reentrant.
 */
#ifndef MQ_FLOW_ARTIFACT_STATE_H
#define MQ_FLOW_ARTIFACT_STATE_H

#include <jansson.h>

#include "base/sha256.h"
#include "data/artifact.h"
#include "flow/steps.h"

struct mq_artifact_state {
    enum mq_artifact artifact;
    enum mq_program_type type;
    char key[MQ_OBJECT_KEY_MAX]; /**< of the file read (perhaps the alias) or the folder */
    bool exists;                 /**< for a folder: holds at least one object */
    int64_t size_bytes;          /**< of all objects */
    int64_t object_count;
    char etag[MQ_ETAG_MAX];          /**< "" for a folder */
    char sha256[MQ_SHA256_HEX_SIZE]; /**< "" when it does not exist */
    int schema_version;              /**< as recorded by the run that wrote it, else the table's */
    bool is_fresh;                   /**< seen in this run: a folder of input is not listed again */
};

/** States of all inputs or outputs of a step. Zero-initialise. */
struct mq_artifact_states {
    struct mq_artifact_state list[MQ_STEP_ARTIFACTS_MAX];
    int count;
};

/**
 * State of one artifact.
 * @param known states of an earlier look (any artifacts), for their digests; NULL: none
 * @param digest false: leave sha256 empty unless known (cheap: no artifact is read)
 * @return MQ_OK (also when it does not exist) | an error of the store | MQ_E_CANCELLED
 */
enum mq_status mq_artifact_state_read(struct mq_object_store *store, const char *region,
                                      enum mq_artifact artifact, enum mq_program_type type,
                                      const struct mq_artifact_states *known, bool digest,
                                      struct mq_artifact_state *ret_state, struct mq_error *err);

/** States of a list of artifacts, each kind of programme singly. */
enum mq_status mq_artifact_states_read(struct mq_object_store *store, const char *region,
                                       const struct mq_step_artifact *artifacts, int count,
                                       const struct mq_artifact_states *known, bool digest,
                                       struct mq_artifact_states *ret_states, struct mq_error *err);

/** The state of an artifact in a list, or NULL. */
const struct mq_artifact_state *mq_artifact_states_find(const struct mq_artifact_states *states,
                                                        enum mq_artifact artifact,
                                                        enum mq_program_type type);

/** As JSON, [{"artifact": …, "key": …, "bytes": …, "sha256": …, …}]; NULL: no memory. Owned. */
json_t *mq_artifact_states_to_json(const struct mq_artifact_states *states);

/** From JSON; entries of unknown artifacts are passed over. @return MQ_OK | MQ_E_FORMAT */
enum mq_status mq_artifact_states_from_json(const json_t *array,
                                            struct mq_artifact_states *ret_states,
                                            struct mq_error *err);

#endif
