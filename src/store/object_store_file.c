/*
 * Objects as files below one directory.
 *
 * A put writes "<file>.<pid>-<n>.partial" beside the target, syncs it, then makes it visible in
 * one step: rename(2), or link(2) for put-if-absent, which fails where the name is taken. The
 * folder is synced too, so that the name survives a crash.
 *
 * Put-if-match has to compare and rename in one step. It takes flock(2) on the root directory
 * itself exclusively, all other changes take it shared; so no lock files lie about.
 *
 * The ETag is size, modification time in nanoseconds and inode. Every put sets the time itself, to
 * a value that never repeats within a process, since the file system's own clock ticks too slowly
 * to tell two quick puts apart.
 */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "base/filesystem.h"
#include "base/memory.h"
#include "store/object_store_backend.h"

/* Tries of a put whose folder another process removes as empty at the same moment. */
#define FOLDER_RACE_TRIES 16

struct file_store {
    struct mq_object_store base;
    size_t root_length;
    char root[]; /* absolute, without a trailing slash: "" for the machine's root */
};

/* The root as a folder that can be opened. */
static const char *
root_folder(const struct file_store *store)
{
    return store->root[0] != '\0' ? store->root : "/";
}

static enum mq_status
file_store_open(const char *rest, struct mq_object_store **ret_store, struct mq_error *err)
{
    /* "file:///x" and "file:/x" are the same; "file://host/x" is not ours. */
    if (strncmp(rest, "//", 2) == 0) {
        if (rest[2] != '/')
            return mq_fail(err, MQ_E_CONFIG, "file: takes a path of this machine, not a host");
        rest += 2;
    }
    if (*rest == '\0')
        return mq_fail(err, MQ_E_CONFIG, "the path is empty");
    char folder[MQ_PATH_MAX] = "";
    if (*rest != '/' && getcwd(folder, sizeof(folder)) == NULL)
        return mq_fail_errno(err, errno, "cannot tell the working folder");
    while (strncmp(rest, "./", 2) == 0)
        rest += 2;
    size_t size = strlen(folder) + strlen(rest) + 2;
    if (size + MQ_OBJECT_KEY_MAX > MQ_PATH_MAX)
        return mq_fail(err, MQ_E_RANGE, "the path has more than %d bytes",
                       MQ_PATH_MAX - MQ_OBJECT_KEY_MAX - 2);
    struct file_store *store = calloc(1, sizeof(*store) + size);
    if (store == NULL)
        return mq_fail(err, MQ_E_NOMEM, "cannot allocate a store");
    strcpy(store->root, folder);
    if (*rest != '/' && strcmp(folder, "/") != 0)
        strcat(store->root, "/");
    strcat(store->root, rest);
    size_t n = strlen(store->root);
    while (n > 0 && (store->root[n - 1] == '/' ||
                     (n > 1 && store->root[n - 1] == '.' && store->root[n - 2] == '/')))
        store->root[--n] = '\0';
    store->root_length = n;
    *ret_store = &store->base;
    return MQ_OK;
}

static void
file_store_free(struct mq_object_store *store)
{
    free(store);
}

static bool
file_store_local_path(const struct mq_object_store *base, const char *key, char *ret_path,
                      size_t path_size)
{
    const struct file_store *store = (const struct file_store *)base;
    return snprintf(ret_path, path_size, "%s/%s", store->root, key) < (int)path_size;
}

static enum mq_status
file_store_check(struct mq_object_store *base, struct mq_error *err)
{
    const struct file_store *store = (const struct file_store *)base;
    struct stat info;
    if (stat(root_folder(store), &info) != 0) {
        if (errno != ENOENT)
            return mq_fail_errno(err, errno, "cannot use folder '%s'", root_folder(store));
        mq_fail(err, MQ_E_NOT_FOUND, "no folder '%s'", root_folder(store));
        mq_error_hint(err, "it is made when something is put there, or by `marquee stores create`");
        return MQ_E_NOT_FOUND;
    }
    if (!S_ISDIR(info.st_mode))
        return mq_fail(err, MQ_E_CONFIG, "'%s' is no folder", root_folder(store));
    if (access(root_folder(store), R_OK | W_OK | X_OK) != 0)
        return mq_fail_errno(err, errno, "cannot use folder '%s'", root_folder(store));
    return MQ_OK;
}

static enum mq_status
file_store_create(struct mq_object_store *base, struct mq_error *err)
{
    return mq_fs_make_folders(root_folder((const struct file_store *)base), err);
}

/* open() guarantees that a root and a key fit. */
static void
path_of(const struct mq_object_store *base, const char *key, char ret_path[MQ_PATH_MAX])
{
    (void)file_store_local_path(base, key, ret_path, MQ_PATH_MAX);
}

static bool
means_missing(int errnum)
{
    return errnum == ENOENT || errnum == ENOTDIR || errnum == EISDIR;
}

static enum mq_status
fail_lookup(struct mq_error *err, int errnum, const char *path)
{
    if (means_missing(errnum))
        return mq_fail(err, MQ_E_NOT_FOUND, "'file:%s' does not exist", path);
    if (errnum == ENAMETOOLONG)
        return mq_fail(err, MQ_E_RANGE, "'file:%s' has a segment longer than 255 bytes", path);
    return mq_fail_errno(err, errnum, "cannot read 'file:%s'", path);
}

static void
fill_info(const struct stat *st, struct mq_object_info *ret_info)
{
    ret_info->has_crc32 = false;
    ret_info->size_bytes = (int64_t)st->st_size;
    ret_info->modified_ms =
        (int64_t)st->st_mtim.tv_sec * 1000 + (int64_t)st->st_mtim.tv_nsec / 1000000;
    snprintf(ret_info->etag, sizeof(ret_info->etag), "%llx-%llx.%09lx-%llx",
             (unsigned long long)st->st_size, (unsigned long long)st->st_mtim.tv_sec,
             (unsigned long)st->st_mtim.tv_nsec, (unsigned long long)st->st_ino);
}

static enum mq_status
file_store_stat(struct mq_object_store *base, const char *key, bool checksum,
                struct mq_object_info *ret_info, struct mq_error *err)
{
    (void)checksum; /* none is kept: it would cost every put */
    char path[MQ_PATH_MAX];
    path_of(base, key, path);
    struct stat st;
    if (stat(path, &st) != 0)
        return fail_lookup(err, errno, path);
    if (S_ISDIR(st.st_mode))
        return fail_lookup(err, EISDIR, path);
    fill_info(&st, ret_info);
    return MQ_OK;
}

static enum mq_status
file_store_reader(struct mq_object_store *base, const char *key, struct mq_reader **ret_reader,
                  struct mq_error *err)
{
    struct mq_object_info info;
    enum mq_status st = file_store_stat(base, key, false, &info, err);
    if (st != MQ_OK)
        return st;
    char path[MQ_PATH_MAX];
    path_of(base, key, path);
    return mq_reader_from_file(path, ret_reader, err);
}

static enum mq_status
file_store_get_range(struct mq_object_store *base, const char *key, int64_t offset, size_t size,
                     struct mq_buffer *buffer, struct mq_error *err)
{
    char path[MQ_PATH_MAX];
    path_of(base, key, path);
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd < 0)
        return fail_lookup(err, errno, path);
    struct stat info;
    enum mq_status st = MQ_OK;
    if (fstat(fd, &info) != 0)
        st = mq_fail_errno(err, errno, "cannot read 'file:%s'", path);
    else if (S_ISDIR(info.st_mode))
        st = fail_lookup(err, EISDIR, path);
    else if (offset > info.st_size || size > (uint64_t)(info.st_size - offset))
        st = mq_fail(err, MQ_E_RANGE,
                     "cannot read %zu bytes at %lld of 'file:%s': it has %lld bytes", size,
                     (long long)offset, path, (long long)info.st_size);
    else
        st = mq_buffer_reserve(buffer, size, err);
    size_t taken = 0;
    while (st == MQ_OK && taken < size) {
        ssize_t n =
            pread(fd, buffer->data + buffer->size + taken, size - taken, offset + (off_t)taken);
        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0)
            st = mq_fail_errno(err, errno, "cannot read 'file:%s'", path);
        else if (n == 0)
            st = mq_fail(err, MQ_E_IO, "'file:%s' became shorter while it was read", path);
        else
            taken += (size_t)n;
    }
    if (st == MQ_OK && size > 0) {
        buffer->size += size;
        buffer->data[buffer->size] = '\0';
    }
    close(fd);
    return st;
}

/* ---- writing ---------------------------------------------------------------------------- */

/* Take the store's lock by its root directory, made when missing. @param ret_fd close unlocks */
static enum mq_status
lock_root(const struct file_store *store, int operation, int *ret_fd, struct mq_error *err)
{
    int fd = open(root_folder(store), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (fd < 0 && errno == ENOENT) {
        enum mq_status st = mq_fs_make_folders(root_folder(store), err);
        if (st != MQ_OK)
            return st;
        fd = open(root_folder(store), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    }
    if (fd < 0)
        return mq_fail_errno(err, errno, "cannot open 'file:%s'", root_folder(store));
    int result;
    do
        result = flock(fd, operation);
    while (result != 0 && errno == EINTR);
    if (result != 0) {
        int e = errno;
        close(fd);
        return mq_fail_errno(err, e, "cannot lock 'file:%s'", root_folder(store));
    }
    *ret_fd = fd;
    return MQ_OK;
}

/* A modification time that no earlier put of this process gave, for futimens and utimensat. */
static void
next_times(struct timespec ret_times[2])
{
    static _Atomic int64_t last_ns;
    struct timespec now;
    clock_gettime(CLOCK_REALTIME, &now);
    int64_t ns = (int64_t)now.tv_sec * 1000000000 + now.tv_nsec;
    int64_t last = atomic_load(&last_ns);
    int64_t next;
    do
        next = MQ_MAX(ns, last + 1);
    while (!atomic_compare_exchange_weak(&last_ns, &last, next));
    ret_times[0] = (struct timespec){.tv_nsec = UTIME_OMIT};
    ret_times[1] = (struct timespec){.tv_sec = next / 1000000000, .tv_nsec = next % 1000000000};
}

/* Give the file its time; a refusal leaves the coarse one, which is still a time. */
static void
stamp(int fd)
{
    struct timespec times[2];
    next_times(times);
    (void)futimens(fd, times);
}

static enum mq_status
create_partial(const char *path, int *ret_fd, char **ret_partial, struct mq_error *err)
{
    struct mq_error local;
    enum mq_status st = MQ_OK;
    for (int i = 0; i < FOLDER_RACE_TRIES; i++) {
        st = mq_fs_create_partial(path, ret_fd, ret_partial, &local);
        if (st != MQ_E_NOT_FOUND)
            break;
    }
    if (st != MQ_OK && err != NULL)
        *err = local;
    return st;
}

static enum mq_status
sync_folder_of(const char *path, struct mq_error *err)
{
    const char *slash = strrchr(path, '/');
    mq_autofree char *folder =
        slash == path ? mq_strdup("/") : strndup(path, (size_t)(slash - path));
    if (folder == NULL)
        return mq_fail(err, MQ_E_NOMEM, "cannot allocate a path");
    int fd = open(folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (fd < 0)
        return mq_fail_errno(err, errno, "cannot open folder '%s'", folder);
    int e = fsync(fd) == 0 ? 0 : errno;
    close(fd);
    return e == 0 ? MQ_OK : mq_fail_errno(err, e, "cannot sync folder '%s'", folder);
}

/* Make a synced partial file visible unless the name is taken; the partial name may remain. */
static enum mq_status
publish_if_absent(int fd, const char *partial, const char *path, struct mq_error *err)
{
    if (fsync(fd) != 0)
        return mq_fail_errno(err, errno, "cannot sync '%s'", partial);
    int e = link(partial, path) == 0 ? 0 : errno;
    if (e == EPERM || e == EOPNOTSUPP || e == ENOSYS || e == EMLINK) /* no hard links here */
        e = renameat2(AT_FDCWD, partial, AT_FDCWD, path, RENAME_NOREPLACE) == 0 ? 0 : errno;
    if (e == EEXIST)
        return mq_fail(err, MQ_E_EXISTS, "'file:%s' exists already", path);
    if (e != 0)
        return mq_fail_errno(err, e, "cannot publish 'file:%s'", path);
    return sync_folder_of(path, err);
}

static enum mq_status
publish(const struct file_store *store, int fd, const char *partial, const char *path,
        enum mq_put_condition condition, const char *etag, struct mq_error *err)
{
    int lock;
    stamp(fd);
    enum mq_status st =
        lock_root(store, condition == MQ_PUT_IF_MATCH ? LOCK_EX : LOCK_SH, &lock, err);
    if (st != MQ_OK)
        return st;
    if (condition == MQ_PUT_IF_ABSENT) {
        st = publish_if_absent(fd, partial, path, err);
    } else {
        if (condition == MQ_PUT_IF_MATCH) {
            struct stat info;
            struct mq_object_info now = {.etag = ""};
            if (stat(path, &info) == 0)
                fill_info(&info, &now);
            if (strcmp(now.etag, etag) != 0)
                st = mq_fail(err, MQ_E_CONFLICT, "'file:%s' %s since it was read", path,
                             now.etag[0] != '\0' ? "was changed" : "was removed");
        }
        if (st == MQ_OK)
            st = mq_fs_publish(fd, partial, path, err);
    }
    close(lock);
    return st;
}

static enum mq_status
file_store_put(struct mq_object_store *base, const char *key, const void *bytes, size_t size,
               enum mq_put_condition condition, const char *etag, struct mq_object_info *ret_info,
               struct mq_error *err)
{
    char path[MQ_PATH_MAX];
    path_of(base, key, path);
    int fd;
    char *partial;
    enum mq_status st = create_partial(path, &fd, &partial, err);
    if (st != MQ_OK)
        return st;
    st = mq_fs_write(fd, bytes, size, path, err);
    if (st == MQ_OK)
        st = publish((struct file_store *)base, fd, partial, path, condition, etag, err);
    struct stat info;
    if (st == MQ_OK && ret_info != NULL) {
        if (fstat(fd, &info) == 0)
            fill_info(&info, ret_info);
        else
            st = mq_fail_errno(err, errno, "cannot look up 'file:%s'", path);
    }
    close(fd);
    unlink(partial);
    free(partial);
    return st;
}

struct file_object_writer {
    struct mq_writer base;
    struct file_store *store;
    int fd;
    char *partial;
    char path[];
};

static enum mq_status
object_write(struct mq_writer *base, const void *bytes, size_t size, struct mq_error *err)
{
    struct file_object_writer *writer = (struct file_object_writer *)base;
    return mq_fs_write(writer->fd, bytes, size, writer->path, err);
}

static enum mq_status
object_commit(struct mq_writer *base, struct mq_error *err)
{
    struct file_object_writer *writer = (struct file_object_writer *)base;
    return publish(writer->store, writer->fd, writer->partial, writer->path, MQ_PUT_ALWAYS, NULL,
                   err);
}

static void
object_close(struct mq_writer *base)
{
    struct file_object_writer *writer = (struct file_object_writer *)base;
    close(writer->fd);
    unlink(writer->partial); /* gone already after a commit */
    free(writer->partial);
    free(writer);
}

static enum mq_status
file_store_writer(struct mq_object_store *base, const char *key, struct mq_writer **ret_writer,
                  struct mq_error *err)
{
    char path[MQ_PATH_MAX];
    path_of(base, key, path);
    size_t size = strlen(path) + 1;
    struct file_object_writer *writer = calloc(1, sizeof(*writer) + size);
    if (writer == NULL)
        return mq_fail(err, MQ_E_NOMEM, "cannot allocate a writer");
    memcpy(writer->path, path, size);
    enum mq_status st = create_partial(path, &writer->fd, &writer->partial, err);
    if (st != MQ_OK) {
        free(writer);
        return st;
    }
    writer->store = (struct file_store *)base;
    writer->base = (struct mq_writer){.write = object_write,
                                      .commit = object_commit,
                                      .close = object_close,
                                      .name = writer->path};
    *ret_writer = &writer->base;
    return MQ_OK;
}

/* Make the writer's partial file hold a local file's bytes: moved within one file system, else
 * copied. */
static enum mq_status
fill_from_file(struct file_object_writer *target, const char *path, struct mq_error *err)
{
    struct stat info;
    if (lstat(path, &info) == 0 && S_ISREG(info.st_mode) && info.st_nlink == 1 &&
        rename(path, target->partial) == 0) {
        close(target->fd);
        target->fd = open(target->partial, O_RDWR | O_CLOEXEC);
        return target->fd >= 0 ? MQ_OK
                               : mq_fail_errno(err, errno, "cannot open '%s'", target->partial);
    }
    struct mq_reader *reader;
    enum mq_status st = mq_reader_from_file(path, &reader, err);
    if (st != MQ_OK)
        return st;
    st = mq_stream_copy(reader, &target->base, err);
    mq_reader_close(reader);
    return st;
}

static enum mq_status
file_store_put_file(struct mq_object_store *base, const char *key, const char *path,
                    struct mq_error *err)
{
    struct mq_writer *writer;
    enum mq_status st = file_store_writer(base, key, &writer, err);
    if (st != MQ_OK)
        return st;
    st = fill_from_file((struct file_object_writer *)writer, path, err);
    if (st == MQ_OK)
        st = mq_writer_commit(writer, err);
    mq_writer_close(writer);
    return st;
}

static enum mq_status
sync_all(int root, const char *path, struct mq_error *err)
{
    return syncfs(root) == 0 ? MQ_OK : mq_fail_errno(err, errno, "cannot sync 'file:%s'", path);
}

/* Have a local file's bytes beside an object, ready to be renamed: the file itself where it lies
 * in the same file system. @param ret_ready owned */
static enum mq_status
make_ready(struct mq_object_store *base, const char *key, const char *path, char **ret_ready,
           struct mq_error *err)
{
    char target[MQ_PATH_MAX];
    path_of(base, key, target);
    enum mq_status st = mq_fs_make_parents(target, err);
    if (st != MQ_OK)
        return st;
    struct stat info, root;
    struct timespec times[2];
    struct file_store *store = (struct file_store *)base;
    if (lstat(path, &info) == 0 && S_ISREG(info.st_mode) && info.st_nlink == 1 &&
        stat(root_folder(store), &root) == 0 && root.st_dev == info.st_dev) {
        next_times(times);
        (void)utimensat(AT_FDCWD, path, times, 0);
        *ret_ready = mq_strdup(path);
        return *ret_ready != NULL ? MQ_OK : mq_fail(err, MQ_E_NOMEM, "cannot allocate a name");
    }
    struct mq_writer *writer;
    st = file_store_writer(base, key, &writer, err);
    if (st != MQ_OK)
        return st;
    struct file_object_writer *copy = (struct file_object_writer *)writer;
    char *ready = mq_strdup(copy->partial);
    struct mq_reader *reader = NULL;
    st = ready == NULL ? mq_fail(err, MQ_E_NOMEM, "cannot allocate a name")
                       : mq_reader_from_file(path, &reader, err);
    if (st == MQ_OK)
        st = mq_stream_copy(reader, writer, err);
    if (st == MQ_OK && writer->window_used > 0)
        st = object_write(writer, writer->window, writer->window_used, err);
    mq_reader_close(reader);
    if (st == MQ_OK) {
        stamp(copy->fd);
        copy->partial[0] = '\0'; /* closing leaves it there */
        *ret_ready = ready;
    } else {
        free(ready);
    }
    mq_writer_close(writer);
    return st;
}

/* Thousands of files: the whole file system is synced once before the renames, so that no name
 * shows bytes that are not durable, and once after them. */
static enum mq_status
file_store_put_files(struct mq_object_store *base, const char *const *keys,
                     const char *const *paths, size_t count, struct mq_error *err)
{
    struct file_store *store = (struct file_store *)base;
    char **ready = calloc(count, sizeof(*ready));
    int root;
    if (ready == NULL)
        return mq_fail(err, MQ_E_NOMEM, "cannot allocate %zu names", count);
    enum mq_status st = lock_root(store, LOCK_SH, &root, err);
    if (st != MQ_OK) {
        free(ready);
        return st;
    }
    for (size_t i = 0; i < count && st == MQ_OK; i++)
        st = make_ready(base, keys[i], paths[i], &ready[i], err);
    if (st == MQ_OK)
        st = sync_all(root, root_folder(store), err);
    for (size_t i = 0; i < count && st == MQ_OK; i++) {
        char path[MQ_PATH_MAX];
        path_of(base, keys[i], path);
        if (rename(ready[i], path) != 0)
            st = mq_fail_errno(err, errno, "cannot publish 'file:%s'", path);
    }
    if (st == MQ_OK)
        st = sync_all(root, root_folder(store), err);
    for (size_t i = 0; i < count; i++) {
        if (st != MQ_OK && ready[i] != NULL && strcmp(ready[i], paths[i]) != 0)
            unlink(ready[i]);
        free(ready[i]);
    }
    free(ready);
    close(root);
    return st;
}

/* Remove folders that became empty, up to the root. */
static void
prune(const struct file_store *store, char *path)
{
    for (;;) {
        char *slash = strrchr(path, '/');
        if (slash == NULL || (size_t)(slash - path) <= store->root_length)
            return;
        *slash = '\0';
        if (rmdir(path) != 0)
            return;
    }
}

static enum mq_status
file_store_remove(struct mq_object_store *base, const char *const *keys, size_t count,
                  struct mq_error *err)
{
    struct file_store *store = (struct file_store *)base;
    if (!mq_fs_exists(root_folder(store)))
        return MQ_OK;
    int lock;
    enum mq_status st = lock_root(store, LOCK_SH, &lock, err);
    if (st != MQ_OK)
        return st;
    for (size_t i = 0; i < count && st == MQ_OK; i++) {
        char path[MQ_PATH_MAX];
        path_of(base, keys[i], path);
        if (unlink(path) == 0) {
            prune(store, path);
        } else if (!means_missing(errno)) {
            struct stat info;
            int e = errno;
            if (stat(path, &info) != 0 || !S_ISDIR(info.st_mode))
                st = mq_fail_errno(err, e, "cannot remove 'file:%s'", path);
        }
    }
    close(lock);
    return st;
}

/* ---- listing ---------------------------------------------------------------------------- */

struct listing {
    struct mq_object_store *store;
    const char *prefix;
    size_t prefix_length;
    const char *after; /* only keys above it; NULL: all */
    mq_object_visit_fn fn;
    void *context;
    char path[MQ_PATH_MAX + 256]; /* of the folder or file at hand */
    size_t root_length;           /* of the part before keys, slash included */
};

/* Names sort as their keys do: a folder's name counts with its slash. */
struct entry {
    char *name; /* owned; a folder's ends in '/' */
};

static int
compare_entries(const void *a, const void *b)
{
    return strcmp(((const struct entry *)a)->name, ((const struct entry *)b)->name);
}

static bool
is_partial(const char *name)
{
    size_t n = strlen(name);
    return n >= 8 && strcmp(name + n - 8, ".partial") == 0;
}

static enum mq_status
read_entries(struct listing *listing, struct entry **ret_entries, size_t *ret_count,
             struct mq_error *err)
{
    DIR *folder = opendir(listing->path);
    if (folder == NULL) {
        if (!means_missing(errno))
            return mq_fail_errno(err, errno, "cannot list 'file:%s'", listing->path);
        *ret_count = 0;
        *ret_entries = NULL;
        return MQ_OK;
    }
    struct entry *entries = NULL;
    size_t count = 0, capacity = 0;
    enum mq_status st = MQ_OK;
    struct dirent *item;
    while (st == MQ_OK && (errno = 0, item = readdir(folder)) != NULL) {
        const char *name = item->d_name;
        if (strcmp(name, ".") == 0 || strcmp(name, "..") == 0 || is_partial(name))
            continue;
        bool is_folder = item->d_type == DT_DIR;
        if (item->d_type != DT_DIR && item->d_type != DT_REG) {
            struct stat own, target;
            if (fstatat(dirfd(folder), name, &own, AT_SYMLINK_NOFOLLOW) != 0 ||
                fstatat(dirfd(folder), name, &target, 0) != 0)
                continue; /* gone meanwhile, or a link to nothing */
            is_folder = S_ISDIR(own.st_mode);
            if (!is_folder && !S_ISREG(target.st_mode))
                continue; /* a link to a folder may lead round in a circle, or out of the store */
        }
        st = mq_grow(&entries, &capacity, count + 1, sizeof(*entries), err);
        if (st != MQ_OK)
            break;
        entries[count].name = mq_strfmt("%s%s", name, is_folder ? "/" : "");
        if (entries[count].name == NULL)
            st = mq_fail(err, MQ_E_NOMEM, "cannot allocate a name");
        else
            count++;
    }
    if (st == MQ_OK && errno != 0)
        st = mq_fail_errno(err, errno, "cannot list 'file:%s'", listing->path);
    closedir(folder);
    if (st != MQ_OK) {
        for (size_t i = 0; i < count; i++)
            free(entries[i].name);
        free(entries);
        return st;
    }
    if (count > 0)
        qsort(entries, count, sizeof(*entries), compare_entries);
    *ret_entries = entries;
    *ret_count = count;
    return MQ_OK;
}

/* Visit the folder listing->path, which ends in '/'. */
static enum mq_status
list_folder(struct listing *listing, struct mq_error *err)
{
    struct entry *entries = NULL;
    size_t count = 0;
    size_t length = strlen(listing->path);
    enum mq_status st = read_entries(listing, &entries, &count, err);
    for (size_t i = 0; i < count; i++) {
        size_t n = strlen(entries[i].name);
        size_t key_length = length + n - listing->root_length;
        if (st == MQ_OK && key_length < MQ_OBJECT_KEY_MAX) { /* longer: not a key of ours */
            memcpy(listing->path + length, entries[i].name, n + 1);
            const char *key = listing->path + listing->root_length;
            size_t shared = MQ_MIN(key_length, listing->prefix_length);
            bool is_folder = entries[i].name[n - 1] == '/';
            struct stat info;
            if (memcmp(key, listing->prefix, shared) != 0 ||
                (!is_folder && key_length < listing->prefix_length)) {
                /* outside the prefix */
            } else if (listing->after != NULL &&
                       (is_folder ? strncmp(key, listing->after, key_length) < 0
                                  : strcmp(key, listing->after) <= 0)) {
                /* before what is asked for; a folder only when all below it is */
            } else if (is_folder) {
                st = list_folder(listing, err);
            } else if (stat(listing->path, &info) == 0) { /* else gone meanwhile */
                struct mq_object_info object;
                fill_info(&info, &object);
                char copy[MQ_OBJECT_KEY_MAX];
                memcpy(copy, key, key_length + 1);
                st = listing->fn(listing->context, copy, &object, err);
            }
            listing->path[length] = '\0';
        }
        free(entries[i].name);
    }
    free(entries);
    return st;
}

static enum mq_status
file_store_list(struct mq_object_store *base, const char *prefix, const char *after,
                mq_object_visit_fn fn, void *context, struct mq_error *err)
{
    struct file_store *store = (struct file_store *)base;
    struct listing listing = {.store = base,
                              .prefix = prefix,
                              .prefix_length = strlen(prefix),
                              .after = after,
                              .fn = fn,
                              .context = context,
                              .root_length = store->root_length + 1};
    /* Start at the deepest folder that the prefix names whole. */
    const char *slash = strrchr(prefix, '/');
    int n = slash != NULL ? (int)(slash - prefix) + 1 : 0;
    snprintf(listing.path, sizeof(listing.path), "%s/%.*s", store->root, n, prefix);
    return list_folder(&listing, err);
}

const struct mq_object_store_ops mq_object_store_file_ops = {
    .scheme = "file",
    .open = file_store_open,
    .free = file_store_free,
    .check = file_store_check,
    .create = file_store_create,
    .local_path = file_store_local_path,
    .stat = file_store_stat,
    .get_range = file_store_get_range,
    .reader = file_store_reader,
    .put = file_store_put,
    .writer = file_store_writer,
    .put_file = file_store_put_file,
    .put_files = file_store_put_files,
    .list = file_store_list,
    .remove = file_store_remove,
};
