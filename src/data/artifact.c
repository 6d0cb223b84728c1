#include "data/artifact.h"

#include <ctype.h>
#include <pthread.h>
#include <stdio.h>
#include <string.h>

#include "base/memory.h"
#include "store/json_object.h"

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

/* The step that makes an artifact; NULL for input. */
static const char *
maker(enum mq_artifact artifact)
{
    switch (artifact) {
    case MQ_ARTIFACT_ITEM_CSV:
    case MQ_ARTIFACT_ITEM_PARQUET:
        return "item-preprocessing";
    case MQ_ARTIFACT_USER_CSV:
        return "user-preprocessing";
    case MQ_ARTIFACT_ACTION_CSV:
    case MQ_ARTIFACT_ACTION_PARQUET:
    case MQ_ARTIFACT_ACTION_REJECTS:
        return "action-preprocessing";
    case MQ_ARTIFACT_VALIDATION:
        return "validate-data";
    case MQ_ARTIFACT_SILVER_DAYS:
    case MQ_ARTIFACT_SILVER_RATINGS:
    case MQ_ARTIFACT_USER_FEATURES:
    case MQ_ARTIFACT_MOVIE_FEATURES:
    case MQ_ARTIFACT_FEATURE_WRITES:
        return "extract-features";
    case MQ_ARTIFACT_HYBRID_CANDIDATE:
        return "train-hybrid";
    case MQ_ARTIFACT_HYBRID_EVALUATION:
        return "evaluate";
    case MQ_ARTIFACT_HYBRID_CURRENT:
        return "deploy";
    case MQ_ARTIFACT_PROPERTY_DICT:
    case MQ_ARTIFACT_LIST_CATEGORY:
    case MQ_ARTIFACT_LIST_DIRECTOR:
    case MQ_ARTIFACT_LIST_ACTOR:
    case MQ_ARTIFACT_LIST_LANGUAGE:
    case MQ_ARTIFACT_LIST_LEVEL:
    case MQ_ARTIFACT_LIST_YEAR:
    case MQ_ARTIFACT_ITEM_HEAT:
        return "inverted-list";
    case MQ_ARTIFACT_ITEM_FEATURES:
        return "item-feature-update-batch";
    case MQ_ARTIFACT_RAW_EMBED_ITEM:
    case MQ_ARTIFACT_EMBED_RAW_ITEM:
    case MQ_ARTIFACT_RAW_EMBED_USER:
    case MQ_ARTIFACT_EMBED_RAW_USER:
        return "add-item-user-batch";
    case MQ_ARTIFACT_ITEM_EMBEDDINGS:
    case MQ_ARTIFACT_ITEM_INDEX:
    case MQ_ARTIFACT_USER_TOWER:
        return "model-update-ub";
    case MQ_ARTIFACT_DEEPFM_MODEL:
        return "model-update-deepfm";
    case MQ_ARTIFACT_PORTRAIT:
        return "portrait-batch";
    case MQ_ARTIFACT_RECALL_RESULT:
        return "recall-batch";
    case MQ_ARTIFACT_RANK_RESULT:
        return "rank-batch";
    case MQ_ARTIFACT_FILTER_RESULT:
    case MQ_ARTIFACT_FILTER_CONFIG:
        return "filter-batch";
    case MQ_ARTIFACT_RECALL_CONFIG:
        return "weight-update-batch";
    default:
        return NULL;
    }
}

const char *
mq_artifact_step(enum mq_artifact artifact)
{
    return maker(artifact);
}

void
mq_artifact_hint_maker(enum mq_artifact artifact, const char *step, struct mq_error *err)
{
    if (artifact == MQ_ARTIFACT_BRONZE_EVENTS)
        mq_error_hint(err, "`marquee consume` writes it, and so do `marquee import movielens PATH "
                           "--as events` and `marquee import csv FILE --as events`");
    else if (step != NULL)
        mq_error_hint(err,
                      "%s makes it: `marquee step %s`, or let `marquee run` make all that is "
                      "missing",
                      step, step);
    else
        mq_error_hint(err, "it is input: put it there, or use `marquee import movielens PATH`, "
                           "`marquee import csv FILE`, or `marquee simulate`");
}

void
mq_artifact_hint_damaged(enum mq_artifact artifact, struct mq_error *err)
{
    switch (artifact) {
    case MQ_ARTIFACT_RECALL_CONFIG:
    case MQ_ARTIFACT_FILTER_CONFIG:
        /* The step goes on from the file that is there. */
        mq_error_hint(err,
                      "put a good copy back, or remove it and start from the defaults: "
                      "`marquee step %s`",
                      maker(artifact));
        break;
    case MQ_ARTIFACT_RAW_EMBED_ITEM:
    case MQ_ARTIFACT_RAW_EMBED_USER:
        mq_error_hint(err,
                      "put a good copy back, or remove it: `marquee run --change-type CONTENT` "
                      "then gives new codes (%s) and trains the models anew",
                      maker(artifact));
        break;
    default:
        if (maker(artifact) != NULL)
            mq_error_hint(err, "%s makes it anew: `marquee step %s`", maker(artifact),
                          maker(artifact));
        else
            mq_artifact_hint_maker(artifact, maker(artifact), err);
    }
}

enum mq_status
mq_artifact_damaged(enum mq_artifact artifact, enum mq_status st, struct mq_error *err)
{
    bool at_fault = st == MQ_E_FORMAT || st == MQ_E_UNSUPPORTED;
    if (!at_fault || err == NULL || strstr(err->hint, "`marquee ") != NULL)
        return st;
    char before[MQ_ERROR_HINT_MAX];
    memcpy(before, err->hint, sizeof(before));
    mq_artifact_hint_damaged(artifact, err);
    char made[MQ_ERROR_HINT_MAX];
    memcpy(made, err->hint, sizeof(made));
    if (before[0] != '\0')
        mq_error_hint(err, "%s; %s", made, before);
    return st;
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
    mq_artifact_hint_maker(artifact, maker(artifact), err);
    return st;
}

enum mq_status
mq_artifact_refused(struct mq_object_store *store, const char *region, enum mq_status st,
                    struct mq_error *err)
{
    if (st != MQ_E_NOT_FOUND)
        return st;
    bool has_input = true;
    struct mq_error own = {0};
    if (mq_artifact_exists(store, region, MQ_ARTIFACT_ITEM_BASIC, MQ_PROGRAM_MOVIE, &has_input,
                           &own) == MQ_OK &&
        !has_input)
        (void)!mq_artifact_missing(store, region, MQ_ARTIFACT_ITEM_BASIC, MQ_PROGRAM_MOVIE, err);
    if (err != NULL)
        err->code = MQ_E_INPUT;
    return MQ_E_INPUT;
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

enum mq_status
mq_artifact_put_json(struct mq_object_store *store, const char *region, enum mq_artifact artifact,
                     const struct json_t *document, struct mq_error *err)
{
    char key[MQ_OBJECT_KEY_MAX];
    enum mq_status st = mq_artifact_key(region, artifact, MQ_PROGRAM_MOVIE, key, err);
    return st == MQ_OK ? mq_object_put_json(store, key, document, MQ_JSON_INDENTED, 0,
                                            MQ_PUT_ALWAYS, NULL, NULL, err)
                       : st;
}
