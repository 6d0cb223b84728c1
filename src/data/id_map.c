#include "data/id_map.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/memory.h"
#include "format/pickle_reader.h"
#include "format/pickle_writer.h"

/* Entries as they come, to be put in code order afterwards. */
struct loading {
    struct mq_strmap seen; /* ids in file order */
    int64_t *codes;        /* [seen.count] */
    size_t capacity;
    const char *name;
};

static enum mq_status
take_entry(void *context, const struct mq_pickle_value *key, const struct mq_pickle_value *value,
           struct mq_error *err)
{
    struct loading *loading = context;
    const char *id = NULL;
    size_t size = 0;
    char digits[32];
    int64_t number, code;
    if (key != NULL && mq_pickle_as_int(key, &number)) {
        size = (size_t)snprintf(digits, sizeof(digits), "%" PRId64, number);
        id = digits;
    } else if (key == NULL || !mq_pickle_as_text(key, &id, &size)) {
        return mq_fail(err, MQ_E_FORMAT, "'%s' is no map of ids: a key is a %s", loading->name,
                       key != NULL ? mq_pickle_kind_name(key) : "missing one");
    }
    if (!mq_pickle_as_int(value, &code))
        return mq_fail(err, MQ_E_FORMAT, "'%s': the code of '%.64s' is a %s where an int is due",
                       loading->name, id, mq_pickle_kind_name(value));
    int32_t before = loading->seen.count, place;
    enum mq_status st = mq_strmap_add(&loading->seen, id, size, &place, err);
    if (st == MQ_OK && place < before)
        st = mq_fail(err, MQ_E_FORMAT, "'%s' holds the id '%.64s' twice", loading->name, id);
    if (st == MQ_OK)
        st = mq_grow(&loading->codes, &loading->capacity, (size_t)place + 1,
                     sizeof(*loading->codes), err);
    if (st == MQ_OK)
        loading->codes[place] = code;
    return st;
}

static enum mq_artifact
raw_embed(enum mq_id_kind kind)
{
    return kind == MQ_ID_ITEM ? MQ_ARTIFACT_RAW_EMBED_ITEM : MQ_ARTIFACT_RAW_EMBED_USER;
}

/* Put the entries in code order. */
static enum mq_status
arrange(struct loading *loading, struct mq_strmap *ret_ids, struct mq_error *err)
{
    int32_t n = loading->seen.count;
    bool in_order = true;
    for (int32_t i = 0; i < n && in_order; i++)
        in_order = loading->codes[i] == i;
    if (in_order) {
        *ret_ids = loading->seen;
        loading->seen = (struct mq_strmap){0};
        return MQ_OK;
    }
    mq_autofree int32_t *by_code = NULL;
    enum mq_status st = mq_alloc_array((size_t)n, sizeof(*by_code), &by_code, err);
    if (st != MQ_OK)
        return st;
    for (int32_t i = 0; i < n; i++) {
        int64_t code = loading->codes[i];
        if (code < 0 || code >= n || by_code[code] != 0)
            return mq_fail(err, MQ_E_FORMAT,
                           "'%s': code %" PRId64 " of '%.64s' is not one of 0…%d, each once",
                           loading->name, code, loading->seen.keys[i], n - 1);
        by_code[code] = i + 1;
    }
    struct mq_strmap ids = {0};
    for (int32_t code = 0; code < n && st == MQ_OK; code++) {
        int32_t i = by_code[code] - 1, place;
        st = mq_strmap_add(&ids, loading->seen.keys[i], loading->seen.sizes[i], &place, err);
    }
    if (st == MQ_OK)
        *ret_ids = ids;
    else
        mq_strmap_release(&ids);
    return st;
}

enum mq_status
mq_id_map_load(struct mq_object_store *store, const char *region, enum mq_id_kind kind,
               struct mq_strmap *ret_ids, struct mq_error *err)
{
    struct mq_reader *reader;
    enum mq_status st =
        mq_artifact_reader(store, region, raw_embed(kind), MQ_PROGRAM_MOVIE, &reader, err);
    if (st != MQ_OK)
        return st;
    struct loading loading = {.name = reader->name};
    st = mq_pickle_stream(reader, NULL, take_entry, &loading, NULL, err);
    if (st == MQ_OK)
        st = arrange(&loading, ret_ids, err);
    mq_strmap_release(&loading.seen);
    free(loading.codes);
    mq_reader_close(reader);
    return mq_artifact_damaged(raw_embed(kind), st, err);
}

enum mq_status
mq_id_map_load_any(struct mq_object_store *store, const char *region, enum mq_id_kind kind,
                   struct mq_strmap *ret_ids, struct mq_error *err)
{
    bool exists;
    enum mq_status st =
        mq_artifact_exists(store, region, raw_embed(kind), MQ_PROGRAM_MOVIE, &exists, err);
    return st != MQ_OK || !exists ? st : mq_id_map_load(store, region, kind, ret_ids, err);
}

static enum mq_status
save(struct mq_object_store *store, const char *region, enum mq_artifact artifact, bool by_code,
     const struct mq_strmap *ids, struct mq_error *err)
{
    struct mq_writer *out;
    enum mq_status st = mq_artifact_writer(store, region, artifact, MQ_PROGRAM_MOVIE, &out, err);
    if (st != MQ_OK)
        return st;
    struct mq_pickle_writer *pickle = NULL;
    st = mq_pickle_writer_new(out, &pickle, err);
    if (st == MQ_OK) {
        mq_pickle_begin_dict(pickle);
        for (int32_t code = 0; code < ids->count; code++) {
            if (by_code)
                mq_pickle_put_int(pickle, code);
            mq_pickle_put_text(pickle, ids->keys[code], ids->sizes[code]);
            if (!by_code)
                mq_pickle_put_int(pickle, code);
        }
        mq_pickle_end(pickle);
        st = mq_pickle_finish(pickle, err);
    }
    if (st == MQ_OK)
        st = mq_writer_commit(out, err);
    mq_pickle_writer_free(pickle);
    mq_writer_close(out);
    return st;
}

enum mq_status
mq_id_map_save(struct mq_object_store *store, const char *region, enum mq_id_kind kind,
               const struct mq_strmap *ids, struct mq_error *err)
{
    enum mq_artifact inverse =
        kind == MQ_ID_ITEM ? MQ_ARTIFACT_EMBED_RAW_ITEM : MQ_ARTIFACT_EMBED_RAW_USER;
    enum mq_status st = save(store, region, inverse, true, ids, err);
    return st != MQ_OK ? st : save(store, region, raw_embed(kind), false, ids, err);
}

char *
mq_id_trim(char *id)
{
    static const char blanks[] = " \t\r\n";
    id += strspn(id, blanks);
    size_t size = strlen(id);
    while (size > 0 && strchr(blanks, id[size - 1]) != NULL)
        size--;
    id[size] = '\0';
    return id;
}

char *
mq_id_trimmed(const char *id)
{
    mq_autofree char *own = mq_strdup(id);
    return own == NULL ? NULL : mq_strdup(mq_id_trim(own));
}
