#include "flow/run_lock.h"

#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/log.h"
#include "flow/run_document.h"
#include "flow/step_record.h"
#include "format/json.h"

/* Tries while locks of dead processes are being taken over by others at the same moment. */
#define TAKE_TRIES 8

struct mq_run_lock {
    struct mq_object_store *store;
    char key[MQ_OBJECT_KEY_MAX];
    char etag[MQ_ETAG_MAX];
};

/* Who holds a lock. A process is told from a later one with its number by its start time. */
struct holder {
    char host[256];
    char boot[64];
    long process;
    unsigned long long started;
};

/* The machine's current start: 36 characters, or "" where unknown. */
static void
read_boot_id(char *boot, size_t size)
{
    boot[0] = '\0';
    FILE *file = fopen("/proc/sys/kernel/random/boot_id", "re");
    if (file == NULL)
        return;
    if (fgets(boot, (int)size, file) != NULL)
        boot[strcspn(boot, "\n")] = '\0';
    fclose(file);
}

/* Field 22 of /proc/<pid>/stat: clock ticks from boot to the process's start; 0: no such process.
 */
static unsigned long long
process_start(long process)
{
    char path[64], line[1024];
    snprintf(path, sizeof(path), "/proc/%ld/stat", process);
    FILE *file = fopen(path, "re");
    if (file == NULL)
        return 0;
    size_t n = fread(line, 1, sizeof(line) - 1, file);
    fclose(file);
    line[n] = '\0';
    /* The second field is the name in parentheses and may hold blanks. */
    const char *p = strrchr(line, ')');
    for (int field = 2; p != NULL && field < 22; field++)
        p = strchr(p + 1, ' ');
    return p != NULL ? strtoull(p + 1, NULL, 10) : 0;
}

static void
this_process(struct holder *holder)
{
    memset(holder, 0, sizeof(*holder));
    if (gethostname(holder->host, sizeof(holder->host) - 1) != 0)
        snprintf(holder->host, sizeof(holder->host), "unknown");
    read_boot_id(holder->boot, sizeof(holder->boot));
    holder->process = (long)getpid();
    holder->started = process_start(holder->process);
}

/* Whether the holder is certainly gone: only processes of this machine can be told. */
static bool
is_gone(const json_t *lock)
{
    struct holder self;
    this_process(&self);
    const char *host = json_string_value(json_object_get(lock, "host"));
    const char *boot = json_string_value(json_object_get(lock, "boot"));
    if (host == NULL || strcmp(host, self.host) != 0)
        return false;
    if (boot == NULL || strcmp(boot, self.boot) != 0)
        return true; /* the machine was started anew since */
    long process = (long)json_integer_value(json_object_get(lock, "process"));
    unsigned long long started =
        (unsigned long long)json_integer_value(json_object_get(lock, "process_start"));
    unsigned long long now = process_start(process);
    return now == 0 || (started != 0 && now != started);
}

static enum mq_status
describe_holder(const struct mq_run_lock *lock, const json_t *document, struct mq_error *err)
{
    const char *what = json_string_value(json_object_get(document, "what"));
    const char *host = json_string_value(json_object_get(document, "host"));
    const char *since = json_string_value(json_object_get(document, "since"));
    mq_fail(err, MQ_E_CONFLICT, "another run is going on in '%s': %s, process %lld on %s, since %s",
            mq_object_store_uri(lock->store), what != NULL ? what : "unknown",
            (long long)json_integer_value(json_object_get(document, "process")),
            host != NULL ? host : "an unknown machine", since != NULL ? since : "an unknown time");
    mq_error_hint(err, "wait for it to end; if that machine is gone for good, remove '%s'",
                  lock->key);
    if (err != NULL)
        err->retriable = true;
    return MQ_E_CONFLICT;
}

/* The text of a lock of this process. */
static enum mq_status
write_text(const char *what, struct mq_buffer *text, struct mq_error *err)
{
    struct holder self;
    this_process(&self);
    char since[MQ_INSTANT_SIZE];
    mq_instant_format(mq_clock_now_s(), since);
    json_t *document =
        json_pack("{s:i, s:s, s:s, s:s, s:I, s:I, s:s}", "schema", MQ_RUN_SCHEMA, "what", what,
                  "host", self.host, "boot", self.boot, "process", (json_int_t)self.process,
                  "process_start", (json_int_t)self.started, "since", since);
    if (document == NULL)
        return mq_fail(err, MQ_E_NOMEM, "cannot allocate the run lock");
    enum mq_status st = mq_json_dump(document, MQ_JSON_INDENTED, text, err);
    json_decref(document);
    return st;
}

/* One try: MQ_E_EXISTS or MQ_E_NOT_FOUND when somebody was quicker and it is worth another. */
static enum mq_status
try_take(struct mq_run_lock *lock, const struct mq_buffer *text, struct mq_error *err)
{
    struct mq_object_info info;
    enum mq_status st = mq_object_put(lock->store, lock->key, text->data, text->size,
                                      MQ_PUT_IF_ABSENT, NULL, &info, err);
    if (st == MQ_E_EXISTS) {
        /* The ETag is taken before the text: if the lock changes hands in between, the put
         * below fails. */
        struct mq_object_info held;
        json_t *document = NULL;
        st = mq_object_stat(lock->store, lock->key, &held, err);
        if (st == MQ_OK)
            st = mq_run_document_read(lock->store, lock->key, &document, err);
        if (st == MQ_OK && document == NULL)
            return MQ_E_NOT_FOUND;
        if (st == MQ_OK && !is_gone(document))
            st = describe_holder(lock, document, err);
        else if (st == MQ_OK) {
            mq_log_warn("taking over the run lock of a process that is gone");
            st = mq_object_put(lock->store, lock->key, text->data, text->size, MQ_PUT_IF_MATCH,
                               held.etag, &info, err);
            if (st == MQ_E_CONFLICT)
                st = MQ_E_EXISTS;
        }
        json_decref(document);
    }
    if (st == MQ_OK)
        memcpy(lock->etag, info.etag, sizeof(lock->etag));
    return st;
}

static enum mq_status
lock_key(const char *region, int shard_index, int shard_count, char key[MQ_OBJECT_KEY_MAX],
         struct mq_error *err)
{
    char shard[64] = "";
    if (shard_count > 1)
        snprintf(shard, sizeof(shard), ".shard-%d-of-%d", shard_index + 1, shard_count);
    int n = snprintf(key, MQ_OBJECT_KEY_MAX, "%s/runs/lock%s.json", region, shard);
    if (n < 0 || n >= MQ_OBJECT_KEY_MAX)
        return mq_fail(err, MQ_E_RANGE, "region name is too long");
    return MQ_OK;
}

struct others {
    struct mq_run_lock *own;
    bool whole; /* own is the lock of the whole region */
    const char *whole_key;
};

/* A lock of another: fails if it excludes ours and its holder may be alive. */
static enum mq_status
visit_other(void *context, const char *key, const struct mq_object_info *info, struct mq_error *err)
{
    const struct others *others = context;
    bool is_whole = strcmp(key, others->whole_key) == 0;
    if (strcmp(key, others->own->key) == 0 || (!others->whole && !is_whole))
        return MQ_OK;
    json_t *document = NULL;
    enum mq_status st = mq_run_document_read(others->own->store, key, &document, err);
    if (st == MQ_OK && document != NULL && !is_gone(document)) {
        struct mq_run_lock other = {.store = others->own->store};
        snprintf(other.key, sizeof(other.key), "%s", key);
        st = describe_holder(&other, document, err);
    }
    json_decref(document);
    return st;
}

/* With our own lock in place, see that none is held that excludes it: of two runs that do this at
 * once, at least one sees the other. */
static enum mq_status
check_others(struct mq_run_lock *lock, const char *region, bool whole, struct mq_error *err)
{
    char whole_key[MQ_OBJECT_KEY_MAX], prefix[MQ_OBJECT_KEY_MAX];
    enum mq_status st = lock_key(region, 0, 1, whole_key, err);
    if (st != MQ_OK)
        return st;
    snprintf(prefix, sizeof(prefix), "%.*s", (int)(strlen(whole_key) - strlen("json")), whole_key);
    struct others others = {.own = lock, .whole = whole, .whole_key = whole_key};
    return mq_object_list(lock->store, prefix, visit_other, &others, err);
}

enum mq_status
mq_run_lock_take_shard(struct mq_object_store *store, const char *region, const char *what,
                       int shard_index, int shard_count, struct mq_run_lock **ret_lock,
                       struct mq_error *err)
{
    struct mq_run_lock *lock = calloc(1, sizeof(*lock));
    if (lock == NULL)
        return mq_fail(err, MQ_E_NOMEM, "cannot allocate the run lock");
    lock->store = store;
    struct mq_buffer text = {0};
    enum mq_status st = lock_key(region, shard_index, shard_count, lock->key, err);
    if (st == MQ_OK)
        st = write_text(what, &text, err);
    if (st == MQ_OK) {
        st = MQ_E_EXISTS;
        for (int i = 0; i < TAKE_TRIES && (st == MQ_E_EXISTS || st == MQ_E_NOT_FOUND); i++)
            st = try_take(lock, &text, err);
    }
    mq_buffer_release(&text);
    if (st != MQ_OK) {
        free(lock);
        return st;
    }
    st = check_others(lock, region, shard_count <= 1, err);
    if (st != MQ_OK) {
        mq_run_lock_release(lock);
        return st;
    }
    *ret_lock = lock;
    return MQ_OK;
}

enum mq_status
mq_run_lock_take(struct mq_object_store *store, const char *region, const char *what,
                 struct mq_run_lock **ret_lock, struct mq_error *err)
{
    return mq_run_lock_take_shard(store, region, what, 0, 1, ret_lock, err);
}

void
mq_run_lock_release(struct mq_run_lock *lock)
{
    if (lock == NULL)
        return;
    struct mq_object_info info;
    /* Only our own: somebody may have removed it by hand and taken it since. */
    if (mq_object_stat(lock->store, lock->key, &info, NULL) == MQ_OK &&
        strcmp(info.etag, lock->etag) == 0) {
        const char *keys[] = {lock->key};
        if (mq_object_delete(lock->store, keys, 1, NULL) != MQ_OK)
            mq_log_warn("cannot remove the run lock '%s'", lock->key);
    }
    free(lock);
}
