#include "store/lmdb_environment.h"

#include <errno.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/filesystem.h"
#include "base/memory.h"
#include "store/lmdb_file.h"

struct mq_lmdb {
    struct mq_lmdb *next; /* of the process's open environments */
    char *path;           /* resolved */
    int references;
    int claim; /* descriptor that holds the folder for this PID namespace; -1: none */
    MDB_env *env;
    pthread_rwlock_t resizing; /* shared: a transaction runs; exclusive: the map is remapped */
    pthread_mutex_t names_lock;
    struct mq_strmap names; /* code indexes handles */
    MDB_dbi handles[MQ_LMDB_DATABASES_MAX];
};

static pthread_mutex_t registry_lock = PTHREAD_MUTEX_INITIALIZER;
static struct mq_lmdb *registry;

static enum mq_status
translate(const struct mq_lmdb *environment, int code, struct mq_error *err)
{
    const char *path = environment->path;
    switch (code) {
    case MDB_CORRUPTED:
    case MDB_PAGE_NOTFOUND:
    case MDB_INVALID:
    case MDB_VERSION_MISMATCH:
        mq_fail(err, MQ_E_FORMAT, "'lmdb:%s' is damaged or no LMDB file: %s", path,
                mdb_strerror(code));
        mq_error_hint(err, "restore the folder from a copy, or move it away to begin anew");
        return MQ_E_FORMAT;
    case MDB_READERS_FULL:
        return mq_fail(err, MQ_E_UNREACHABLE, "'lmdb:%s' has its most readers, %d", path,
                       MQ_LMDB_READERS_MAX);
    case MDB_MAP_FULL:
        return mq_fail(err, MQ_E_IO, "'lmdb:%s' has reached its largest size of %zu bytes", path,
                       MQ_LMDB_MAP_MAX);
    case MDB_NOTFOUND:
        return mq_fail(err, MQ_E_NOT_FOUND, "not found in 'lmdb:%s'", path);
    default:
        if (code > 0)
            return mq_fail_errno(err, code, "cannot use 'lmdb:%s'", path);
        return mq_fail(err, MQ_E_INTERNAL, "cannot use 'lmdb:%s': %s", path, mdb_strerror(code));
    }
}

static void
free_environment(struct mq_lmdb *environment)
{
    if (environment->env != NULL)
        mdb_env_close(environment->env);
    if (environment->claim >= 0)
        close(environment->claim);
    pthread_rwlock_destroy(&environment->resizing);
    pthread_mutex_destroy(&environment->names_lock);
    mq_strmap_release(&environment->names);
    free(environment->path);
    free(environment);
}

static enum mq_status
open_new(char *path, struct mq_lmdb **ret_environment, struct mq_error *err)
{
    struct mq_lmdb *environment = calloc(1, sizeof(*environment));
    if (environment == NULL) {
        free(path);
        return mq_fail(err, MQ_E_NOMEM, "cannot allocate an LMDB environment");
    }
    environment->path = path;
    environment->references = 1;
    pthread_rwlock_init(&environment->resizing, NULL);
    pthread_mutex_init(&environment->names_lock, NULL);
    enum mq_status st = mq_lmdb_file_claim(path, &environment->claim, err);
    if (st != MQ_OK) {
        free_environment(environment);
        return st;
    }
    int code = mdb_env_create(&environment->env);
    if (code == 0)
        code = mdb_env_set_maxdbs(environment->env, MQ_LMDB_DATABASES_MAX);
    if (code == 0)
        code = mdb_env_set_maxreaders(environment->env, MQ_LMDB_READERS_MAX);
    /* An existing larger file keeps its size: LMDB takes the larger of the two. */
    if (code == 0)
        code = mdb_env_set_mapsize(environment->env, MQ_LMDB_MAP_FIRST);
    /* NOTLS: a read transaction belongs to its handle, so server threads come and go freely.
     * NORDAHEAD: look-ups are random. */
    if (code == 0)
        code = mdb_env_open(environment->env, path, MDB_NOTLS | MDB_NORDAHEAD, 0666);
    int dead;
    if (code == 0)
        code = mdb_reader_check(environment->env, &dead);
    st = code == 0 ? mq_lmdb_file_check(environment->env, path, err)
                   : translate(environment, code, err);
    if (st != MQ_OK) {
        free_environment(environment);
        return st;
    }
    environment->next = registry;
    registry = environment;
    *ret_environment = environment;
    return MQ_OK;
}

enum mq_status
mq_lmdb_open(const char *path, struct mq_lmdb **ret_environment, struct mq_error *err)
{
    enum mq_status st = mq_fs_make_folders(path, err);
    if (st != MQ_OK)
        return st;
    char *resolved = realpath(path, NULL);
    if (resolved == NULL)
        return mq_fail_errno(err, errno, "cannot open 'lmdb:%s'", path);
    pthread_mutex_lock(&registry_lock);
    struct mq_lmdb *found = registry;
    while (found != NULL && strcmp(found->path, resolved) != 0)
        found = found->next;
    if (found != NULL) {
        found->references++;
        *ret_environment = found;
        free(resolved);
    } else {
        st = open_new(resolved, ret_environment, err);
    }
    pthread_mutex_unlock(&registry_lock);
    return st;
}

void
mq_lmdb_close(struct mq_lmdb *environment)
{
    if (environment == NULL)
        return;
    pthread_mutex_lock(&registry_lock);
    if (--environment->references == 0) {
        struct mq_lmdb **place = &registry;
        while (*place != environment)
            place = &(*place)->next;
        *place = environment->next;
        free_environment(environment);
    }
    pthread_mutex_unlock(&registry_lock);
}

const char *
mq_lmdb_path(const struct mq_lmdb *environment)
{
    return environment->path;
}

/* Double the map, or take over the size that another process gave it. */
static int
remap(struct mq_lmdb *environment, bool grow, size_t seen_bytes)
{
    pthread_rwlock_wrlock(&environment->resizing);
    MDB_envinfo info;
    int code = mdb_env_info(environment->env, &info);
    if (code == 0 && !grow) {
        code = mdb_env_set_mapsize(environment->env, 0);
    } else if (code == 0 && info.me_mapsize <= seen_bytes) { /* else another thread grew it */
        int dead;
        mdb_reader_check(environment->env, &dead);
        code = info.me_mapsize >= MQ_LMDB_MAP_MAX
                   ? MDB_MAP_FULL
                   : mdb_env_set_mapsize(environment->env, info.me_mapsize * 2);
    }
    pthread_rwlock_unlock(&environment->resizing);
    return code;
}

static enum mq_status
run(struct mq_lmdb *environment, unsigned flags, mq_lmdb_fn fn, void *context, struct mq_error *err)
{
    for (;;) {
        pthread_rwlock_rdlock(&environment->resizing);
        MDB_envinfo info = {0};
        mdb_env_info(environment->env, &info);
        MDB_txn *txn = NULL;
        int code = mdb_txn_begin(environment->env, NULL, flags, &txn);
        if (code == 0) {
            code = fn(context, txn);
            if (code == 0)
                code = mdb_txn_commit(txn);
            else
                mdb_txn_abort(txn);
        }
        pthread_rwlock_unlock(&environment->resizing);
        if (code == MDB_MAP_FULL || code == MDB_MAP_RESIZED) {
            code = remap(environment, code == MDB_MAP_FULL, info.me_mapsize);
            if (code == 0)
                continue;
        }
        int dead = 0;
        if (code == MDB_READERS_FULL && mdb_reader_check(environment->env, &dead) == 0 && dead > 0)
            continue; /* those of processes that died */
        return code == 0 ? MQ_OK : translate(environment, code, err);
    }
}

enum mq_status
mq_lmdb_write(struct mq_lmdb *environment, mq_lmdb_fn fn, void *context, struct mq_error *err)
{
    return run(environment, 0, fn, context, err);
}

enum mq_status
mq_lmdb_read(struct mq_lmdb *environment, mq_lmdb_fn fn, void *context, struct mq_error *err)
{
    return run(environment, MDB_RDONLY, fn, context, err);
}

struct open_database {
    const char *name;
    unsigned flags;
    MDB_dbi dbi;
};

static int
open_database(void *context, MDB_txn *txn)
{
    struct open_database *open = context;
    return mdb_dbi_open(txn, open->name, open->flags, &open->dbi);
}

enum mq_status
mq_lmdb_database(struct mq_lmdb *environment, const char *name, unsigned flags, bool create,
                 MDB_dbi *ret_dbi, struct mq_error *err)
{
    enum mq_status st = MQ_OK;
    pthread_mutex_lock(&environment->names_lock);
    int32_t code = mq_strmap_find_text(&environment->names, name);
    if (code < 0 && environment->names.count == MQ_LMDB_DATABASES_MAX)
        st = mq_fail(err, MQ_E_RANGE, "'lmdb:%s' has its most databases, %d", environment->path,
                     MQ_LMDB_DATABASES_MAX);
    if (code < 0 && st == MQ_OK) {
        struct open_database open = {name, flags | (create ? MDB_CREATE : 0), 0};
        st = run(environment, create ? 0 : MDB_RDONLY, open_database, &open, err);
        if (st == MQ_OK)
            st = mq_strmap_add_text(&environment->names, name, &code, err);
        if (st == MQ_OK)
            environment->handles[code] = open.dbi;
    }
    if (st == MQ_OK)
        *ret_dbi = environment->handles[code];
    pthread_mutex_unlock(&environment->names_lock);
    return st;
}

static int
collect_names(void *context, MDB_txn *txn)
{
    struct mq_strmap *names = context;
    MDB_dbi dbi;
    MDB_cursor *cursor;
    int code = mdb_dbi_open(txn, NULL, 0, &dbi);
    if (code == 0)
        code = mdb_cursor_open(txn, dbi, &cursor);
    if (code != 0)
        return code;
    MDB_val key, value;
    while ((code = mdb_cursor_get(cursor, &key, &value, MDB_NEXT)) == 0) {
        int32_t ignored;
        if (mq_strmap_add(names, key.mv_data, key.mv_size, &ignored, NULL) != MQ_OK)
            code = ENOMEM;
        if (code != 0)
            break;
    }
    mdb_cursor_close(cursor);
    return code == MDB_NOTFOUND ? 0 : code;
}

enum mq_status
mq_lmdb_database_names(struct mq_lmdb *environment, struct mq_strmap *names, struct mq_error *err)
{
    pthread_mutex_lock(&environment->names_lock);
    enum mq_status st = run(environment, MDB_RDONLY, collect_names, names, err);
    pthread_mutex_unlock(&environment->names_lock);
    return st;
}
