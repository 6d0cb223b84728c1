#include "data/bronze_record.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/memory.h"
#include "format/json.h"

#define OFFSET_DIGITS 20

static const char *const kind_names[MQ_BRONZE_KINDS] = {"user-events", "rejected", "originals"};

const char *
mq_bronze_kind_name(enum mq_bronze_kind kind)
{
    return kind_names[kind];
}

void
mq_bronze_record_release(struct mq_bronze_record *record)
{
    if (record == NULL)
        return;
    free(record->objects);
    record->objects = NULL;
    record->object_count = 0;
}

const struct mq_bronze_object *
mq_bronze_record_object(const struct mq_bronze_record *record, enum mq_bronze_kind kind,
                        const char *date)
{
    for (size_t i = 0; i < record->object_count; i++)
        if (record->objects[i].kind == kind && strcmp(record->objects[i].date, date) == 0)
            return &record->objects[i];
    return NULL;
}

bool
mq_bronze_is_import(const char *topic)
{
    return strncmp(topic, MQ_BRONZE_IMPORT_PREFIX, strlen(MQ_BRONZE_IMPORT_PREFIX)) == 0;
}

void
mq_bronze_mending(const char *topic, int32_t partition, int64_t first, int64_t end,
                  char ret_text[MQ_BRONZE_MENDING_MAX])
{
    bool usual = strcmp(topic, "user-events") == 0;
    if (mq_bronze_is_import(topic))
        snprintf(ret_text, MQ_BRONZE_MENDING_MAX, "import the same source again");
    else
        snprintf(ret_text, MQ_BRONZE_MENDING_MAX,
                 "`marquee replay --offsets %d:%" PRId64 "-%" PRId64 "%s%s`", partition, first,
                 end - 1, usual ? "" : " --topic ", usual ? "" : topic);
}

/* ---- names ------------------------------------------------------------------------------ */

static enum mq_status
check_length(int n, const char *region, struct mq_error *err)
{
    return n > 0 && n < MQ_OBJECT_KEY_MAX
               ? MQ_OK
               : mq_fail(err, MQ_E_RANGE, "region '%.64s…' makes keys of over %d bytes", region,
                         MQ_OBJECT_KEY_MAX);
}

enum mq_status
mq_bronze_record_key(const char *region, const char *topic, int32_t partition, int64_t first,
                     char ret_key[MQ_OBJECT_KEY_MAX], struct mq_error *err)
{
    return check_length(snprintf(ret_key, MQ_OBJECT_KEY_MAX,
                                 "%s/bronze/batches/%s-%d-%020" PRId64 ".json", region, topic,
                                 partition, first),
                        region, err);
}

enum mq_status
mq_bronze_day_prefix(const char *region, enum mq_bronze_kind kind, const char *date,
                     char ret_prefix[MQ_OBJECT_KEY_MAX], struct mq_error *err)
{
    return check_length(snprintf(ret_prefix, MQ_OBJECT_KEY_MAX, "%s/bronze/%s/dt=%s/", region,
                                 kind_names[kind], date),
                        region, err);
}

enum mq_status
mq_bronze_day_key(const char *region, enum mq_bronze_kind kind, const char *date, const char *name,
                  char ret_key[MQ_OBJECT_KEY_MAX], struct mq_error *err)
{
    enum mq_status st = mq_bronze_day_prefix(region, kind, date, ret_key, err);
    if (st != MQ_OK)
        return st;
    const size_t n = strlen(ret_key), room = MQ_OBJECT_KEY_MAX - n;
    return (size_t)snprintf(ret_key + n, room, "%s", name) < room
               ? MQ_OK
               : mq_fail(err, MQ_E_RANGE, "'%.64s…' makes a key of over %d bytes", name,
                         MQ_OBJECT_KEY_MAX);
}

enum mq_status
mq_bronze_object_key(const char *region, const struct mq_bronze_record *record,
                     const struct mq_bronze_object *object, char ret_key[MQ_OBJECT_KEY_MAX],
                     struct mq_error *err)
{
    return check_length(snprintf(ret_key, MQ_OBJECT_KEY_MAX,
                                 "%s/bronze/%s/dt=%s/%s-%d-%020" PRId64 MQ_BRONZE_SUFFIX, region,
                                 kind_names[object->kind], object->date, record->topic,
                                 record->partition, record->first),
                        region, err);
}

/* Digits of the text's end, up to `most`; 0 when none. */
static size_t
digits_before(const char *text, size_t size, size_t most)
{
    size_t n = 0;
    while (n < size && n < most && text[size - n - 1] >= '0' && text[size - n - 1] <= '9')
        n++;
    return n;
}

bool
mq_bronze_name_parse(const char *name, const char *suffix, char ret_topic[MQ_TOPIC_NAME_MAX + 1],
                     int32_t *ret_partition, int64_t *ret_first)
{
    size_t size = strlen(name), tail = strlen(suffix);
    if (size <= tail || strcmp(name + size - tail, suffix) != 0)
        return false;
    size -= tail;
    if (digits_before(name, size, OFFSET_DIGITS) != OFFSET_DIGITS)
        return false;
    int64_t first = strtoll(name + size - OFFSET_DIGITS, NULL, 10);
    size -= OFFSET_DIGITS;
    if (size < 1 || name[size - 1] != '-')
        return false;
    size--;
    size_t digits = digits_before(name, size, 3);
    if (digits == 0 || size < digits + 2 || name[size - digits - 1] != '-')
        return false;
    int32_t partition = (int32_t)strtol(name + size - digits, NULL, 10);
    size -= digits + 1;
    if (size > MQ_TOPIC_NAME_MAX)
        return false;
    memcpy(ret_topic, name, size);
    ret_topic[size] = '\0';
    *ret_partition = partition;
    *ret_first = first;
    return true;
}

/* ---- text ------------------------------------------------------------------------------- */

static json_t *
object_json(const struct mq_bronze_object *object)
{
    return json_pack("{s:s, s:s, s:I, s:I, s:s}", "kind", kind_names[object->kind], "date",
                     object->date, "lines", (json_int_t)object->lines, "bytes",
                     (json_int_t)object->bytes, "sha256", object->sha256);
}

enum mq_status
mq_bronze_record_text(const struct mq_bronze_record *record, struct mq_buffer *buffer,
                      struct mq_error *err)
{
    mq_autojson json_t *root = json_pack(
        "{s:i, s:s, s:i, s:I, s:I, s:I, s:I, s:{s:I, s:I, s:I, s:f, s:f}, s:s}", "version",
        MQ_BRONZE_VERSION, "topic", record->topic, "partition", (int)record->partition, "first",
        (json_int_t)record->first, "end", (json_int_t)record->end, "count",
        (json_int_t)record->count, "lost", (json_int_t)record->lost, "rules", "now_ms",
        (json_int_t)record->rules.now_ms, "age_max_ms", (json_int_t)record->rules.age_max_ms,
        "ahead_max_ms", (json_int_t)record->rules.ahead_max_ms, "rating_min",
        record->rules.rating_min, "rating_max", record->rules.rating_max, "sha256", record->sha256);
    json_t *objects = json_array();
    bool ok = root != NULL && objects != NULL;
    if (ok && record->skipped > 0) /* as records were before there were such */
        ok = json_object_set_new(root, "skipped", json_integer((json_int_t)record->skipped)) == 0;
    for (size_t i = 0; ok && i < record->object_count; i++)
        ok = json_array_append_new(objects, object_json(&record->objects[i])) == 0;
    if (!ok || json_object_set_new(root, "objects", objects) != 0)
        return mq_fail(err, MQ_E_NOMEM, "cannot allocate a batch record");
    enum mq_status st = mq_json_dump(root, MQ_JSON_COMPACT, buffer, err);
    return st == MQ_OK ? mq_buffer_append_char(buffer, '\n', err) : st;
}

static enum mq_status
copy_text(const json_t *object, const char *key, char *ret_text, size_t size, struct mq_error *err)
{
    const char *text;
    enum mq_status st = mq_json_need_text(object, key, &text, err);
    if (st == MQ_OK && strlen(text) >= size)
        st = mq_fail(err, MQ_E_FORMAT, "'%s' is longer than %zu bytes", key, size - 1);
    if (st == MQ_OK)
        memcpy(ret_text, text, strlen(text) + 1);
    return st;
}

static enum mq_status
count_of(const json_t *object, const char *key, int64_t *ret_count, struct mq_error *err)
{
    enum mq_status st = mq_json_need_int(object, key, ret_count, err);
    if (st == MQ_OK && *ret_count < 0)
        st =
            mq_fail(err, MQ_E_FORMAT, "'%s' is %" PRId64 " (allowed: 0 and more)", key, *ret_count);
    return st;
}

static enum mq_status
parse_object(const json_t *json, struct mq_bronze_object *object, struct mq_error *err)
{
    char kind[32];
    enum mq_status st = copy_text(json, "kind", kind, sizeof(kind), err);
    int k = 0;
    while (st == MQ_OK && k < MQ_BRONZE_KINDS && strcmp(kind, kind_names[k]) != 0)
        k++;
    if (st == MQ_OK && k == MQ_BRONZE_KINDS)
        st = mq_fail(err, MQ_E_FORMAT, "'%s' is no kind of object", kind);
    object->kind = (enum mq_bronze_kind)k;
    if (st == MQ_OK)
        st = copy_text(json, "date", object->date, sizeof(object->date), err);
    if (st == MQ_OK)
        st = copy_text(json, "sha256", object->sha256, sizeof(object->sha256), err);
    if (st == MQ_OK)
        st = count_of(json, "lines", &object->lines, err);
    if (st == MQ_OK)
        st = count_of(json, "bytes", &object->bytes, err);
    return st;
}

static enum mq_status
parse_objects(const json_t *root, struct mq_bronze_record *record, struct mq_error *err)
{
    const json_t *array = json_object_get(root, "objects");
    size_t count = json_array_size(array);
    if (!json_is_array(array) || count > MQ_BRONZE_OBJECTS_MAX)
        return mq_fail(err, MQ_E_FORMAT, "'objects' is no list of at most %d",
                       MQ_BRONZE_OBJECTS_MAX);
    record->objects = calloc(count + 1, sizeof(*record->objects));
    if (record->objects == NULL)
        return mq_fail(err, MQ_E_NOMEM, "cannot allocate a batch record");
    record->object_count = count;
    enum mq_status st = MQ_OK;
    for (size_t i = 0; st == MQ_OK && i < count; i++)
        st = parse_object(json_array_get(array, i), &record->objects[i], err);
    return st;
}

static enum mq_status
parse_rules(const json_t *json, struct mq_event_rules *rules, struct mq_error *err)
{
    enum mq_status st = mq_json_need_int(json, "now_ms", &rules->now_ms, err);
    if (st == MQ_OK)
        st = mq_json_need_int(json, "age_max_ms", &rules->age_max_ms, err);
    if (st == MQ_OK)
        st = mq_json_need_int(json, "ahead_max_ms", &rules->ahead_max_ms, err);
    if (st == MQ_OK)
        st = mq_json_need_real(json, "rating_min", &rules->rating_min, err);
    if (st == MQ_OK)
        st = mq_json_need_real(json, "rating_max", &rules->rating_max, err);
    return st;
}

static enum mq_status
parse_record(const json_t *root, struct mq_bronze_record *record, struct mq_error *err)
{
    int64_t version, partition = 0;
    enum mq_status st = mq_json_need_int(root, "version", &version, err);
    if (st == MQ_OK && version != MQ_BRONZE_VERSION)
        return mq_fail(err, MQ_E_UNSUPPORTED, "version %" PRId64 " (known: %d)", version,
                       MQ_BRONZE_VERSION);
    if (st == MQ_OK)
        st = copy_text(root, "topic", record->topic, sizeof(record->topic), err);
    if (st == MQ_OK)
        st = count_of(root, "partition", &partition, err);
    if (st == MQ_OK)
        st = count_of(root, "first", &record->first, err);
    if (st == MQ_OK)
        st = count_of(root, "end", &record->end, err);
    if (st == MQ_OK)
        st = count_of(root, "count", &record->count, err);
    if (st == MQ_OK)
        st = count_of(root, "lost", &record->lost, err);
    if (st == MQ_OK && json_object_get(root, "skipped") != NULL)
        st = count_of(root, "skipped", &record->skipped, err);
    if (st == MQ_OK)
        st = copy_text(root, "sha256", record->sha256, sizeof(record->sha256), err);
    if (st == MQ_OK)
        st = parse_rules(json_object_get(root, "rules"), &record->rules, err);
    if (st == MQ_OK &&
        (partition >= MQ_PARTITIONS_MAX || record->end <= record->first || record->count < 1 ||
         record->count > record->end - record->first || record->skipped > record->count ||
         record->lost > record->end - record->first - record->count))
        return mq_fail(err, MQ_E_FORMAT,
                       "offsets %" PRId64 " to %" PRId64 " of partition %" PRId64
                       " cannot hold %" PRId64 " events",
                       record->first, record->end, partition, record->count);
    record->partition = (int32_t)partition;
    return st == MQ_OK ? parse_objects(root, record, err) : st;
}

enum mq_status
mq_bronze_record_parse(const char *text, size_t size, const char *name,
                       struct mq_bronze_record *ret_record, struct mq_error *err)
{
    mq_autojson json_t *root = NULL;
    enum mq_status st = mq_json_parse(text, size, name, &root, err);
    if (st == MQ_E_RANGE)
        return mq_fail(err, MQ_E_FORMAT, "batch record '%s' is nested too deep", name);
    if (st != MQ_OK)
        return st;
    struct mq_bronze_record record = {0};
    st = parse_record(root, &record, err);
    if (st != MQ_OK) {
        mq_bronze_record_release(&record);
        return mq_fail_context(err, st, "cannot read batch record '%s'", name);
    }
    *ret_record = record;
    return MQ_OK;
}

/* ---- finding ---------------------------------------------------------------------------- */

enum mq_status
mq_bronze_record_read(struct mq_object_store *store, const char *region, const char *topic,
                      int32_t partition, int64_t first, struct mq_bronze_record *ret_record,
                      struct mq_object_info *ret_info, struct mq_error *err)
{
    char key[MQ_OBJECT_KEY_MAX];
    struct mq_buffer text;
    struct mq_bronze_record record = {0};
    mq_buffer_init(&text, MQ_BRONZE_RECORD_MAX);
    enum mq_status st = mq_bronze_record_key(region, topic, partition, first, key, err);
    if (st == MQ_OK && ret_info != NULL)
        st = mq_object_stat(store, key, ret_info, err);
    if (st == MQ_OK)
        st = mq_object_get(store, key, &text, err);
    if (st == MQ_E_RANGE)
        st = mq_fail(err, MQ_E_FORMAT, "batch record '%s' has over %zu bytes", key,
                     MQ_BRONZE_RECORD_MAX);
    if (st == MQ_OK)
        st = mq_bronze_record_parse(text.data, text.size, key, &record, err);
    mq_buffer_release(&text);
    if (st == MQ_OK && (strcmp(record.topic, topic) != 0 || record.partition != partition ||
                        record.first != first)) {
        st = mq_fail(err, MQ_E_FORMAT, "batch record '%s' is one of '%s' %d, offset %" PRId64, key,
                     record.topic, record.partition, record.first);
        mq_bronze_record_release(&record);
    }
    if (st == MQ_E_FORMAT) {
        char mending[MQ_BRONZE_MENDING_MAX];
        mq_bronze_mending(topic, partition, first, first + 1, mending);
        mq_error_hint(err, "what makes it anew: %s", mending);
    }
    if (st == MQ_OK)
        *ret_record = record;
    return st;
}

/* Records of one partition in a listing: their first offsets. */
struct search {
    const char *topic;
    int32_t partition;
    int64_t offset;
    bool behind; /* stop at the first above the offset; else keep the last up to it */
    int64_t found;
};

static enum mq_status
look(void *context, const char *key, const struct mq_object_info *info, struct mq_error *err)
{
    (void)info;
    struct search *search = context;
    char topic[MQ_TOPIC_NAME_MAX + 1];
    int32_t partition;
    int64_t first;
    const char *slash = strrchr(key, '/');
    if (!mq_bronze_name_parse(slash != NULL ? slash + 1 : key, ".json", topic, &partition,
                              &first) ||
        strcmp(topic, search->topic) != 0 || partition != search->partition)
        return MQ_OK; /* topic "a-1" shares a prefix with partition 1 of "a" */
    if (first <= search->offset) {
        if (!search->behind)
            search->found = first;
        return MQ_OK;
    }
    if (search->behind)
        search->found = first;
    return mq_fail(err, MQ_E_CANCELLED, "found"); /* ends the listing */
}

enum mq_status
mq_bronze_record_first_before(struct mq_object_store *store, const char *region, const char *topic,
                              int32_t partition, int64_t offset, int64_t *ret_first,
                              struct mq_error *err)
{
    char key[MQ_OBJECT_KEY_MAX];
    struct search search = {.topic = topic, .partition = partition, .offset = offset, .found = -1};
    enum mq_status st = mq_bronze_record_key(region, topic, partition, offset, key, err);
    if (st != MQ_OK)
        return st;
    /* Listings go upwards: ask for records that share ever fewer of the offset's digits. */
    size_t length = strlen(key) - strlen(".json");
    for (int shared = OFFSET_DIGITS; st == MQ_OK && search.found < 0 && shared >= 0; shared--) {
        key[length - (size_t)(OFFSET_DIGITS - shared)] = '\0';
        st = mq_object_list(store, key, look, &search, err);
        if (st == MQ_E_CANCELLED)
            st = MQ_OK;
    }
    if (st == MQ_OK)
        *ret_first = search.found;
    return st;
}

enum mq_status
mq_bronze_record_before(struct mq_object_store *store, const char *region, const char *topic,
                        int32_t partition, int64_t offset, struct mq_bronze_record *ret_record,
                        struct mq_error *err)
{
    int64_t first;
    enum mq_status st =
        mq_bronze_record_first_before(store, region, topic, partition, offset, &first, err);
    if (st == MQ_OK && first < 0)
        return mq_fail(err, MQ_E_NOT_FOUND,
                       "no batch of partition %d of topic '%s' begins at offset %" PRId64
                       " or before",
                       partition, topic, offset);
    return st == MQ_OK ? mq_bronze_record_read(store, region, topic, partition, first, ret_record,
                                               NULL, err)
                       : st;
}

enum mq_status
mq_bronze_record_after(struct mq_object_store *store, const char *region, const char *topic,
                       int32_t partition, int64_t offset, int64_t *ret_first, struct mq_error *err)
{
    char key[MQ_OBJECT_KEY_MAX], prefix[MQ_OBJECT_KEY_MAX];
    struct search search = {.topic = topic,
                            .partition = partition,
                            .offset = offset,
                            .behind = true,
                            .found = INT64_MAX};
    enum mq_status st = mq_bronze_record_key(region, topic, partition, offset, key, err);
    if (st != MQ_OK)
        return st;
    memcpy(prefix, key, sizeof(prefix));
    prefix[strlen(key) - strlen(".json") - OFFSET_DIGITS] = '\0';
    st = mq_object_list_after(store, prefix, key, look, &search, err);
    if (st != MQ_OK && st != MQ_E_CANCELLED)
        return st;
    *ret_first = search.found;
    return MQ_OK;
}
