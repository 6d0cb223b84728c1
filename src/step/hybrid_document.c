#include "step/hybrid_document.h"

#include "model/hybrid_files.h"

enum mq_status
mq_hybrid_document_read(struct mq_step_context *context, enum mq_artifact artifact,
                        json_t **ret_document, const char **ret_version, struct mq_error *err)
{
    struct mq_reader *reader;
    json_t *document = NULL;
    const char *version = NULL;
    enum mq_status st = mq_artifact_reader(context->store, context->region, artifact,
                                           MQ_PROGRAM_MOVIE, &reader, err);
    if (st != MQ_OK)
        return st;
    st = mq_json_read(reader, MQ_HYBRID_DOCUMENT_MAX_BYTES, &document, err);
    mq_reader_close(reader);
    if (st == MQ_OK) {
        st = mq_json_need_text(document, "version", &version, err);
        if (st == MQ_OK && !mq_hybrid_version_is_valid(version))
            st = mq_fail(err, MQ_E_FORMAT, "'%.40s' is no version of a model", version);
        if (st != MQ_OK)
            st = mq_fail_context(err, st, "'%s/%s/%s'", mq_object_store_uri(context->store),
                                 context->region, mq_artifact_info(artifact)->path);
    }
    if (st != MQ_OK) {
        json_decref(document);
        return mq_artifact_damaged(artifact, st, err);
    }
    *ret_document = document;
    *ret_version = version;
    return MQ_OK;
}
