#include "data/user_profiles.h"

#include <stdlib.h>
#include <string.h>

#include "base/memory.h"
#include "format/csv_reader.h"

void
mq_user_profiles_free(struct mq_user_profiles *profiles)
{
    if (profiles == NULL)
        return;
    mq_strmap_release(&profiles->ids);
    mq_strmap_release(&profiles->names);
    free(profiles->sex);
    free(profiles->age);
    free(profiles->name);
    free(profiles);
}

int32_t
mq_user_profiles_find(const struct mq_user_profiles *profiles, const char *user_id, size_t size)
{
    return mq_strmap_find(&profiles->ids, user_id, size);
}

struct room {
    size_t sex, age, name;
};

static enum mq_status
add_user(struct mq_user_profiles *p, struct room *room, const struct mq_csv_row *row,
         struct mq_error *err)
{
    const struct mq_csv_field *f = row->fields;
    int32_t code;
    enum mq_status st = mq_strmap_add(&p->ids, f[0].text, f[0].size, &code, err);
    if (st != MQ_OK)
        return st;
    if (code < p->count)
        return mq_fail(err, MQ_E_FORMAT, "user.csv line %lld: user '%.64s' is there twice",
                       (long long)row->line, f[0].text);
    size_t need = (size_t)code + 1;
    int32_t name = -1;
    if ((st = mq_grow(&p->sex, &room->sex, need, sizeof(*p->sex), err)) != MQ_OK ||
        (st = mq_grow(&p->age, &room->age, need, sizeof(*p->age), err)) != MQ_OK ||
        (st = mq_grow(&p->name, &room->name, need, sizeof(*p->name), err)) != MQ_OK ||
        (f[4].size > 0 &&
         (st = mq_strmap_add(&p->names, f[4].text, f[4].size, &name, err)) != MQ_OK))
        return st;
    int64_t age = 0;
    if (!mq_csv_parse_int(f[2].text, f[2].size, &age) || age < 0 || age > 150)
        age = 0;
    p->sex[code] = f[1].text[0] == 'F' || f[1].text[0] == 'f'   ? MQ_SEX_FEMALE
                   : f[1].text[0] == 'M' || f[1].text[0] == 'm' ? MQ_SEX_MALE
                                                                : MQ_SEX_UNKNOWN;
    p->age[code] = (uint8_t)age;
    p->name[code] = name;
    p->count = code + 1;
    return MQ_OK;
}

enum mq_status
mq_user_profiles_load(struct mq_object_store *store, const char *region,
                      struct mq_user_profiles **ret_profiles, struct mq_error *err)
{
    struct mq_user_profiles *profiles = calloc(1, sizeof(*profiles));
    if (profiles == NULL)
        return mq_fail(err, MQ_E_NOMEM, "cannot allocate user profiles");
    bool exists;
    struct mq_reader *reader = NULL;
    struct mq_csv_reader *csv = NULL;
    enum mq_status st =
        mq_artifact_exists(store, region, MQ_ARTIFACT_USER_CSV, MQ_PROGRAM_MOVIE, &exists, err);
    if (st == MQ_OK && exists) {
        const struct mq_csv_format format = {.separator = "_!_", .min_fields = 5, .max_fields = 5};
        struct room room = {0};
        st =
            mq_artifact_reader(store, region, MQ_ARTIFACT_USER_CSV, MQ_PROGRAM_MOVIE, &reader, err);
        if (st == MQ_OK)
            st = mq_csv_reader_new(reader, &format, &csv, err);
        struct mq_csv_row row;
        while (st == MQ_OK && (st = mq_csv_next(csv, &row, err)) == MQ_OK && row.count > 0)
            st = add_user(profiles, &room, &row, err);
    }
    mq_csv_reader_free(csv);
    mq_reader_close(reader);
    if (st == MQ_OK)
        *ret_profiles = profiles;
    else
        mq_user_profiles_free(profiles);
    return mq_artifact_damaged(MQ_ARTIFACT_USER_CSV, st, err);
}
