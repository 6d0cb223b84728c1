#include <string.h>

#include "base/log.h"
#include "base/memory.h"
#include "model/hybrid_registry.h"
#include "rec/heat.h"
#include "rec/inverted_list_codec.h"
#include "rec/snapshot.h"

struct loading {
    struct mq_object_store *store;
    const char *region;
    unsigned parts;
    bool *missing; /* [MQ_ARTIFACT_COUNT] */
};

/* Open an artifact; *ret_reader stays NULL where it is missing and may be. */
static enum mq_status
open_part(const struct loading *loading, enum mq_artifact artifact, bool optional,
          struct mq_reader **ret_reader, struct mq_error *err)
{
    struct mq_error own = {0};
    enum mq_status st = mq_artifact_reader(loading->store, loading->region, artifact,
                                           MQ_PROGRAM_MOVIE, ret_reader, &own);
    if (st == MQ_E_NOT_FOUND && (optional || (loading->parts & MQ_SNAPSHOT_OPTIONAL) != 0)) {
        mq_log_debug("%s is not there: left out", mq_artifact_info(artifact)->name);
        loading->missing[artifact] = true;
        return MQ_OK;
    }
    if (st != MQ_OK && err != NULL)
        *err = own;
    return st;
}

/* One list that is missing leaves them all out: say which. */
static enum mq_status
note_missing_lists(const struct loading *loading, struct mq_error *err)
{
    enum mq_status st = MQ_OK;
    for (int p = 0; p < MQ_PROPERTY_COUNT && st == MQ_OK; p++) {
        enum mq_artifact artifact = mq_inverted_list_artifact((enum mq_property)p);
        bool exists = true;
        st = mq_artifact_exists(loading->store, loading->region, artifact, MQ_PROGRAM_MOVIE,
                                &exists, err);
        loading->missing[artifact] = !exists;
    }
    return st;
}

static enum mq_status
load_lists(const struct loading *loading, struct mq_snapshot_parts *parts, struct mq_error *err)
{
    struct mq_reader *reader = NULL;
    enum mq_status st = open_part(loading, MQ_ARTIFACT_ITEM_HEAT, true, &reader, err);
    if (st == MQ_OK && reader != NULL) {
        st = mq_alloc_array((size_t)parts->catalogue->count, sizeof(*parts->heat), &parts->heat,
                            err);
        if (st == MQ_OK)
            st = mq_artifact_damaged(MQ_ARTIFACT_ITEM_HEAT,
                                     mq_heat_read(parts->catalogue, reader, parts->heat, err), err);
        mq_reader_close(reader);
    }
    if (st != MQ_OK)
        return st;
    struct mq_error own = {0};
    st = mq_inverted_lists_load(loading->store, loading->region, parts->catalogue, &parts->lists,
                                &own);
    if (st == MQ_E_NOT_FOUND && (loading->parts & MQ_SNAPSHOT_OPTIONAL) != 0)
        return note_missing_lists(loading, err);
    if (st != MQ_OK && err != NULL)
        *err = own;
    return st;
}

static enum mq_status
load_vectors(const struct loading *loading, struct mq_snapshot_parts *parts, struct mq_error *err)
{
    struct mq_reader *reader = NULL;
    enum mq_status st = open_part(loading, MQ_ARTIFACT_ITEM_INDEX, false, &reader, err);
    if (st != MQ_OK || reader == NULL)
        return st;
    struct mq_vector_index *index = NULL;
    st = mq_vector_index_read(reader, &index, err);
    int64_t rows = st == MQ_OK ? mq_vector_index_count(index) : 0;
    if (st == MQ_OK && mq_vector_index_dim(index) != MQ_PORTRAIT_DIM)
        st = mq_fail(err, MQ_E_FORMAT, "'%s': item vectors of %d numbers (%d are due)",
                     reader->name, mq_vector_index_dim(index), MQ_PORTRAIT_DIM);
    if (st == MQ_OK && mq_vector_index_metric(index) != MQ_METRIC_INNER_PRODUCT)
        st = mq_fail(err, MQ_E_FORMAT, "'%s': an index by distance (one by inner product is due)",
                     reader->name);
    if (st == MQ_OK && rows > parts->catalogue->coded_count) {
        st = mq_fail(err, MQ_E_FORMAT,
                     "'%s': %lld item vectors, but only %d items have a code: they are of "
                     "another catalogue",
                     reader->name, (long long)rows, parts->catalogue->coded_count);
        mq_error_hint(err, "train again: `marquee run --change-type CONTENT`");
    }
    size_t values = (size_t)rows * MQ_PORTRAIT_DIM;
    if (st == MQ_OK)
        st = mq_alloc_array_raw(values, sizeof(*parts->vectors), &parts->vectors, err);
    if (st == MQ_OK) {
        memcpy(parts->vectors, mq_vector_index_vectors(index), values * sizeof(*parts->vectors));
        parts->vector_count = (int32_t)rows;
        if (mq_vector_index_kind(index) == MQ_INDEX_HNSW) {
            parts->graph = index;
            index = NULL;
        }
    }
    mq_vector_index_free(index);
    mq_reader_close(reader);
    return mq_artifact_damaged(MQ_ARTIFACT_ITEM_INDEX, st, err);
}

static enum mq_status
load_tower(const struct loading *loading, struct mq_snapshot_parts *parts, struct mq_error *err)
{
    struct mq_reader *reader = NULL;
    enum mq_status st = open_part(loading, MQ_ARTIFACT_USER_TOWER, false, &reader, err);
    if (st == MQ_OK && reader != NULL)
        st = mq_user_tower_read(reader, &parts->tower, err);
    mq_reader_close(reader);
    return mq_artifact_damaged(MQ_ARTIFACT_USER_TOWER, st, err);
}

static enum mq_status
load_rank(const struct loading *loading, struct mq_snapshot_parts *parts, struct mq_error *err)
{
    struct mq_reader *reader = NULL;
    enum mq_status st = open_part(loading, MQ_ARTIFACT_DEEPFM_MODEL, false, &reader, err);
    if (st != MQ_OK || reader == NULL)
        return st;
    struct mq_deepfm *deepfm = NULL;
    st = mq_deepfm_read(reader, &deepfm, err);
    mq_reader_close(reader);
    if (st != MQ_OK)
        return mq_artifact_damaged(MQ_ARTIFACT_DEEPFM_MODEL, st, err);
    struct mq_error own = {0};
    st = mq_item_features_load(loading->store, loading->region, parts->catalogue, &parts->features,
                               &own);
    if (st == MQ_OK) {
        parts->deepfm = deepfm;
        return MQ_OK;
    }
    mq_deepfm_free(deepfm);
    if (st == MQ_E_NOT_FOUND && (loading->parts & MQ_SNAPSHOT_OPTIONAL) != 0) {
        loading->missing[MQ_ARTIFACT_ITEM_FEATURES] = true;
        return MQ_OK;
    }
    if (err != NULL)
        *err = own;
    return st;
}

/* A model that is gone, damaged or newer: what to do about it. */
static enum mq_status
cannot_serve(enum mq_status st, const char *version, bool deployed, struct mq_error *err)
{
    if (deployed) {
        mq_fail_context(err, st, "cannot read the model that is to serve, '%s'", version);
        if (st != MQ_E_UNSUPPORTED) /* which tells what to install */
            mq_error_hint(err, "let another serve: marquee models rollback, or marquee models "
                               "promote VERSION (marquee models lists them)");
    } else {
        mq_fail_context(err, st, "cannot read the model of hybrid.version, '%s'", version);
        mq_error_hint(err, "name another (marquee models lists them), or leave the setting out");
    }
    return st;
}

/* hybrid.version, or the one that serves. */
static enum mq_status
load_hybrid(const struct loading *loading, const struct mq_config *config, struct mq_pool *pool,
            struct mq_hybrid **ret_hybrid, struct mq_error *err)
{
    struct mq_hybrid_pointer pointer = {0};
    const char *version = mq_config_text(config, "hybrid.version");
    enum mq_status st = MQ_OK;
    if (*version == '\0') {
        st = mq_hybrid_pointer_read(loading->store, loading->region, &pointer, err);
        version = pointer.version;
    }
    if (st == MQ_OK && *version != '\0') {
        st = mq_hybrid_load(loading->store, loading->region, version, pool, ret_hybrid, err);
        if (mq_hybrid_is_unreadable(st))
            st = cannot_serve(st, version, *pointer.version != '\0', err);
    } else if (st == MQ_OK && (loading->parts & MQ_SNAPSHOT_OPTIONAL) == 0) {
        st = mq_fail(err, MQ_E_NOT_FOUND, "no hybrid model serves in '%s', region %s",
                     mq_object_store_uri(loading->store), loading->region);
        mq_error_hint(err, "make one: marquee run --change-type RATING; or see: marquee models");
    }
    mq_hybrid_pointer_release(&pointer);
    return st;
}

/* Configurations that are missing stand at their defaults: the steps write them on the first run.
 */
static enum mq_status
load_config(const struct loading *loading, struct mq_recall_config *recall,
            struct mq_filter_config *filter, bool *ret_has_filter, struct mq_error *err)
{
    struct mq_reader *reader = NULL;
    enum mq_status st = open_part(loading, MQ_ARTIFACT_RECALL_CONFIG, true, &reader, err);
    if (st == MQ_OK && reader != NULL) {
        st = mq_artifact_damaged(MQ_ARTIFACT_RECALL_CONFIG,
                                 mq_recall_config_read(reader, recall, err), err);
        mq_reader_close(reader);
        reader = NULL;
    }
    if (st == MQ_OK)
        st = open_part(loading, MQ_ARTIFACT_FILTER_CONFIG, true, &reader, err);
    if (st == MQ_OK && reader != NULL) {
        st = mq_artifact_damaged(MQ_ARTIFACT_FILTER_CONFIG,
                                 mq_filter_config_read(reader, filter, err), err);
        *ret_has_filter = st == MQ_OK;
        mq_reader_close(reader);
    }
    return st;
}

enum mq_status
mq_snapshot_load(struct mq_object_store *store, const char *region, unsigned parts_wanted,
                 const struct mq_config *config, int64_t now_s, struct mq_pool *pool,
                 struct mq_snapshot **ret_snapshot, struct mq_error *err)
{
    bool missing[MQ_ARTIFACT_COUNT] = {false};
    const struct loading loading = {store, region, parts_wanted, missing};
    struct mq_snapshot_parts parts = {0};
    struct mq_recall_config recall;
    struct mq_filter_config filter = {0};
    bool has_filter = false;
    mq_recall_config_default(&recall);
    enum mq_status st = mq_catalogue_load(store, region, &parts.catalogue, err);
    if (st == MQ_OK && (parts_wanted & MQ_SNAPSHOT_LISTS) != 0)
        st = load_lists(&loading, &parts, err);
    if (st == MQ_OK && (parts_wanted & MQ_SNAPSHOT_VECTORS) != 0)
        st = load_vectors(&loading, &parts, err);
    if (st == MQ_OK && (parts_wanted & MQ_SNAPSHOT_TOWER) != 0)
        st = load_tower(&loading, &parts, err);
    if (st == MQ_OK && (parts_wanted & MQ_SNAPSHOT_RANK) != 0)
        st = load_rank(&loading, &parts, err);
    if (st == MQ_OK && (parts_wanted & MQ_SNAPSHOT_CONFIG) != 0)
        st = load_config(&loading, &recall, &filter, &has_filter, err);
    if (st == MQ_OK && (parts_wanted & MQ_SNAPSHOT_HYBRID) != 0)
        st = load_hybrid(&loading, config, pool, &parts.hybrid, err);
    parts.recall = &recall;
    parts.filter = has_filter ? &filter : NULL;
    if (st == MQ_OK)
        st = mq_snapshot_assemble(&parts, config, now_s, pool, ret_snapshot, err);
    if (st == MQ_OK)
        memcpy((*ret_snapshot)->missing, missing, sizeof(missing));
    if (st != MQ_OK) {
        mq_filter_config_release(&filter);
        mq_inverted_lists_free(parts.lists);
        mq_free(parts.heat);
        mq_free(parts.vectors);
        mq_vector_index_free(parts.graph);
        mq_user_tower_free(parts.tower);
        mq_deepfm_free(parts.deepfm);
        mq_item_features_free(parts.features);
        mq_hybrid_free(parts.hybrid);
        mq_catalogue_free(parts.catalogue);
    }
    return st;
}
