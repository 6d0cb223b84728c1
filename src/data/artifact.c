#include "data/artifact.h"

#include <ctype.h>
#include <pthread.h>
#include <stdio.h>
#include <string.h>

#include "base/memory.h"

static const struct {
    const char *id;
    struct mq_artifact_info info;
} table[MQ_ARTIFACT_COUNT] = {
#define ARTIFACT(i, p, c, s, a, h) {#i, {NULL, p, MQ_CODEC_##c, s, a, h}},
#include "data/artifact.def"
#undef ARTIFACT
};

/* The table with names made from the ids: "RECALL_RESULT" is "recall-result". */
static struct mq_artifact_info infos[MQ_ARTIFACT_COUNT];
static char names[MQ_ARTIFACT_COUNT][32];
static pthread_once_t names_once = PTHREAD_ONCE_INIT;

static void
make_names(void)
{
    for (size_t i = 0; i < MQ_ARTIFACT_COUNT; i++) {
        size_t n = 0;
        for (; table[i].id[n] != '\0' && n < sizeof(names[i]) - 1; n++)
            names[i][n] =
                table[i].id[n] == '_' ? '-' : (char)tolower((unsigned char)table[i].id[n]);
        infos[i] = table[i].info;
        infos[i].name = names[i];
    }
}

const struct mq_artifact_info *
mq_artifact_info(enum mq_artifact artifact)
{
    pthread_once(&names_once, make_names);
    return &infos[artifact];
}

bool
mq_artifact_is_typed(enum mq_artifact artifact)
{
    return strstr(table[artifact].info.path, "{type}") != NULL;
}

const char *
mq_program_type_name(enum mq_program_type type)
{
    return type == MQ_PROGRAM_TV ? "tv" : "movie";
}

/* What a person runs to get a missing artifact. */
static const char *
maker(enum mq_artifact artifact)
{
    switch (artifact) {
    case MQ_ARTIFACT_ACTION_LOGS:
    case MQ_ARTIFACT_PROFILE_MAP:
    case MQ_ARTIFACT_ITEM_BASIC:
    case MQ_ARTIFACT_ITEM_EXPAND:
        return "put it there, or run `marquee import movielens|csv` or `marquee simulate`";
    case MQ_ARTIFACT_ITEM_CSV:
    case MQ_ARTIFACT_ITEM_PARQUET:
        return "run `marquee step item-preprocessing`";
    case MQ_ARTIFACT_USER_CSV:
        return "run `marquee step user-preprocessing`";
    case MQ_ARTIFACT_ACTION_CSV:
    case MQ_ARTIFACT_ACTION_PARQUET:
    case MQ_ARTIFACT_ACTION_REJECTS:
        return "run `marquee step action-preprocessing`";
    case MQ_ARTIFACT_PROPERTY_DICT:
    case MQ_ARTIFACT_LIST_CATEGORY:
    case MQ_ARTIFACT_LIST_DIRECTOR:
    case MQ_ARTIFACT_LIST_ACTOR:
    case MQ_ARTIFACT_LIST_LANGUAGE:
    case MQ_ARTIFACT_LIST_LEVEL:
    case MQ_ARTIFACT_LIST_YEAR:
    case MQ_ARTIFACT_ITEM_HEAT:
        return "run `marquee step inverted-list`";
    case MQ_ARTIFACT_ITEM_FEATURES:
        return "run `marquee step item-feature-update-batch`";
    case MQ_ARTIFACT_RAW_EMBED_ITEM:
    case MQ_ARTIFACT_EMBED_RAW_ITEM:
    case MQ_ARTIFACT_RAW_EMBED_USER:
    case MQ_ARTIFACT_EMBED_RAW_USER:
        return "run `marquee step add-item-user-batch`";
    case MQ_ARTIFACT_ITEM_EMBEDDINGS:
    case MQ_ARTIFACT_ITEM_INDEX:
    case MQ_ARTIFACT_USER_TOWER:
        return "run `marquee step model-update-ub`, or `marquee run --change-type CONTENT`";
    case MQ_ARTIFACT_DEEPFM_MODEL:
        return "run `marquee step model-update-deepfm`, or `marquee run --change-type CONTENT`";
    case MQ_ARTIFACT_PORTRAIT:
        return "run `marquee step portrait-batch`";
    case MQ_ARTIFACT_RECALL_RESULT:
        return "run `marquee step recall-batch`";
    case MQ_ARTIFACT_RANK_RESULT:
        return "run `marquee step rank-batch`";
    case MQ_ARTIFACT_FILTER_RESULT:
        return "run `marquee step filter-batch`";
    case MQ_ARTIFACT_RECALL_CONFIG:
        return "run `marquee step weight-update-batch`";
    default:
        return "run `marquee run`";
    }
}

static enum mq_status
make_key(const char *region, const char *path, enum mq_program_type type,
         char ret_key[MQ_OBJECT_KEY_MAX], struct mq_error *err)
{
    if (region == NULL || *region == '\0' || strchr(region, '/') != NULL)
        return mq_fail(err, MQ_E_RANGE, "region '%.64s' is empty or holds a '/'",
                       region != NULL ? region : "");
    const char *mark = strstr(path, "{type}");
    char key[MQ_OBJECT_KEY_MAX];
    int n;
    if (mark != NULL)
        n = snprintf(key, sizeof(key), "%s/%.*s%s%s", region, (int)(mark - path), path,
                     mq_program_type_name(type), mark + strlen("{type}"));
    else
        n = snprintf(key, sizeof(key), "%s/%s", region, path);
    if (n >= (int)sizeof(key))
        return mq_fail(err, MQ_E_RANGE, "region '%.64s…' is too long", region);
    memcpy(ret_key, key, (size_t)n + 1);
    return MQ_OK;
}

enum mq_status
mq_artifact_key(const char *region, enum mq_artifact artifact, enum mq_program_type type,
                char ret_key[MQ_OBJECT_KEY_MAX], struct mq_error *err)
{
    return make_key(region, table[artifact].info.path, type, ret_key, err);
}

enum mq_status
mq_artifact_missing(struct mq_object_store *store, const char *region, enum mq_artifact artifact,
                    enum mq_program_type type, struct mq_error *err)
{
    char key[MQ_OBJECT_KEY_MAX];
    enum mq_status st = mq_artifact_key(region, artifact, type, key, err);
    if (st != MQ_OK)
        return st;
    st = mq_fail(err, MQ_E_NOT_FOUND, "%s is missing: '%s/%s' (%s)",
                 mq_artifact_info(artifact)->name, mq_object_store_uri(store), key,
                 table[artifact].info.help);
    mq_error_hint(err, "%s", maker(artifact));
    return st;
}

enum mq_status
mq_artifact_find(struct mq_object_store *store, const char *region, enum mq_artifact artifact,
                 enum mq_program_type type, char ret_key[MQ_OBJECT_KEY_MAX],
                 struct mq_object_info *ret_info, struct mq_error *err)
{
    const struct mq_artifact_info *info = mq_artifact_info(artifact);
    if (info->codec == MQ_CODEC_FOLDER)
        return mq_fail(err, MQ_E_USAGE, "%s is a folder of objects, not one object", info->name);
    const char *const paths[2] = {info->path, info->alias};
    for (int i = 0; i < 2 && paths[i] != NULL; i++) {
        char key[MQ_OBJECT_KEY_MAX];
        struct mq_object_info found;
        enum mq_status st = make_key(region, paths[i], type, key, err);
        if (st == MQ_OK)
            st = mq_object_stat(store, key, &found, err);
        if (st == MQ_OK) {
            memcpy(ret_key, key, strlen(key) + 1);
            if (ret_info != NULL)
                *ret_info = found;
            return MQ_OK;
        }
        if (st != MQ_E_NOT_FOUND)
            return st;
    }
    return mq_artifact_missing(store, region, artifact, type, err);
}

enum mq_status
mq_artifact_reader(struct mq_object_store *store, const char *region, enum mq_artifact artifact,
                   enum mq_program_type type, struct mq_reader **ret_reader, struct mq_error *err)
{
    char key[MQ_OBJECT_KEY_MAX];
    enum mq_status st = mq_artifact_find(store, region, artifact, type, key, NULL, err);
    return st != MQ_OK ? st : mq_object_reader(store, key, ret_reader, err);
}

enum mq_status
mq_artifact_writer(struct mq_object_store *store, const char *region, enum mq_artifact artifact,
                   enum mq_program_type type, struct mq_writer **ret_writer, struct mq_error *err)
{
    char key[MQ_OBJECT_KEY_MAX];
    enum mq_status st = mq_artifact_key(region, artifact, type, key, err);
    return st != MQ_OK ? st : mq_object_writer(store, key, ret_writer, err);
}

/* Stops a listing at its first object. */
static enum mq_status
note_one(void *context, const char *key, const struct mq_object_info *info, struct mq_error *err)
{
    (void)key;
    (void)info;
    *(bool *)context = true;
    return mq_fail(err, MQ_E_CANCELLED, "found one");
}

enum mq_status
mq_artifact_exists(struct mq_object_store *store, const char *region, enum mq_artifact artifact,
                   enum mq_program_type type, bool *ret_exists, struct mq_error *err)
{
    char key[MQ_OBJECT_KEY_MAX];
    struct mq_error local;
    bool found = false;
    enum mq_status st;
    if (mq_artifact_info(artifact)->codec == MQ_CODEC_FOLDER) {
        st = mq_artifact_key(region, artifact, type, key, &local);
        if (st == MQ_OK)
            st = mq_object_list(store, key, note_one, &found, &local);
        if (found)
            st = MQ_OK;
    } else {
        st = mq_artifact_find(store, region, artifact, type, key, NULL, &local);
        found = st == MQ_OK;
        if (st == MQ_E_NOT_FOUND)
            st = MQ_OK;
    }
    if (st == MQ_OK)
        *ret_exists = found;
    else if (err != NULL)
        *err = local;
    return st;
}
