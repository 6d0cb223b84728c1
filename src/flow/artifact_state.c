#include "flow/artifact_state.h"

#include <stdio.h>
#include <string.h>

#include "base/memory.h"

struct listing {
    struct mq_sha256 *digest;
    int64_t size_bytes, object_count;
};

static enum mq_status
visit_object(void *context, const char *key, const struct mq_object_info *info,
             struct mq_error *err)
{
    struct listing *listing = context;
    listing->size_bytes += info->size_bytes;
    listing->object_count++;
    char line[MQ_OBJECT_KEY_MAX + MQ_ETAG_MAX + 32];
    int n = snprintf(line, sizeof(line), "%s\n%lld\n%s\n", key, (long long)info->size_bytes,
                     info->etag);
    return mq_sha256_add(listing->digest, line, (size_t)n, err);
}

static enum mq_status
read_folder(struct mq_object_store *store, struct mq_artifact_state *state, struct mq_error *err)
{
    struct listing listing = {0};
    enum mq_status st = mq_sha256_new(&listing.digest, err);
    if (st != MQ_OK)
        return st;
    st = mq_object_list(store, state->key, visit_object, &listing, err);
    if (st == MQ_OK)
        st = mq_sha256_hex(listing.digest, state->sha256, err);
    mq_sha256_free(listing.digest);
    if (st != MQ_OK)
        return st;
    state->exists = listing.object_count > 0;
    if (!state->exists)
        state->sha256[0] = '\0';
    state->size_bytes = listing.size_bytes;
    state->object_count = listing.object_count;
    return MQ_OK;
}

static enum mq_status
digest_file(struct mq_object_store *store, struct mq_artifact_state *state, struct mq_error *err)
{
    struct mq_reader *reader;
    enum mq_status st = mq_object_reader(store, state->key, &reader, err);
    if (st != MQ_OK)
        return st;
    st = mq_sha256_of_reader(reader, state->sha256, NULL, err);
    mq_reader_close(reader);
    return st;
}

static enum mq_status
read_file(struct mq_object_store *store, const char *region, const struct mq_artifact_state *known,
          bool digest, struct mq_artifact_state *state, struct mq_error *err)
{
    struct mq_object_info info;
    struct mq_error error = {0};
    enum mq_status st = mq_object_stat(store, state->key, &info, &error);
    const char *alias = mq_artifact_info(state->artifact)->alias;
    if (st == MQ_E_NOT_FOUND && alias != NULL) {
        char key[MQ_OBJECT_KEY_MAX];
        int n = snprintf(key, sizeof(key), "%s/%s", region, alias);
        if (n > 0 && (size_t)n < sizeof(key)) {
            st = mq_object_stat(store, key, &info, &error);
            if (st == MQ_OK)
                memcpy(state->key, key, sizeof(key));
        }
    }
    if (st == MQ_E_NOT_FOUND)
        return MQ_OK;
    if (st != MQ_OK) {
        if (err != NULL)
            *err = error;
        return st;
    }
    state->exists = true;
    state->size_bytes = info.size_bytes;
    state->object_count = 1;
    memcpy(state->etag, info.etag, sizeof(state->etag));
    if (known != NULL && known->sha256[0] != '\0' && strcmp(known->etag, info.etag) == 0 &&
        known->size_bytes == info.size_bytes && strcmp(known->key, state->key) == 0) {
        memcpy(state->sha256, known->sha256, sizeof(state->sha256));
        return MQ_OK;
    }
    return digest ? digest_file(store, state, err) : MQ_OK;
}

enum mq_status
mq_artifact_state_read(struct mq_object_store *store, const char *region, enum mq_artifact artifact,
                       enum mq_program_type type, const struct mq_artifact_states *known,
                       bool digest, struct mq_artifact_state *ret_state, struct mq_error *err)
{
    const struct mq_artifact_info *info = mq_artifact_info(artifact);
    struct mq_artifact_state state = {
        .artifact = artifact, .type = type, .schema_version = info->schema_version};
    enum mq_status st = mq_artifact_key(region, artifact, type, state.key, err);
    if (st != MQ_OK)
        return st;
    const struct mq_artifact_state *before =
        known != NULL ? mq_artifact_states_find(known, artifact, type) : NULL;
    if (info->codec != MQ_CODEC_FOLDER)
        st = read_file(store, region, before, digest, &state, err);
    else if (before != NULL && before->is_fresh && strcmp(before->key, state.key) == 0)
        state = *before;
    else
        st = read_folder(store, &state, err);
    state.is_fresh = true;
    if (st == MQ_OK)
        *ret_state = state;
    return st;
}

enum mq_status
mq_artifact_states_read(struct mq_object_store *store, const char *region,
                        const struct mq_step_artifact *artifacts, int count,
                        const struct mq_artifact_states *known, bool digest,
                        struct mq_artifact_states *ret_states, struct mq_error *err)
{
    ret_states->count = 0;
    for (int i = 0; i < count; i++) {
        int types = mq_artifact_is_typed(artifacts[i].artifact) ? MQ_PROGRAM_TYPE_COUNT : 1;
        for (int t = 0; t < types; t++) {
            if (ret_states->count == MQ_STEP_ARTIFACTS_MAX)
                return mq_fail(err, MQ_E_INTERNAL, "more than %d artifacts of one step",
                               MQ_STEP_ARTIFACTS_MAX);
            enum mq_status st = mq_artifact_state_read(store, region, artifacts[i].artifact,
                                                       (enum mq_program_type)t, known, digest,
                                                       &ret_states->list[ret_states->count], err);
            if (st != MQ_OK)
                return st;
            ret_states->count++;
        }
    }
    return MQ_OK;
}

const struct mq_artifact_state *
mq_artifact_states_find(const struct mq_artifact_states *states, enum mq_artifact artifact,
                        enum mq_program_type type)
{
    for (int i = 0; i < states->count; i++)
        if (states->list[i].artifact == artifact && states->list[i].type == type)
            return &states->list[i];
    return NULL;
}

json_t *
mq_artifact_states_to_json(const struct mq_artifact_states *states)
{
    json_t *array = json_array();
    for (int i = 0; array != NULL && i < states->count; i++) {
        const struct mq_artifact_state *s = &states->list[i];
        json_t *entry =
            json_pack("{s:s, s:s, s:b, s:I, s:I, s:s, s:s, s:i}", "artifact",
                      mq_artifact_info(s->artifact)->name, "key", s->key, "exists", (int)s->exists,
                      "bytes", (json_int_t)s->size_bytes, "objects", (json_int_t)s->object_count,
                      "etag", s->etag, "sha256", s->sha256, "schema", s->schema_version);
        if (entry == NULL || json_array_append_new(array, entry) != 0) {
            json_decref(array);
            return NULL;
        }
    }
    return array;
}

static int
find_artifact_by_name(const char *name)
{
    for (int a = 0; a < MQ_ARTIFACT_COUNT; a++)
        if (strcmp(mq_artifact_info((enum mq_artifact)a)->name, name) == 0)
            return a;
    return -1;
}

/* The kind of programme is read back from the path: "…/tv/…". */
static enum mq_program_type
type_of_key(enum mq_artifact artifact, const char *key)
{
    if (!mq_artifact_is_typed(artifact))
        return MQ_PROGRAM_MOVIE;
    for (int t = 0; t < MQ_PROGRAM_TYPE_COUNT; t++) {
        char part[32];
        snprintf(part, sizeof(part), "/%s/", mq_program_type_name((enum mq_program_type)t));
        if (strstr(key, part) != NULL)
            return (enum mq_program_type)t;
    }
    return MQ_PROGRAM_MOVIE;
}

enum mq_status
mq_artifact_states_from_json(const json_t *array, struct mq_artifact_states *ret_states,
                             struct mq_error *err)
{
    struct mq_artifact_states states = {0};
    if (!json_is_array(array))
        return mq_fail(err, MQ_E_FORMAT, "artifact list is not an array");
    for (size_t i = 0; i < json_array_size(array) && states.count < MQ_STEP_ARTIFACTS_MAX; i++) {
        const char *name, *key, *etag, *sha256;
        int exists, schema;
        json_int_t bytes, objects;
        if (json_unpack(json_array_get(array, i), "{s:s, s:s, s:b, s:I, s:I, s:s, s:s, s:i}",
                        "artifact", &name, "key", &key, "exists", &exists, "bytes", &bytes,
                        "objects", &objects, "etag", &etag, "sha256", &sha256, "schema",
                        &schema) != 0)
            return mq_fail(err, MQ_E_FORMAT, "artifact %zu of the list is malformed", i);
        int artifact = find_artifact_by_name(name);
        if (artifact < 0)
            continue;
        struct mq_artifact_state *s = &states.list[states.count++];
        *s = (struct mq_artifact_state){.artifact = (enum mq_artifact)artifact,
                                        .type = type_of_key((enum mq_artifact)artifact, key),
                                        .exists = exists != 0,
                                        .size_bytes = bytes,
                                        .object_count = objects,
                                        .schema_version = schema};
        snprintf(s->key, sizeof(s->key), "%s", key);
        snprintf(s->etag, sizeof(s->etag), "%s", etag);
        snprintf(s->sha256, sizeof(s->sha256), "%s", sha256);
    }
    *ret_states = states;
    return MQ_OK;
}
